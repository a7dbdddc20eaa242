//! A payment that waits for a person, closed by one: he has looked at what differs and leaves it as it is. No money moves, and the
//! ledger is not touched; for as long as both sides say the same, nobody is asked again.
//!
//! Must not know: who asks for it, or how.

use tollgate_domain::{ChangeId, NotResolved, Payment, PaymentId, Timestamp, What};

use crate::{
    Stores,
    ports::StoreError,
    records::{Cause, ChangeSet, Committed, TimelineRow},
};

/// What a person says of a payment that waits for one.
#[derive(Debug, Clone, Copy)]
pub struct ByHand<'a> {
    /// The payment.
    pub payment: PaymentId,
    /// The version that he looked at; `None`: whichever it is.
    pub version: Option<u64>,
    /// He knows that the next settlement pays out what is captured here, whatever the provider has.
    pub pays_out: bool,
    /// Who.
    pub by: &'a str,
    /// Why. Merchants read it in their payments' timelines.
    pub why: &'a str,
    /// Tells this word from any other.
    pub change_id: ChangeId,
}

/// Why a payment still waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StillWaits {
    /// There is no such payment.
    NoPayment,
    /// What it waits for is not a person's to say.
    Stands(NotResolved, Box<Payment>),
    /// It is not as it was looked at: in this version by now.
    Moved(u64),
}

/// The last difference that a person was asked to look at.
pub(super) struct LastDifference<'a> {
    /// In what, where it was said.
    pub(super) words: Option<&'a str>,
    /// A person left it as it is. (What ended by itself may come back, and is looked at again.)
    pub(super) left_as_it_is: bool,
}

/// What a person was last asked to look at, and what came of it. `None`: nobody ever was.
pub(super) fn last_difference(timeline: &[TimelineRow]) -> Option<LastDifference<'_>> {
    let changes = timeline.iter().filter_map(|row| match row {
        TimelineRow::Change(history) => Some(history),
        TimelineRow::Call(_) | TimelineRow::Event(_) => None,
    });
    let mut changes: Vec<_> = changes.collect();
    changes.sort_by_key(|history| history.version);
    let mut last = None;
    for history in changes {
        match history.what {
            What::NeedsReview => {
                let words = history.detail.as_deref().and_then(Payment::difference_of);
                last = Some(LastDifference { words, left_as_it_is: false });
            }
            What::ReviewOver => {
                if let Some(last) = &mut last {
                    last.left_as_it_is = matches!(history.cause, Cause::Operator(_));
                }
            }
            _ => {}
        }
    }
    last
}

/// Closes it. What moved while he looked, or while this was committed, is not closed: he looks again.
pub async fn resolve_by_hand(
    stores: &Stores,
    word: ByHand<'_>,
    now: Timestamp,
) -> Result<Result<Payment, StillWaits>, StoreError> {
    let Some(payment) = stores.payments.payment(word.payment).await? else { return Ok(Err(StillWaits::NoPayment)) };
    if word.version.is_some_and(|seen| seen != payment.version) {
        return Ok(Err(StillWaits::Moved(payment.version)));
    }
    let timeline = stores.timelines.timeline(word.payment).await?;
    let difference = last_difference(&timeline).and_then(|last| last.words);
    let change = match payment.resolve_by_hand(difference, word.pays_out, word.why, now) {
        Ok(change) => change,
        Err(why) => return Ok(Err(StillWaits::Stands(why, Box::new(payment)))),
    };
    let after = change.payment.clone();
    let (cause, id) = (Cause::Operator(word.by.to_owned()), word.change_id);
    // Nobody is told: what the merchant is told of the payment has not changed.
    let set = ChangeSet::of(id, change, cause, &id.to_string(), Vec::new());
    match stores.payments.commit(&set).await? {
        Committed::Done => Ok(Ok(after)),
        Committed::Conflict(_) => {
            let present = stores.payments.payment(word.payment).await?;
            Ok(Err(StillWaits::Moved(present.map_or(after.version, |present| present.version))))
        }
    }
}
