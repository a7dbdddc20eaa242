//! How configuration is read, and how its mistakes are named.

use super::*;

#[test]
fn every_mistake_is_named_on_its_own_line() {
    let mut vars = Variables::of([("PORT", "80a"), ("STORE_URL", "mysql://user:hunter2@db")]);
    let port = vars.var("PORT", "the port to listen on").parse::<u16>().or("8080");
    let store = vars.var("STORE_URL", "where payments are kept").url(&["sqlite", "spanner"]).required();
    let key = vars.var("SECRETS_KEY", "what webhook secrets are encrypted with").secret().required();
    assert!(port.is_err() && store.is_err() && key.is_err());
    let mistakes = vars.finish().unwrap_err();
    assert_eq!(
        mistakes.0,
        [
            "PORT=\"80a\" is not valid (invalid digit found in string): the port to listen on",
            "STORE_URL is not valid (must start with sqlite: or spanner:): where payments are kept",
            "SECRETS_KEY is not set: what webhook secrets are encrypted with",
        ]
    );
}

#[test]
fn what_is_missing_or_empty_takes_its_default() {
    let mut vars = Variables::of([("PORT", "")]);
    assert_eq!(vars.var("PORT", "the port").parse::<u16>().or("8080"), Ok(8080));
    assert_eq!(vars.var("TRIES", "how many tries").parse::<u8>().optional(), Ok(None));
    assert_eq!(vars.var("FORMAT", "of logs").one_of(&[("json", 1), ("text", 2)]).or("text"), Ok(2));
    assert!(vars.finish().is_ok());
}

#[test]
fn a_url_gives_its_scheme_and_the_rest() {
    let mut vars = Variables::of([("STORE_URL", "spanner:projects/p/instances/i/databases/d"), ("API", "https://")]);
    let url = vars.var("STORE_URL", "the store").url(&["sqlite", "spanner"]).required().unwrap();
    assert_eq!((url.scheme(), url.rest()), ("spanner", "projects/p/instances/i/databases/d"));
    assert!(vars.var("API", "an API").url(&["https"]).required().is_err());
}

#[test]
fn a_secret_never_shows() {
    let mut vars = Variables::of([("KEY", "hunter2")]);
    let key = vars.var("KEY", "a key").secret().required().unwrap();
    assert_eq!(format!("{key:?}"), "[redacted]");
    assert_eq!(key.expose(), "hunter2");
}

#[test]
fn what_was_asked_for_makes_a_table() {
    let mut vars = Variables::of([]);
    _ = vars.var("PORT", "the port to listen on").parse::<u16>().or("8080");
    let port = Described { name: "PORT", meaning: "the port to listen on", default: Some("8080"), required: false };
    assert_eq!(vars.described(), [port]);
}
