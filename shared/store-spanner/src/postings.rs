//! The table `postings`: the ledger. Insert-only.

use tollgate_domain::{PaymentId, PostingSet, audit::Booked};

use crate::{
    cells::{Row, count, int, text},
    error::Result,
    rows::{Counted, Source, Write},
};

/// A line of the ledger.
pub(crate) static POSTINGS: Source = Source {
    table: "postings",
    index: None,
    columns: &["payment_id", "version", "line", "account", "minor", "currency"],
};

/// Writes the lines of one change.
pub(crate) fn insert(payment: PaymentId, version: u64, postings: &PostingSet) -> impl Iterator<Item = Counted> + '_ {
    (1_u32..).zip(postings.lines()).map(move |(line, posting)| {
        Write::insert("postings")
            .set("payment_id", text(payment))
            .set("version", count(version))
            .set("line", int(line))
            .set("account", text(posting.account))
            .set("minor", int(posting.signed_minor()))
            .set("currency", text(posting.amount.currency().code()))
            .build()
    })
}

/// A line as its row says.
pub(crate) fn read(row: &Row) -> Result<Booked> {
    Ok(Booked {
        version: row.int("version")?,
        account: row.string("account")?,
        currency: row.string("currency")?,
        minor: row.int("minor")?,
    })
}
