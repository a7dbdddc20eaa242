//! `tollgate payment list`: which payments there are, by what a merchant or a provider calls them.
//!
//! Must not know: what a payment may do.

use serde::Serialize;
use tollgate_api::payment::PaymentBody;
use tollgate_domain::Payment;
use tollgate_gateway::records::ListQuery;

use super::{body::ReviewBody, find, words::money};
use crate::{
    arguments::ListPayments,
    failure::mistaken,
    open::Operator,
    output::{answer, note},
    table::Table,
};

/// Payments that one read brings.
const PAGE: u32 = 100;

#[derive(Serialize)]
struct ListBody {
    object: &'static str,
    /// There are more than are listed.
    more: bool,
    data: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    merchant_id: String,
    /// Why a person has to look.
    needs_review: Option<ReviewBody>,
    payment: PaymentBody,
}

/// Lists them.
pub(super) async fn run(operator: &Operator, what: ListPayments, json: bool) -> anyhow::Result<()> {
    let limit = what.limit.limit as usize;
    let mut all = found(operator, what, limit).await?;
    let more = all.len() > limit;
    all.truncate(limit);
    if more {
        note(&format!("there are more than {limit}: see --limit"));
    }
    let listed = |payment: &Payment| Listed {
        merchant_id: payment.merchant.to_string(),
        needs_review: payment.review.map(ReviewBody::from),
        payment: PaymentBody::from(payment),
    };
    let body = ListBody { object: "list", more, data: all.iter().map(listed).collect() };
    answer(json, &body, || in_words(&all))
}

/// One more than `limit` tells that there are more.
async fn found(operator: &Operator, what: ListPayments, limit: usize) -> anyhow::Result<Vec<Payment>> {
    if let Some(transaction) = what.transaction {
        let (provider, id) = (transaction.provider, &transaction.id);
        let known = operator.ask(operator.stores.record_books.payment_of(provider, id)).await?;
        return match known {
            Some(id) => Ok(vec![find(operator, id).await?]),
            None => Ok(Vec::new()),
        };
    }
    let Some(merchant) = what.merchant else { return Err(mistaken("say --merchant or --transaction")) };
    let status = what.status.map(|status| status.0);
    let mut query = ListQuery { merchant, merchant_reference: what.reference, status, after: None, limit: PAGE };
    let mut all = Vec::new();
    loop {
        let page = operator.ask(operator.stores.timelines.list(&query)).await?;
        all.extend(page.payments);
        if page.next.is_none() || all.len() > limit {
            return Ok(all);
        }
        query.after = page.next;
    }
}

fn in_words(all: &[Payment]) -> String {
    if all.is_empty() {
        return "there are no such payments".to_owned();
    }
    let headings = [
        "MADE",
        "STATUS",
        "AMOUNT",
        "CAPTURED",
        "REFUNDED",
        "PROVIDER",
        "TRANSACTION",
        "REFERENCE",
        "REVIEW",
        "PAYMENT",
    ];
    let mut table = Table::new(headings);
    for payment in all {
        let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
        table.row(&[
            payment.created_at.to_string(),
            payment.status.as_str().to_owned(),
            money(payment.amount),
            payment.captured.minor().to_string(),
            payment.refunded.minor().to_string(),
            payment.provider.as_str().to_owned(),
            text(payment.provider_transaction_id.as_deref()),
            text(payment.details.merchant_reference.as_deref()),
            text(payment.review.map(|review| review.reason.as_str())),
            payment.id.to_string(),
        ]);
    }
    table.to_string()
}
