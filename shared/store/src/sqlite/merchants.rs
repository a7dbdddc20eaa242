//! The tables `merchants`, `api_keys` (digests only), and `webhook_endpoints` with `webhook_secrets_before` (sealed
//! secrets only).

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};
use tollgate_domain::{KeyHash, MerchantId};
use tollgate_gateway::ports::merchants::{ApiKey, Merchant, WaitedFor, WebhookEndpoint};

use super::columns::{Count, Digest, Micros, Text};

/// A merchant.
pub(super) fn find(connection: &Connection, id: MerchantId) -> Result<Option<Merchant>> {
    connection
        .prepare_cached(
            "SELECT id, name, requests_per_minute, fee_basis_points, created_at FROM merchants WHERE id = ?1",
        )?
        .query_row([Text(id)], |row| read_merchant(row, 0))
        .optional()
}

/// The key with this digest, revoked or not, and its merchant.
pub(super) fn by_key(connection: &Connection, digest: KeyHash) -> Result<Option<(ApiKey, Merchant)>> {
    connection
        .prepare_cached(
            "SELECT key.digest, key.merchant_id, key.created_at, key.revoked_at,
                merchant.id, merchant.name, merchant.requests_per_minute, merchant.fee_basis_points, merchant.created_at
             FROM api_keys AS key JOIN merchants AS merchant ON merchant.id = key.merchant_id
             WHERE key.digest = ?1",
        )?
        .query_row([Digest(digest)], |row| Ok((read_key(row)?, read_merchant(row, 4)?)))
        .optional()
}

/// Merchants behind `after`, in the order of their ids.
pub(super) fn page(connection: &Connection, after: Option<MerchantId>, limit: u32) -> Result<Vec<Merchant>> {
    let behind = after.map(|merchant| merchant.to_string()).unwrap_or_default();
    connection
        .prepare_cached(
            "SELECT id, name, requests_per_minute, fee_basis_points, created_at FROM merchants
             WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?
        .query_map(params![behind, limit], |row| read_merchant(row, 0))?
        .collect()
}

/// A merchant's keys, revoked or not, oldest first.
pub(super) fn keys(connection: &Connection, merchant: MerchantId) -> Result<Vec<ApiKey>> {
    connection
        .prepare_cached(
            "SELECT digest, merchant_id, created_at, revoked_at FROM api_keys
             WHERE merchant_id = ?1 ORDER BY created_at, digest",
        )?
        .query_map([Text(merchant)], read_key)?
        .collect()
}

/// A merchant's endpoint.
pub(super) fn endpoint(connection: &Connection, merchant: MerchantId) -> Result<Option<WebhookEndpoint>> {
    let mut find = connection.prepare_cached(
        "SELECT endpoint.*, sealed, signs_until FROM webhook_endpoints AS endpoint
             LEFT JOIN webhook_secrets_before AS before ON before.merchant_id = endpoint.merchant_id
             WHERE endpoint.merchant_id = ?1 ORDER BY number",
    )?;
    let mut rows = find.query([Text(merchant)])?;
    let mut endpoint: Option<WebhookEndpoint> = None;
    while let Some(row) = rows.next()? {
        let endpoint = match &mut endpoint {
            Some(endpoint) => endpoint,
            none => none.insert(read_endpoint(row)?),
        };
        let before: Option<Vec<u8>> = row.get("sealed")?;
        let until = row.get::<_, Option<Micros>>("signs_until")?.map(|at| at.0);
        endpoint.sealed_previous.extend(before.zip(until));
    }
    Ok(endpoint)
}

/// Makes or changes a merchant.
pub(super) fn put(connection: &Connection, merchant: &Merchant) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO merchants (id, name, requests_per_minute, fee_basis_points, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name,
                requests_per_minute = excluded.requests_per_minute, fee_basis_points = excluded.fee_basis_points,
                created_at = excluded.created_at",
        )?
        .execute(params![
            Text(merchant.id),
            merchant.name,
            merchant.requests_per_minute,
            merchant.fee_basis_points,
            Micros(merchant.created_at)
        ])?;
    Ok(())
}

/// Makes a key, or revokes one: the earlier of two revocations counts.
pub(super) fn put_key(connection: &Connection, key: &ApiKey) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO api_keys (digest, merchant_id, created_at, revoked_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (digest) DO UPDATE SET merchant_id = excluded.merchant_id,
                created_at = excluded.created_at,
                revoked_at = min(coalesce(revoked_at, excluded.revoked_at), coalesce(excluded.revoked_at, revoked_at))",
        )?
        .execute(params![Digest(key.digest), Text(key.merchant), Micros(key.created_at), key.revoked_at.map(Micros)])?;
    Ok(())
}

/// Makes or changes an endpoint: whether the revision before was there.
pub(super) fn put_endpoint(connection: &Connection, endpoint: &WebhookEndpoint) -> Result<bool> {
    let values = named_params! {
        ":merchant_id": Text(endpoint.merchant),
        ":url": endpoint.url,
        ":sealed_secret": endpoint.sealed_secret,
        ":paused_at": endpoint.paused_at.map(Micros),
        ":revision": Count(endpoint.revision),
        ":updated_at": Micros(endpoint.updated_at),
    };
    let rows = if endpoint.revision == 1 {
        connection
            .prepare_cached(
                "INSERT INTO webhook_endpoints (merchant_id, url, sealed_secret, paused_at, revision, updated_at)
                 VALUES (:merchant_id, :url, :sealed_secret, :paused_at, :revision, :updated_at)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(values)?
    } else {
        connection
            .prepare_cached(
                "UPDATE webhook_endpoints SET url = :url, sealed_secret = :sealed_secret, paused_at = :paused_at,
                    revision = :revision, updated_at = :updated_at
                 WHERE merchant_id = :merchant_id AND revision = :revision - 1",
            )?
            .execute(values)?
    };
    if rows == 1 {
        put_secrets_before(connection, endpoint)?;
    }
    Ok(rows == 1)
}

fn put_secrets_before(connection: &Connection, endpoint: &WebhookEndpoint) -> Result<()> {
    let merchant = Text(endpoint.merchant);
    connection.prepare_cached("DELETE FROM webhook_secrets_before WHERE merchant_id = ?1")?.execute([&merchant])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO webhook_secrets_before (merchant_id, number, sealed, signs_until) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (number, (sealed, until)) in (1_u32..).zip(&endpoint.sealed_previous) {
        insert.execute(params![merchant, number, sealed, Micros(*until)])?;
    }
    Ok(())
}

/// Merchants behind `after` for whom deliveries wait though their endpoint is there and not paused. The index holds only
/// what waits: it leaps from one merchant to the next, whatever waits for each and however many have an endpoint.
pub(super) fn waited_for(connection: &Connection, after: Option<MerchantId>, limit: u32) -> Result<WaitedFor> {
    let mut find = connection.prepare_cached(
        "SELECT merchant_id FROM deliveries INDEXED BY deliveries_waiting
         WHERE waits_for_endpoint = 1 AND merchant_id > ?1 ORDER BY merchant_id LIMIT 1",
    )?;
    let mut is_set = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM webhook_endpoints WHERE merchant_id = ?1 AND paused_at IS NULL)",
    )?;
    let mut page = WaitedFor { waited_for: Vec::new(), next: after };
    for _ in 0..limit {
        let behind = page.next.map(|merchant| merchant.to_string()).unwrap_or_default();
        page.next = find.query_row([behind], |row| Ok(row.get::<_, Text<_>>(0)?.0)).optional()?;
        let Some(merchant) = page.next else { break };
        if is_set.query_row([Text(merchant)], |row| row.get(0))? {
            page.waited_for.push(merchant);
        }
    }
    Ok(page)
}

fn read_merchant(row: &Row<'_>, first: usize) -> Result<Merchant> {
    Ok(Merchant {
        id: row.get::<_, Text<_>>(first)?.0,
        name: row.get(first + 1)?,
        requests_per_minute: row.get(first + 2)?,
        fee_basis_points: row.get(first + 3)?,
        created_at: row.get::<_, Micros>(first + 4)?.0,
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
    Ok(WebhookEndpoint {
        merchant: row.get::<_, Text<_>>("merchant_id")?.0,
        url: row.get("url")?,
        sealed_secret: row.get("sealed_secret")?,
        sealed_previous: Vec::new(),
        paused_at: row.get::<_, Option<Micros>>("paused_at")?.map(|at| at.0),
        revision: row.get::<_, Count>("revision")?.0,
        updated_at: row.get::<_, Micros>("updated_at")?.0,
    })
}
