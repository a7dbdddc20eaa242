//! The short form of the fault matrix: the cells that lose money soonest where something is wrong, a row for each part, all rows at
//! once. `cargo run -p tollgate-tests --bin fault-matrix` plays the whole of it; `docs/faults.md` says how to read it.

use std::time::Duration;

use futures::future::join_all;
use tollgate_tests::faults::{
    matrix::{PARTS, Part, Trouble, meaningless},
    run::{Plan, row},
    table::table,
};

const SHORT: [(Part, &[Trouble]); 6] = [
    (Part::Store, &[Trouble::Reset, Trouble::TimeOut]),
    (Part::Counters, &[Trouble::TimeOut, Trouble::Kill]),
    (Part::Queue, &[Trouble::Kill, Trouble::Repeat]),
    (Part::Scheduler, &[Trouble::Repeat, Trouble::Kill]),
    (Part::Provider, &[Trouble::Reset, Trouble::Repeat]),
    (Part::Merchant, &[Trouble::Reset, Trouble::Kill]),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_trouble_of_any_part_loses_or_doubles_money_and_all_is_known_within_a_minute_of_its_end() {
    let plan = Plan { lasts: Duration::from_secs(6), ..Plan::default() };
    let mut outcomes = Vec::new();
    for parts in SHORT.chunks(3) {
        let rows = parts.iter().map(|(part, troubles)| row(*part, troubles, &plan));
        for row in join_all(rows).await {
            outcomes.extend(row.unwrap());
        }
    }
    assert!(outcomes.iter().all(|outcome| outcome.wrong.is_empty()), "{}", table(&outcomes, &PARTS));
}

#[test]
fn every_trouble_that_is_left_out_has_its_reason_and_they_are_few() {
    let left_out = PARTS.iter().flat_map(|part| {
        tollgate_tests::faults::matrix::TROUBLES.iter().filter_map(|trouble| meaningless(*part, *trouble))
    });
    let reasons: Vec<_> = left_out.collect();
    assert!(reasons.len() <= 2 && reasons.iter().all(|why| why.len() > 20), "{reasons:?}");
}
