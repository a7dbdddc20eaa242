//! Providers' events while the store is away, played against the use-cases: kept in a real file, and applied once when the store
//! is back, whatever happens in between.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::future::{join, join_all};
use rusqlite::Connection;
use tempfile::TempDir;
use tollgate_domain::{Payment, PaymentId, PaymentStatus, ProviderName, RefundState, RefundView, TransactionState};
use tollgate_gateway::{
    Error, Ingested,
    ports::{
        EventBacklog, StoreError, Time, Timelines,
        event_backlog::KeptEvent,
        fail_points::NoFailPoints,
        provider::{LookUp, News, ProviderEvent},
    },
    records::TimelineRow,
};
use tollgate_messaging::events::{Applier, Apply, EventFile, EventLimits, Outcome, Round};
use tollgate_provider_webhooks::KeptEvents;
use tollgate_simulators::SandboxTime;
use tollgate_store::{Options, SqliteStore};
use tollgate_tests::stage::eventually;

use crate::world::{Kept, START, Script, World, boot, context, event, held, taken};

const DONE: Round = Round { done: 1, not_yet: 0, store_away: false };

/// A world with a store on a file and the events' file beside it.
struct Place {
    folder: TempDir,
    world: World,
    file: EventFile,
    applier: Applier,
}

impl Place {
    fn new() -> Self {
        Self::with_room(EventLimits::default())
    }

    fn with_room(limits: EventLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let time = Arc::new(SandboxTime::simulated(START));
        let path = folder.path().join("store.db");
        let store = Arc::new(SqliteStore::open(&path, Options::new(boot(1)), time.clone()).unwrap());
        let file = EventFile::open(folder.path().join("store.db.events"), limits, Arc::new(|| None)).unwrap();
        let (script, backlog) = (Arc::new(Script::default()), Arc::new(file.clone()));
        let world = World::keeping(
            Kept { backlog, ..Kept::nothing_beside(&time) },
            store,
            script,
            Vec::new(),
            time,
            boot(1),
            Arc::new(NoFailPoints),
        );
        let applier = applier(&world, &file);
        Self { folder, world, file, applier }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db.events")
    }

    /// Sends the event as the route does.
    async fn send(&self, event: ProviderEvent) -> Result<Ingested, Error> {
        self.world.gateway.take_event(ProviderName::Stripe, event, context()).await
    }

    async fn captured_by(&self, payment: &Payment, id: &str) -> Result<Ingested, Error> {
        self.send(event(payment.id, id, taken())).await
    }

    /// Nothing is read or written any more, or everything is again.
    fn set_away(&self, away: bool) {
        *self.world.flaky.unreadable.lock().unwrap() = away;
        *self.world.flaky.down.lock().unwrap() = away;
    }

    async fn waiting(&self) -> u64 {
        self.file.waiting().await.unwrap()
    }

    async fn round(&self) -> Round {
        self.applier.try_all().await.unwrap()
    }

    /// Asserts that the payment was captured by the event `id`, once.
    async fn captured_once(&self, payment: &Payment, id: &str) {
        let now = self.world.now_is(payment).await;
        assert_eq!((now.status, now.version), (PaymentStatus::Captured, payment.version + 1));
        let rows = self.world.store.timeline(payment.id).await.unwrap();
        let events = rows.iter().filter(|row| matches!(row, TimelineRow::Event(of) if of.event_id == id && of.effect));
        assert_eq!(events.count(), 1, "{rows:#?}");
    }
}

fn applier(world: &World, file: &EventFile) -> Applier {
    Applier::new(file.clone(), Arc::new(KeptEvents::new(world.gateway.clone())), world.time.clone())
}

fn is_away(result: &Result<Ingested, Error>) -> bool {
    matches!(result, Err(Error::Store(StoreError::Unavailable(_))))
}

#[tokio::test]
async fn an_event_that_comes_while_the_store_is_away_is_taken_and_applied_once_when_it_is_back() {
    let place = Place::new();
    let payment = place.world.authorized().await;
    place.set_away(true);
    for _ in 0..3 {
        assert_eq!(place.captured_by(&payment, "evt_1").await.unwrap(), Ingested::Queued);
    }
    assert_eq!(place.waiting().await, 1, "however often it is sent");
    assert_eq!(place.round().await, Round { done: 0, not_yet: 1, store_away: true });
    place.set_away(false);
    assert_eq!(place.round().await, DONE);
    assert_eq!((place.waiting().await, place.round().await), (0, Round::default()));
    assert_eq!(place.captured_by(&payment, "evt_1").await.unwrap(), Ingested::Duplicate);
    place.captured_once(&payment, "evt_1").await;
}

#[tokio::test]
async fn a_store_that_goes_away_between_read_and_commit_is_away() {
    let place = Place::new();
    let payment = place.world.authorized().await;
    *place.world.flaky.down.lock().unwrap() = true;
    assert_eq!(place.captured_by(&payment, "evt_1").await.unwrap(), Ingested::Queued);
    assert_eq!(place.world.now_is(&payment).await, payment);
    place.set_away(false);
    assert_eq!(place.round().await, DONE);
    place.captured_once(&payment, "evt_1").await;
}

#[tokio::test]
async fn a_commit_that_happened_though_its_answer_was_lost_is_found_to_be_a_duplicate() {
    let place = Place::new();
    let payment = place.world.authorized().await;
    *place.world.flaky.mute.lock().unwrap() = true;
    assert_eq!(place.captured_by(&payment, "evt_1").await.unwrap(), Ingested::Queued, "nobody knows that it happened");
    place.captured_once(&payment, "evt_1").await;
    assert!(place.round().await.store_away, "still nobody knows");
    *place.world.flaky.mute.lock().unwrap() = false;
    assert_eq!((place.round().await, place.waiting().await), (DONE, 0));
    place.captured_once(&payment, "evt_1").await;
}

#[tokio::test]
async fn an_event_that_is_sent_again_before_it_was_handed_out_has_its_effect_once() {
    let place = Place::new();
    let payment = place.world.authorized().await;
    place.set_away(true);
    place.captured_by(&payment, "evt_1").await.unwrap();
    place.set_away(false);
    assert_eq!(place.captured_by(&payment, "evt_1").await.unwrap(), Ingested::Processed);
    assert_eq!((place.round().await, place.waiting().await), (DONE, 0));
    place.captured_once(&payment, "evt_1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_at_once_apply_an_event_once() {
    let place = Place::new();
    let payment = place.world.authorized().await;
    place.set_away(true);
    place.captured_by(&payment, "evt_1").await.unwrap();
    place.set_away(false);
    let other = place.world.restarted(2);
    let same = EventFile::open(place.path(), EventLimits::default(), Arc::new(|| None)).unwrap();
    let rounds = join(place.applier.try_all(), applier(&other, &same).try_all()).await;
    let done = rounds.0.unwrap().done + rounds.1.unwrap().done;
    assert!((1..=2).contains(&done), "one leads, or the second has come after it: {done}");
    place.captured_once(&payment, "evt_1").await;
    // And should both of them lead.
    let kept = |id: &str| KeptEvent {
        provider: ProviderName::Stripe,
        event: event(payment.id, id, TransactionState::Processing),
        received_at: START,
        correlation_id: "c".to_owned(),
    };
    for id in ["evt_2", "evt_3", "evt_4"] {
        place.world.script.look_ups([LookUp::Found(crate::world::shows(taken()))]);
        other.script.look_ups([LookUp::Found(crate::world::shows(taken()))]);
        let (one, two) =
            join(place.world.gateway.apply_kept_event(kept(id)), other.gateway.apply_kept_event(kept(id))).await;
        let mut both = [one.unwrap().as_str(), two.unwrap().as_str()];
        both.sort_unstable();
        assert_eq!(both, ["duplicate", "processed"], "{id}");
    }
}

#[tokio::test]
async fn an_event_whose_process_died_before_it_was_removed_is_applied_once() {
    let place = Place::new();
    let payment = place.world.authorized().await;
    place.set_away(true);
    place.captured_by(&payment, "evt_1").await.unwrap();
    place.set_away(false);
    // As a process would that is killed then: applied, and not removed.
    let waiting = place.file.after(0, 1).await.unwrap().remove(0);
    let apply = KeptEvents::new(place.world.gateway.clone());
    assert_eq!(apply.apply(waiting.event.unwrap(), None).await, Outcome::Done);
    let next = place.world.restarted(2);
    let same = EventFile::open(place.path(), EventLimits::default(), Arc::new(|| None)).unwrap();
    assert_eq!(applier(&next, &same).try_all().await.unwrap(), DONE);
    assert_eq!(place.waiting().await, 0);
    place.captured_once(&payment, "evt_1").await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_taken_when_it_is_sent_again() {
    for limits in [EventLimits { events: 2, bytes: 1 << 20 }, EventLimits { events: 100, bytes: 1000 }] {
        let place = Place::with_room(limits);
        let payment = place.world.authorized().await;
        place.set_away(true);
        for id in ["evt_1", "evt_2", "evt_1"] {
            assert_eq!(place.captured_by(&payment, id).await.unwrap(), Ingested::Queued, "{id}");
        }
        assert!(is_away(&place.captured_by(&payment, "evt_3").await), "the provider is to send it again");
        assert_eq!(place.waiting().await, 2);
        place.set_away(false);
        assert_eq!(place.captured_by(&payment, "evt_3").await.unwrap(), Ingested::Processed);
        assert_eq!(place.round().await.done, 2);
        place.captured_once(&payment, "evt_3").await;
    }
}

#[tokio::test]
async fn without_a_place_to_keep_it_the_provider_is_to_send_it_again() {
    let world = World::new();
    let payment = world.authorized().await;
    *world.flaky.down.lock().unwrap() = true;
    let sent = event(payment.id, "evt_1", taken());
    assert!(is_away(&world.gateway.take_event(ProviderName::Stripe, sent, context()).await));
}

#[tokio::test]
async fn one_that_cannot_be_read_is_not_lost_and_holds_up_no_other() {
    let place = Place::new();
    let payment = place.world.authorized().await;
    place.set_away(true);
    place.captured_by(&payment, "evt_broken").await.unwrap();
    place.captured_by(&payment, "evt_1").await.unwrap();
    let beside = Connection::open(place.path()).unwrap();
    let damaged = "UPDATE events SET data = replace(data, '1000', '9000') WHERE event_id = 'evt_broken'";
    assert_eq!(beside.execute(damaged, []).unwrap(), 1);
    place.set_away(false);
    assert_eq!(place.round().await, Round { done: 1, not_yet: 1, store_away: false });
    place.captured_once(&payment, "evt_1").await;
    assert_eq!((place.round().await.not_yet, place.waiting().await), (1, 1), "it waits for a person");
    // The provider's own words, sent again, are what counts.
    place.set_away(true);
    place.captured_by(&payment, "evt_broken").await.unwrap();
    place.set_away(false);
    assert_eq!((place.round().await, place.waiting().await), (DONE, 0));
}

#[tokio::test]
async fn only_an_unavailable_store_leads_to_the_file() {
    let place = Place::new();
    let payment = place.world.authorized().await;
    // It contradicts what we know: the provider is asked, and cannot be.
    place.world.script.look_ups([LookUp::Failed { reason: "down".to_owned() }]);
    let old = event(payment.id, "evt_old", TransactionState::Voided);
    assert!(matches!(place.send(old).await, Err(Error::ProviderUnavailable { .. })));
    let nobodys = event(PaymentId::from_random([9; 16]), "evt_nobody", taken());
    assert_eq!(place.send(nobodys).await.unwrap(), Ingested::Unmatched);
    place.set_away(true);
    for (news, expected) in [(News::NotUsed, Ingested::Ignored), (News::NotOurs, Ingested::Unmatched)] {
        let event = ProviderEvent { event_id: "evt_other".into(), event_type: "payout.paid".into(), news };
        assert_eq!(place.send(event).await.unwrap(), expected, "the store has no part in it");
    }
    assert_eq!(place.waiting().await, 0);
}

#[tokio::test]
async fn what_matches_no_payment_when_it_is_applied_is_gone() {
    let place = Place::new();
    place.set_away(true);
    let nobodys = event(PaymentId::from_random([9; 16]), "evt_nobody", taken());
    assert_eq!(place.send(nobodys).await.unwrap(), Ingested::Queued);
    place.set_away(false);
    assert_eq!((place.round().await, place.waiting().await), (DONE, 0));
}

#[tokio::test]
async fn one_whose_provider_cannot_be_asked_yet_waits_and_the_others_go_on() {
    let place = Place::new();
    let payment = place.world.authorized().await;
    place.set_away(true);
    place.send(event(payment.id, "evt_old", TransactionState::Voided)).await.unwrap();
    let other = PaymentId::from_random([9; 16]);
    place.send(event(other, "evt_nobody", held())).await.unwrap();
    place.set_away(false);
    place.world.script.look_ups([LookUp::Failed { reason: "down".to_owned() }]);
    assert_eq!(place.round().await, Round { done: 1, not_yet: 1, store_away: false });
    // Within its pause it is left alone, and nobody is asked.
    assert_eq!(place.applier.round().await.unwrap(), Round::default());
    place.world.script.look_ups([LookUp::Found(crate::world::shows(held()))]);
    assert_eq!((place.round().await, place.waiting().await), (DONE, 0));
    assert_eq!(place.world.now_is(&payment).await.status, PaymentStatus::Authorized);
}

#[tokio::test]
async fn a_refund_that_failed_late_is_not_missed() {
    let place = Place::new();
    let settled = place.world.settled().await;
    let (payment, refund) = place.world.refunded(&settled, 400, RefundState::Completed).await;
    let failure = tollgate_domain::Failure::new("refund_failed", "The account is closed.");
    let state = RefundState::Failed(failure);
    let view = RefundView { refund_reference: "re_1".to_owned(), instead_of: None, state };
    let news = News::Refund { payment: payment.id, refund, view };
    let told = ProviderEvent { event_id: "evt_r".into(), event_type: "refund.failed".into(), news };
    place.set_away(true);
    assert_eq!(place.send(told).await.unwrap(), Ingested::Queued);
    place.set_away(false);
    assert_eq!(place.round().await, DONE);
    assert_eq!(place.world.refund(refund).await.status, tollgate_domain::RefundStatus::Failed);
}

/// Says what each event comes to, and how many were under way at most.
#[derive(Default)]
struct Told {
    order: Mutex<Vec<String>>,
    outcome: Mutex<Option<Outcome>>,
}

#[async_trait]
impl Apply for Told {
    async fn apply(&self, event: KeptEvent, _: Option<&str>) -> Outcome {
        self.order.lock().unwrap().push(event.event.event_id);
        self.outcome.lock().unwrap().unwrap_or(Outcome::Done)
    }
}

#[tokio::test]
async fn a_store_that_stays_away_is_tried_with_a_few_at_a_time_and_then_all_are_applied_in_order() {
    let file = EventFile::in_memory(EventLimits::default(), Arc::new(|| None)).unwrap();
    let keep = |number: u32| {
        let payment = PaymentId::from_random([5; 16]);
        let kept = KeptEvent {
            provider: ProviderName::Stripe,
            event: event(payment, &format!("evt_{number:03}"), taken()),
            received_at: START,
            correlation_id: "c".to_owned(),
        };
        let file = file.clone();
        async move { file.keep(&kept).await.unwrap() }
    };
    for number in 0..200 {
        keep(number).await;
    }
    let told = Arc::new(Told::default());
    *told.outcome.lock().unwrap() = Some(Outcome::StoreAway);
    let applier = Applier::new(file.clone(), told.clone(), Arc::new(SandboxTime::simulated(START)));
    for tried in 1..=3 {
        assert_eq!(applier.round().await.unwrap(), Round { done: 0, not_yet: 1, store_away: true });
        assert_eq!(told.order.lock().unwrap().len(), tried, "the rest would fare the same");
    }
    assert_eq!(told.order.lock().unwrap().join(" "), "evt_000 evt_001 evt_002", "no single one holds up the others");
    *told.outcome.lock().unwrap() = None;
    told.order.lock().unwrap().clear();
    let mut done = applier.round().await.unwrap().done;
    // Those that waited for the store wait no longer, now that it is known to be back.
    done += applier.round().await.unwrap().done;
    assert_eq!((done, file.waiting().await.unwrap()), (200, 0));
    let order = told.order.lock().unwrap().clone();
    let late: Vec<_> = order.iter().skip(197).cloned().collect();
    assert_eq!(late, ["evt_000", "evt_001", "evt_002"], "those of one payment go in their order");
    assert!(order[..197].is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_grows_and_ends() {
    let file = EventFile::in_memory(EventLimits::default(), Arc::new(|| None)).unwrap();
    let kept = KeptEvent {
        provider: ProviderName::Bank,
        event: event(PaymentId::from_random([5; 16]), "evt_1", taken()),
        received_at: START,
        correlation_id: "c".to_owned(),
    };
    file.keep(&kept).await.unwrap();
    let told = Arc::new(Told::default());
    *told.outcome.lock().unwrap() = Some(Outcome::NotYet);
    let time = Arc::new(Moved::default());
    let applier = Applier::new(file, told.clone(), time.clone());
    let mut pauses = Vec::new();
    let mut last = None;
    for second in 0..130 {
        time.0.lock().unwrap().clone_from(&Duration::from_secs(second));
        if applier.round().await.unwrap().not_yet == 1 {
            pauses.extend(last.replace(second).map(|last| second - last));
        }
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
}

/// A real time that is moved by hand.
#[derive(Default)]
struct Moved(Mutex<Duration>);

#[async_trait]
impl Time for Moved {
    fn now(&self) -> tollgate_domain::Timestamp {
        START
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }

    async fn sleep(&self, _: Duration) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_events_over_outages_leaves_each_with_one_effect() {
    let place = Place::new();
    let mut payments = Vec::new();
    for number in 0..12 {
        let view =
            tollgate_domain::TransactionView { transaction_id: format!("pi_{number}"), ..crate::world::view(held()) };
        place.world.script.answers([tollgate_domain::Answer::Shows(view)]);
        payments.push(place.world.create(&format!("order-{number}")).await.unwrap().payment);
    }
    for round in 0..4 {
        place.set_away(round % 2 == 0);
        let sends = payments.iter().enumerate().flat_map(|(number, payment)| {
            let view = tollgate_domain::TransactionView {
                transaction_id: format!("pi_{number}"),
                ..crate::world::view(taken())
            };
            let news = News::Transaction { payment: Some(payment.id), view };
            let event = ProviderEvent { event_id: format!("evt_{number}"), event_type: "captured".into(), news };
            [place.send(event.clone()), place.send(event)]
        });
        let sends = join_all(sends);
        let (answers, _) = join(sends, place.applier.try_all()).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }
    place.set_away(false);
    // The breaker before the store lets one call try, and then all.
    eventually("all are applied", async || {
        place.round().await;
        place.waiting().await == 0
    })
    .await;
    for (number, payment) in payments.iter().enumerate() {
        place.captured_once(payment, &format!("evt_{number}")).await;
    }
}
