//! What must hold when all is over: the providers' truth, the store and the ledger say the same, every intent was charged once
//! at most, and every merchant was told of everything.
//!
//! Must not know: how it came to be so.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::FutureExt as _;
use tollgate_domain::{DeliveryStatus, Payment, PaymentId, PaymentStatus, ProviderName, RefundStatus, audit::Books};
use tollgate_gateway::ports::{Agenda as _, Audit as _, Deliveries as _, Exceptions as _, Settlements as _};
use tollgate_simulators::Transaction;

use crate::{executor::locked, providers::Which, world::World};

/// Payments that one read brings.
const PAGE: u32 = 200;

/// Everything that is not as it must be, is told to the story.
pub(crate) fn check(world: &Arc<World>) {
    world.check_books();
    world.check_records();
    if world.stage.story.went_wrong() {
        return;
    }
    let books = all_books(world);
    let mut charges: BTreeMap<PaymentId, Vec<(ProviderName, Transaction)>> = BTreeMap::new();
    for (which, name) in [(Which::Stripe, ProviderName::Stripe), (Which::Paypal, ProviderName::Paypal)] {
        for charge in world.providers.transactions(which) {
            let Some(payment) = charge.payment_id.as_deref().and_then(|id| id.parse().ok()) else {
                world.stage.story.is_wrong(None, format!("a charge of nobody's: {charge:?}"));
                continue;
            };
            charges.entry(payment).or_default().push((name, charge));
        }
    }
    for (payment, charges) in charges.iter().filter(|(id, _)| !books.contains_key(id)) {
        world.stage.story.is_wrong(Some(*payment), format!("charged, and not there: {charges:?}"));
    }
    for (id, books) in &books {
        let of_it = charges.get(id).map(Vec::as_slice).unwrap_or_default();
        let wrong = [
            agrees_with_the_provider(&books.payment, of_it).filter(|_| !waits_for_a_person(&books.payment)),
            nothing_left_behind(world, &books.payment, of_it),
            has_ended(books),
        ];
        for what in wrong.into_iter().flatten() {
            world.stage.story.is_wrong(Some(*id), what);
        }
    }
    what_was_told_holds(world, &books);
    everybody_was_told(world, &books);
    is_settled(world, &books);
    records_agree(world, &books);
    let waiting = books.values().filter(|books| waits_for_a_person(&books.payment)).count() as u64;
    if let Some(Ok(standing)) = world.store.standing(world.stage.now()).now_or_never()
        && (standing.need_review > waiting || standing.stuck.iter().any(|(_, count)| *count > 0))
    {
        world.stage.story.is_wrong(None, format!("something waits for a person: {standing:?}"));
    }
}

/// Whether there is a merchant who will be told of something by a later try.
pub(crate) fn somebody_waits(world: &World) -> bool {
    all_books(world).keys().any(|id| {
        let deliveries = world.store.deliveries(*id).now_or_never().and_then(Result::ok).unwrap_or_default();
        deliveries.iter().any(|(delivery, _)| !delivery.is_over())
    })
}

/// Every payment with all that is kept with it.
fn all_books(world: &World) -> BTreeMap<PaymentId, Books> {
    let (mut all, mut after) = (BTreeMap::new(), None);
    // The store answers inline.
    while let Some(Ok(page)) = world.store.books(after, PAGE).now_or_never() {
        let is_last = page.len() < PAGE as usize;
        after = page.last().map(|(id, _)| *id);
        for (id, books) in page {
            match books {
                Some(books) => _ = all.insert(id, books),
                None => world.stage.story.is_wrong(Some(id), "its rows cannot be read".to_owned()),
            }
        }
        if is_last {
            break;
        }
    }
    all
}

/// A success that came too late was given back, and the payer's bank has sent that back: a person is told, and there is nothing
/// that a program could do.
fn waits_for_a_person(payment: &Payment) -> bool {
    let paid_with = payment.details.merchant_reference.as_deref().unwrap_or_default();
    let comes_back = ["pm_card_refundFail", "vault-refund-failed"].iter().any(|token| paid_with.contains(token));
    comes_back && payment.reversed_at.is_some() && payment.review.is_some()
}

/// One charge that stands, and it is as the payment says.
fn agrees_with_the_provider(payment: &Payment, charges: &[(ProviderName, Transaction)]) -> Option<String> {
    let stands = |charge: &Transaction| {
        // What waits for a payer holds nothing; if it ever does, it is undone.
        let is_held =
            matches!(charge.status.as_str(), "requires_capture" | "CREATED" | "PENDING") && charge.captured == 0;
        is_held || charge.captured > charge.refunded
    };
    let is_own = |(name, charge): &(ProviderName, Transaction)| {
        *name == payment.provider && Some(&charge.provider_transaction_id) == payment.provider_transaction_id.as_ref()
    };
    let (own, others): (Vec<_>, Vec<_>) = charges.iter().partition(|charge| is_own(charge));
    if let Some((_, other)) = others.iter().find(|(_, charge)| stands(charge)) {
        return Some(format!("another charge stands: {other:?}; it is {}", payment.status.as_str()));
    }
    let own = own.first().map(|(_, charge)| charge);
    let (captured, refunded) = (payment.captured.minor(), payment.refunded.minor());
    if matches!(payment.status, PaymentStatus::Failed | PaymentStatus::Voided) {
        return own.filter(|charge| stands(charge)).map(|charge| format!("it is over, and held or taken: {charge:?}"));
    }
    let Some(own) = own else { return Some(format!("it is {} without a charge", payment.status.as_str())) };
    let same = (own.captured, own.refunded, own.amount) == (captured, refunded, payment.amount.minor());
    let is_held = payment.status != PaymentStatus::Authorized || stands(own);
    (!same || !is_held).then(|| {
        let status = payment.status.as_str();
        format!("it is {status}, {captured} taken, {refunded} given back; the provider says {own:?}")
    })
}

/// Only a provider that was not reached is left for another one, so nothing is there; unless a request came late.
fn nothing_left_behind(world: &World, payment: &Payment, charges: &[(ProviderName, Transaction)]) -> Option<String> {
    let elsewhere = charges.iter().find(|(name, _)| *name != payment.provider)?;
    (!locked(&world.stage.late).contains(&payment.id))
        .then(|| format!("it went on to {}, and was asked for at {elsewhere:?}", payment.provider))
}

/// Nothing waits, and what was promised to go back has gone.
fn has_ended(books: &Books) -> Option<String> {
    let payment = &books.payment;
    if payment.open.is_some() || payment.remembered_void.is_some() || payment.status == PaymentStatus::Pending {
        return Some(format!("it has not ended: {:?} {:?}", payment.status, payment.open));
    }
    for refund in &books.refunds {
        match refund.status {
            RefundStatus::Pending => return Some(format!("refund {} has not ended", refund.id)),
            RefundStatus::Failed if refund.failure.as_ref().is_none_or(|failure| failure.code != "refund_failed") => {
                return Some(format!("a refund that was reserved was refused: {refund:?}"));
            }
            _ => {}
        }
    }
    None
}

/// No word is taken back.
fn what_was_told_holds(world: &World, books: &BTreeMap<PaymentId, Books>) {
    let (told, story) = (locked(&world.told), &world.stage.story);
    for (key, id) in &told.intents {
        if !books.contains_key(id) {
            story.is_wrong(Some(*id), format!("{key:?} was told of it, and it is not there"));
        }
    }
    for (id, was) in &told.statuses {
        let Some(Books { payment, refunds, .. }) = books.get(id) else { continue };
        let came_back = refunds.iter().any(|refund| refund.status == RefundStatus::Failed);
        for was in was {
            let holds = leads_to(was, payment.status.as_str()) || (*was == "REFUNDED" && came_back);
            if !holds {
                story.is_wrong(Some(*id), format!("{was} was answered, it is {}", payment.status.as_str()));
            }
        }
    }
    for (id, expected) in &told.captured {
        if let Some(found) = books.get(id).filter(|books| books.payment.captured.minor() != *expected) {
            let taken = found.payment.captured.minor();
            story.is_wrong(Some(*id), format!("a capture of {expected} was confirmed, {taken} were taken"));
        }
    }
    let refunds: BTreeMap<_, _> =
        books.values().flat_map(|books| &books.refunds).map(|refund| (refund.id, refund)).collect();
    for (id, was) in &told.refunds {
        let Some(refund) = refunds.get(id) else {
            story.is_wrong(None, format!("refund {id} was told of, and is not there"));
            continue;
        };
        if refund.status == RefundStatus::Completed && was.contains("FAILED") {
            story.is_wrong(Some(refund.payment_id), format!("refund {id} was {was:?}"));
        }
    }
}

fn leads_to(was: &str, is: &str) -> bool {
    let behind: &[&str] = match was {
        "PENDING" => return true,
        "AUTHORIZED" => &["CAPTURED", "SETTLED", "REFUNDED", "VOIDED"],
        "CAPTURED" => &["SETTLED", "REFUNDED"],
        "SETTLED" => &["REFUNDED"],
        _ => &[],
    };
    was == is || behind.contains(&is)
}

/// Every event has arrived at its merchant.
fn everybody_was_told(world: &World, books: &BTreeMap<PaymentId, Books>) {
    let mut known = BTreeSet::new();
    for (id, books) in books {
        let Some(Ok(deliveries)) = world.store.deliveries(*id).now_or_never() else { continue };
        if deliveries.len() != usize::try_from(books.payment.events).unwrap_or(usize::MAX) {
            world.stage.story.is_wrong(Some(*id), format!("{} deliveries", deliveries.len()));
        }
        for (delivery, tries) in deliveries {
            let event = delivery.event.to_string();
            if delivery.status != DeliveryStatus::Delivered || !world.inboxes.have(&event) {
                let count = tries.len();
                let what = format!("event {event} was not told: {:?} after {count} tries", delivery.status);
                world.stage.story.is_wrong(Some(*id), what);
            }
            known.insert(event);
        }
    }
    if let Some(unknown) = world.inboxes.events().difference(&known).next() {
        world.stage.story.is_wrong(None, format!("told of what never happened: {unknown}"));
    }
}

/// What the providers' own records say has been matched, both ways.
fn records_agree(world: &World, books: &BTreeMap<PaymentId, Books>) {
    let Some(Ok(open)) = world.store.exceptions(true, None, PAGE).now_or_never() else {
        return world.stage.story.is_wrong(None, "the exceptions cannot be read".to_owned());
    };
    for exception in open {
        let payment = exception.record.payment;
        if payment.and_then(|id| books.get(&id)).is_some_and(|books| waits_for_a_person(&books.payment)) {
            continue;
        }
        world.stage.story.is_wrong(payment, format!("an exception is open: {exception:?}"));
    }
}

/// What was taken is in one settlement, before its cut-off, and the settlements come to it.
fn is_settled(world: &World, books: &BTreeMap<PaymentId, Books>) {
    let story = &world.stage.story;
    let mut settlements = BTreeMap::new();
    let mut taken = 0_i128;
    for (id, books) in books {
        let payment = &books.payment;
        let is_taken = payment.captured.minor() > 0;
        taken += i128::from(payment.captured.minor());
        match payment.settlement {
            None if is_taken => story.is_wrong(Some(*id), "what was taken is not settled".to_owned()),
            Some(_) if !is_taken => story.is_wrong(Some(*id), "settled, and nothing was taken".to_owned()),
            Some(settlement) => {
                let found = settlements.entry(settlement).or_insert_with(|| {
                    world.store.settlement(settlement).now_or_never().and_then(Result::ok).flatten()
                });
                let Some(found) = found else {
                    story.is_wrong(Some(*id), "its settlement is not there".to_owned());
                    continue;
                };
                if payment.captured_at.is_none_or(|at| at >= found.day.cutoff()) {
                    story.is_wrong(Some(*id), "it was taken after the cut-off of its settlement".to_owned());
                }
            }
            None => {}
        }
    }
    let settled: i128 = settlements
        .values()
        .flatten()
        .flat_map(|settlement| &settlement.totals)
        .map(|totals| i128::from(totals.gross))
        .sum();
    if settled != taken {
        story.is_wrong(None, format!("{taken} were taken, {settled} are settled"));
    }
}
