//! The tables `merchants`, `api_keys` (digests only) and `webhook_endpoints` (sealed secrets only).

use async_trait::async_trait;
use google_cloud_spanner::key::KeyRange;
use tollgate_domain::{KeyHash, MerchantId};
use tollgate_gateway::ports::merchants::{ApiKey, Merchant, WebhookEndpoint};

use crate::{
    cells::{Row, bytes, count, digest, int, maybe, text, time, wrong},
    error::Result,
    reading::{Locked, Reader},
    rows::{Asked, Counted, Source, Write, key, keys, prefix},
    transactions::{Decided, Decision},
};

static MERCHANTS: Source = Source {
    table: "merchants",
    index: None,
    columns: &["merchant_id", "name", "requests_per_minute", "fee_basis_points", "created_at"],
};
static API_KEYS: Source =
    Source { table: "api_keys", index: None, columns: &["digest", "merchant_id", "created_at", "revoked_at"] };
static KEYS_OF_MERCHANT: Source =
    Source { table: "api_keys", index: Some("api_keys_by_merchant"), columns: &["digest"] };
static ENDPOINTS: Source = Source {
    table: "webhook_endpoints",
    index: None,
    columns: &[
        "merchant_id",
        "url",
        "sealed_secret",
        "sealed_previous",
        "previous_until",
        "paused_at",
        "revision",
        "updated_at",
    ],
};

/// A merchant.
pub(crate) async fn find(reader: &dyn Reader, id: MerchantId) -> Result<Option<Merchant>> {
    reader.row(MERCHANTS.read(key([text(id)]))).await?.map(|row| read_merchant(&row)).transpose()
}

/// The key with this digest, revoked or not, and its merchant.
pub(crate) async fn by_key(reader: &dyn Reader, of: KeyHash) -> Result<Option<(ApiKey, Merchant)>> {
    let Some(row) = reader.row(API_KEYS.read(key([digest(of)]))).await? else { return Ok(None) };
    let api_key = read_key(&row)?;
    Ok(find(reader, api_key.merchant).await?.map(|merchant| (api_key, merchant)))
}

/// Merchants behind `after`, in the order of their ids.
pub(crate) async fn page(reader: &dyn Reader, after: Option<MerchantId>, limit: u32) -> Result<Vec<Merchant>> {
    // A limit of nothing would be none at all.
    if limit == 0 {
        return Ok(Vec::new());
    }
    let behind = match after {
        None => KeyRange::closed_closed(key([]), key([])),
        Some(merchant) => KeyRange::open_closed(key([text(merchant)]), key([])),
    };
    reader.rows(MERCHANTS.read(behind).limit(limit)).await?.iter().map(read_merchant).collect()
}

/// A merchant's keys, revoked or not, oldest first. The index knows their digests, the table the rest.
pub(crate) async fn keys_of(reader: &dyn Reader, merchant: MerchantId) -> Result<Vec<ApiKey>> {
    let entries = reader.rows(KEYS_OF_MERCHANT.read(prefix([text(merchant)]))).await?;
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let digests = entries.iter().map(|entry| Ok(key([digest(entry.digest("digest")?)]))).collect::<Result<Vec<_>>>()?;
    let rows = reader.rows(API_KEYS.read(keys(digests))).await?;
    let mut found = rows.iter().map(read_key).collect::<Result<Vec<_>>>()?;
    found.sort_by_key(|api_key| (api_key.created_at, api_key.digest.0));
    Ok(found)
}

/// A merchant's endpoint.
pub(crate) async fn find_endpoint(reader: &dyn Reader, merchant: MerchantId) -> Result<Option<WebhookEndpoint>> {
    reader.row(ENDPOINTS.read(key([text(merchant)]))).await?.map(|row| read_endpoint(&row)).transpose()
}

/// The endpoints of some merchants.
pub(crate) fn endpoints(of: &[MerchantId]) -> Asked {
    ENDPOINTS.read(keys(of.iter().map(|merchant| key([text(*merchant)]))))
}

/// Makes or changes a merchant.
pub(crate) fn put(merchant: &Merchant) -> Counted {
    Write::upsert("merchants")
        .set("merchant_id", text(merchant.id))
        .set("name", text(&merchant.name))
        .set("requests_per_minute", maybe(merchant.requests_per_minute.map(int)))
        .set("fee_basis_points", int(merchant.fee_basis_points))
        .set("created_at", time(merchant.created_at))
        .build()
}

/// Makes a key, or revokes one: the earlier of two revocations counts, whoever writes last.
pub(crate) struct PutKey(pub(crate) ApiKey);

#[async_trait]
impl Decision for PutKey {
    type Answer = ();

    async fn decide(&self, locked: &Locked) -> Result<Decided<()>> {
        let Self(new) = self;
        let present = locked.row(API_KEYS.read(key([digest(new.digest)]))).await?;
        let before = present.map(|row| read_key(&row)).transpose()?.and_then(|key| key.revoked_at);
        let revoked_at = [before, new.revoked_at].into_iter().flatten().min();
        Ok(Decided { answer: (), writes: vec![write_key(&ApiKey { revoked_at, ..*new })] })
    }
}

fn write_key(api_key: &ApiKey) -> Counted {
    Write::upsert("api_keys")
        .set("digest", digest(api_key.digest))
        .set("merchant_id", text(api_key.merchant))
        .set("created_at", time(api_key.created_at))
        .set("revoked_at", maybe(api_key.revoked_at.map(time)))
        .build()
}

/// Makes or changes an endpoint where the revision before is there. Where this very one is (an answer was lost), that is
/// success, too.
pub(crate) struct PutEndpoint(pub(crate) WebhookEndpoint);

#[async_trait]
impl Decision for PutEndpoint {
    type Answer = bool;

    async fn decide(&self, locked: &Locked) -> Result<Decided<bool>> {
        let Self(endpoint) = self;
        let present = find_endpoint(locked, endpoint.merchant).await?;
        if present.as_ref() == Some(endpoint) {
            return Ok(Decided::nothing(true));
        }
        if present.map_or(0, |present| present.revision) + 1 != endpoint.revision {
            return Ok(Decided::nothing(false));
        }
        Ok(Decided { answer: true, writes: vec![write_endpoint(endpoint)] })
    }
}

fn write_endpoint(endpoint: &WebhookEndpoint) -> Counted {
    let (sealed, until): (Vec<_>, Vec<_>) = endpoint.sealed_previous.iter().cloned().unzip();
    Write::upsert("webhook_endpoints")
        .set("merchant_id", text(endpoint.merchant))
        .set("url", text(&endpoint.url))
        .set("sealed_secret", bytes(&endpoint.sealed_secret))
        .set("sealed_previous", sealed.into())
        .set("previous_until", until.into_iter().map(time).collect::<Vec<_>>().into())
        .set("paused_at", maybe(endpoint.paused_at.map(time)))
        .set("revision", count(endpoint.revision))
        .set("updated_at", time(endpoint.updated_at))
        .build()
}

fn read_merchant(row: &Row) -> Result<Merchant> {
    Ok(Merchant {
        id: row.text("merchant_id")?,
        name: row.string("name")?,
        requests_per_minute: row.maybe_int("requests_per_minute")?,
        fee_basis_points: row.int("fee_basis_points")?,
        created_at: row.time("created_at")?,
    })
}

fn read_key(row: &Row) -> Result<ApiKey> {
    Ok(ApiKey {
        digest: row.digest("digest")?,
        merchant: row.text("merchant_id")?,
        created_at: row.time("created_at")?,
        revoked_at: row.maybe_time("revoked_at")?,
    })
}

/// An endpoint as its row says.
pub(crate) fn read_endpoint(row: &Row) -> Result<WebhookEndpoint> {
    let (sealed, until) = (row.list_of_bytes("sealed_previous")?, row.list_of_times("previous_until")?);
    if sealed.len() != until.len() {
        return Err(wrong("previous_until", "is not as long as sealed_previous"));
    }
    Ok(WebhookEndpoint {
        merchant: row.text("merchant_id")?,
        url: row.string("url")?,
        sealed_secret: row.bytes("sealed_secret")?,
        sealed_previous: sealed.into_iter().zip(until).collect(),
        paused_at: row.maybe_time("paused_at")?,
        revision: row.int("revision")?,
        updated_at: row.time("updated_at")?,
    })
}
