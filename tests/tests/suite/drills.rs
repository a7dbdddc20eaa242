//! What whoever plays a drill sees: which finding it is, second by second what the gateway did, and what was checked. (That the checks
//! hold, CI sees: it plays every drill.)

use std::{fs, path::Path, process::Command};

use tollgate_tests::program::program;

/// The width of a wide terminal.
const WIDTH: usize = 140;

/// What a drill prints, on either side, and whether it passed.
fn played(arguments: &[&str], environment: &[(&str, &str)]) -> (String, String, bool) {
    let mut command = Command::new(program("tollgate-sandbox"));
    let output = command.arg("drill").args(arguments).envs(environment.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.success())
}

/// The lines of a part, without its heading.
fn part<'a>(told: &'a str, heading: &str) -> Vec<&'a str> {
    let after = told.lines().skip_while(|line| !line.starts_with(&format!("  {heading}"))).skip(1);
    after.take_while(|line| line.starts_with("    ")).collect()
}

#[test]
fn the_list_has_each_finding_and_how_to_play_it() {
    let (listed, _, passed) = played(&[], &[]);
    let numbers = listed.lines().filter(|line| line.starts_with(['C', 'S', 'M', 'I']) && line.contains(" s  "));
    assert!(passed && numbers.count() == 18 && listed.contains("`cargo run -- drill C2`"), "{listed}");
}

#[test]
fn a_drill_tells_what_happened_when_and_what_was_checked() {
    let (told, complained, passed) = played(&["c5"], &[]);
    assert!(passed && told.starts_with("C5  ") && told.trim_end().ends_with("C5: passed"), "{told}");
    assert_eq!(complained, "", "what is provoked is logged elsewhere");
    assert!(told.lines().all(|line| line.chars().count() <= WIDTH), "{told}");
    for heading in ["What happened before", "What is played"] {
        assert!(!part(&told, heading).is_empty(), "{heading}: {told}");
    }
    let story = part(&told, "What the gateway did");
    let begun: Vec<_> = story.iter().filter(|line| !line.starts_with(&" ".repeat(30))).collect();
    let times = begun.iter().map(|line| line.trim_start().strip_prefix('+').unwrap().split(' ').next().unwrap());
    let times: Vec<f64> = times.map(|time| time.parse().unwrap()).collect();
    assert!(times.len() > 20 && times.is_sorted(), "{told}");
    // The payment's own timeline, over the death of the process.
    let at = |what: &str| story.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {told}"));
    let (dead, again) = (at("is dead"), at("starts again on the same data"));
    assert!(dead < again && again < at("→ AUTHORIZED") && at("→ AUTHORIZED") < at("→ CAPTURED"), "{told}");
    let checks: Vec<_> = told.lines().filter(|line| line.starts_with("    ✓ ")).collect();
    assert!(checks.len() >= 5 && !told.contains('✗'), "{told}");
}

#[test]
fn a_drill_that_fails_says_why_and_where_the_log_is() {
    let (told, complained, passed) = played(&["C1"], &[("PROVIDER_TIMEOUT_MS", "soon")]);
    assert!(!passed && told.contains("    ✗ ") && told.trim_end().ends_with("C1: failed"), "{told}");
    assert!(complained.starts_with("error: drill C1 failed: "), "{complained}");
    let log = told.lines().find_map(|line| line.split_once("what the drilled processes logged: ")).unwrap().1;
    let logged = fs::read_to_string(Path::new(log)).unwrap();
    assert!(logged.contains("PROVIDER_TIMEOUT_MS"), "{logged}");
    fs::remove_file(log).unwrap();
}
