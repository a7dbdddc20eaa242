//! A statement adds up, in one currency, or it is refused and says by how much.

use super::samples::{ACCOUNT, balance, details, entry, file, from_100, one, problem, refused};
use crate::Problem;

#[test]
fn opening_and_what_was_booked_come_to_closing_or_it_says_by_how_much() {
    let entries = entry("20.00", "CRDT", "") + &entry("50.50", "DBIT", "");
    one(&from_100(&entries, "69.50"));
    let error = refused(&from_100(&entries, "70.00"));
    assert_eq!(
        error.to_string(),
        "line 5, Document/BkToCstmrStmt/Stmt: opening 100.00 EUR and the booked entries come to 69.50 EUR, but the closing \
         balance is 70.00 EUR: 0.50 EUR apart"
    );
    // A reversal goes the way that it says.
    one(&from_100(&entry("20.00", "DBIT", "<RvslInd>true</RvslInd>"), "80.00"));
}

#[test]
fn details_come_to_their_entry_or_it_says_by_how_much() {
    let of = |parts: &str| from_100(&entry("5.00", "DBIT", &format!("<NtryDtls>{parts}</NtryDtls>")), "95.00");
    one(&of(&(details("a", "2.00") + &details("b", "3.00"))));
    for (parts, by) in [
        (details("a", "2.00") + &details("b", "2.99"), "0.01 EUR"),
        (details("a", "2.00") + &details("b", "3.01"), "-0.01 EUR"),
        (details("a", "4.00"), "1.00 EUR"),
    ] {
        match problem(&of(&parts)) {
            Problem::DetailsDoNotSum(parts) => assert_eq!(parts.by.to_string(), by),
            other => panic!("{other}"),
        }
    }
    // What goes the other way within a batch is taken off it.
    let back = details("b", "1.00").replace("</TxDtls>", "<CdtDbtInd>CRDT</CdtDbtInd></TxDtls>");
    one(&of(&(details("a", "6.00") + &back)));
}

#[test]
fn every_amount_is_in_the_accounts_currency() {
    let in_dollars = |text: &str| text.replace("Ccy=\"EUR\"", "Ccy=\"USD\"");
    let part = format!("<NtryDtls>{}</NtryDtls>", details("a", "5.00"));
    let plain = entry("5.00", "CRDT", &part);
    for (entries, balances) in [
        (in_dollars(&entry("5.00", "CRDT", "")), balance("CLBD", "105.00", "CRDT")),
        (entry("5.00", "CRDT", &in_dollars(&part)), balance("CLBD", "105.00", "CRDT")),
        (plain, in_dollars(&balance("CLBD", "105.00", "CRDT"))),
    ] {
        let opening = balance("OPBD", "100.00", "CRDT");
        let problem = problem(&file(&format!("{ACCOUNT}{opening}{balances}{entries}")));
        assert!(matches!(problem, Problem::Currency { .. }), "{problem}");
        assert_eq!(problem.to_string(), "USD on an account in EUR");
    }
    // Where the account does not say its own, the first amount does.
    let silent = from_100(&entry("5.00", "CRDT", &part), "105.00").replace("<Ccy>EUR</Ccy>", "");
    assert_eq!(one(&silent).currency.code(), "EUR");
}

#[test]
fn an_amount_is_exact_and_in_range_or_refused() {
    for wrong in ["5.001", "-5.00", "5,00", "", "x", "1e2"] {
        let error = refused(&from_100(&entry(wrong, "CRDT", ""), "105.00"));
        assert!(matches!(error.problem, Problem::Wrong { .. } | Problem::Missing(_)), "{wrong}: {error}");
        assert_eq!(error.element, "Document/BkToCstmrStmt/Stmt/Ntry/Amt");
    }
    one(&from_100(&entry("5.000", "CRDT", ""), "105.00000"));
    // A balance may be larger than a payment can be; an entry may not.
    let large = |entries: &str| {
        let (opening, closing) =
            (balance("OPBD", "9999999999999999.00", "CRDT"), balance("CLBD", "9999999999999999.00", "CRDT"));
        file(&format!("{ACCOUNT}{opening}{closing}{entries}"))
    };
    one(&large(""));
    assert!(matches!(problem(&large(&entry("10000000000.00", "CRDT", ""))), Problem::TooMuch(_)));
}

#[test]
fn what_must_be_said_is_said_once() {
    let good = from_100(&entry("5.00", "CRDT", ""), "105.00");
    let (opening, closing) = (balance("OPBD", "100.00", "CRDT"), balance("CLBD", "105.00", "CRDT"));
    for needed in [
        "<Id>S-1</Id>",
        "<Id><IBAN>NL91ABNA0417164300</IBAN></Id>",
        "<CdtDbtInd>CRDT</CdtDbtInd>",
        "<Amt Ccy=\"EUR\">5.00</Amt>",
        "<Sts><Cd>BOOK</Cd></Sts>",
        &opening,
        &closing,
        " Ccy=\"EUR\"",
    ] {
        assert!(good.contains(needed), "{needed}");
        assert!(matches!(problem(&good.replace(needed, "")), Problem::Missing(_)), "{needed}");
        let twice = good.replace(needed, &format!("{needed}{needed}"));
        assert!(matches!(problem(&twice), Problem::Repeated | Problem::NotXml(_)), "{needed}");
    }
}
