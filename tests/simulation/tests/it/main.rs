//! The simulation itself is tested: a seed decides everything, the real code is clean, and bugs are found.
//!
//! Few payments, as this is not optimised; `.ci/run` plays many more, optimised.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::process::Command;

struct Played {
    clean: bool,
    text: String,
}

fn play(arguments: &[&str]) -> Played {
    let output = Command::new(env!("CARGO_BIN_EXE_simulation")).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Played { clean: output.status.success(), text }
}

/// The lines that say what a seed came to.
fn hashes(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("seed ")).collect()
}

#[test]
fn the_same_seed_plays_the_same_story_and_another_one_another() {
    let arguments = ["--seeds", "1..4", "--payments", "15", "--hashes"];
    let (one, other) = (play(&arguments), play(&arguments));
    assert!(one.clean, "{}", one.text);
    assert_eq!(hashes(&one.text), hashes(&other.text));
    let mut different: Vec<_> = hashes(&one.text).iter().map(|line| line.split("hash").last().unwrap()).collect();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 3, "{}", one.text);
}

#[test]
fn every_seed_that_ever_failed_is_clean() {
    for line in include_str!("../../failed-seeds.txt").lines().filter(|line| !line.starts_with('#')) {
        let (seed, payments) = line.split_once(' ').unwrap();
        let played = play(&["--seeds", seed, "--payments", payments.split(' ').next().unwrap()]);
        assert!(played.clean, "{}", played.text);
    }
}

#[test]
fn a_planted_bug_is_found_and_its_story_told() {
    for bug in ["intent after call", "sequence from version", "postings beside commit"] {
        let played = play(&["--planted", "--bug", bug, "--seeds", "1..31", "--payments", "30"]);
        assert!(played.clean, "{}", played.text);
        assert!(played.text.contains("caught"), "{}", played.text);
    }
}

#[test]
fn seeds_that_are_none_are_refused() {
    for wrong in ["", "a", "5..5", "9..1", "1..b"] {
        let output = Command::new(env!("CARGO_BIN_EXE_simulation")).args(["--seeds", wrong]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}
