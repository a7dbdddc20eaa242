//! `tollgate payment resolve`: closes a payment that waits for a person, and says what to do instead where that is not a person's to
//! close.
//!
//! Must not know: when a payment may be closed.

use anyhow::{Context, anyhow};
use tollgate_domain::{NotResolved, Payment, ReviewReason};
use tollgate_gateway::reconcile::{ByHand, StillWaits, resolve_by_hand};

use super::body;
use crate::{
    arguments::Resolve,
    audit::{Who, audited},
    open::Operator,
    output::answer,
};

/// Closes it.
pub(super) async fn run(operator: &Operator, what: Resolve, json: bool) -> anyhow::Result<()> {
    let (id, why, who) = (what.payment, what.word.why.clone(), Who::of(what.word)?);
    let done = async {
        let word = ByHand {
            payment: id,
            version: what.version,
            pays_out: what.settle_as_booked,
            by: &who.by,
            why: &why,
            change_id: operator.change_id(),
        };
        let done = operator.ask(Box::pin(resolve_by_hand(&operator.stores, word, operator.now()))).await;
        let done = done.with_context(|| format!("it was closed or not: `tollgate payment timeline {id}` tells"))?;
        done.map_err(|why| refused(what.payment, &why))
    };
    let paid_out = if what.settle_as_booked { ", settled as booked" } else { "" };
    let version = what.version.map_or_else(|| "as it stands".to_owned(), |version| format!("version {version}"));
    let subject = format!("{id}: {version}{paid_out}");
    let after = audited(operator, &who, "payment resolve", subject, done).await?;
    answer(json, &body::Resolved::of(&after, &who.by, &why), || words(&after))
}

fn words(after: &Payment) -> String {
    let settled = match after.to_settle_at() {
        Some(_) => format!("\nthe next settlement pays out {} less the fee, as it is booked here", after.captured),
        None => String::new(),
    };
    format!(
        "{} waits for nobody any more; no money was moved. It is asked about again when the provider or we say something else than \
         now{settled}",
        after.id
    )
}

/// Why it still waits, and what to do.
fn refused(id: tollgate_domain::PaymentId, why: &StillWaits) -> anyhow::Error {
    match why {
        StillWaits::NoPayment => anyhow!("there is no payment {id}"),
        StillWaits::Moved(version) => anyhow!(
            "{id} is in version {version} by now, and was not closed: look at it again with `tollgate payment show {id}`"
        ),
        StillWaits::Stands(why, payment) => anyhow!("{id} was not closed: {}", instead(*why, payment)),
    }
}

fn instead(why: NotResolved, payment: &Payment) -> String {
    match why {
        NotResolved::NothingWaits => match &payment.open {
            Some(open) => format!(
                "its {} waits for the provider or the payer, not for a person; the job stuck-payments sees to it",
                open.kind.as_str()
            ),
            None => "it waits for nobody".to_owned(),
        },
        NotResolved::OutcomeUnknown => {
            let what = payment.open.as_ref().map_or("operation", |open| open.kind.as_str());
            let mark = if payment.review.is_some_and(|review| review.reason == ReviewReason::ProviderDiffers) {
                "what differs is looked at after that"
            } else {
                "the mark goes away with that"
            };
            format!(
                "the outcome of its {what} is not known, and only the provider's word says it. Have it asked: run the job \
                 `stuck-payments`, or let the merchant send the same request again with the same key; {mark} \
                 (docs/runbooks/stuck-payment.md)"
            )
        }
        NotResolved::GivenBackByItself => format!(
            "it is {}, and the provider has its money: that is given back by itself, within a day of the last time, and the mark goes \
             away once the provider shows it. Where the provider cannot give it back, give it back there by hand",
            payment.status.as_str()
        ),
        NotResolved::NotOurs => {
            "under its id the provider shows something that is not this payment's: ours or theirs is broken. Call \
             the second (docs/runbooks/reconciliation.md); it goes away once the provider shows the payment again"
                .to_owned()
        }
        NotResolved::WouldBePaidOut => format!(
            "it is captured and not settled, and held back as long as it waits. Put it right at the provider and run the job \
             `provider-truth`; or, where {} is to be paid out to the merchant whatever the provider has, say --settle-as-booked",
            payment.captured
        ),
    }
}
