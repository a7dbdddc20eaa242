//! Providers' own records held against store and ledger, both ways: each kind of exception is found once, ages, and resolves itself;
//! what is under way is none; and a run that is cut off, doubled or lied to does no harm.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tollgate_domain::{
    Answer, CaptureMethod, Currency, Exception, ExceptionKind, Money, Movement, Payment, PaymentId, ProviderName,
    ProviderRecord, RecordState, RefundId, RefundState, Timestamp, exception::Resolution,
};
use tollgate_gateway::{
    JobReport, JobRun,
    ports::{
        Audit, Exceptions, Provider, ProviderRecords, Time,
        fail_points::NoFailPoints,
        provider::{Call, LookUp, Reply, Terms, Unsupported},
        provider_records::{RecordPage, Records, RecordsAsk},
    },
    reconcile::{ExceptionAct, PROVIDER_RECORDS, act_on_exception},
};
use tollgate_simulators::SandboxTime;
use tollgate_store::{Options, SqliteStore};
use tollgate_tests::simulated::start_providers;

use crate::{
    api_support::{Request, World as Sandbox, exchange, order},
    world::{START, Script, World, boot, context, held, reply, shows, taken, unknown, yen},
};

pub(crate) const HOUR: u64 = 3600;

/// A provider whose own records are what a test puts into them, two a page.
#[derive(Default)]
struct Keeper {
    books: Mutex<Vec<ProviderRecord>>,
    /// Every period and place that was asked for.
    asked: Mutex<Vec<(Timestamp, Timestamp, Option<String>)>>,
    /// After so many more pages it gives no answer.
    goes_away_after: Mutex<Option<usize>>,
    /// What it answers whatever is asked.
    always: Mutex<Option<Records>>,
    /// Longer periods are too long.
    at_most: Mutex<Option<Duration>>,
    calls: AtomicUsize,
}

const PAGE: usize = 2;

#[async_trait]
impl Provider for Keeper {
    fn name(&self) -> ProviderName {
        ProviderName::Stripe
    }

    fn accepts(&self, _: Money, _: CaptureMethod) -> Result<(), Unsupported> {
        Ok(())
    }

    fn terms(&self) -> Terms {
        Terms { captures_partially: true, resend_window: Duration::ZERO }
    }

    async fn send(&self, _: Call<'_>) -> Reply<Answer> {
        panic!("nothing here moves money")
    }

    async fn look_up(&self, _: Call<'_>) -> Reply<LookUp> {
        panic!("nothing here asks payment by payment")
    }

    async fn cancel(&self, _: Call<'_>) -> Reply<Answer> {
        panic!("nothing here moves money")
    }

    fn records(&self) -> Option<&dyn ProviderRecords> {
        Some(self)
    }
}

#[async_trait]
impl ProviderRecords for Keeper {
    fn known_after(&self) -> Duration {
        Duration::from_secs(900)
    }

    fn longest_period(&self) -> Duration {
        Duration::from_secs(24 * HOUR)
    }

    async fn records_of(&self, ask: RecordsAsk<'_>) -> Reply<Records> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.asked.lock().unwrap().push((ask.from, ask.until, ask.cursor.map(ToOwned::to_owned)));
        let away = || Records::Failed { reason: "down".to_owned() };
        match &mut *self.goes_away_after.lock().unwrap() {
            Some(0) => return reply(away()),
            Some(left) => *left -= 1,
            None => {}
        }
        if let Some(always) = &*self.always.lock().unwrap() {
            return reply(always.clone());
        }
        let length = Duration::try_from(ask.until.duration_since(ask.from)).unwrap();
        if self.at_most.lock().unwrap().is_some_and(|most| length > most) {
            return reply(Records::TooMany);
        }
        let books = self.books.lock().unwrap();
        let of_period = books.iter().filter(|record| record.at >= ask.from && record.at < ask.until);
        let from = ask.cursor.map_or(0, |cursor| cursor.parse::<usize>().unwrap());
        let all: Vec<_> = of_period.cloned().collect();
        let next = (from + PAGE < all.len()).then(|| (from + PAGE).to_string());
        let records = all.into_iter().skip(from).take(PAGE).collect();
        reply(Records::Page(RecordPage { records, others: 1, next }))
    }
}

/// A gateway beside a provider's books.
pub(crate) struct Played {
    pub(crate) world: World,
    keeper: Arc<Keeper>,
}

impl Played {
    pub(crate) fn new() -> Self {
        let time = Arc::new(SandboxTime::simulated(START));
        let store = Arc::new(SqliteStore::in_memory(Options::new(boot(1)), time.clone()).unwrap());
        Self::on(store, Arc::default(), time, 1)
    }

    fn on(store: Arc<SqliteStore>, keeper: Arc<Keeper>, time: Arc<SandboxTime>, number: u8) -> Self {
        let (script, others) = (Arc::new(Script::default()), vec![keeper.clone() as Arc<dyn Provider>]);
        let world = World::beside(store, script, others, time, boot(number), Arc::new(NoFailPoints));
        Self { world, keeper }
    }

    /// The same data and provider, seen by a process that started after this one.
    fn restarted(&self) -> Self {
        let store = Arc::new(self.world.store.another(boot(2)).unwrap());
        Self::on(store, self.keeper.clone(), self.world.time.clone(), 2)
    }

    async fn run(&self) -> JobReport {
        self.world.gateway.provider_records(JobRun::scheduled(Duration::from_secs(60)), context()).await.unwrap()
    }

    /// Runs it so much later.
    pub(crate) async fn after(&self, seconds: u64) -> JobReport {
        self.world.later(seconds);
        self.run().await
    }

    pub(crate) fn shows(&self, record: ProviderRecord) {
        self.keeper.books.lock().unwrap().push(record);
    }

    async fn all(&self) -> Vec<Exception> {
        self.world.store.exceptions(false, None, 100).await.unwrap()
    }

    /// The kinds of the exceptions that are open.
    async fn open(&self) -> Vec<ExceptionKind> {
        self.world.store.exceptions(true, None, 100).await.unwrap().iter().map(|it| it.kind).collect()
    }

    async fn authorized(&self) -> Payment {
        self.world.script.answers([shows(held())]);
        self.world.create("k").await.unwrap().payment
    }

    pub(crate) async fn captured(&self) -> Payment {
        let payment = self.authorized().await;
        self.world.script.answers([shows(taken())]);
        self.world.capture(&payment, "c").await.unwrap().payment
    }
}

/// What the provider should show of the capture of 1000 yen.
pub(crate) fn of(payment: &Payment) -> ProviderRecord {
    ProviderRecord {
        id: "txn_1".to_owned(),
        movement: Movement::Capture,
        payment: Some(payment.id),
        refund: None,
        transaction: Some("pi_1".to_owned()),
        amount: Some(yen(1000)),
        currency: "JPY".parse().ok(),
        state: RecordState::Completed,
        at: START,
    }
}

fn refund_of(payment: &Payment, refund: Option<RefundId>, minor: i64, at: Timestamp) -> ProviderRecord {
    ProviderRecord {
        id: "txn_2".to_owned(),
        movement: Movement::Refund,
        refund,
        amount: Some(yen(minor)),
        at,
        ..of(payment)
    }
}

pub(crate) fn did(report: &JobReport, what: &str) -> u64 {
    report.did.get(what).copied().unwrap_or_default()
}

#[tokio::test]
async fn a_movement_of_which_all_three_say_the_same_is_matched_and_looked_at_once() {
    let played = Played::new();
    played.shows(of(&played.captured().await));
    let report = played.after(3 * HOUR).await;
    assert_eq!((did(&report, "matched"), did(&report, "others"), report.could_not.len()), (1, 1, 0), "{report:?}");
    assert_eq!(played.all().await, []);
    let report = played.after(HOUR).await;
    assert_eq!((did(&report, "matched"), report.more), (0, false), "it goes on from where it was: {report:?}");
    assert!(played.world.store.job(PROVIDER_RECORDS).await.unwrap().last_success_at.is_some());
}

/// What a test makes of a payment that is authorized and one that is captured, in the provider's books.
type Plant = fn(&Payment) -> Vec<ProviderRecord>;

#[tokio::test]
async fn each_kind_of_difference_is_found_once_and_ages() {
    let planted: [(ExceptionKind, bool, Plant); 9] = [
        (ExceptionKind::MissingHere, true, |payment| {
            let lost = ProviderRecord { id: "txn_9".to_owned(), transaction: Some("pi_9".to_owned()), ..of(payment) };
            vec![of(payment), ProviderRecord { payment: Some(PaymentId::from_random([9; 16])), ..lost }]
        }),
        // By the provider's dashboard: it carries no id of ours, and is of a transaction of ours.
        (ExceptionKind::MissingHere, true, |payment| {
            vec![of(payment), ProviderRecord { payment: None, ..refund_of(payment, None, 400, START) }]
        }),
        (ExceptionKind::MissingThere, true, |_| Vec::new()),
        (ExceptionKind::Amount, true, |payment| vec![ProviderRecord { amount: Some(yen(900)), ..of(payment) }]),
        (ExceptionKind::Amount, true, |payment| vec![ProviderRecord { amount: None, ..of(payment) }]),
        (ExceptionKind::Currency, true, |payment| {
            let usd: Currency = "USD".parse().unwrap();
            let amount = Money::new(1000, usd).ok();
            vec![ProviderRecord { amount, currency: Some(usd), ..of(payment) }]
        }),
        (ExceptionKind::State, false, |payment| vec![of(payment)]),
        (ExceptionKind::Duplicate, true, |payment| {
            let again = ProviderRecord { id: "txn_2".to_owned(), transaction: Some("pi_2".to_owned()), ..of(payment) };
            vec![again, of(payment)]
        }),
        (ExceptionKind::Duplicate, true, |payment| {
            let plain = ProviderRecord { transaction: None, ..of(payment) };
            vec![plain.clone(), ProviderRecord { id: "txn_2".to_owned(), ..plain }]
        }),
    ];
    for (kind, is_captured, plant) in planted {
        let played = Played::new();
        let payment = if is_captured { played.captured().await } else { played.authorized().await };
        for record in plant(&payment) {
            played.shows(record);
        }
        let report = played.after(3 * HOUR).await;
        assert_eq!(played.open().await, [kind], "{report:?}");
        assert_eq!(report.could_not.get(kind.as_str()), Some(&1), "{report:?}");
        let report = played.after(HOUR).await;
        assert_eq!((did(&report, "still_open"), report.could_not.len()), (1, 0), "{kind:?}: told once: {report:?}");
        let all = played.all().await;
        assert_eq!(all.len(), 1, "{kind:?}: not doubled");
        let age = all[0].last_seen.duration_since(all[0].first_seen);
        assert_eq!(age.as_secs(), i64::try_from(HOUR).unwrap(), "{kind:?}");
    }
}

#[tokio::test]
async fn what_was_missing_and_turns_up_late_resolves_itself() {
    let played = Played::new();
    let payment = played.captured().await;
    played.after(3 * HOUR).await;
    assert_eq!(played.open().await, [ExceptionKind::MissingThere]);
    let late = played.world.time.now();
    played.shows(ProviderRecord { at: late, ..of(&payment) });
    let report = played.after(HOUR).await;
    assert_eq!((did(&report, "matched"), did(&report, "resolved")), (1, 1), "{report:?}");
    let all = played.all().await;
    let resolved = all[0].resolved.as_ref().unwrap();
    assert_eq!((resolved.how, resolved.by.as_str()), (Resolution::Matched, PROVIDER_RECORDS));
    assert_eq!(played.open().await, []);
}

#[tokio::test]
async fn what_was_captured_there_alone_resolves_itself_once_we_have_captured_it_too() {
    let played = Played::new();
    let payment = played.authorized().await;
    played.shows(of(&payment));
    played.after(3 * HOUR).await;
    assert_eq!(played.open().await, [ExceptionKind::State]);
    played.world.script.answers([shows(taken())]);
    played.world.capture(&payment, "c").await.unwrap();
    let report = played.after(HOUR).await;
    assert_eq!((did(&report, "resolved"), played.open().await), (1, vec![]), "{report:?}");
    let later = played.after(HOUR).await;
    assert_eq!((later.could_not.len(), played.all().await.len()), (0, 1), "and is not missing there: {later:?}");
}

#[tokio::test]
async fn a_payment_in_flight_is_no_exception() {
    let played = Played::new();
    let payment = played.authorized().await;
    played.world.script.answers([unknown()]);
    played.world.capture(&payment, "c").await.unwrap();
    played.shows(of(&payment));
    let report = played.after(3 * HOUR).await;
    assert_eq!((did(&report, "in_motion"), played.all().await), (1, vec![]), "{report:?}");

    // What we have just captured is not looked for before the provider can be relied on to show it.
    let played = Played::new();
    played.captured().await;
    for _ in 0..4 {
        played.after(900).await;
    }
    assert_eq!(played.all().await, []);
    played.after(HOUR).await;
    assert_eq!(played.open().await, [ExceptionKind::MissingThere]);
}

#[tokio::test]
async fn a_refund_is_matched_and_one_that_came_back_is_no_exception() {
    let played = Played::new();
    let payment = played.world.settled().await;
    let (payment, refund) = played.world.refunded(&payment, 400, RefundState::Completed).await;
    let now = played.world.time.now();
    played.shows(of(&payment));
    played.shows(refund_of(&payment, Some(refund), 400, now));
    let report = played.after(3 * HOUR).await;
    assert_eq!((did(&report, "matched"), played.all().await), (2, vec![]), "{report:?}");

    let back = played.world.time.now();
    let returned = ProviderRecord {
        id: "txn_3".to_owned(),
        movement: Movement::Returned,
        ..refund_of(&payment, Some(refund), 400, back)
    };
    played.shows(returned);
    played.after(3 * HOUR).await;
    assert_eq!(played.open().await, [ExceptionKind::State], "they have it back, and we say that it is gone");
}

#[tokio::test]
async fn a_refund_that_the_records_do_not_show_is_missing_there() {
    let played = Played::new();
    let payment = played.world.settled().await;
    let (payment, refund) = played.world.refunded(&payment, 400, RefundState::Completed).await;
    played.shows(of(&payment));
    played.after(3 * HOUR).await;
    let all = played.all().await;
    assert_eq!((all.len(), all[0].kind, all[0].record.refund), (1, ExceptionKind::MissingThere, Some(refund)));
}

#[tokio::test]
async fn what_carries_no_id_of_ours_is_somebody_elses() {
    let played = Played::new();
    let payment = played.captured().await;
    played.shows(of(&payment));
    let foreign = ProviderRecord { payment: None, transaction: Some("pi_77".to_owned()), ..of(&payment) };
    played.shows(ProviderRecord { id: "txn_7".to_owned(), ..foreign.clone() });
    played.shows(ProviderRecord {
        id: "txn_8".to_owned(),
        transaction: None,
        refund: Some(RefundId::from_random([9; 16])),
        ..foreign
    });
    let report = played.after(3 * HOUR).await;
    assert_eq!((did(&report, "not_ours"), did(&report, "matched"), played.all().await), (2, 1, vec![]), "{report:?}");
}

#[tokio::test]
async fn a_run_that_is_cut_off_is_taken_up_by_another_process_and_nothing_is_doubled() {
    let played = Played::new();
    let payment = played.captured().await;
    played.shows(of(&payment));
    for number in 0..6_u8 {
        let lost = ProviderRecord { id: format!("txn_lost_{number}"), transaction: None, ..of(&payment) };
        played.shows(ProviderRecord { payment: Some(PaymentId::from_random([100 + number; 16])), ..lost });
    }
    *played.keeper.goes_away_after.lock().unwrap() = Some(2);
    let report = played.after(3 * HOUR).await;
    assert_eq!(report.could_not.get("provider_unreachable"), Some(&1), "{report:?}");
    assert!(played.world.store.job(PROVIDER_RECORDS).await.unwrap().last_success_at.is_none(), "job-late tells of it");
    let before = played.all().await.len();
    assert_eq!(before, 3, "of the two pages that there were");

    *played.keeper.goes_away_after.lock().unwrap() = None;
    played.keeper.asked.lock().unwrap().clear();
    let other = played.restarted();
    let report = other.run().await;
    let asked = played.keeper.asked.lock().unwrap().clone();
    assert_eq!(asked[0].2.as_deref(), Some("4"), "it goes on behind the last page: {asked:?}");
    assert_eq!(other.all().await.len(), 6, "{report:?}");
    assert!(other.all().await.iter().all(|exception| exception.kind == ExceptionKind::MissingHere));
}

#[tokio::test]
async fn two_runs_at_once_find_everything_once() {
    let played = Played::new();
    let payment = played.captured().await;
    let plain = ProviderRecord { transaction: None, ..of(&payment) };
    for number in 1..=4 {
        played.shows(ProviderRecord { id: format!("txn_{number}"), ..plain.clone() });
    }
    played.world.later(3 * HOUR);
    let other = played.restarted();
    let (one, two) = futures::join!(played.run(), other.run());
    assert_eq!(one.could_not.get("duplicate").unwrap_or(&0) + two.could_not.get("duplicate").unwrap_or(&0), 3);
    assert_eq!(played.all().await.len(), 3, "one is the capture's, the others are too many: {one:?} {two:?}");
}

#[tokio::test]
async fn pages_that_never_end_are_not_followed_for_ever() {
    let played = Played::new();
    let page = RecordPage { records: Vec::new(), others: 0, next: Some("again".to_owned()) };
    *played.keeper.always.lock().unwrap() = Some(Records::Page(page));
    let report = played.after(3 * HOUR).await;
    assert_eq!(report.could_not.get("endless"), Some(&1), "{report:?}");
    assert!(played.keeper.calls.load(Ordering::SeqCst) <= 5_000);
    assert!(played.world.store.job(PROVIDER_RECORDS).await.unwrap().last_success_at.is_none());
}

#[tokio::test]
async fn a_period_with_too_many_records_is_asked_for_in_shorter_ones() {
    let played = Played::new();
    played.shows(of(&played.captured().await));
    *played.keeper.at_most.lock().unwrap() = Some(Duration::from_secs(2 * HOUR));
    let report = played.after(3 * HOUR).await;
    assert_eq!((did(&report, "matched"), report.could_not.len()), (1, 0), "{report:?}");
    let asked = played.keeper.asked.lock().unwrap().clone();
    let periods: Vec<_> = asked.iter().filter(|(from, until, _)| until.duration_since(*from).as_hours() < 2).collect();
    assert!(periods.windows(2).all(|two| two[0].1 == two[1].0), "without gaps: {periods:?}");
}

#[tokio::test]
async fn what_a_person_resolved_stays_resolved_when_the_day_is_walked_again() {
    let played = Played::new();
    let payment = played.captured().await;
    played.shows(ProviderRecord { amount: Some(yen(900)), ..of(&payment) });
    played.after(3 * HOUR).await;
    let id = played.all().await[0].id;
    let act = ExceptionAct::Resolve { why: "their fee was taken off".to_owned() };
    let now = played.world.time.now();
    let store = played.world.store.as_ref();
    assert!(act_on_exception(store, id, &act, "Ann", now).await.unwrap().unwrap().1);
    assert!(!act_on_exception(store, id, &act, "Bob", now).await.unwrap().unwrap().1, "it is resolved already");
    played.world.later(12 * HOUR);
    let run = JobRun::scheduled(Duration::from_secs(60));
    let report = played.world.gateway.provider_records_day(run, context()).await.unwrap();
    assert_eq!((did(&report, "differs"), report.could_not.len()), (1, 0), "{report:?}");
    let all = played.all().await;
    assert_eq!((all.len(), all[0].resolved.as_ref().unwrap().by.as_str()), (1, "Ann"));
}

#[tokio::test]
async fn what_came_into_the_records_late_is_found_by_the_daily_run() {
    let played = Played::new();
    let payment = played.captured().await;
    played.after(3 * HOUR).await;
    assert_eq!(played.open().await, [ExceptionKind::MissingThere]);
    // It is shown at the time that it had, which the hourly run is past.
    played.shows(of(&payment));
    played.after(HOUR).await;
    assert_eq!(played.open().await, [ExceptionKind::MissingThere]);
    played.world.later(12 * HOUR);
    let run = JobRun::scheduled(Duration::from_secs(60));
    let report = played.world.gateway.provider_records_day(run, context()).await.unwrap();
    assert_eq!((did(&report, "matched"), did(&report, "resolved"), played.open().await), (1, 1, vec![]), "{report:?}");
}

/// Runs a job of the sandbox.
async fn job(sandbox: &Sandbox, name: &str) -> Value {
    sandbox.send(sandbox.post(&format!("/sandbox/jobs/{name}"), &json!({}))).await.expect(200).json()
}

/// A capture and a refund of each card provider, by the sandbox's simulated Stripe and PayPal over HTTP.
#[tokio::test]
async fn the_simulated_providers_records_agree_with_what_was_paid_and_show_what_was_not_done_by_us() {
    let providers = start_providers(SandboxTime::real().into()).await.unwrap();
    let sandbox = Sandbox::start_on(&providers).await;
    let paypal = json!({"amount": 1000, "currency": "JPY", "payment_method": {"paypal": "vault-ok"}});
    let mut intent = String::new();
    for body in [order(1000, "pm_card_visa"), paypal] {
        let payment = sandbox.send(sandbox.post("/v1/payments", &body)).await.expect(201).json();
        let id = payment["id"].as_str().unwrap().to_owned();
        let capture = sandbox.post(&format!("/v1/payments/{id}/capture"), &json!({"amount": 700}));
        let captured = sandbox.send(capture).await.expect(200).json();
        if captured["provider"] == "stripe" {
            intent = captured["provider_transaction_id"].as_str().unwrap().to_owned();
        }
        sandbox.advance(24 * HOUR).await;
        let refund = sandbox.post(&format!("/v1/payments/{id}/refund"), &json!({"amount": 200}));
        sandbox.send(refund).await.expect(201);
    }
    // By then every record is known, and the daily run has walked the days again.
    sandbox.advance(72 * HOUR).await;
    let report = job(&sandbox, "provider-records").await;
    assert_eq!(report["could_not"], json!({}), "{report}");
    // Metrics are the process's, and other tests' sandboxes count in it, too; the page shows this sandbox's own store.
    let metrics = sandbox.send(Request::new("GET", "/metrics")).await.expect(200).text();
    assert!(
        metrics.contains("provider_records_total{outcome=\"matched\",provider=\"stripe\"}")
            || metrics.contains("provider_records_total{provider=\"stripe\",outcome=\"matched\"}"),
        "both ways were walked"
    );
    let exceptions = async || sandbox.send(Request::new("GET", "/console/exceptions")).await.expect(200).text();
    let page = exceptions().await;
    assert!(page.contains("None is open."), "{page}");

    // As if by Stripe's dashboard.
    let refund = Request::new("POST", "/stripe/v1/refunds")
        .with("authorization", "Bearer sk_test_by_hand")
        .with("content-type", "application/x-www-form-urlencoded")
        .body(format!("payment_intent={intent}&amount=100").as_bytes());
    exchange(providers.strip_prefix("http://").unwrap(), &refund.to_bytes()).await.unwrap().expect(200);
    sandbox.advance(2 * HOUR).await;
    let report = job(&sandbox, "provider-records").await;
    let page = exceptions().await;
    assert!(page.contains("1 missing here, "), "{report} {page}");
    let metrics = sandbox.send(Request::new("GET", "/metrics")).await.expect(200).text();
    assert!(metrics.contains("reconciliation_discrepancies{kind=\"missing_here\"} "), "{metrics}");
}
