//! What must hold of every commit, looked at as it is made: statuses move only along the machine, versions and events have no
//! gap, a change's postings come to nothing, and no more goes back than was taken.
//!
//! Must not know: who commits, or why. What must hold of everything that is kept together is `tollgate_domain::audit`,
//! which the job `invariants` of every instance checks.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use tollgate_domain::{PaymentId, PaymentStatus};
use tollgate_gateway::records::PaymentChange;

use crate::{executor::locked, story::Story};

#[derive(Debug, Clone, Copy)]
struct Last {
    version: u64,
    status: Option<PaymentStatus>,
    events: u32,
}

/// Looks at commits.
#[derive(Default)]
pub(crate) struct Watch(Mutex<HashMap<PaymentId, Last>>);

impl Watch {
    /// How many payments there are.
    pub(crate) fn payments(&self) -> usize {
        locked(&self.0).len()
    }

    /// This was committed.
    pub(crate) fn committed(&self, change: &PaymentChange, story: &Story) {
        let payment = &change.payment;
        let mut all = locked(&self.0);
        let last = all.entry(payment.id).or_insert(Last { version: 0, status: None, events: 0 });
        // Sent again, as it was committed before.
        if payment.version <= last.version {
            return;
        }
        let wrong = |what: String| story.is_wrong(Some(payment.id), what);
        if payment.version != last.version + 1 {
            wrong(format!("version {} follows {}", payment.version, last.version));
        }
        let mut status = last.status;
        for transition in &change.history.transitions {
            if transition.from != status || status.is_some_and(|was| !was.may_become(transition.to)) {
                wrong(format!("it was {status:?} and moves from {:?} to {:?}", transition.from, transition.to));
            }
            status = Some(transition.to);
        }
        if status.is_some_and(|status| status != payment.status) {
            wrong(format!("it moved to {status:?} and says {:?}", payment.status));
        }
        for event in &change.events {
            last.events += 1;
            if event.sequence != last.events {
                wrong(format!("event {} follows {}", event.sequence, last.events - 1));
            }
            if event.merchant != payment.merchant {
                wrong("an event goes to another merchant".to_owned());
            }
        }
        let mut sums: BTreeMap<String, i128> = BTreeMap::new();
        for line in change.postings.lines() {
            *sums.entry(line.amount.currency().code().to_owned()).or_default() += i128::from(line.signed_minor());
        }
        if sums.values().any(|sum| *sum != 0) {
            wrong(format!("postings come to {sums:?}"));
        }
        let (captured, back) = (payment.captured.minor(), payment.refunded.minor() + payment.refund_reserved.minor());
        if back > captured || captured > payment.amount.minor() {
            wrong(format!("{captured} of {} taken, {back} given back or promised", payment.amount.minor()));
        }
        (last.version, last.status) = (payment.version, Some(payment.status));
    }
}
