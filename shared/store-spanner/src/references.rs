//! The table `provider_refs`: one transaction at a provider belongs to one payment. Insert-only.

use tollgate_domain::PaymentId;
use tollgate_gateway::records::ProviderReference;

use crate::{
    cells::{Row, bytes, name, text},
    error::Result,
    rows::{Asked, Counted, Source, Write, key},
    shards::provider_reference_hash,
};

static REFERENCES: Source = Source { table: "provider_refs", index: None, columns: &["payment_id"] };

/// Writes a reference that is new.
pub(crate) fn insert(reference: &ProviderReference) -> Counted {
    Write::insert("provider_refs")
        .set("reference_hash", bytes(&provider_reference_hash(reference.provider, &reference.reference)))
        .set("provider", name(reference.provider))
        .set("reference", text(&reference.reference))
        .set("payment_id", text(reference.payment))
        .build()
}

/// The row of this reference.
pub(crate) fn one(reference: &ProviderReference) -> Asked {
    REFERENCES.read(key([bytes(&provider_reference_hash(reference.provider, &reference.reference))]))
}

/// Whose it is.
pub(crate) fn payment(row: &Row) -> Result<PaymentId> {
    row.text("payment_id")
}
