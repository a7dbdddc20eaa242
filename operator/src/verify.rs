//! `tollgate verify`: a payment as a synthetic merchant makes it, from its creation to the delivery of its last webhook. For the
//! verification of a deployment.
//!
//! Must not know: any store. It sees what a merchant sees, and never says the key.

mod merchant;
mod steps;

use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;
use tollgate_runtime::{
    System, Variables,
    config::{Mistaken, Secret},
};

use crate::{arguments::Verify, output::answer, table::Table};
use merchant::Merchant;

/// The key of the synthetic merchant.
pub(crate) fn api_key(vars: &mut Variables) -> Result<Secret, Mistaken> {
    vars.var("VERIFY_API_KEY", "The API key of a synthetic merchant, for `tollgate verify`.").secret().required()
}

/// A step, and what came of it.
#[derive(Serialize)]
struct Step {
    #[serde(rename = "step")]
    name: &'static str,
    ok: bool,
    seconds: f64,
    /// What was seen, or what is wrong.
    detail: String,
}

#[derive(Serialize)]
struct Body {
    verified: bool,
    url: String,
    steps: Vec<Step>,
}

/// Plays every step until one fails. Code 1: one did.
pub(crate) async fn run(what: &Verify, key: &Secret, json: bool) -> anyhow::Result<ExitCode> {
    let system = System::real();
    let merchant = Merchant::new(what, key, &system, json).context("an HTTP client cannot be made")?;
    let mut played = Vec::new();
    let verified = steps::play(&merchant, what, &mut played).await;
    drop(merchant);
    let body = Body { verified, url: what.url.0.clone(), steps: played };
    answer(json, &body, || words(&body))?;
    Ok(if verified { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn words(body: &Body) -> String {
    let mut table = Table::new(["STEP", "SECONDS", "", "WHAT"]);
    for step in &body.steps {
        let ok = if step.ok { "ok" } else { "FAILED" };
        table.row(&[step.name.to_owned(), format!("{:.2}", step.seconds), ok.to_owned(), step.detail.clone()]);
    }
    let verdict = if body.verified { "verified" } else { "NOT VERIFIED" };
    format!("{table}{verdict}: {}", body.url)
}
