//! The jobs that reconcile, played against the use-cases: what nobody told us is found, what is over is ended at the
//! provider first, and nothing is done twice whoever else is at it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tollgate_domain::{
    Answer, CaptureMethod, Failure, NotResolved, OperationKind, PaymentId, PaymentStatus, ProviderName, RefundId,
    RefundState, RefundStatus, RefundView, ReviewReason, TransactionState, TransactionView, audit::Invariant,
};
use tollgate_gateway::{
    Ingested, JobReport, JobRun,
    ports::{
        Audit, Time,
        provider::{LookUp, News, ProviderEvent},
    },
    reconcile::StillWaits,
    records::{Cause, TimelineRow},
};

use crate::world::{START, World, context, held, merchant, refused, shows, taken, unknown, view, yen};

/// Counts by kind.
type Kinds = Vec<(&'static str, u64)>;

/// What a report says was done, and what not.
fn told(report: &JobReport) -> (Kinds, Kinds) {
    let list = |counts: &std::collections::BTreeMap<&'static str, u64>| counts.iter().map(|(k, n)| (*k, *n)).collect();
    (list(&report.did), list(&report.could_not))
}

fn unreachable() -> LookUp {
    LookUp::Failed { reason: "down".to_owned() }
}

fn page() -> Answer {
    shows(TransactionState::AwaitingPayer { url: "https://3ds".to_owned(), until: None })
}

fn found(answer: Answer) -> LookUp {
    LookUp::Found(answer)
}

fn refund(state: RefundState) -> Answer {
    Answer::ShowsRefund(RefundView { refund_reference: "re_1".to_owned(), instead_of: None, state })
}

fn failed() -> RefundState {
    RefundState::Failed(Failure::new("refund_failed", "No"))
}

fn refund_event(payment: PaymentId, refund: RefundId, id: &str, state: RefundState) -> ProviderEvent {
    let view = RefundView { refund_reference: "re_1".to_owned(), instead_of: None, state };
    let news = News::Refund { payment, refund, view };
    ProviderEvent { event_id: id.to_owned(), event_type: "refund.updated".to_owned(), news }
}

fn voided() -> Answer {
    shows(TransactionState::Voided)
}

#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_found_by_the_job_and_authorized() {
    let world = World::new();
    world.script.answers([unknown()]);
    let payment = world.create("k").await.unwrap().payment;
    assert_eq!(world.stuck().await, JobReport::default(), "nobody looks while the merchant may still be answered");
    world.later(600);
    world.script.look_ups([found(shows(held()))]);
    let report = world.stuck().await;
    assert_eq!((report.saw, told(&report)), (1, (vec![("authorized", 1)], vec![])));
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Authorized);
    assert_eq!(world.script.kinds(), [OperationKind::Authorize], "an authorization is the merchant's to repeat");
    let timeline = world.gateway.timeline(merchant(), payment.id).await.unwrap();
    let Some(TimelineRow::Change(last)) = timeline.last() else { panic!("a change ends it: {timeline:?}") };
    assert_eq!(last.cause, Cause::Job("stuck-payments".to_owned()));
    assert_eq!(world.stuck().await, JobReport::default(), "it is not looked at again");
}

#[tokio::test]
async fn a_charge_that_never_arrived_fails_only_five_minutes_after_the_last_call_could_have_been_sent() {
    let world = World::new();
    world.script.answers([unknown()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(20 + 299);
    world.script.look_ups([LookUp::NotFound, LookUp::NotFound]);
    assert_eq!(told(&world.stuck().await), (vec![], vec![("still_unknown", 1)]));
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Pending);
    world.later(1);
    assert_eq!(world.stuck().await.saw, 0, "it was put off to the next run");
    world.later(9 * 60);
    assert_eq!(told(&world.stuck().await), (vec![("failed", 1)], vec![]));
    assert_eq!(world.now_is(&payment).await.failure.unwrap().code, "not_processed");
}

#[tokio::test]
async fn a_provider_that_cannot_be_asked_leaves_it_pending_and_after_an_hour_a_person_has_to_look() {
    let world = World::new();
    world.script.answers([unknown()]);
    let payment = world.create("k").await.unwrap().payment;
    *world.script.every_look_up.lock().unwrap() = Some(unreachable());
    for _ in 0..5 {
        world.later(600);
        assert_eq!(told(&world.stuck().await), (vec![], vec![("provider_unreachable", 1)]));
    }
    assert_eq!(world.now_is(&payment).await.review, None);
    world.later(600);
    assert_eq!(told(&world.stuck().await), (vec![("needs_review", 1)], vec![("provider_unreachable", 1)]));
    world.later(600);
    assert_eq!(told(&world.stuck().await).0, [], "it is told once");
    let waiting = world.now_is(&payment).await;
    assert_eq!((waiting.status, waiting.events), (PaymentStatus::Pending, 1));
    assert_eq!(waiting.review.unwrap().reason, ReviewReason::Unresolved);

    world.later(600);
    world.script.look_ups([found(shows(held()))]);
    world.stuck().await;
    let known = world.now_is(&payment).await;
    assert_eq!((known.status, known.review), (PaymentStatus::Authorized, None), "known, and no longer to be looked at");
}

#[tokio::test]
async fn a_payer_in_time_is_waited_for_and_never_counts_as_to_be_reviewed() {
    let world = World::new();
    let far = START + Duration::from_secs(3 * 3600);
    let patient = || shows(TransactionState::AwaitingPayer { url: "https://3ds".to_owned(), until: Some(far) });
    world.script.answers([patient()]);
    let payment = world.create("k").await.unwrap().payment;
    for _ in 0..10 {
        world.later(900);
        world.script.look_ups([found(patient())]);
        assert_eq!(told(&world.stuck().await), (vec![("still_waiting", 1)], vec![]));
    }
    assert_eq!(world.now_is(&payment).await.review, None);
    world.later(60);
    world.later(600);
    world.script.look_ups([found(shows(held()))]);
    assert_eq!(told(&world.stuck().await), (vec![("authorized", 1)], vec![]), "the event may have been lost");
}

#[tokio::test]
async fn an_approval_past_its_time_is_cancelled_at_the_provider_before_it_is_failed() {
    let world = Arc::new(World::new());
    world.script.answers([page()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(30 * 60);
    let (during, id) = (world.clone(), payment.clone());
    *world.script.meanwhile.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move { assert_eq!(during.now_is(&id).await.status, PaymentStatus::Pending) })
    }));
    world.script.look_ups([found(page())]);
    world.script.cancels([voided()]);
    assert_eq!(told(&world.stuck().await), (vec![("approval_expired", 1)], vec![]));
    let failed = world.now_is(&payment).await;
    assert_eq!((failed.status, failed.failure.unwrap().code.as_str()), (PaymentStatus::Failed, "approval_expired"));
    assert_eq!((failed.review, *world.script.cancelled.lock().unwrap()), (None, 1));
    let timeline = world.gateway.timeline(merchant(), payment.id).await.unwrap();
    assert!(timeline.iter().any(|row| matches!(row, TimelineRow::Call(call) if call.call == "cancel")));
}

#[tokio::test]
async fn a_payer_who_was_faster_than_the_end_of_his_turn_is_authorized() {
    // He approved, did not come back, and the event was lost: he is not cancelled.
    let world = World::new();
    world.script.answers([page()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(30 * 60);
    world.script.look_ups([found(shows(held()))]);
    assert_eq!(told(&world.stuck().await), (vec![("authorized", 1)], vec![]));
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Authorized);

    // He approves between the look and the cancel: what the provider then shows is adopted.
    let world = World::new();
    world.script.answers([page()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(30 * 60);
    world.script.look_ups([found(page())]);
    world.script.cancels([shows(held())]);
    assert_eq!(told(&world.stuck().await), (vec![("authorized", 1)], vec![]));
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Authorized);
}

/// PayPal and the bank have no call that cancels: their adapters say that it is, for nobody is going to send the next step.
#[tokio::test]
async fn a_cancel_says_nothing_of_an_attempt_that_went_on_meanwhile() {
    let world = Arc::new(World::new());
    world.script.answers([page()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(30 * 60);
    let (during, id) = (world.clone(), payment.clone());
    *world.script.meanwhile.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            // He approves, an event tells, and the next step is sent; its answer is lost.
            during.later(1);
            during.script.answers([unknown()]);
            let view = view(TransactionState::Approved { progress: "approved:1".to_owned() });
            let news = News::Transaction { payment: Some(id.id), view };
            let event = ProviderEvent { event_id: "evt_1".to_owned(), event_type: "approved".to_owned(), news };
            during.gateway.take_event(ProviderName::Stripe, event, context()).await.unwrap();
            while during.now_is(&id).await.open.is_none_or(|open| open.lease.is_some() || open.payer.is_some()) {
                tokio::task::yield_now().await;
            }
        })
    }));
    world.script.look_ups([found(page())]);
    world.script.cancels([voided()]);
    assert_eq!(told(&world.stuck().await), (vec![], vec![("raced", 1)]));
    assert_eq!(world.script.kinds(), [OperationKind::Authorize, OperationKind::Authorize], "the next step was sent");
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Pending, "and the money may be held by it");
    world.later(600);
    world.script.look_ups([found(shows(held()))]);
    assert_eq!(told(&world.stuck().await), (vec![("authorized", 1)], vec![]));
}

#[tokio::test]
async fn a_void_comes_before_an_approval_of_which_nothing_came_yet() {
    let world = World::new();
    world.script.answers([page()]);
    let payment = world.create_with("k", CaptureMethod::Automatic).await.unwrap().payment;
    world.script.look_ups([found(shows(TransactionState::Approved { progress: "approved:1".to_owned() }))]);
    world.script.cancels([voided()]);
    let done = world.void(&payment, "v").await.unwrap();
    let failure = done.payment.failure.as_ref().map(|failure| failure.code.as_str());
    assert_eq!((done.known, done.payment.status, failure), (true, PaymentStatus::Failed, Some("voided")));
    assert_eq!(world.script.kinds(), [OperationKind::Authorize], "nothing more was sent");
}

#[tokio::test]
async fn a_cancel_that_came_to_nothing_is_looked_at_by_the_next_run() {
    for (answer, reason) in [
        (unknown(), "still_unknown"),
        (refused(), "still_unknown"),
        (Answer::NotReached { reason: "down".to_owned(), retry_after: None }, "provider_unreachable"),
    ] {
        let world = World::new();
        world.script.answers([page()]);
        let payment = world.create("k").await.unwrap().payment;
        world.later(30 * 60);
        world.script.look_ups([found(page())]);
        world.script.cancels([answer]);
        assert_eq!(told(&world.stuck().await), (vec![], vec![(reason, 1)]));
        assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Pending, "unknown is not failed");
        world.later(600);
        world.script.look_ups([found(voided())]);
        assert_eq!(told(&world.stuck().await), (vec![("approval_expired", 1)], vec![]), "it had arrived");
        assert_eq!(*world.script.cancelled.lock().unwrap(), 1);
    }
}

#[tokio::test]
async fn an_approval_that_cannot_be_cancelled_for_an_hour_needs_review() {
    let world = World::new();
    world.script.answers([page()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(30 * 60);
    *world.script.every_look_up.lock().unwrap() = Some(unreachable());
    for _ in 0..6 {
        assert_eq!(told(&world.stuck().await), (vec![], vec![("provider_unreachable", 1)]));
        world.later(600);
    }
    assert_eq!(told(&world.stuck().await).0, [("needs_review", 1)]);
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Pending);
}

#[tokio::test]
async fn of_two_jobs_at_once_one_cancels() {
    let world = Arc::new(World::new());
    world.script.answers([page()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(30 * 60);
    let during = world.clone();
    *world.script.meanwhile.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            let run = JobRun { budget: Duration::from_secs(60), everything: true };
            let other = during.gateway.stuck_payments(run, context()).await.unwrap();
            assert_eq!(told(&other), (vec![], vec![("in_flight", 1)]));
        })
    }));
    world.script.look_ups([found(page())]);
    world.script.cancels([voided()]);
    world.stuck().await;
    assert_eq!(
        (world.now_is(&payment).await.status, *world.script.cancelled.lock().unwrap()),
        (PaymentStatus::Failed, 1)
    );
}

#[tokio::test]
async fn a_job_that_stalled_with_the_attempt_in_hand_cancels_nothing_after_its_lease() {
    let world = Arc::new(World::new());
    world.script.answers([page()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(30 * 60);
    *world.script.ponders.lock().unwrap() = Duration::from_millis(300);
    world.script.look_ups([found(page())]);
    let stalls = async {
        while world.script.asked.lock().unwrap().is_empty() {
            world.time.sleep(Duration::from_millis(5)).await;
        }
        world.later(20);
    };
    let (report, ()) = futures::future::join(world.stuck(), stalls).await;
    assert_eq!(told(&report), (vec![], vec![("still_unknown", 1)]));
    assert_eq!(
        (world.now_is(&payment).await.status, *world.script.cancelled.lock().unwrap()),
        (PaymentStatus::Pending, 0)
    );
}

#[tokio::test]
async fn an_authorization_past_its_end_is_voided_at_the_provider() {
    let world = World::new();
    let payment = world.authorized().await;
    world.later(7 * 86_400 - 1);
    assert_eq!(world.stuck().await.saw, 0);
    world.later(1);
    world.script.answers([voided()]);
    assert_eq!(told(&world.stuck().await), (vec![("authorization_expired", 1)], vec![]));
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Voided);
    assert_eq!(world.script.kinds(), [OperationKind::Authorize, OperationKind::Void]);
}

#[tokio::test]
async fn an_expired_authorization_whose_void_is_refused_becomes_what_the_provider_shows() {
    for (there, status, kind) in [
        (taken(), PaymentStatus::Captured, "captured"),
        (TransactionState::Voided, PaymentStatus::Voided, "authorization_expired"),
    ] {
        let world = World::new();
        let payment = world.authorized().await;
        world.later(7 * 86_400);
        world.script.answers([refused()]);
        world.script.look_ups([found(shows(there))]);
        assert_eq!(told(&world.stuck().await), (vec![(kind, 1)], vec![]));
        assert_eq!(world.now_is(&payment).await.status, status);
    }
}

#[tokio::test]
async fn a_void_of_an_expired_authorization_whose_answer_was_lost_is_sent_again() {
    let world = World::new();
    let payment = world.authorized().await;
    world.later(7 * 86_400);
    world.script.answers([unknown()]);
    assert_eq!(told(&world.stuck().await), (vec![], vec![("still_unknown", 1)]));
    world.later(60);
    world.script.answers([voided()]);
    assert_eq!(told(&world.stuck().await), (vec![("authorization_expired", 1), ("sent_again", 1)], vec![]));
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Voided);
    let sent = world.script.sent();
    assert_eq!(sent[1].1, sent[2].1, "under its own id");
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_is_sent_again_and_completed_by_the_job() {
    let world = World::new();
    let settled = world.settled().await;
    let (_, id) = world.refund_reserved(&settled, 400).await;
    world.later(21);
    world.script.answers([unknown(), refund(RefundState::Completed)]);
    world.script.look_ups([unreachable()]);
    assert_eq!(told(&world.stuck().await), (vec![("sent_again", 1)], vec![("still_unknown", 1)]));
    world.later(600);
    *world.script.every_look_up.lock().unwrap() = Some(found(refund(RefundState::Completed)));
    assert_eq!(told(&world.stuck().await), (vec![("refunded", 1)], vec![]));
    let after = world.now_is(&settled).await;
    assert_eq!((after.status, after.refunded, after.refund_reserved), (PaymentStatus::Settled, yen(400), yen(0)));
    assert_eq!(world.refund(id).await.status, RefundStatus::Completed);
}

#[tokio::test]
async fn a_refund_that_is_on_its_way_is_asked_for_until_it_is_done() {
    let world = World::new();
    let (payment, id) = world.refunded(&world.settled().await, 1000, RefundState::Pending).await;
    assert_eq!((payment.open.clone(), payment.refund_reserved), (None, yen(1000)));
    world.later(600);
    world.script.look_ups([found(refund(RefundState::Pending)), unreachable()]);
    assert_eq!(told(&world.stuck().await), (vec![], vec![]));
    world.later(600);
    assert_eq!(told(&world.stuck().await), (vec![], vec![("provider_unreachable", 1)]));
    world.later(600);
    world.script.look_ups([found(refund(RefundState::Completed))]);
    assert_eq!(told(&world.stuck().await), (vec![("refunded", 1)], vec![]));
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Refunded);
    assert_eq!(world.refund(id).await.status, RefundStatus::Completed);
}

#[tokio::test]
async fn a_refund_that_the_provider_answers_with_its_kept_error_for_ever_is_sent_afresh() {
    let world = World::new();
    let settled = world.settled().await;
    let (_, id) = world.refund_reserved(&settled, 400).await;
    world.script.keeps_errors.store(true, Ordering::SeqCst);
    world.later(21);
    world.script.answers([unknown()]);
    world.script.look_ups([LookUp::NotFound]);
    assert_eq!(told(&world.stuck().await), (vec![("sent_again", 1)], vec![("still_unknown", 1)]));
    world.later(600);
    world.script.look_ups([LookUp::NotFound]);
    world.script.answers([refund(RefundState::Completed)]);
    assert_eq!(told(&world.stuck().await), (vec![("refunded", 1)], vec![]));
    let sent = world.script.sent();
    assert_ne!(sent[2].1, sent[3].1, "the provider has none, and nobody can send it any more: a new id");
    assert_eq!(
        (world.now_is(&settled).await.refunded, world.refund(id).await.status),
        (yen(400), RefundStatus::Completed)
    );
}

/// What was sent may arrive hours later: under a new id it would be another refund.
#[tokio::test]
async fn a_refund_that_the_provider_does_not_show_is_asked_for_again_under_its_own_id() {
    let world = World::new();
    let settled = world.settled().await;
    let (_, id) = world.refund_reserved(&settled, 400).await;
    world.later(21);
    *world.script.every_look_up.lock().unwrap() = Some(LookUp::NotFound);
    for _ in 0..4 {
        world.script.answers([unknown()]);
        world.stuck().await;
        world.later(600);
    }
    world.script.answers([refund(RefundState::Completed)]);
    assert_eq!(told(&world.stuck().await), (vec![("refunded", 1)], vec![]));
    let mut ids: Vec<_> = world.script.sent().into_iter().skip(2).map(|(_, id, _)| id).collect();
    assert_eq!(ids.len(), 5);
    ids.dedup();
    assert_eq!(ids.len(), 1, "one refund, one id");
    assert_eq!(world.refund(id).await.status, RefundStatus::Completed);
}

#[tokio::test]
async fn a_refund_is_not_sent_afresh_while_somebody_could_still_send_it() {
    let world = World::new();
    let settled = world.settled().await;
    world.refund_reserved(&settled, 400).await;
    world.script.keeps_errors.store(true, Ordering::SeqCst);
    for (wait, sent) in [(20 + 299, "the same id"), (20 + 300, "a new one")] {
        world.later(wait);
        world.script.answers([unknown()]);
        *world.script.every_look_up.lock().unwrap() = Some(LookUp::NotFound);
        let run = JobRun { budget: Duration::from_secs(60), everything: true };
        world.gateway.stuck_payments(run, context()).await.unwrap();
        let ids: Vec<_> = world.script.sent().into_iter().skip(2).map(|(_, id, _)| id).collect();
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "{sent}");
    }
}

#[tokio::test]
async fn the_late_answer_to_a_refund_that_was_sent_afresh_meanwhile_decides_nothing() {
    for (late, expected) in
        [(refused(), "refused"), (refund(RefundState::Completed), "done twice"), (unknown(), "lost")]
    {
        let world = Arc::new(World::new());
        let settled = world.settled().await;
        let (_, id) = world.refund_reserved(&settled, 400).await;
        world.later(21);
        // The first instance stalls for a day while it calls. By then the provider does not know the id any more: another
        // instance finds no such refund there, and sends it afresh; that answer is lost.
        let (during, script) = (world.clone(), world.script.clone());
        *world.script.meanwhile.lock().unwrap() = Some(Box::new(move || {
            Box::pin(async move {
                during.later(24 * 3600);
                script.look_ups([LookUp::NotFound]);
                script.answers([unknown()]);
                let run = JobRun { budget: Duration::from_secs(60), everything: true };
                during.gateway.stuck_payments(run, context()).await.unwrap();
                script.answers([late]);
                *script.every_look_up.lock().unwrap() = Some(unreachable());
            })
        }));
        world.stuck().await;
        let open = world.now_is(&settled).await;
        assert_eq!((open.refund_reserved, open.refunded), (yen(400), yen(0)), "{expected}");
        assert_eq!(open.open.unwrap().kind, OperationKind::Refund, "{expected}: the second is still unknown");
        assert_eq!(world.refund(id).await.status, RefundStatus::Pending);
        let sent = world.script.sent();
        assert_ne!(sent[2].1, sent[3].1);

        world.later(600);
        *world.script.every_look_up.lock().unwrap() = Some(found(refund(RefundState::Completed)));
        let run = JobRun { budget: Duration::from_secs(60), everything: true };
        world.gateway.stuck_payments(run, context()).await.unwrap();
        assert_eq!(world.now_is(&settled).await.refunded, yen(400), "{expected}");
    }
}

#[tokio::test]
async fn an_event_moves_a_refund_once_and_one_of_another_payments_is_not_matched() {
    let world = World::new();
    let (payment, id) = world.refunded(&world.settled().await, 1000, RefundState::Pending).await;
    let done = || refund_event(payment.id, id, "evt_1", RefundState::Completed);
    let ingest = |event| world.gateway.ingest_event(ProviderName::Stripe, event, context());
    assert_eq!(ingest(done()).await.unwrap(), Ingested::Processed);
    assert_eq!(ingest(done()).await.unwrap(), Ingested::Duplicate);
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Refunded);

    let nobodys = refund_event(payment.id, RefundId::from_random([9; 16]), "evt_2", RefundState::Completed);
    assert_eq!(ingest(nobodys.clone()).await.unwrap(), Ingested::Unmatched);
    assert_eq!(ingest(nobodys).await.unwrap(), Ingested::Unmatched, "it is looked at again");
    world.script.answers([Answer::Shows(TransactionView { transaction_id: "pi_2".to_owned(), ..view(held()) })]);
    let other = world.create("other").await.unwrap().payment;
    let foreign = refund_event(other.id, id, "evt_3", failed());
    assert_eq!(ingest(foreign).await.unwrap(), Ingested::Unmatched, "the refund is not this payment's");
    assert_eq!(world.refund(id).await.status, RefundStatus::Completed);

    // An event that comes late, or of a second refund at the provider, moves nothing back.
    for (event, state) in [("evt_4", RefundState::Pending), ("evt_5", RefundState::Completed)] {
        assert_eq!(ingest(refund_event(payment.id, id, event, state)).await.unwrap(), Ingested::Processed);
    }
    let mut second = refund_event(payment.id, id, "evt_6", failed());
    let News::Refund { view, .. } = &mut second.news else { panic!() };
    "re_2".clone_into(&mut view.refund_reference);
    assert_eq!(ingest(second).await.unwrap(), Ingested::Processed);
    assert_eq!(world.refund(id).await.status, RefundStatus::Completed);
}

#[tokio::test]
async fn a_refund_that_fails_after_it_completed_opens_the_payment_again() {
    for told_by in ["its event", "the comparison, the event being lost"] {
        let world = World::new();
        let (payment, id) = world.refunded(&world.settled().await, 1000, RefundState::Completed).await;
        assert_eq!(payment.status, PaymentStatus::Refunded);
        if told_by == "its event" {
            let event = refund_event(payment.id, id, "evt_1", failed());
            world.gateway.ingest_event(ProviderName::Stripe, event, context()).await.unwrap();
        } else {
            world.later(3600);
            world.script.look_ups([found(refund(failed())), found(shows(taken()))]);
            assert_eq!(told(&world.truth().await), (vec![("agreed", 1), ("refund_failed", 1)], vec![]));
        }
        let after = world.now_is(&payment).await;
        assert_eq!((after.status, after.refunded), (PaymentStatus::Settled, yen(0)), "{told_by}");
        assert_eq!(world.refund(id).await.status, RefundStatus::Failed);
        let (_, again) = world.refund_reserved(&after, 1000).await;
        assert_ne!(again, id, "and it can be refunded again");
    }
}

#[tokio::test]
async fn a_capture_or_void_made_at_the_provider_is_adopted() {
    for (there, status, kind) in
        [(taken(), PaymentStatus::Captured, "captured"), (TransactionState::Voided, PaymentStatus::Voided, "voided")]
    {
        let world = World::new();
        let payment = world.authorized().await;
        world.script.look_ups([found(shows(there))]);
        assert_eq!(told(&world.truth().await), (vec![(kind, 1)], vec![]));
        assert_eq!(world.now_is(&payment).await.status, status);
    }
}

#[tokio::test]
async fn a_late_success_whose_event_was_lost_is_found_and_reversed() {
    // Failed as never arrived, and found by its mark: the provider never told us its transaction.
    let world = World::new();
    world.script.answers([unknown()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(600);
    world.script.look_ups([LookUp::NotFound]);
    assert_eq!(told(&world.stuck().await).0, [("failed", 1)]);
    world.later(3600);
    world.script.look_ups([found(shows(taken()))]);
    world.script.answers([shows(TransactionState::Captured { amount: yen(1000), refunded: yen(1000) })]);
    assert_eq!(told(&world.truth().await), (vec![("late_success", 1), ("reversed", 1)], vec![]));
    let after = world.now_is(&payment).await;
    assert_eq!((after.status, after.open), (PaymentStatus::Failed, None));
    assert_eq!(world.script.kinds(), [OperationKind::Authorize, OperationKind::Reversal]);
}

#[tokio::test]
async fn a_failed_payment_that_the_provider_never_got_agrees() {
    let world = World::new();
    world.script.answers([refused()]);
    world.create("k").await.unwrap();
    world.script.look_ups([LookUp::NotFound]);
    assert_eq!(told(&world.truth().await), (vec![("agreed", 1)], vec![]));
}

#[tokio::test]
async fn a_payment_pending_for_ten_minutes_is_asked_about_and_an_unreachable_provider_changes_nothing() {
    let world = World::new();
    world.script.answers([unknown()]);
    let payment = world.create("k").await.unwrap().payment;
    assert_eq!(world.truth().await.saw, 0, "the merchant's request may still be under way");
    world.later(600);
    world.script.look_ups([unreachable()]);
    assert_eq!(told(&world.truth().await), (vec![], vec![("provider_unreachable", 1)]));
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Pending);
    world.later(3600);
    world.script.look_ups([found(shows(held()))]);
    assert_eq!(told(&world.truth().await), (vec![("authorized", 1)], vec![]));

    let before = world.now_is(&payment).await;
    world.later(3600);
    world.script.look_ups([unreachable()]);
    assert_eq!(told(&world.truth().await), (vec![], vec![("provider_unreachable", 1)]));
    assert_eq!(world.now_is(&payment).await, before);
}

#[tokio::test]
async fn what_contradicts_is_counted_and_shown_to_a_person_once_until_the_provider_agrees_again() {
    let back = |minor| TransactionState::Captured { amount: yen(1000), refunded: yen(minor) };
    for (there, kind) in [
        (back(300), "refunded_there"),
        (TransactionState::Captured { amount: yen(600), refunded: yen(0) }, "captured_amount"),
        (TransactionState::Voided, "voided_there"),
        (held(), "not_captured"),
    ] {
        let world = World::new();
        let payment = world.settled().await;
        world.script.look_ups([found(shows(there.clone())), found(shows(there)), found(shows(taken()))]);
        assert_eq!(told(&world.truth().await), (vec![("needs_review", 1)], vec![(kind, 1)]));
        let in_review = world.now_is(&payment).await;
        assert_eq!(in_review.review.unwrap().reason, ReviewReason::ProviderDiffers);
        world.later(3600);
        assert_eq!(told(&world.truth().await), (vec![], vec![(kind, 1)]));
        assert_eq!(world.now_is(&payment).await, in_review, "it is told once");
        world.later(7200);
        assert_eq!(told(&world.truth().await), (vec![("agreed", 1), ("review_over", 1)], vec![]));
        assert_eq!(world.now_is(&payment).await.review, None);
    }
}

#[tokio::test]
async fn what_a_person_left_as_it_is_comes_back_only_when_either_side_says_something_else() {
    let back = |minor| found(shows(TransactionState::Captured { amount: yen(1000), refunded: yen(minor) }));
    let world = World::new();
    let payment = world.settled().await;
    world.script.look_ups([back(300), back(300), back(400), back(0), back(400)]);
    let truth = async || {
        world.later(7200);
        told(&world.truth().await)
    };
    assert_eq!(truth().await, (vec![("needs_review", 1)], vec![("refunded_there", 1)]));
    let in_review = world.now_is(&payment).await;
    let stale = world.left_as_it_is(&payment, Some(in_review.version - 1)).await;
    assert_eq!(stale, Err(StillWaits::Moved(in_review.version)), "he looked at an older one");
    let left = world.left_as_it_is(&payment, Some(in_review.version)).await.unwrap();
    assert_eq!((left.review, left.version), (None, in_review.version + 1));
    assert_eq!((left.status, left.captured, left.refunded), (payment.status, payment.captured, payment.refunded));
    let timeline = world.gateway.timeline(merchant(), payment.id).await.unwrap();
    let Some(TimelineRow::Change(last)) = timeline.last() else { panic!("a change ends it: {timeline:?}") };
    assert_eq!(
        (last.cause.clone(), last.detail.as_deref()),
        (Cause::Operator("ann".to_owned()), Some("provider_differs: ticket 7"))
    );
    let again = world.left_as_it_is(&payment, None).await;
    assert!(matches!(again, Err(StillWaits::Stands(NotResolved::NothingWaits, _))), "{again:?}");

    assert_eq!(truth().await, (vec![("left_as_it_is", 1)], vec![]), "the same as then");
    assert_eq!(world.now_is(&payment).await.version, left.version);
    assert_eq!(truth().await, (vec![("needs_review", 1)], vec![("refunded_there", 1)]), "more went back");
    assert_eq!(truth().await, (vec![("agreed", 1), ("review_over", 1)], vec![]));
    assert_eq!(truth().await, (vec![("needs_review", 1)], vec![("refunded_there", 1)]), "nobody left that as it is");
}

#[tokio::test]
async fn what_is_not_ours_at_the_provider_is_shown_to_a_person_and_never_adopted() {
    let world = World::new();
    let payment = world.settled().await;
    let not_ours = || LookUp::NotOurs { reason: "another amount".to_owned() };
    world.script.look_ups([not_ours(), found(shows(taken()))]);
    assert_eq!(told(&world.truth().await), (vec![("needs_review", 1)], vec![("not_ours", 1)]));
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Settled);
    world.later(3600);
    assert_eq!(told(&world.truth().await), (vec![("agreed", 1), ("review_over", 1)], vec![]));

    let (payment, _) = world.refunded(&world.now_is(&payment).await, 400, RefundState::Pending).await;
    world.later(600);
    world.script.look_ups([not_ours()]);
    assert_eq!(told(&world.truth().await), (vec![("needs_review", 1)], vec![("refund_missing", 1)]));
    assert_eq!(world.now_is(&payment).await.refund_reserved, yen(400));
}

#[tokio::test]
async fn a_refund_made_twice_by_a_call_that_stalled_too_long_is_seen() {
    let world = World::new();
    let (payment, _) = world.refunded(&world.settled().await, 400, RefundState::Completed).await;
    let twice = TransactionState::Captured { amount: yen(1000), refunded: yen(800) };
    world.script.look_ups([found(refund(RefundState::Completed)), found(shows(twice))]);
    assert_eq!(told(&world.truth().await), (vec![("needs_review", 1)], vec![("refunded_there", 1)]));
    assert!(world.now_is(&payment).await.review.is_some());
}

#[tokio::test]
async fn a_refund_that_the_provider_does_not_have_is_shown_to_a_person() {
    let world = World::new();
    let (payment, _) = world.refunded(&world.settled().await, 400, RefundState::Pending).await;
    world.later(600);
    world.script.look_ups([LookUp::NotFound]);
    assert_eq!(told(&world.truth().await), (vec![("needs_review", 1)], vec![("refund_missing", 1)]));
    assert_eq!(world.now_is(&payment).await.refund_reserved, yen(400), "nobody is given anything back for that");
}

#[tokio::test]
async fn a_payment_that_moves_while_it_is_compared_is_no_discrepancy() {
    let world = Arc::new(World::new());
    let settled = world.settled().await;
    *world.script.ponders.lock().unwrap() = Duration::from_millis(300);
    let back = TransactionState::Captured { amount: yen(1000), refunded: yen(400) };
    world.script.look_ups([found(shows(back))]);
    let moves = async {
        while world.script.asked.lock().unwrap().is_empty() {
            world.time.sleep(Duration::from_millis(5)).await;
        }
        world.refund_reserved(&settled, 400).await;
    };
    let (report, ()) = futures::future::join(world.truth(), moves).await;
    assert_eq!(told(&report), (vec![], vec![("raced", 1)]));
    let now = world.now_is(&settled).await;
    assert_eq!((now.review, now.refund_reserved), (None, yen(400)));
}

#[tokio::test]
async fn what_is_in_flight_is_left_alone_and_what_is_not_due_is_compared_only_by_hand() {
    let world = World::new();
    let settled = world.settled().await;
    world.script.look_ups([found(shows(taken()))]);
    world.truth().await;
    assert_eq!(world.truth().await.saw, 0, "it has just agreed");
    let run = JobRun { budget: Duration::from_secs(60), everything: true };
    world.script.look_ups([found(shows(taken()))]);
    let report = world.gateway.provider_truth(run, context()).await.unwrap();
    assert_eq!(
        (report.saw, told(&report)),
        (1, (vec![("agreed", 1)], vec![])),
        "once, though it was put off meanwhile"
    );
    world.refund_reserved(&settled, 400).await;
    assert_eq!(told(&world.truth().await), (vec![], vec![("in_flight", 1)]));
}

#[tokio::test]
async fn a_run_whose_time_is_over_goes_on_next_time_with_what_it_did_not_look_at() {
    let world = World::new();
    for number in 0..40 {
        world.script.answers([unknown()]);
        world.create(&number.to_string()).await.unwrap();
        world.later(1);
    }
    world.later(60);
    *world.script.every_look_up.lock().unwrap() = Some(LookUp::NotFound);
    // Longer than the run: what it begins with is all that it looks at, however busy the machine is.
    *world.script.ponders.lock().unwrap() = Duration::from_millis(600);
    let run = JobRun::scheduled(Duration::from_millis(500));
    let mut first = world.gateway.stuck_payments(run, context()).await.unwrap();
    assert!(first.more && first.saw > 0 && first.saw < 40, "{first:?}");
    let looked_at: Vec<_> = std::mem::take(&mut *world.script.asked.lock().unwrap());
    assert_eq!(looked_at.len() as u64, first.saw);

    *world.script.ponders.lock().unwrap() = Duration::ZERO;
    first = world.stuck().await;
    let then: Vec<_> = std::mem::take(&mut *world.script.asked.lock().unwrap());
    assert_eq!((first.saw, first.more), (40 - looked_at.len() as u64, false));
    assert!(then.iter().all(|id| !looked_at.contains(id)), "each was looked at once");
}

#[tokio::test]
async fn two_runs_at_once_do_nothing_twice() {
    for _ in 0..5 {
        let world = World::new();
        let settled = world.settled().await;
        let (_, id) = world.refund_reserved(&settled, 1000).await;
        world.later(21);
        world.script.answers([refund(RefundState::Completed)]);
        *world.script.every_look_up.lock().unwrap() = Some(found(refund(RefundState::Completed)));
        let (one, other) = futures::future::join(world.stuck(), world.stuck()).await;
        assert_eq!(
            one.did.get("sent_again").unwrap_or(&0) + other.did.get("sent_again").unwrap_or(&0),
            1,
            "{one:?} {other:?}"
        );
        assert_eq!(world.refund(id).await.status, RefundStatus::Completed);
        let after = world.now_is(&settled).await;
        assert_eq!((after.status, after.refunded, after.refund_reserved), (PaymentStatus::Refunded, yen(1000), yen(0)));
    }
}

/// Brings a payment into the state of this name.
async fn brought_to(world: &World, state: &str) {
    let lost = |answer| world.script.answers([answer]);
    match state {
        "pending" => lost(unknown()),
        "waiting for the payer" => lost(page()),
        "failed" => lost(refused()),
        _ => {}
    }
    match state {
        "pending" | "waiting for the payer" | "failed" => _ = world.create("k").await.unwrap(),
        "authorized" => _ = world.authorized().await,
        "voided" => {
            let payment = world.authorized().await;
            world.script.answers([voided()]);
            world.void(&payment, "v").await.unwrap();
        }
        "capture refused" => {
            let payment = world.authorized().await;
            world.script.answers([refused()]);
            world.capture(&payment, "c").await.unwrap_err();
        }
        "void remembered" => {
            world.script.answers([unknown()]);
            let payment = world.create("k").await.unwrap().payment;
            world.void(&payment, "v").await.unwrap();
        }
        "late success in suspense" => {
            world.script.answers([refused()]);
            world.create("k").await.unwrap();
            world.script.answers([unknown()]);
            world.script.look_ups([found(shows(taken()))]);
            world.truth().await;
        }
        "settled" => _ = world.settled().await,
        "refund reserved" => _ = world.refund_reserved(&world.settled().await, 400).await,
        "refund on its way" => _ = world.refunded(&world.settled().await, 400, RefundState::Pending).await,
        "refunded" => _ = world.refunded(&world.settled().await, 1000, RefundState::Completed).await,
        "refund failed" => _ = world.refunded(&world.settled().await, 400, failed()).await,
        "in review" => {
            world.settled().await;
            world.script.look_ups([found(shows(TransactionState::Voided))]);
            world.truth().await;
        }
        other => panic!("nobody knows how to come to {other}"),
    }
}

#[tokio::test]
async fn the_books_of_a_payment_are_in_order_in_every_state() {
    for state in [
        "pending",
        "waiting for the payer",
        "void remembered",
        "failed",
        "late success in suspense",
        "authorized",
        "capture refused",
        "voided",
        "settled",
        "refund reserved",
        "refund on its way",
        "refunded",
        "refund failed",
        "in review",
    ] {
        let world = World::new();
        Box::pin(brought_to(&world, state)).await;
        let report = world.books(Duration::from_secs(60)).await;
        assert_eq!((report.saw, told(&report)), (1, (vec![("in_order", 1)], vec![])), "{state}");
    }
}

#[tokio::test]
async fn what_does_not_add_up_is_found_page_by_page_and_stays_found_until_it_is_looked_at_again() {
    let world = World::new();
    let mut payments = Vec::new();
    for number in 0..150 {
        world.script.answers([unknown()]);
        payments.push(world.create(&number.to_string()).await.unwrap().payment);
    }
    payments.sort_by_key(|payment| payment.id);
    // An event is counted and not there.
    let mut bad = Vec::new();
    for payment in [&payments[0], &payments[149]] {
        let change = payment.needs_review(ReviewReason::Unresolved, world.time.now()).unwrap();
        bad.push(world.committed_without_events(change.clone()).await);
    }
    // Each run has time for one page of a hundred.
    let mut seen = Vec::new();
    for run in 0..6 {
        if run == 2 {
            world.event_made_up_for(&bad[0]).await;
            world.event_made_up_for(&bad[1]).await;
        }
        let report = world.books(Duration::ZERO).await;
        let violated = world.store.violations().await.unwrap();
        seen.push((report.saw, report.more, violated.iter().map(|(_, count)| count).sum::<u64>()));
        assert!(violated.iter().all(|(invariant, _)| *invariant == Invariant::Events), "{violated:?}");
    }
    assert_eq!(
        seen,
        [(100, true, 1), (50, false, 2), (100, true, 1), (50, false, 0), (100, true, 0), (50, false, 0)],
        "a run does not clear what it did not look at"
    );
}

#[tokio::test]
async fn keys_that_no_longer_bind_are_deleted_when_the_books_are_checked_and_those_of_open_operations_are_not() {
    let world = World::new();
    let settled = world.settled().await;
    world.script.answers([unknown()]);
    let open = world.create("open").await.unwrap().payment;
    world.later(6 * 24 * 3600);
    assert_eq!(told(&world.books(Duration::from_secs(60)).await), (vec![("in_order", 2)], vec![]));
    world.later(2 * 24 * 3600);
    let report = world.books(Duration::from_secs(60)).await;
    // The creation's and the capture's.
    assert_eq!(told(&report), (vec![("expired_deleted", 2), ("in_order", 2)], vec![]));
    assert_eq!(told(&world.books(Duration::ZERO).await), (vec![("in_order", 2)], vec![]));
    *world.script.every_look_up.lock().unwrap() = Some(unreachable());
    assert_eq!(world.create("open").await.unwrap().payment.id, open.id, "the key of what is open binds on");
    assert_eq!(world.now_is(&settled).await, settled);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_asked_for_one_refund_and_not_for_every_other_of_that_payment() {
    let world = World::new();
    let mut payment = world.settled().await;
    for _ in 0..3 {
        payment = world.refunded(&payment, 100, RefundState::Pending).await.0;
    }
    world.later(3600);
    world.script.asked.lock().unwrap().clear();
    *world.script.every_look_up.lock().unwrap() = Some(unreachable());
    assert_eq!(told(&world.stuck().await), (vec![], vec![("provider_unreachable", 1)]));
    assert_eq!(*world.script.asked.lock().unwrap(), [payment.id]);
}
