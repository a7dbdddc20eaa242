//! `tollgate payment`: which there are, all that is known of one, whoever's it is, and closing one that waits for a person.
//!
//! Must not know: what a payment may do.

mod body;
mod list;
mod resolve;
mod words;

use anyhow::Context;
use tollgate_domain::{Delivery, Operation, Payment, PaymentId, Refund};
use tollgate_gateway::{in_timeline_order, ports::deliveries::DeliveryAttempt, records::TimelineRow};

use crate::{arguments::PaymentCommand, open::Operator, output::answer};

/// Does what was typed.
pub(crate) async fn run(operator: &Operator, command: PaymentCommand, json: bool) -> anyhow::Result<()> {
    match command {
        PaymentCommand::List(what) => list::run(operator, what, json).await,
        PaymentCommand::Show { payment } => show(operator, payment, json).await,
        PaymentCommand::Timeline { payment } => timeline(operator, payment, json).await,
        PaymentCommand::Resolve(what) => resolve::run(operator, what, json).await,
    }
}

/// A payment with what belongs to it, each part as of when it was read.
struct Dossier {
    payment: Payment,
    operations: Vec<Operation>,
    refunds: Vec<Refund>,
    deliveries: Vec<(Delivery, Vec<DeliveryAttempt>)>,
    timeline: Vec<TimelineRow>,
}

/// Shows it.
async fn show(operator: &Operator, payment: PaymentId, json: bool) -> anyhow::Result<()> {
    let dossier = read(operator, payment).await?;
    answer(json, &body::PaymentDossier::from(&dossier), || words::of(&dossier))
}

/// Shows what happened to it.
async fn timeline(operator: &Operator, id: PaymentId, json: bool) -> anyhow::Result<()> {
    let payment = find(operator, id).await?;
    let rows = in_timeline_order(operator.ask(operator.stores.timelines.timeline(id)).await?);
    answer(json, &body::Happened::of(&payment, &rows), || words::timeline(&rows).to_string())
}

async fn find(operator: &Operator, id: PaymentId) -> anyhow::Result<Payment> {
    let payment = operator.ask(operator.stores.payments.payment(id)).await?;
    payment.with_context(|| format!("there is no payment {id}"))
}

async fn read(operator: &Operator, id: PaymentId) -> anyhow::Result<Dossier> {
    let stores = &operator.stores;
    let payment = find(operator, id).await?;
    let mut operations = Vec::new();
    for number in 1..=payment.operations {
        operations.extend(operator.ask(stores.payments.operation(id, number)).await?);
    }
    let refunds = operator.ask(stores.timelines.refunds(id)).await?;
    let deliveries = operator.ask(stores.deliveries.deliveries(id)).await?;
    let timeline = in_timeline_order(operator.ask(stores.timelines.timeline(id)).await?);
    Ok(Dossier { payment, operations, refunds, deliveries, timeline })
}
