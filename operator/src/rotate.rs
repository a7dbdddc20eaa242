//! `tollgate keys rotate`: a new key for those before it, which are refused at once or after a while. The new one is shown
//! before anything is taken away, so that no failure leaves a merchant without a key.
//!
//! Must not know: who uses a key.

use std::time::Duration;

use anyhow::bail;
use serde::Serialize;
use tollgate_domain::MerchantId;
use tollgate_gateway::ports::merchants::ApiKey;

use crate::{
    digest,
    keys::{FOLLOWED_WITHIN, KeyBody, is_refused, make, refuse_from, shown_or_revoked},
    open::Operator,
    output::{self, answer},
};

#[derive(Serialize)]
struct Body<'a> {
    key: &'a str,
    #[serde(flatten)]
    kept: KeyBody,
    /// Those before it, as they then are. Exit code 0: they are.
    replaces: Vec<KeyBody>,
}

/// Makes a key, shows it, and refuses those before it from `keep_old_for` on; answers which for which.
pub(crate) async fn rotate(
    operator: &Operator,
    merchant: MerchantId,
    keep_old_for: Duration,
    json: bool,
) -> anyhow::Result<String> {
    let merchant = operator.merchant(merchant).await?;
    let mut old = operator.ask(operator.stores.merchants.keys(merchant.id)).await?;
    let (text, key) = make(operator, merchant.id).await?;
    // Not before the new one is there.
    let now = operator.now();
    let refused_from = now + keep_old_for;
    old.retain(|key| !is_refused(key, now));
    for key in &mut old {
        refuse_from(key, refused_from);
    }
    let body = Body { key: &text, kept: KeyBody::from(&key), replaces: old.iter().map(KeyBody::from).collect() };
    shown_or_revoked(operator, &key, answer(json, &body, || text.to_string())).await?;
    output::note(&format!(
        "a key of {} ({}), digest {}: shown this once, kept nowhere",
        merchant.name,
        merchant.id,
        digest::short(&key)
    ));
    refuse(operator, &old).await?;
    let old: Vec<_> = old.iter().map(digest::short).collect();
    Ok(format!("{} for [{}], refused from {refused_from} on", digest::short(&key), old.join(", ")))
}

async fn refuse(operator: &Operator, old: &[ApiKey]) -> anyhow::Result<()> {
    let mut left = Vec::new();
    for key in old {
        match operator.ask(operator.stores.merchants.put_api_key(key)).await {
            Ok(()) => {
                let from = key.revoked_at.map(|at| at.to_string()).unwrap_or_default();
                output::note(&format!("{} is refused from {from} on; {FOLLOWED_WITHIN}", digest::short(key)));
            }
            Err(why) => left.push(format!("{} ({why:#})", digest::short(key))),
        }
    }
    if !left.is_empty() {
        bail!("the new key is good, but old ones may still be taken: `tollgate keys revoke` {}", left.join(", "));
    }
    Ok(())
}
