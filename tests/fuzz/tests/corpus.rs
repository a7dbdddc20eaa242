//! Every corpus is replayed, and changed at random a number of times, the same way each time. `TOLLGATE_FUZZ_RUNS` says how many
//! times; `scripts/fuzz` looks for new ways, with coverage.

use std::{fs, path::Path};

use tollgate_fuzz::{Mutator, TARGETS, target};

/// So many changed inputs per target: some seconds in all, in a build for debugging.
const RUNS: u64 = 1500;

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .expect("each target has a corpus")
        .map(|entry| entry.expect("it is read").path())
        .collect();
    paths.sort();
    let inputs: Vec<_> = paths.iter().map(|path| fs::read(path).expect("it is read")).collect();
    assert!(!inputs.is_empty(), "{name} has an empty corpus");
    inputs
}

fn holds(name: &str) {
    let target = target(name).expect("the target is there");
    let corpus = corpus(name);
    for input in &corpus {
        (target.run)(input);
    }
    let runs = std::env::var("TOLLGATE_FUZZ_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    for run in 0..runs {
        let input = Mutator::new(run).input(&corpus);
        let result = std::panic::catch_unwind(|| (target.run)(&input));
        assert!(result.is_ok(), "{name}, changed input {run}: {}", String::from_utf8_lossy(&input));
    }
}

#[test]
fn amounts_are_exact_or_refused() {
    holds("amounts");
}

#[test]
fn the_banks_events_are_taken_only_where_the_bank_has_signed_them() {
    holds("bank_event");
}

#[test]
fn statements_that_are_taken_add_up_and_say_the_same_when_written_again() {
    holds("camt053");
}

#[test]
fn merchants_bodies_are_understood_in_one_way_or_refused() {
    holds("merchant_bodies");
}

#[test]
fn nobody_is_let_in_without_googles_token_for_us() {
    holds("oidc_token");
}

#[test]
fn paypals_events_are_taken_only_where_paypal_has_signed_them() {
    holds("paypal_webhook");
}

#[test]
fn pushes_are_taken_only_with_every_field_they_must_have() {
    holds("pubsub_push");
}

#[test]
fn stripes_events_are_taken_only_where_stripe_has_signed_them() {
    holds("stripe_webhook");
}

#[test]
fn every_target_has_a_corpus_of_its_own_and_every_corpus_a_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("there are corpora")
        .map(|entry| entry.expect("it is read").file_name().into_string().expect("names are text"))
        .collect();
    names.sort();
    assert_eq!(names, TARGETS.iter().map(|target| target.name).collect::<Vec<_>>());
}
