//! `tollgate keys`: makes, lists and revokes API keys. A key is shown once, when it is made, and is never stored, logged or
//! asked for: only its SHA-256 is.
//!
//! Must not know: who uses a key.

use anyhow::Context;
use serde::Serialize;
use tollgate_domain::{MerchantId, Timestamp};
use tollgate_gateway::{
    authenticate::{api_key_digest, new_api_key},
    ports::merchants::ApiKey,
};
use zeroize::Zeroizing;

use crate::{
    arguments::Keys,
    audit::{Who, audited_as},
    digest,
    open::Operator,
    output::{self, answer},
    rotate::rotate,
    table::Table,
};

/// How long a function may go on taking a key that was revoked: what it remembers of keys.
pub(crate) const FOLLOWED_WITHIN: &str = "functions follow within 5 seconds";

#[derive(Serialize)]
struct NewKeyBody<'a> {
    key: &'a str,
    #[serde(flatten)]
    kept: KeyBody,
}

#[derive(Serialize)]
struct ListBody {
    data: Vec<KeyBody>,
}

/// A key as programs are shown it.
#[derive(Serialize)]
pub(crate) struct KeyBody {
    digest: String,
    merchant_id: String,
    created_at: String,
    /// From when on it is refused.
    revoked_at: Option<String>,
}

impl From<&ApiKey> for KeyBody {
    fn from(key: &ApiKey) -> Self {
        Self {
            digest: digest::whole(key),
            merchant_id: key.merchant.to_string(),
            created_at: key.created_at.to_string(),
            revoked_at: key.revoked_at.map(|at| at.to_string()),
        }
    }
}

/// Does what was typed.
pub(crate) async fn run(operator: &Operator, command: Keys, json: bool) -> anyhow::Result<()> {
    match command {
        Keys::Create { merchant, word } => {
            let who = Who::of(word)?;
            let done = create(operator, merchant, json);
            audited_as(operator, &who, "keys create", merchant, done, |key| Some(key.clone())).await.map(drop)
        }
        Keys::List { merchant } => list(operator, merchant, json).await,
        Keys::Revoke { merchant, digest, word } => {
            let (who, done) = (Who::of(word)?, revoke(operator, merchant, &digest, json));
            audited_as(operator, &who, "keys revoke", merchant, done, |key| Some(key.clone())).await.map(drop)
        }
        Keys::Rotate { merchant, keep_old_for, word } => {
            let (who, rotated) = (Who::of(word)?, rotate(operator, merchant, keep_old_for.0, json));
            audited_as(operator, &who, "keys rotate", merchant, rotated, |keys| Some(keys.clone())).await.map(drop)
        }
    }
}

/// Makes a key and shows it; answers which.
async fn create(operator: &Operator, merchant: MerchantId, json: bool) -> anyhow::Result<String> {
    let merchant = operator.merchant(merchant).await?;
    let (text, key) = make(operator, merchant.id).await?;
    let body = NewKeyBody { key: &text, kept: KeyBody::from(&key) };
    shown_or_revoked(operator, &key, answer(json, &body, || text.to_string())).await?;
    output::note(&format!(
        "a key of {} ({}), digest {}: shown this once, kept nowhere",
        merchant.name,
        merchant.id,
        digest::short(&key)
    ));
    Ok(digest::short(&key))
}

/// Lists a merchant's keys, oldest first.
async fn list(operator: &Operator, merchant: MerchantId, json: bool) -> anyhow::Result<()> {
    operator.merchant(merchant).await?;
    let keys = operator.ask(operator.stores.merchants.keys(merchant)).await?;
    answer(json, &ListBody { data: keys.iter().map(KeyBody::from).collect() }, || {
        let mut table = Table::new(["DIGEST", "CREATED", "REVOKED"]);
        for key in &keys {
            table.row(&[digest::short(key), key.created_at.to_string(), standing(key, operator.now())]);
        }
        if table.is_empty() { "the merchant has no keys yet".to_owned() } else { table.to_string() }
    })
}

/// Refuses a key from now on, and answers which. One that is refused already stays as it is.
async fn revoke(operator: &Operator, merchant: MerchantId, prefix: &str, json: bool) -> anyhow::Result<String> {
    operator.merchant(merchant).await?;
    let keys = operator.ask(operator.stores.merchants.keys(merchant)).await?;
    let mut key = *digest::find(&keys, prefix)?;
    let was = key.revoked_at;
    refuse_from(&mut key, operator.now());
    if key.revoked_at != was {
        operator.ask(operator.stores.merchants.put_api_key(&key)).await?;
    }
    let (done, short) = (if key.revoked_at == was { "was revoked before" } else { "is revoked" }, digest::short(&key));
    answer(json, &KeyBody::from(&key), || format!("{short} {done}; {FOLLOWED_WITHIN}"))?;
    Ok(format!("{short} {done}"))
}

/// Makes a key, which the store has confirmed.
pub(crate) async fn make(operator: &Operator, merchant: MerchantId) -> anyhow::Result<(Zeroizing<String>, ApiKey)> {
    let text = Zeroizing::new(new_api_key(operator.entropy()));
    let key = ApiKey { digest: api_key_digest(&text), merchant, created_at: operator.now(), revoked_at: None };
    let made = operator.ask(operator.stores.merchants.put_api_key(&key)).await;
    made.with_context(|| {
        format!("no key is shown; if `tollgate keys list` has {}, revoke it: nobody knows it", digest::short(&key))
    })?;
    Ok((text, key))
}

/// What nobody could read must open nothing: a key that was not shown is revoked again.
pub(crate) async fn shown_or_revoked(
    operator: &Operator,
    key: &ApiKey,
    shown: anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Err(error) = shown else { return Ok(()) };
    let revoked = ApiKey { revoked_at: Some(operator.now()), ..*key };
    let after = match operator.ask(operator.stores.merchants.put_api_key(&revoked)).await {
        Ok(()) => "and is revoked again".to_owned(),
        Err(why) => format!("and could not be revoked ({why:#})"),
    };
    Err(error.context(format!("the key {} was not shown, {after}", digest::short(key))))
}

/// Refuses `key` from `at` on, or from earlier where that was said before: nothing makes a key last longer.
pub(crate) fn refuse_from(key: &mut ApiKey, at: Timestamp) {
    key.revoked_at = Some(key.revoked_at.map_or(at, |before| before.min(at)));
}

/// Whether `key` is refused at `now`.
pub(crate) fn is_refused(key: &ApiKey, now: Timestamp) -> bool {
    key.revoked_at.is_some_and(|at| at <= now)
}

fn standing(key: &ApiKey, now: Timestamp) -> String {
    match key.revoked_at {
        None => "-".to_owned(),
        Some(at) if is_refused(key, now) => at.to_string(),
        Some(at) => format!("{at} (still taken)"),
    }
}
