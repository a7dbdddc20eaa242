//! For any statement and for any bytes.

use proptest::prelude::*;

use super::samples::{ACCOUNT, details, entry, file, from_100, read_text};
use crate::{Limits, Problem, Side, read};

fn cents(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

/// The amounts of an entry's parts, whether it is a credit, and whether it is booked.
fn entries() -> impl Strategy<Value = Vec<(Vec<i64>, bool, bool)>> {
    let parts = prop::collection::vec(0_i64..10_000_000, 1..4);
    prop::collection::vec((parts, any::<bool>(), any::<bool>()), 0..12)
}

fn written(entries: &[(Vec<i64>, bool, bool)], opening: i64, apart: i64) -> String {
    let mut closing = opening + apart;
    let mut text = String::new();
    for (parts, is_credit, is_booked) in entries {
        let sum: i64 = parts.iter().sum();
        let side = if *is_credit { "CRDT" } else { "DBIT" };
        let parts: String =
            parts.iter().enumerate().map(|(index, part)| details(&format!("e{index}"), &cents(*part))).collect();
        let one = entry(&cents(sum), side, &format!("<NtryDtls>{parts}</NtryDtls>"));
        text += &if *is_booked { one } else { one.replace("BOOK", "PDNG") };
        closing += if *is_booked { if *is_credit { sum } else { -sum } } else { 0 };
    }
    let balance =
        |code, minor: i64| super::samples::balance(code, &cents(minor.abs()), if minor < 0 { "DBIT" } else { "CRDT" });
    file(&format!("{ACCOUNT}{}{}{text}", balance("OPBD", opening), balance("CLBD", closing)))
}

proptest! {
    #[test]
    fn what_is_written_is_read(entries in entries(), opening in -1_000_000_000_i64..1_000_000_000) {
        let statements = read_text(&written(&entries, opening, 0)).unwrap();
        let read: Vec<_> = statements[0].entries.iter().map(|entry| {
            let parts = entry.transactions.iter().map(|one| one.amount.unwrap().minor()).collect::<Vec<_>>();
            (parts, entry.side == Side::Credit, entry.status == crate::Status::Booked)
        }).collect();
        prop_assert_eq!(read, entries);
        prop_assert_eq!(statements[0].opening.minor, i128::from(opening));
    }

    #[test]
    fn a_statement_that_does_not_close_says_by_how_much(
        entries in entries(), opening in -1_000_000_i64..1_000_000, apart in prop_oneof![-1000_i64..0, 1_i64..1000],
    ) {
        match read_text(&written(&entries, opening, apart)).unwrap_err().problem {
            Problem::DoesNotClose(gap) => prop_assert_eq!(gap.by.minor, i128::from(apart)),
            other => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(&bytes[..], &Limits::default()).is_err());
    }

    #[test]
    fn no_damage_makes_it_panic_or_lets_a_wrong_sum_through(at in 0.0..1.0_f64, byte in any::<u8>(), cut in 0_usize..4) {
        let part = format!("<NtryDtls>{}</NtryDtls>", details("pay_1", "5.00"));
        let mut bytes = from_100(&entry("5.00", "CRDT", &part), "105.00").into_bytes();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in it")]
        let at = (at * bytes.len() as f64) as usize;
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, [byte]);
        if let Ok(statements) = read(&bytes[..], &Limits::default()) {
            for statement in statements {
                let booked = statement.entries.iter().filter(|entry| entry.status == crate::Status::Booked);
                let moved: i128 = booked.map(|entry| i128::from(entry.amount.minor()) * entry.side.sign()).sum();
                prop_assert_eq!(statement.opening.minor + moved, statement.closing.minor);
            }
        }
    }
}
