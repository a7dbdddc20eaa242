//! The program itself: what it says where it is told of parts that it cannot have.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails right there")]

use std::process::Command;

fn said_with(name: &str, value: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_tollgate-sandbox"));
    program.env_clear().env(name, value).args(["serve", "--port", "0", "--data"]).arg(folder.path());
    let ended = program.output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn a_part_that_is_misspelt_or_not_built_in_is_named_in_one_line() {
    for (name, value) in
        [("STORE_URL", "spanner:projects/p"), ("QUEUE_URL", "pubsub:events"), ("COUNTERS_URL", "redis:x")]
    {
        let (code, said) = said_with(name, value);
        assert_eq!(code, Some(2), "{said}");
        assert_eq!(said.lines().filter(|line| line.contains(name)).count(), 1, "{said}");
    }
}
