//! The table `provider_refs`: one transaction at a provider belongs to one payment. Insert-only.

use rusqlite::{Connection, OptionalExtension, Result, params};
use tollgate_domain::PaymentId;
use tollgate_gateway::records::ProviderReference;

use super::columns::{Name, Text};

/// The payment that the reference belongs to.
pub(super) fn payment(connection: &Connection, reference: &ProviderReference) -> Result<Option<PaymentId>> {
    connection
        .prepare_cached("SELECT payment_id FROM provider_refs WHERE provider = ?1 AND reference = ?2")?
        .query_row(params![Name(reference.provider), reference.reference], |row| {
            row.get::<_, Text<_>>(0).map(|id| id.0)
        })
        .optional()
}

/// Writes a reference that is new, or this payment's already.
pub(super) fn insert(connection: &Connection, reference: &ProviderReference) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO provider_refs (provider, reference, payment_id) VALUES (?1, ?2, ?3)
             ON CONFLICT (provider, reference) DO NOTHING",
        )?
        .execute(params![Name(reference.provider), reference.reference, Text(reference.payment)])?;
    Ok(())
}
