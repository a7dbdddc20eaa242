//! The table `postings`: the ledger, insert-only (rule 25).

use rusqlite::{Connection, Result, params};
use tollgate_domain::{PaymentId, PostingSet};

use super::columns::{Count, Text};

/// Writes the lines of one change.
pub(super) fn insert(connection: &Connection, payment: PaymentId, version: u64, postings: &PostingSet) -> Result<()> {
    if postings.lines().is_empty() {
        return Ok(());
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO postings (payment_id, version, line, account, minor, currency) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (line, posting) in (1_u32..).zip(postings.lines()) {
        insert.execute(params![
            Text(payment),
            Count(version),
            line,
            Text(posting.account),
            posting.signed_minor(),
            posting.amount.currency().code(),
        ])?;
    }
    Ok(())
}
