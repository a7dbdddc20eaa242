//! Whether a request comes with Google's ID token for us, in either of the two places where its signature is checked.
//!
//! Must not know: which route is called.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use tollgate_gateway::ports::{HttpClient, Time};

use super::{
    bearer::Bearer,
    claims::{Claims, Expected},
    keys::Keys,
    refusal::Refusal,
    settings::{Mode, Settings},
    signature,
};
use crate::system::System;

/// What Cloud Run puts in the place of a signature that it has checked: "The signature of JSON Web Token (JWT) has been
/// replaced with `SIGNATURE_REMOVED_BY_GOOGLE`" (cloud.google.com/run/docs/troubleshooting#signature-removed).
const REMOVED_BY_GOOGLE: &str = "SIGNATURE_REMOVED_BY_GOOGLE";

/// Knows Google's callers.
pub(super) struct Oidc {
    expected: Expected,
    proof: Proof,
    time: Arc<dyn Time>,
}

/// Who checks signatures.
enum Proof {
    /// We do, with these keys.
    Keys(Arc<Keys>),
    /// Cloud Run has.
    CloudRun,
}

impl Oidc {
    pub(super) fn new(settings: Settings, system: &System, http: Arc<dyn HttpClient>) -> Self {
        let proof = match settings.mode {
            Mode::Verify => {
                signature::install();
                Proof::Keys(Keys::new(settings.keys_url, system, http))
            }
            Mode::CloudRunIam => Proof::CloudRun,
        };
        Self { expected: settings.expected, proof, time: Arc::clone(&system.time) }
    }

    pub(super) async fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let claims = match &self.proof {
            Proof::Keys(keys) => verified(Bearer::of(headers, &header::AUTHORIZATION)?, keys).await?,
            Proof::CloudRun => checked_by_cloud_run(Bearer::checked_by_cloud_run(headers)?)?,
        };
        self.expected.check(&claims, self.time.now())
    }
}

async fn verified(token: Bearer<'_>, keys: &Arc<Keys>) -> Result<Claims, Refusal> {
    if token.signature == REMOVED_BY_GOOGLE {
        return Err(Refusal::SignatureRemoved);
    }
    let key = keys.find(&signature::key_id(token)?).await?;
    signature::verified(token, &key)
}

/// A signature that is still there has passed by the platform's check: it does not matter whether it is a good one.
fn checked_by_cloud_run(token: Bearer<'_>) -> Result<Claims, Refusal> {
    if token.signature != REMOVED_BY_GOOGLE {
        return Err(Refusal::NotFromPlatform);
    }
    signature::unverified(token)
}
