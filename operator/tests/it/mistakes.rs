//! Mistakes: each is said, none is repeated where it may be a secret, and the code tells mistakes from failures.

use crate::{
    command::Environment,
    place::{Place, SECRETS_KEY},
};

#[test]
fn a_wrong_environment_is_one_line_for_each_mistake_and_code_2() {
    let none = Environment::new([]);
    let unset = "STORE_URL is not set: the store: sqlite:PATH or spanner:projects/P/instances/I/databases/D";
    assert_eq!(none.run("merchants list").failure(2), unset);
    for (url, said) in [
        ("mysql://user:hunter2@db", "must start with sqlite: or spanner:"),
        ("sqlite:", "names no file"),
        ("sqlite::memory:", "names no file"),
        ("spanner:projects/p/instances/i", "projects/PROJECT/instances/INSTANCE/databases/DATABASE"),
    ] {
        for command in ["migrate", "merchants list", "payment show pay_00000000000000000000000001"] {
            let line = none.with("STORE_URL", url).run(command).failure(2);
            assert!(line.starts_with("STORE_URL") && line.contains(said) && !line.contains("hunter2"), "{line}");
        }
    }
    let both = Environment::new([("STORE_URL", "sqlite:".to_owned()), ("SECRETS_KEY", "c2hvcnQ=".to_owned())]);
    let ran = both.run("endpoints set mer_00000000000000000000000001 https://shop.example/ --by ann --why asked");
    assert_eq!((ran.code, ran.stderr.lines().count()), (2, 2), "{ran:?}");
    assert!(!ran.stderr.contains("c2hvcnQ="), "{ran:?}");
}

#[test]
fn secrets_need_their_key_and_nothing_else_does() {
    let place = Place::on_sqlite().migrated();
    let merchant = place.merchant("Shoes");
    let without = place.tollgate.with("SECRETS_KEY", "");
    for words in [format!("set {merchant} https://shop.example/"), format!("rotate-secret {merchant}")] {
        let line = without.run(&format!("endpoints {words} --by ann --why asked")).failure(2);
        assert!(line.starts_with("SECRETS_KEY is not set"), "{line}");
    }
    let line = place
        .tollgate
        .with("SECRETS_KEY", &SECRETS_KEY[1..])
        .run(&format!("endpoints rotate-secret {merchant} --by ann --why asked"));
    assert!(!line.failure(2).contains(&SECRETS_KEY[1..]));
    without.run(&format!("keys create {merchant} --by ann --why asked")).answer();
}

#[test]
fn arguments_that_are_wrong_are_refused_before_anything_is_opened() {
    let nowhere = Environment::new([("STORE_URL", "sqlite:/nowhere/t.db".to_owned())]);
    let merchant = "mer_00000000000000000000000001";
    for words in [
        String::new(),
        "merchants".to_owned(),
        "merchants create --by ann --why asked".to_owned(),
        "merchants create x --fee-basis-points 10001 --by ann --why asked".to_owned(),
        "merchants create x --requests-per-minute 0 --by ann --why asked".to_owned(),
        "merchants show pay_00000000000000000000000001".to_owned(),
        format!("merchants set {merchant} --by ann --why asked"),
        format!("merchants set {merchant} --requests-per-minute none --by ann --why asked"),
        format!("keys rotate {merchant} --by ann --why asked"),
        format!("keys rotate {merchant} --keep-old-for 24 --by ann --why asked"),
        format!("keys rotate {merchant} --keep-old-for 91d --by ann --why asked"),
        "payment show 7".to_owned(),
        "payments list".to_owned(),
    ] {
        let ran = nowhere.run(&words);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words}: {ran:?}");
        assert!(!ran.stderr.is_empty() && !ran.stderr.contains("/nowhere"), "{words}: {ran:?}");
    }
    let secret = ["tg", "k_0123"].concat();
    for name in ["", "  ", "a\u{1b}[2J", &"x".repeat(101), "card 4242 4242 4242 4242", &secret] {
        assert_eq!(
            nowhere.run_all(&["merchants", "create", name, "--by", "ann", "--why", "asked"]).code,
            2,
            "{name:?}"
        );
    }
}

#[test]
fn help_is_no_mistake_and_needs_no_environment() {
    let none = Environment::new([]);
    for words in ["--help", "help keys", "keys rotate --help", "--version"] {
        assert!(!none.run(words).answer().is_empty(), "{words}");
    }
}

#[test]
fn a_file_that_is_no_database_is_one_clear_line() {
    let place = Place::on_sqlite();
    let crate::place::Store::Sqlite(folder) = &place.store else { unreachable!() };
    std::fs::write(
        folder.path().join("t.db"),
        "this is no database, but it is long enough to look like one".repeat(99),
    )
    .unwrap();
    let line = place.tollgate.run("merchants list").failure(1);
    assert!(line.contains("cannot be opened"), "{line}");
}

#[test]
fn a_spanner_that_is_away_is_one_clear_line() {
    let away = Environment::new([
        ("STORE_URL", "spanner:projects/p/instances/i/databases/d".to_owned()),
        // A port that nothing listens on.
        ("SPANNER_EMULATOR_HOST", "127.0.0.1:1".to_owned()),
    ]);
    let line = away.run("merchants list").failure(1);
    assert!(line.contains("unavailable") || line.contains("did not answer"), "{line}");
}
