//! The program itself: what it says where it is told too little.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails right there")]

use std::process::Command;

#[test]
fn every_mistake_in_the_configuration_is_one_line_and_nothing_is_served() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tollgate-provider-webhooks"));
    let ended =
        program.env_clear().env("OIDC_MODE", "verify").env("COUNTERS_URL", "redis://:hunter2@").output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    for name in ["STORE_URL", "SECRETS_KEY", "PUBLIC_URL", "COUNTERS_URL"] {
        let lines = said.lines().filter(|line| line.contains(name)).count();
        assert_eq!(lines, 1, "{name} in {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}
