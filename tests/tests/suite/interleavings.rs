//! The rules that decide whether money is lost, played against the use-cases: a real store, a provider that answers
//! what it is told to, and a clock that moves when it is told to.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tollgate_domain::{
    Answer, CaptureMethod, OperationKind, PaymentId, PaymentStatus, ProviderName, TransactionState, TransactionView,
};
use tollgate_gateway::{
    Done, Error, Ingested, Resolution, ReturnLinks,
    ports::{
        FailPoint, Time,
        fail_points::NoFailPoints,
        provider::{LookUp, News, ProviderEvent},
    },
    records::TimelineRow,
};
use tollgate_simulators::SandboxTime;

use crate::world::{
    At, START, World, boot, context, event, held, merchant, refused, shows, taken, target, unknown, view, yen,
};

#[tokio::test]
async fn a_created_payment_is_two_commits_and_no_read() {
    let world = World::new();
    // What operators have switched is read by the first, and known for four seconds.
    for (key, reads) in [("first", 1), ("second", 0), ("third", 0)] {
        let before = world.store.counts();
        let transaction = TransactionView { transaction_id: key.to_owned(), ..view(held()) };
        world.script.answers([Answer::Shows(transaction)]);
        world.create(key).await.unwrap();
        let after = world.store.counts();
        assert_eq!((after.commits - before.commits, after.reads - before.reads), (2, reads), "{key}");
    }
}

#[tokio::test]
async fn no_provider_is_called_before_its_intent_is_confirmed() {
    let world = World::new();
    *world.flaky.down.lock().unwrap() = true;
    assert!(matches!(world.create("k").await, Err(Error::Store(_))));
    assert_eq!(world.script.sent(), []);
    *world.flaky.down.lock().unwrap() = false;
    world.script.answers([shows(held())]);
    assert!(!world.create("k").await.unwrap().replayed, "an answer that wrote nothing does not use the key up");
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_sent_again_and_happens_once() {
    for lost in 1..=2 {
        let world = World::new();
        *world.flaky.lost_answers.lock().unwrap() = lost;
        world.script.answers([shows(held())]);
        let done = world.create("k").await.unwrap();
        assert_eq!((done.payment.status, done.payment.version), (PaymentStatus::Authorized, 2));
        assert_eq!(world.script.kinds(), [OperationKind::Authorize]);
    }
}

#[tokio::test]
async fn an_outcome_that_could_not_be_committed_is_found_by_the_retry() {
    let world = World::new();
    let down = world.flaky.clone();
    *world.script.meanwhile.lock().unwrap() = Some(Box::new(move || {
        *down.down.lock().unwrap() = true;
        Box::pin(async {})
    }));
    world.script.answers([shows(held()), shows(held())]);
    assert!(matches!(world.create("k").await, Err(Error::Store(_))));
    *world.flaky.down.lock().unwrap() = false;
    assert!(matches!(world.create("k").await, Err(Error::KeyInUse)), "its lease has not passed");
    world.later(21);
    let done = world.create("k").await.unwrap();
    assert_eq!((done.payment.status, done.replayed), (PaymentStatus::Authorized, true));
    let sent = world.script.sent();
    assert_eq!(sent[0].1, sent[1].1, "both calls carry the same id");
}

#[tokio::test]
async fn nothing_is_sent_after_the_lease_has_passed() {
    let time = Arc::new(SandboxTime::simulated(START));
    let stalled = time.clone();
    let at = At(FailPoint::AfterIntent, Box::new(move || _ = stalled.set(Some(START + Duration::from_secs(20)))));
    let world = World::with(time, Arc::new(at));
    let done = world.create("k").await.unwrap();
    assert_eq!((done.known, world.script.sent().len()), (false, 0), "a stalled instance wakes up and does not charge");
}

#[tokio::test]
async fn no_such_request_fails_a_payment_only_five_minutes_after_the_last_call() {
    let world = World::new();
    world.script.answers([unknown()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(20 + 299);
    world.script.look_ups([LookUp::NotFound]);
    assert_eq!(world.resolve(&payment).await, Resolution::StillUnknown);
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Pending);

    world.later(1);
    world.script.look_ups([LookUp::NotFound]);
    assert!(matches!(world.resolve(&payment).await, Resolution::Resolved(_)));
    let failed = world.now_is(&payment).await;
    assert_eq!((failed.status, failed.failure.unwrap().code.as_str()), (PaymentStatus::Failed, "not_processed"));
    assert_eq!(world.script.kinds(), [OperationKind::Authorize], "a job resolves an authorization by reading only");
}

#[tokio::test]
async fn a_provider_that_cannot_be_asked_leaves_the_payment_pending() {
    let world = World::new();
    world.script.answers([unknown()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(86_400);
    world.script.look_ups([LookUp::Failed { reason: "down".to_owned() }]);
    assert_eq!(world.resolve(&payment).await, Resolution::StillUnknown);
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Pending);
}

#[tokio::test]
async fn a_success_after_failed_is_reversed_at_the_provider() {
    let world = World::new();
    world.script.answers([refused()]);
    let payment = world.create("k").await.unwrap().payment;
    assert_eq!(payment.status, PaymentStatus::Failed);

    world.script.look_ups([LookUp::Found(shows(held()))]);
    world.script.answers([shows(TransactionState::Voided)]);
    assert_eq!(world.event(&payment, "evt_late", held()).await.unwrap(), Ingested::Processed);
    let after = world.until(&payment, |payment| payment.open.is_none()).await;
    assert_eq!((after.status, world.script.kinds()[1]), (PaymentStatus::Failed, OperationKind::Reversal));
}

#[tokio::test]
async fn an_old_event_after_a_void_reverses_nothing() {
    let world = World::new();
    let payment = world.authorized().await;
    world.script.answers([shows(TransactionState::Voided)]);
    world.void(&payment, "v").await.unwrap();
    world.script.look_ups([LookUp::Found(shows(TransactionState::Voided))]);
    assert_eq!(world.event(&payment, "evt_old", held()).await.unwrap(), Ingested::Processed);
    let after = world.now_is(&payment).await;
    assert_eq!((after.status, after.open), (PaymentStatus::Voided, None));
}

#[tokio::test]
async fn a_retry_while_the_first_call_runs_is_told_so() {
    let world = Arc::new(World::new());
    let (during, seen) = (world.clone(), Arc::new(Mutex::new(None)));
    let see = seen.clone();
    *world.script.meanwhile.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            let answer = during.create("k").await;
            *see.lock().unwrap() = Some(answer);
        })
    }));
    world.script.answers([shows(held())]);
    world.create("k").await.unwrap();
    assert!(matches!(seen.lock().unwrap().take(), Some(Err(Error::KeyInUse))));
    assert_eq!(world.script.sent().len(), 1);
}

#[test]
fn a_lease_of_a_process_that_is_gone_is_taken_over_at_once() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = World::new();
    let second = first.restarted(2);
    *first.script.meanwhile.lock().unwrap() = Some(Box::new(|| Box::pin(futures::future::pending())));

    // The first process commits its intent and calls; then it is gone, with all that it had open.
    let process = runtime();
    let script = second.script.clone();
    process.block_on(async move {
        let calling = async { _ = first.create("k").await };
        let called = async {
            while script.sent().is_empty() {
                first.time.sleep(Duration::from_millis(1)).await;
            }
        };
        futures::future::select(std::pin::pin!(calling), std::pin::pin!(called)).await;
        let other = second_answer(&first).await;
        assert!(matches!(other, Err(Error::KeyInUse)), "while it lives, its lease binds");
    });
    drop(process);

    runtime().block_on(async move {
        second.script.answers([shows(held())]);
        assert_eq!(second.create("k").await.unwrap().payment.status, PaymentStatus::Authorized);
        let sent = second.script.sent();
        assert_eq!(sent[0].1, sent[1].1, "the take-over sends the same id");
    });
}

/// What a third process is told about the key that `first` is working on.
async fn second_answer(first: &World) -> Result<Done, Error> {
    first.restarted(3).create("k").await
}

#[tokio::test]
async fn past_the_providers_window_a_retry_only_asks() {
    let world = World::new();
    world.script.answers([unknown()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(23 * 3600);
    world.script.look_ups([LookUp::Found(shows(held()))]);
    let done = world.create("k").await.unwrap();
    assert_eq!((done.payment.id, done.payment.status), (payment.id, PaymentStatus::Authorized));
    assert_eq!(world.script.sent().len(), 1);
}

#[tokio::test]
async fn a_retry_that_stays_unknown_asks_before_it_gives_up() {
    let world = World::new();
    world.script.answers([unknown(), unknown()]);
    world.create("k").await.unwrap();
    world.script.look_ups([LookUp::Found(shows(held()))]);
    assert_eq!(world.create("k").await.unwrap().payment.status, PaymentStatus::Authorized);
}

#[tokio::test]
async fn a_provider_that_was_not_reached_is_called_again_with_the_same_id() {
    let world = World::new();
    let wait = Some(Duration::from_secs(7));
    world.script.answers([Answer::NotReached { reason: "429".to_owned(), retry_after: wait }, shows(held())]);
    assert!(matches!(world.create("k").await, Err(Error::ProviderUnavailable { retry_after }) if retry_after == wait));
    let done = world.create("k").await.unwrap();
    let sent = world.script.sent();
    assert_eq!((done.payment.status, &sent[0].1), (PaymentStatus::Authorized, &sent[1].1));
}

#[tokio::test]
async fn an_event_that_is_faster_than_the_answer_is_adopted_and_the_call_is_still_audited() {
    let world = Arc::new(World::new());
    let during = world.clone();
    *world.script.meanwhile.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            let payment = during.newest().await;
            assert_eq!(during.event(&payment, "evt_1", held()).await.unwrap(), Ingested::Processed);
            assert_eq!(during.event(&payment, "evt_1", held()).await.unwrap(), Ingested::Duplicate);
        })
    }));
    world.script.answers([shows(held())]);
    let done = world.create("k").await.unwrap();
    assert_eq!((done.payment.status, done.known, done.payment.version), (PaymentStatus::Authorized, true, 2));
    let timeline = world.gateway.timeline(merchant(), done.payment.id).await.unwrap();
    let calls = timeline.iter().filter(|row| matches!(row, TimelineRow::Call(_))).count();
    let events = timeline.iter().filter(|row| matches!(row, TimelineRow::Event(_))).count();
    assert_eq!((calls, events), (1, 1));
}

#[tokio::test]
async fn an_answer_that_knows_more_than_the_event_before_it_is_not_lost() {
    let world = Arc::new(World::new());
    let during = world.clone();
    let ends = START + Duration::from_secs(30 * 86_400);
    *world.script.meanwhile.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            let payment = during.newest().await;
            during.event(&payment, "evt_1", held()).await.unwrap();
        })
    }));
    world.script.answers([shows(TransactionState::Authorized { expires_at: Some(ends) })]);
    let done = world.create("k").await.unwrap();
    assert_eq!((done.payment.status, done.payment.expires_at), (PaymentStatus::Authorized, Some(ends)));
}

#[tokio::test]
async fn an_event_that_contradicts_is_taken_once_the_provider_has_been_asked_whatever_that_shows() {
    for shown in [
        LookUp::Found(shows(TransactionState::Voided)),
        LookUp::NotFound,
        LookUp::NotOurs { reason: "another amount".to_owned() },
    ] {
        let world = World::new();
        let payment = world.settled().await;
        let tell = || world.event(&payment, "evt_1", TransactionState::Voided);
        world.script.look_ups([LookUp::Failed { reason: "down".to_owned() }]);
        *world.script.every_look_up.lock().unwrap() = Some(shown);
        assert!(matches!(tell().await, Err(Error::ProviderUnavailable { .. })), "to be sent again");
        assert_eq!(tell().await.unwrap(), Ingested::Processed);
        assert_eq!(tell().await.unwrap(), Ingested::Duplicate);
        assert_eq!(world.now_is(&payment).await, payment);
    }
}

#[tokio::test]
async fn an_event_for_a_payment_that_there_is_not_is_not_remembered() {
    let world = World::new();
    let nobody = PaymentId::from_random([9; 16]);
    let ingest = || world.gateway.ingest_event(ProviderName::Stripe, event(nobody, "evt_1", held()), context());
    assert_eq!(ingest().await.unwrap(), Ingested::Unmatched);
    assert_eq!(ingest().await.unwrap(), Ingested::Unmatched, "it is looked at again");
}

#[tokio::test]
async fn a_step_of_several_is_committed_before_the_next_and_survives_a_crash() {
    let world = World::new();
    world.script.answers([Answer::Advanced { progress: "order_1".to_owned() }, unknown()]);
    world.create("k").await.unwrap();
    let restarted = world.restarted(2);
    restarted.script.answers([shows(held())]);
    let done = restarted.create("k").await.unwrap();
    assert_eq!(done.payment.status, PaymentStatus::Authorized);
    let steps: Vec<_> = world.script.sent().into_iter().map(|(_, _, progress)| progress).collect();
    assert_eq!(steps, [None, Some("order_1".to_owned()), Some("order_1".to_owned())], "no step is begun again");
}

#[tokio::test]
async fn a_provider_that_only_holds_is_asked_to_capture_and_a_refusal_is_followed_by_a_void() {
    let world = World::new();
    world.script.answers([shows(held()), shows(taken())]);
    let done = world.create_with("k", CaptureMethod::Automatic).await.unwrap();
    assert_eq!((done.payment.status, done.payment.captured), (PaymentStatus::Captured, yen(1000)));

    let world = World::new();
    world.script.answers([shows(held()), refused(), shows(TransactionState::Voided)]);
    let done = world.create_with("k", CaptureMethod::Automatic).await.unwrap();
    assert_eq!(done.payment.status, PaymentStatus::Voided);
    assert_eq!(world.script.kinds(), [OperationKind::Authorize, OperationKind::Capture, OperationKind::Void]);
}

#[tokio::test]
async fn the_key_of_an_automatic_create_is_not_done_before_what_follows_is_and_takes_that_up() {
    let world = World::new();
    world.script.answers([shows(held()), unknown()]);
    let done = world.create_with("k", CaptureMethod::Automatic).await.unwrap();
    assert_eq!((done.known, done.payment.status), (false, PaymentStatus::Authorized));
    let restarted = world.restarted(2);
    restarted.script.answers([shows(taken())]);
    let done = restarted.create_with("k", CaptureMethod::Automatic).await.unwrap();
    assert_eq!((done.known, done.replayed, done.payment.status), (true, true, PaymentStatus::Captured));
    let sent = world.script.sent();
    assert_eq!(world.script.kinds(), [OperationKind::Authorize, OperationKind::Capture, OperationKind::Capture]);
    assert_eq!(sent[1].1, sent[2].1, "the same request again");

    let world = World::new();
    world.script.answers([shows(held()), refused(), unknown()]);
    let done = world.create_with("k", CaptureMethod::Automatic).await.unwrap();
    assert_eq!((done.known, done.payment.status), (false, PaymentStatus::Authorized));
    let restarted = world.restarted(2);
    restarted.script.answers([shows(TransactionState::Voided)]);
    let done = restarted.create_with("k", CaptureMethod::Automatic).await.unwrap();
    assert_eq!((done.known, done.replayed, done.payment.status), (true, true, PaymentStatus::Voided));
}

#[tokio::test]
async fn a_void_of_an_unknown_payment_is_carried_out_once_it_is_known() {
    let world = World::new();
    world.script.answers([unknown()]);
    let payment = world.create("k").await.unwrap().payment;
    let asked = world.void(&payment, "v").await.unwrap();
    assert_eq!((asked.known, asked.payment.status), (false, PaymentStatus::Pending));
    assert_eq!(world.script.kinds(), [OperationKind::Authorize]);

    world.script.answers([shows(TransactionState::Voided)]);
    world.event(&payment, "evt_1", held()).await.unwrap();
    world.until(&payment, |payment| payment.status == PaymentStatus::Voided).await;
    let replay = world.void(&payment, "v").await.unwrap();
    assert_eq!((replay.known, replay.replayed), (true, true));
}

#[tokio::test]
async fn a_refused_capture_is_the_same_refusal_again_when_it_is_retried() {
    let world = World::new();
    let payment = world.authorized().await;
    world.script.answers([refused()]);
    for _ in 0..3 {
        assert!(matches!(world.capture(&payment, "c").await, Err(Error::ProviderRefused(_))));
    }
    assert_eq!(world.script.kinds(), [OperationKind::Authorize, OperationKind::Capture]);
    world.script.answers([shows(taken())]);
    assert_eq!(world.capture(&payment, "c2").await.unwrap().payment.status, PaymentStatus::Captured);
}

#[tokio::test]
async fn a_job_sends_a_capture_again_with_the_operations_own_id() {
    let world = World::new();
    let payment = world.authorized().await;
    world.script.answers([unknown(), shows(taken())]);
    assert!(!world.capture(&payment, "c").await.unwrap().known);
    assert!(matches!(world.resolve(&payment).await, Resolution::Resolved(_)));
    let sent = world.script.sent();
    assert_eq!(sent[1].1, sent[2].1);
    assert!(world.capture(&payment, "c").await.unwrap().replayed);
}

#[tokio::test]
async fn a_capture_that_the_provider_answers_with_its_kept_error_for_ever_is_sent_afresh() {
    let world = World::new();
    let payment = world.authorized().await;
    world.script.answers([unknown(), unknown()]);
    world.script.look_ups([LookUp::Found(shows(held())), LookUp::Found(shows(held()))]);
    assert!(!world.capture(&payment, "c").await.unwrap().known);
    assert_eq!(world.resolve(&payment).await, Resolution::StillUnknown, "at first it is sent again as it was");

    world.later(20 + 300);
    world.script.answers([shows(taken())]);
    assert!(matches!(world.resolve(&payment).await, Resolution::Resolved(_)));
    assert_eq!(world.capture(&payment, "c").await.unwrap().payment.status, PaymentStatus::Captured);
    let sent = world.script.sent();
    assert_eq!(sent[1].1, sent[2].1, "the same operation, sent again");
    assert_ne!(sent[2].1, sent[3].1, "the provider shows it as not done, and nobody can send it any more: a new id");
}

#[tokio::test]
async fn a_provider_that_is_still_working_on_a_capture_is_not_asked_for_another() {
    let world = World::new();
    let payment = world.authorized().await;
    world.script.answers([unknown()]);
    world.capture(&payment, "c").await.unwrap();
    world.later(3600);
    world.script.look_ups([LookUp::Found(shows(TransactionState::Processing))]);
    assert_eq!(world.resolve(&payment).await, Resolution::StillUnknown);
    assert_eq!(world.script.kinds(), [OperationKind::Authorize, OperationKind::Capture]);
}

#[tokio::test]
async fn retries_do_not_put_off_the_time_when_no_such_request_counts() {
    let world = World::new();
    world.script.answers([unknown()]);
    let payment = world.create("k").await.unwrap().payment;
    world.later(23 * 3600);
    for _ in 0..3 {
        world.later(290);
        world.script.look_ups([LookUp::NotFound]);
        world.create("k").await.unwrap();
    }
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Failed);
    assert_eq!(world.script.sent().len(), 1, "past the window nothing is sent");
}

/// A provider that keeps its own error under the id answers that for ever, and nothing was charged.
#[tokio::test]
async fn however_often_a_merchant_retries_an_error_that_is_kept_it_ends_soon_after_an_hour() {
    let world = World::new();
    world.script.answers([unknown()]);
    let payment = world.create("k").await.unwrap().payment;
    let mut waited = 0;
    while world.now_is(&payment).await.status == PaymentStatus::Pending {
        assert!(waited < 80 * 60, "still pending after {waited} s");
        world.later(240);
        waited += 240;
        world.script.answers.lock().unwrap().clear();
        world.script.answers([unknown()]);
        world.script.look_ups.lock().unwrap().clear();
        world.script.look_ups([LookUp::NotFound, LookUp::NotFound]);
        _ = world.create("k").await;
        if waited % 720 == 0 {
            world.stuck().await;
        }
    }
    let ended = world.now_is(&payment).await;
    assert_eq!((ended.status, ended.failure.unwrap().code.as_str()), (PaymentStatus::Failed, "not_processed"));
    assert!(waited > 3600, "a merchant's retry is sent for an hour: {waited} s");
}

#[tokio::test]
async fn a_payment_that_is_retried_over_and_over_is_looked_at_by_the_job_all_the_same() {
    let world = World::new();
    world.script.answers([unknown()]);
    let payment = world.create("k").await.unwrap().payment;
    for _ in 0..6 {
        world.later(240);
        world.script.answers([unknown()]);
        world.script.look_ups([LookUp::NotFound]);
        _ = world.create("k").await;
    }
    let now = world.now_is(&payment).await;
    assert!(now.due_at().unwrap() <= now.created_at + Duration::from_secs(600), "{:?}", now.due_at());
}

#[tokio::test]
async fn a_merchant_who_keeps_retrying_a_capture_gets_it_done() {
    let world = World::new();
    let payment = world.authorized().await;
    world.script.answers([unknown()]);
    world.capture(&payment, "c").await.unwrap();
    for _ in 0..13 {
        world.later(290);
        world.script.answers([unknown()]);
        world.script.look_ups([LookUp::Found(shows(held()))]);
        assert!(!world.capture(&payment, "c").await.unwrap().known);
    }
    world.script.answers.lock().unwrap().clear();
    world.later(290);
    world.script.look_ups([LookUp::Found(shows(held()))]);
    world.script.answers([shows(taken())]);
    assert_eq!(world.capture(&payment, "c").await.unwrap().payment.status, PaymentStatus::Captured);
}

#[tokio::test]
async fn a_payer_who_approved_and_did_not_come_back_is_found_by_asking() {
    let world = World::new();
    let page = || shows(TransactionState::AwaitingPayer { url: "https://3ds".to_owned(), until: None });
    world.script.answers([page()]);
    let payment = world.create("k").await.unwrap().payment;
    world.script.look_ups([LookUp::Found(page())]);
    assert_eq!(world.resolve(&payment).await, Resolution::AwaitingPayer);
    world.script.look_ups([LookUp::Found(shows(held()))]);
    assert!(matches!(world.resolve(&payment).await, Resolution::Resolved(_)));
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Authorized);
}

/// Whoever has the link can open it as often as he likes.
#[tokio::test]
async fn a_link_that_is_opened_all_the_time_asks_the_provider_a_few_times_and_is_written_down_once() {
    let world = World::new();
    let page = || shows(TransactionState::AwaitingPayer { url: "https://3ds".to_owned(), until: None });
    world.script.answers([page()]);
    let payment = world.create("k").await.unwrap().payment;
    *world.script.every_look_up.lock().unwrap() = Some(LookUp::Found(page()));
    let opaque = ReturnLinks::new("https://pay.example", &[1; 32]).url(payment.id);
    let opaque = opaque.rsplit('/').next().unwrap();
    for _ in 0..5 {
        let opened = (0..40).map(|_| world.gateway.payer_returned(opaque, "", context()));
        for answer in futures::future::join_all(opened).await {
            assert_eq!(answer.unwrap().status, PaymentStatus::Pending, "nobody is turned away");
        }
    }
    // A second may pass meanwhile, and give one more each.
    let asked = world.script.asked.lock().unwrap().len();
    assert!((1..=20).contains(&asked), "{asked}");
    assert_eq!(world.now_is(&payment).await.version, payment.version + 1);
    *world.script.every_look_up.lock().unwrap() = Some(LookUp::Found(shows(held())));
    world.resolve(&payment).await;
    assert_eq!(world.now_is(&payment).await.status, PaymentStatus::Authorized);
}

#[tokio::test]
async fn a_reversal_that_was_refused_is_tried_again_under_a_new_id_until_it_is_done() {
    let world = World::new();
    world.script.answers([refused()]);
    let payment = world.create("k").await.unwrap().payment;
    world.script.look_ups([LookUp::Found(shows(taken()))]);
    world.script.answers([refused()]);
    world.event(&payment, "evt_late", taken()).await.unwrap();
    world.until(&payment, |payment| payment.open.as_ref().is_some_and(|open| open.failure.is_some())).await;

    let undone = TransactionState::Captured { amount: yen(1000), refunded: yen(1000) };
    world.later(30);
    world.script.answers([shows(undone)]);
    assert!(matches!(world.resolve(&payment).await, Resolution::Resolved(_)));
    let sent = world.script.sent();
    assert_ne!(sent[1].1, sent[2].1, "a final refusal is final for its id");
}

#[tokio::test]
async fn a_reversal_that_came_back_is_made_again() {
    let world = World::new();
    world.script.answers([refused()]);
    let payment = world.create("k").await.unwrap().payment;
    let undone = || shows(TransactionState::Captured { amount: yen(1000), refunded: yen(1000) });
    world.script.look_ups([LookUp::Found(shows(taken()))]);
    world.script.answers([undone()]);
    world.event(&payment, "evt_late", taken()).await.unwrap();
    world.until(&payment, |payment| payment.open.is_none()).await;

    // The refund fails at the provider days later: only asking shows that the money is there again.
    world.later(2 * 24 * 3600);
    world.script.look_ups([LookUp::Found(shows(taken()))]);
    world.script.answers([undone()]);
    let news = News::Changed { payment: payment.id, transaction_id: "pi_1".to_owned() };
    let failed = ProviderEvent { event_id: "evt_r".to_owned(), event_type: "refund.failed".to_owned(), news };
    let taken = world.gateway.ingest_event(ProviderName::Stripe, failed, context()).await;
    assert_eq!(taken.unwrap(), Ingested::Processed);
    world.until(&payment, |payment| payment.open.is_none() && payment.operations == 3).await;
}

#[tokio::test]
async fn a_success_too_many_is_not_taken_as_seen_while_something_else_is_open() {
    let world = World::new();
    let payment = world.authorized().await;
    world.script.answers([unknown()]);
    world.capture(&payment, "c").await.unwrap();
    let mut other = view(held());
    "pi_2".clone_into(&mut other.transaction_id);
    let news = News::Transaction { payment: Some(payment.id), view: other.clone() };
    let late = ProviderEvent { event_id: "evt_2".to_owned(), event_type: "t".to_owned(), news };
    world.script.look_ups([LookUp::Found(Answer::Shows(other.clone())), LookUp::Found(Answer::Shows(other))]);
    let ingest = || world.gateway.ingest_event(ProviderName::Stripe, late.clone(), context());
    assert_eq!(ingest().await.unwrap(), Ingested::Deferred, "the provider sends it again");
    world.event(&payment, "evt_1", taken()).await.unwrap();
    world.script.answers([unknown()]);
    assert_eq!(ingest().await.unwrap(), Ingested::Processed);
    let open = world.now_is(&payment).await.open.unwrap();
    assert_eq!((open.kind, open.transaction_id.as_deref()), (OperationKind::Reversal, Some("pi_2")));
}

#[tokio::test]
async fn a_clock_that_went_back_does_not_open_the_providers_window_again() {
    let ahead = START + Duration::from_secs(10 * 86_400);
    let first = World::with(Arc::new(SandboxTime::simulated(ahead)), Arc::new(NoFailPoints));
    first.script.answers([unknown()]);
    first.create("k").await.unwrap();
    let store = Arc::new(first.store.another(boot(2)).unwrap());
    let time = Arc::new(SandboxTime::simulated(START));
    let second = World::on(store, first.script.clone(), time, boot(2), Arc::new(NoFailPoints));
    second.script.look_ups([LookUp::Found(shows(held()))]);
    assert_eq!(second.create("k").await.unwrap().payment.status, PaymentStatus::Authorized);
    assert_eq!(second.script.sent().len(), 1, "it asks, and does not send");
}

#[tokio::test]
async fn a_transaction_of_another_payment_is_never_adopted() {
    let world = World::new();
    world.authorized().await;
    world.script.answers([shows(held())]);
    let second = world.create("second").await.unwrap();
    assert_eq!((second.known, second.payment.status), (false, PaymentStatus::Pending));
    assert_eq!(second.payment.provider_transaction_id, None);
}

#[tokio::test]
async fn a_key_used_for_another_request_is_refused_whatever_became_of_the_first() {
    let world = World::new();
    let payment = world.authorized().await;
    world.script.answers([shows(held())]);
    assert!(matches!(world.create_with("authorized", CaptureMethod::Automatic).await, Err(Error::KeyReused)));
    world.script.answers.lock().unwrap().clear();
    world.script.answers([shows(taken())]);
    world.capture(&payment, "c").await.unwrap();
    let part = world.gateway.capture_payment(target(&payment, "c"), Some(5), context()).await;
    assert!(matches!(part, Err(Error::KeyReused)));
}

#[tokio::test]
async fn a_stated_default_is_the_same_request() {
    let world = World::new();
    let payment = world.authorized().await;
    let again = world.create_with("authorized", CaptureMethod::default()).await.unwrap();
    assert_eq!((again.payment.id, again.replayed), (payment.id, true));
}
