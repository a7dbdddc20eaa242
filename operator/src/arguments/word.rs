//! Who says so and why, as it is typed: kept with every change.
//!
//! Must not know: what is changed.

use clap::Args;

use super::SECRET_PREFIXES;

/// The longest name and the longest reason, in characters.
const BY_CHARS: usize = 64;
const WHY_CHARS: usize = 200;

/// Who says so, and why: kept with the change. Of a provider's switch and weights, and of a payment that is closed, merchants read
/// both in the timelines of the payments that it leads somewhere else.
#[derive(Args)]
pub(crate) struct Word {
    /// Why: kept with who and what. What turns a provider off or closes a payment, merchants read in their payments' timelines: nothing
    /// private.
    #[arg(long, visible_alias = "reason", value_name = "TEXT", value_parser = why)]
    pub(crate) why: String,
    #[command(flatten)]
    pub(crate) by: By,
}

/// Who says so.
#[derive(Args)]
pub(crate) struct By {
    /// Who; not given: the user who runs this. Read wherever the reason is.
    #[arg(long, value_name = "NAME", value_parser = by)]
    pub(crate) by: Option<String>,
}

/// The name of whoever runs this, fit to be kept; `None`: nobody can be told.
pub(crate) fn user() -> Option<String> {
    ["USER", "LOGNAME"].into_iter().find_map(|name| by(&std::env::var(name).ok()?).ok())
}

/// Who.
pub(super) fn by(text: &str) -> Result<String, String> {
    line(text, BY_CHARS)
}

/// Why.
pub(super) fn why(text: &str) -> Result<String, String> {
    line(text, WHY_CHARS)
}

fn line(text: &str, at_most: usize) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > at_most || text.chars().any(char::is_control) {
        return Err(format!("must be 1 to {at_most} characters, none of them a control character"));
    }
    kept(text).map(str::to_owned)
}

/// What is kept for good, and read by merchants, holds nothing that must not be kept.
pub(super) fn kept(text: &str) -> Result<&str, String> {
    let holds_secret = SECRET_PREFIXES.iter().chain(&["Bearer ", "-----BEGIN"]).any(|prefix| text.contains(prefix))
        || std::env::var("SECRETS_KEY").is_ok_and(|key| !key.is_empty() && text.contains(&key));
    if holds_secret || tollgate_api::card_data::is_in(text) {
        return Err("must hold no card number, API key or secret: it is kept".to_owned());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_holds_nothing_that_must_not_be_kept() {
        assert_eq!(why(" the bank's ticket 4711 ").as_deref(), Ok("the bank's ticket 4711"));
        for secret in [
            "card 4242424242424242 of ann",
            "tgk_0a1b was leaked",
            "whsec_aGk",
            "sk_live_51H8xYz is revoked",
            "rk_test_51H8xYz",
            "Authorization: Bearer ya29.x",
            "-----BEGIN PRIVATE KEY-----",
        ] {
            assert!(why(secret).is_err(), "{secret}");
        }
    }
}
