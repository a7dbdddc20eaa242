//! `tollgate payment show`: all that is known of a payment, whoever's it is. It only reads.
//!
//! Must not know: what a payment may do.

mod body;
mod words;

use anyhow::Context;
use tollgate_domain::{Delivery, Operation, Payment, PaymentId, Refund};
use tollgate_gateway::{in_timeline_order, ports::deliveries::DeliveryAttempt, records::TimelineRow};

use crate::{open::Operator, output::answer};

/// A payment with what belongs to it, each part as of when it was read.
struct Dossier {
    payment: Payment,
    operations: Vec<Operation>,
    refunds: Vec<Refund>,
    deliveries: Vec<(Delivery, Vec<DeliveryAttempt>)>,
    timeline: Vec<TimelineRow>,
}

/// Shows it.
pub(crate) async fn show(operator: &Operator, payment: PaymentId, json: bool) -> anyhow::Result<()> {
    let dossier = read(operator, payment).await?;
    answer(json, &body::PaymentDossier::from(&dossier), || words::of(&dossier))
}

async fn read(operator: &Operator, id: PaymentId) -> anyhow::Result<Dossier> {
    let stores = &operator.stores;
    let payment = operator.ask(stores.payments.payment(id)).await?;
    let payment = payment.with_context(|| format!("there is no payment {id}"))?;
    let mut operations = Vec::new();
    for number in 1..=payment.operations {
        operations.extend(operator.ask(stores.payments.operation(id, number)).await?);
    }
    let refunds = operator.ask(stores.timelines.refunds(id)).await?;
    let deliveries = operator.ask(stores.deliveries.deliveries(id)).await?;
    let timeline = in_timeline_order(operator.ask(stores.timelines.timeline(id)).await?);
    Ok(Dossier { payment, operations, refunds, deliveries, timeline })
}
