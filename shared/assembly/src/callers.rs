//! Who may call internal routes, for every function that has some.

use std::sync::Arc;

use anyhow::Context;
use tollgate_providers::{HttpSettings, ReqwestClient};
use tollgate_runtime::{InternalCallers, System, Variables, config::Read};

/// Reads `OIDC_…`; Google's keys are fetched by a client whose answers are bounded.
pub fn internal_callers(vars: &mut Variables, system: &System) -> anyhow::Result<Read<InternalCallers>> {
    let http = ReqwestClient::new(HttpSettings::default()).context("no HTTP client can be made")?;
    Ok(InternalCallers::read(vars, system, Arc::new(http)))
}
