//! The tables `merchants`, `api_keys` (digests only) and `webhook_endpoints` (sealed secrets only).

use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use tollgate_domain::{KeyHash, MerchantId};
use tollgate_gateway::ports::merchants::{ApiKey, Merchant, WebhookEndpoint};

use super::columns::{Digest, Micros, Text};

/// A merchant.
pub(super) fn find(connection: &Connection, id: MerchantId) -> Result<Option<Merchant>> {
    connection
        .prepare_cached("SELECT id, name, requests_per_minute, created_at FROM merchants WHERE id = ?1")?
        .query_row([Text(id)], |row| read_merchant(row, 0))
        .optional()
}

/// The key with this digest, revoked or not, and its merchant.
pub(super) fn by_key(connection: &Connection, digest: KeyHash) -> Result<Option<(ApiKey, Merchant)>> {
    connection
        .prepare_cached(
            "SELECT key.digest, key.merchant_id, key.created_at, key.revoked_at,
                merchant.id, merchant.name, merchant.requests_per_minute, merchant.created_at
             FROM api_keys AS key JOIN merchants AS merchant ON merchant.id = key.merchant_id
             WHERE key.digest = ?1",
        )?
        .query_row([Digest(digest)], |row| Ok((read_key(row)?, read_merchant(row, 4)?)))
        .optional()
}

/// A merchant's endpoint.
pub(super) fn endpoint(connection: &Connection, merchant: MerchantId) -> Result<Option<WebhookEndpoint>> {
    connection
        .prepare_cached("SELECT * FROM webhook_endpoints WHERE merchant_id = ?1")?
        .query_row([Text(merchant)], read_endpoint)
        .optional()
}

/// Makes or changes a merchant.
pub(super) fn put(connection: &Connection, merchant: &Merchant) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO merchants (id, name, requests_per_minute, created_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name,
                requests_per_minute = excluded.requests_per_minute, created_at = excluded.created_at",
        )?
        .execute(params![
            Text(merchant.id),
            merchant.name,
            merchant.requests_per_minute,
            Micros(merchant.created_at)
        ])?;
    Ok(())
}

/// Makes or changes a key.
pub(super) fn put_key(connection: &Connection, key: &ApiKey) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO api_keys (digest, merchant_id, created_at, revoked_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (digest) DO UPDATE SET merchant_id = excluded.merchant_id,
                created_at = excluded.created_at, revoked_at = excluded.revoked_at",
        )?
        .execute(params![Digest(key.digest), Text(key.merchant), Micros(key.created_at), key.revoked_at.map(Micros)])?;
    Ok(())
}

/// Makes or changes an endpoint.
pub(super) fn put_endpoint(connection: &Connection, endpoint: &WebhookEndpoint) -> Result<()> {
    let previous = endpoint.sealed_previous.as_ref();
    connection
        .prepare_cached(
            "INSERT INTO webhook_endpoints (merchant_id, url, sealed_secret, sealed_previous, previous_until, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (merchant_id) DO UPDATE SET url = excluded.url, sealed_secret = excluded.sealed_secret,
                sealed_previous = excluded.sealed_previous, previous_until = excluded.previous_until,
                updated_at = excluded.updated_at",
        )?
        .execute(params![
            Text(endpoint.merchant),
            endpoint.url,
            endpoint.sealed_secret,
            previous.map(|(sealed, _)| sealed),
            previous.map(|(_, until)| Micros(*until)),
            Micros(endpoint.updated_at),
        ])?;
    Ok(())
}

fn read_merchant(row: &Row<'_>, first: usize) -> Result<Merchant> {
    Ok(Merchant {
        id: row.get::<_, Text<_>>(first)?.0,
        name: row.get(first + 1)?,
        requests_per_minute: row.get(first + 2)?,
        created_at: row.get::<_, Micros>(first + 3)?.0,
    })
}

fn read_key(row: &Row<'_>) -> Result<ApiKey> {
    Ok(ApiKey {
        digest: row.get::<_, Digest>(0)?.0,
        merchant: row.get::<_, Text<_>>(1)?.0,
        created_at: row.get::<_, Micros>(2)?.0,
        revoked_at: row.get::<_, Option<Micros>>(3)?.map(|at| at.0),
    })
}

fn read_endpoint(row: &Row<'_>) -> Result<WebhookEndpoint> {
    let previous: Option<Vec<u8>> = row.get("sealed_previous")?;
    let until = row.get::<_, Option<Micros>>("previous_until")?.map(|at| at.0);
    Ok(WebhookEndpoint {
        merchant: row.get::<_, Text<_>>("merchant_id")?.0,
        url: row.get("url")?,
        sealed_secret: row.get("sealed_secret")?,
        sealed_previous: previous.zip(until),
        updated_at: row.get::<_, Micros>("updated_at")?.0,
    })
}
