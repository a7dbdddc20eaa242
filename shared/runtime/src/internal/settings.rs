//! How Google's callers are configured.
//!
//! Must not know: how tokens are checked.

use std::{collections::HashSet, str::FromStr};

use axum::http::Uri;

use super::claims::Expected;
use crate::config::{Read, Variables};

/// Who checks signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// We do.
    Verify,
    /// Cloud Run does, before we see the request.
    CloudRunIam,
}

/// What was configured.
pub(super) struct Settings {
    pub(super) mode: Mode,
    pub(super) expected: Expected,
    /// Where the keys are.
    pub(super) keys_url: Uri,
}

impl Settings {
    /// `None`: no mode is set.
    pub(super) fn read(vars: &mut Variables) -> Read<Option<Self>> {
        const MODES: &[(&str, Mode)] = &[("verify", Mode::Verify), ("cloud-run-iam", Mode::CloudRunIam)];
        let mode = vars
            .var("OIDC_MODE", "who checks Google's ID tokens, verify (we) or cloud-run-iam; without it nobody may call")
            .one_of(MODES)
            .optional();
        let audiences = vars.var("OIDC_AUDIENCE", "what ID tokens are made for, one or several with commas");
        let audiences = audiences.parse::<List>().optional();
        let accounts = vars.var("OIDC_SERVICE_ACCOUNTS", "whose ID tokens are taken, e-mail addresses with commas");
        let accounts = accounts.parse::<Accounts>().optional();
        let keys_url = vars
            .var("OIDC_JWKS_URL", "where Google's keys are; https, or http to this machine")
            .parse::<KeysUrl>()
            .or("https://www.googleapis.com/oauth2/v3/certs");
        let (mode, audiences, accounts, KeysUrl(keys_url)) = (mode?, audiences?, accounts?, keys_url?);
        let Some(mode) = mode else { return Ok(None) };
        let (Some(List(audiences)), Some(Accounts(accounts))) = (audiences, accounts) else {
            let line = "OIDC_MODE is set, so OIDC_AUDIENCE and OIDC_SERVICE_ACCOUNTS must be: without them nobody could \
                        call, or anybody";
            return Err(vars.refuse(line));
        };
        Ok(Some(Self { mode, expected: Expected { audiences, accounts }, keys_url }))
    }
}

struct List(HashSet<String>);

impl FromStr for List {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let entries: HashSet<_> = text.split(',').map(|entry| entry.trim().to_owned()).collect();
        if entries.contains("") { Err("has an empty entry") } else { Ok(Self(entries)) }
    }
}

struct Accounts(HashSet<String>);

impl FromStr for Accounts {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let List(entries) = text.parse()?;
        let are_addresses = entries.iter().all(|entry| entry.split('@').filter(|part| !part.is_empty()).count() == 2);
        if are_addresses { Ok(Self(entries)) } else { Err("must be e-mail addresses") }
    }
}

struct KeysUrl(Uri);

impl FromStr for KeysUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| "must be a whole URL with a host")?;
        let host = uri.host().ok_or("must be a whole URL with a host")?;
        match uri.scheme_str() {
            Some("https") => Ok(Self(uri)),
            Some("http") if matches!(host, "127.0.0.1" | "[::1]" | "localhost") => Ok(Self(uri)),
            _ => Err("must start with https:, or with http: to this machine"),
        }
    }
}
