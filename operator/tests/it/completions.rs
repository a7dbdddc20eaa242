//! `completions`: a shell takes them, and they know every command.

use std::process::{Command, Stdio};

use crate::command::Environment;

#[test]
fn each_shell_is_given_every_command_without_a_store_or_an_environment() {
    let none = Environment::new([]);
    for shell in ["bash", "zsh", "fish"] {
        let script = none.run(&format!("completions {shell}")).answer();
        for word in ["dead-letters", "redeliver", "settle-as-booked", "completions", "exceptions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let ran = none.run("completions tcsh");
    assert!(ran.code == 2 && ran.stdout.is_empty() && ran.stderr.contains("bash"), "{ran:?}");
}

/// `tollgate completions bash | head -1`: whoever reads no further has missed nothing.
#[test]
fn a_reader_who_stops_reading_makes_it_no_failure() {
    let ran = Environment::new([]).run_unread("completions bash");
    assert!(ran.code == 0 && ran.stderr.is_empty(), "{ran:?}");
}

#[test]
fn bash_completes_by_them() {
    let script = Environment::new([]).run("completions bash").answer();
    let ask =
        "COMP_WORDS=(tollgate payment res); COMP_CWORD=2; _tollgate tollgate res payment; echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    let Ok(output) = bash.args(["-c", &format!("{script}\n{ask}")]).stdin(Stdio::null()).output() else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "resolve", "{output:?}");
}
