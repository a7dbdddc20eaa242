//! The jobs that reconcile, played against the use-cases: what nobody told us is found, what is over is ended at the
//! provider first, and nothing is done twice whoever else is at it.

use std::{sync::Arc, time::Duration};

use tollgate_domain::{Answer, OperationKind, PaymentStatus, ReviewReason, TransactionState};
use tollgate_gateway::{
    JobReport, JobRun,
    ports::{Time, provider::LookUp},
    records::{Cause, TimelineRow},
};

use crate::world::{START, World, context, held, merchant, refused, shows, taken, unknown};

/// What a report says was done, and what not.
fn told(report: &JobReport) -> (Vec<(&'static str, u64)>, Vec<(&'static str, u64)>) {
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
    *world.script.ponders.lock().unwrap() = Duration::from_millis(100);
    world.script.look_ups([found(page())]);
    let stalls = async {
        world.time.sleep(Duration::from_millis(30)).await;
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
