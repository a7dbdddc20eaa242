//! Failing over as rule 9 allows, and what turns up at the provider that a payment was moved away from (rule 8): each as the
//! interleaving that would charge twice or lose a payment.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::{channel::oneshot, future::join};
use tollgate_domain::{
    Answer, CaptureMethod, Details, Money, OperationKind, OperationState, Payment, PaymentStatus, ProviderName,
    TransactionState, TransactionView,
    routing::{FlagName, FlagValue, Scope},
};
use tollgate_gateway::{
    CreatePayment, Done, Error, Ingested, JobRun,
    ports::{
        FailPoints, Provider, Store, Time,
        fail_points::NoFailPoints,
        provider::{Busy, Call, CallKind, LookUp, News, Pass, ProviderEvent, Reply, Terms, Unsupported},
    },
    records::{ListQuery, TimelineRow},
};
use tollgate_simulators::SandboxTime;
use tollgate_store::{Options, SqliteStore};

use crate::world::{Meanwhile, START, Script, World, boot, context, held, merchant, shows, taken, target, yen};

/// PayPal, by another script; busy when it is told to be.
struct Paypal {
    script: Arc<Script>,
    busy: bool,
    /// What happens before it lets the first call in.
    before: Mutex<Option<Meanwhile>>,
}

#[async_trait]
impl Provider for Paypal {
    fn name(&self) -> ProviderName {
        ProviderName::Paypal
    }

    fn accepts(&self, amount: Money, _: CaptureMethod) -> Result<(), Unsupported> {
        if amount.currency().code() == "KWD" { Err(Unsupported::Currency) } else { Ok(()) }
    }

    fn terms(&self) -> Terms {
        self.script.terms()
    }

    async fn admit(&self, _: CallKind) -> Result<Pass, Busy> {
        let before = self.before.lock().unwrap().take();
        if let Some(before) = before {
            before().await;
        }
        let busy = Busy { reason: "the circuit breaker is open", retry_after: Duration::from_secs(30) };
        if self.busy { Err(busy) } else { Ok(Pass::free()) }
    }

    async fn send(&self, call: Call<'_>) -> Reply<Answer> {
        assert_eq!(call.operation.provider, ProviderName::Paypal);
        self.script.send(call).await
    }

    async fn look_up(&self, call: Call<'_>) -> Reply<LookUp> {
        self.script.look_up(call).await
    }

    async fn cancel(&self, call: Call<'_>) -> Reply<Answer> {
        self.script.cancel(call).await
    }
}

/// A world with Stripe and PayPal.
struct Both {
    world: World,
    paypal: Arc<Script>,
    door: Arc<Paypal>,
}

impl Both {
    fn new() -> Self {
        Self::with(Arc::new(NoFailPoints), false)
    }

    fn with(fail_points: Arc<dyn FailPoints>, paypal_is_busy: bool) -> Self {
        let time = Arc::new(SandboxTime::simulated(START));
        let store = Arc::new(SqliteStore::in_memory(Options::new(boot(1)), time.clone()).unwrap());
        Self::on(store, Arc::default(), Arc::default(), time, 1, fail_points, paypal_is_busy)
    }

    fn on(
        store: Arc<SqliteStore>,
        stripe: Arc<Script>,
        paypal: Arc<Script>,
        time: Arc<SandboxTime>,
        number: u8,
        fail_points: Arc<dyn FailPoints>,
        busy: bool,
    ) -> Self {
        let door = Arc::new(Paypal { script: paypal.clone(), busy, before: Mutex::default() });
        let world = World::beside(store, stripe, vec![door.clone()], time, boot(number), fail_points);
        Self { world, paypal, door }
    }

    /// The same data and providers, seen by a process that started after this one.
    fn restarted(&self, number: u8) -> Self {
        let World { store, script, time, .. } = &self.world;
        let store = Arc::new(store.another(boot(number)).unwrap());
        Self::on(store, script.clone(), self.paypal.clone(), time.clone(), number, Arc::new(NoFailPoints), false)
    }

    async fn create(&self, key: &str) -> Result<Done, Error> {
        self.create_with(key, None, &[ProviderName::Stripe, ProviderName::Paypal]).await
    }

    async fn create_with(
        &self,
        key: &str,
        provider: Option<ProviderName>,
        tokens: &[ProviderName],
    ) -> Result<Done, Error> {
        let command = CreatePayment {
            merchant: merchant(),
            idempotency_key: key.to_owned(),
            amount: yen(1000),
            payment_method: tokens.iter().map(|name| (*name, format!("token at {name}"))).collect::<BTreeMap<_, _>>(),
            provider,
            capture_method: CaptureMethod::Manual,
            details: Details { merchant_reference: Some(key.to_owned()), ..Details::default() },
        };
        self.world.gateway.create_payment(command, context()).await
    }

    /// A payment that Stripe was not reached for, and PayPal holds.
    async fn moved(&self) -> Payment {
        self.world.script.answers([not_reached()]);
        self.paypal.answers([Answer::Shows(order(held()))]);
        self.create("moved").await.unwrap().payment
    }

    /// The payment that was made with this key, whatever the answer was.
    async fn made_with(&self, key: &str) -> Payment {
        let (merchant_reference, limit) = (Some(key.to_owned()), 2);
        let query = ListQuery { merchant: merchant(), merchant_reference, status: None, after: None, limit };
        let page = self.world.gateway.list_payments(&query).await.unwrap();
        assert_eq!(page.payments.len(), 1, "{key}");
        page.payments[0].clone()
    }

    async fn details(&self, payment: &Payment) -> Vec<(&'static str, String)> {
        let rows = self.world.gateway.timeline(merchant(), payment.id).await.unwrap();
        let changes = rows.into_iter().filter_map(|row| match row {
            TimelineRow::Change(history) => Some((history.what.as_str(), history.detail.unwrap_or_default())),
            _ => None,
        });
        changes.collect()
    }
}

fn not_reached() -> Answer {
    Answer::NotReached { reason: "connection refused".to_owned(), retry_after: None }
}

fn unknown() -> Answer {
    Answer::Unknown { reason: "timeout".to_owned() }
}

fn order(state: TransactionState) -> TransactionView {
    TransactionView { transaction_id: "ORDER1".to_owned(), request_id: None, amount: yen(1000), state, kept: None }
}

fn at_stripe(state: TransactionState) -> TransactionView {
    TransactionView { transaction_id: "pi_late".to_owned(), ..order(state) }
}

fn event(id: &str, payment: &Payment, view: TransactionView) -> ProviderEvent {
    ProviderEvent {
        event_id: id.to_owned(),
        event_type: "told".to_owned(),
        news: News::Transaction { payment: Some(payment.id), view },
    }
}

#[tokio::test]
async fn a_provider_that_was_not_reached_hands_the_payment_on_and_the_timeline_says_why() {
    let both = Both::new();
    let payment = both.moved().await;
    assert_eq!((payment.status, payment.provider), (PaymentStatus::Authorized, ProviderName::Paypal));
    assert_eq!(payment.provider_transaction_id.as_deref(), Some("ORDER1"));
    let [(_, stripes, _)] = &both.world.script.sent()[..] else { panic!("asked once") };
    let [(_, paypals, _)] = &both.paypal.sent()[..] else { panic!("asked once") };
    assert_ne!(stripes, paypals, "an attempt of its own");
    assert_eq!(payment.provider_request_id.to_string(), *paypals, "of the attempt that counts");
    let details = both.details(&payment).await;
    assert_eq!(details[0], ("payment_opened", "stripe: first in our order".to_owned()));
    assert_eq!(details[2], ("failed_over", "paypal: next in our order; stripe was not reached".to_owned()));
    let first = both.world.store.operation(payment.id, 1).await.unwrap().unwrap();
    assert_eq!(
        (first.state, first.provider, first.payment_method),
        (OperationState::Dropped, ProviderName::Stripe, None)
    );

    let again = both.create("moved").await.unwrap();
    assert!(again.replayed && again.known);
    assert_eq!(again.payment, payment, "the same key gives the same payment");
    both.paypal.answers([Answer::Shows(order(taken()))]);
    let captured = both.world.gateway.capture_payment(target(&payment, "take"), None, context()).await.unwrap();
    assert_eq!(captured.payment.status, PaymentStatus::Captured);
    assert_eq!(both.world.script.sent().len(), 1, "Stripe was not asked again");
}

#[tokio::test]
async fn unknown_never_fails_over() {
    let both = Both::new();
    both.world.script.answers([unknown()]);
    let done = both.create("key").await.unwrap();
    assert_eq!((done.known, done.payment.provider), (false, ProviderName::Stripe));
    // Nor after the retry, which is not reached: its first call may have arrived.
    both.world.later(21);
    both.world.script.answers([not_reached()]);
    let retried = both.create("key").await;
    assert!(matches!(retried, Err(Error::ProviderUnavailable { .. })), "{retried:?}");
    assert_eq!(both.paypal.sent(), []);
}

/// Two instances' clocks differ by more than what is left of a lease after the longest call; or the first one's machine was suspended.
#[tokio::test]
async fn unknown_never_fails_over_also_where_it_was_another_instances_call() {
    let both = Both::new();
    let other = both.restarted(2);
    let (stripe, time) = (both.world.script.clone(), both.world.time.clone());
    stripe.look_ups([LookUp::Failed { reason: "away".to_owned() }]);
    *both.world.script.meanwhile.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            // The lease is over, and another instance takes the attempt over: Stripe charges, and the answer is lost.
            time.set(Some(time.now() + Duration::from_secs(21)));
            stripe.answers([unknown()]);
            assert!(!other.create("key").await.unwrap().known);
            stripe.answers([not_reached()]);
        })
    }));
    let done = both.create("key").await.unwrap();
    assert_eq!((both.world.script.sent().len(), both.paypal.sent()), (2, vec![]), "Stripe may have charged");
    assert_eq!((done.known, done.payment.provider), (false, ProviderName::Stripe));
    let open = both.made_with("key").await.open.unwrap();
    assert_eq!((open.provider, open.lease), (ProviderName::Stripe, None), "and a retry asks there");
}

/// The other instance's call is still under way when the first one's ends.
#[tokio::test]
async fn a_call_that_came_to_nothing_leaves_the_attempt_to_whoever_took_it_over() {
    let both = Both::new();
    let other = both.restarted(2);
    let (stripe, time) = (both.world.script.clone(), both.world.time.clone());
    let ((taken_over, is_taken_over), (go, gone)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
    let ((ended, end), second) = (oneshot::channel::<()>(), both.world.script.clone());
    *both.world.script.meanwhile.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            time.set(Some(time.now() + Duration::from_secs(21)));
            *second.meanwhile.lock().unwrap() = Some(Box::new(move || {
                Box::pin(async move {
                    taken_over.send(()).unwrap();
                    end.await.unwrap();
                })
            }));
            go.send(()).unwrap();
            is_taken_over.await.unwrap();
            stripe.answers([unknown()]);
        })
    }));
    let first = async {
        let done = both.create("key").await.unwrap();
        let open = both.made_with("key").await.open.unwrap();
        assert!(!done.known && open.lease.is_some_and(|lease| lease.owner == boot(2)), "{open:?}");
        both.world.script.answers([Answer::Shows(at_stripe(held()))]);
        ended.send(()).unwrap();
    };
    let second = async {
        gone.await.unwrap();
        other.create("key").await.unwrap()
    };
    let ((), second) = join(first, second).await;
    assert_eq!((second.known, second.payment.status), (true, PaymentStatus::Authorized));
}

/// A look-up at Stripe is answered when the payment has moved on.
#[tokio::test]
async fn what_the_provider_shows_that_was_left_is_not_taken_for_the_next_ones_transaction() {
    let both = Both::new();
    let other = both.restarted(2);
    let ((asked, is_asked), (moved, has_moved)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
    let ((go, gone), (ended, end)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
    both.world.script.answers([not_reached()]);
    both.world.script.look_ups([LookUp::Found(Answer::Shows(at_stripe(held())))]);
    *both.world.script.while_asked.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            asked.send(()).unwrap();
            has_moved.await.unwrap();
        })
    }));
    *both.door.before.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            go.send(()).unwrap();
            is_asked.await.unwrap();
        })
    }));
    *both.paypal.meanwhile.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            moved.send(()).unwrap();
            end.await.unwrap();
        })
    }));
    both.paypal.answers([Answer::Shows(order(held()))]);
    let job = async {
        gone.await.unwrap();
        let id = both.made_with("key").await.id;
        other.world.gateway.resolve_operation(id, "a job", context()).await.unwrap();
        ended.send(()).unwrap();
    };
    let (done, ()) = join(both.create("key"), job).await;
    let payment = done.unwrap().payment;
    assert_eq!((payment.provider, payment.status), (ProviderName::Paypal, PaymentStatus::Authorized));
    assert_eq!(payment.provider_transaction_id.as_deref(), Some("ORDER1"), "PayPal's own");
}

#[tokio::test]
async fn a_decline_is_the_answer_and_no_other_instrument_of_the_payers_is_charged() {
    let both = Both::new();
    let failure = tollgate_domain::Failure::new("card_declined", "The card was declined");
    both.world.script.answers([shows(TransactionState::Declined(failure))]);
    assert_eq!(both.create("key").await.unwrap().payment.status, PaymentStatus::Failed);
    assert_eq!(both.paypal.sent(), []);
}

#[tokio::test]
async fn a_provider_that_the_merchant_asked_for_is_the_only_one() {
    let both = Both::new();
    both.world.script.answers([not_reached()]);
    let tokens = [ProviderName::Stripe, ProviderName::Paypal];
    let refused = both.create_with("key", Some(ProviderName::Stripe), &tokens).await;
    assert!(matches!(refused, Err(Error::ProviderUnavailable { .. })), "{refused:?}");
    assert_eq!(both.paypal.sent(), []);
}

#[tokio::test]
async fn where_the_next_one_admits_no_call_the_payment_stays_and_the_same_key_resumes_it() {
    let both = Both::with(Arc::new(NoFailPoints), true);
    both.world.script.answers([not_reached(), shows(held())]);
    let refused = both.create("key").await;
    assert!(matches!(refused, Err(Error::ProviderUnavailable { .. })), "{refused:?}");
    let resumed = both.create("key").await.unwrap();
    assert_eq!((resumed.payment.status, resumed.payment.provider), (PaymentStatus::Authorized, ProviderName::Stripe));
    assert_eq!(both.world.script.sent().len(), 2);
}

#[tokio::test]
async fn a_crash_after_the_move_is_taken_up_where_it_was_moved_to() {
    let both = Both::new();
    both.world.script.answers([not_reached()]);
    both.paypal.answers([unknown()]);
    // The process ends while PayPal's answer is on its way.
    let cut_off = both.create("key").await.unwrap().payment;
    assert_eq!((cut_off.status, cut_off.provider), (PaymentStatus::Pending, ProviderName::Paypal));
    let after = both.restarted(2);
    after.world.later(30);
    after.paypal.answers([Answer::Shows(order(held()))]);
    let resumed = after.create("key").await.unwrap().payment;
    assert_eq!((resumed.id, resumed.status), (cut_off.id, PaymentStatus::Authorized));
    let ids: Vec<_> = after.paypal.sent().into_iter().map(|(_, id, _)| id).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1], "sent again under its id");
    assert_eq!(after.world.script.sent().len(), 1, "Stripe was left alone");
}

#[tokio::test]
async fn a_retry_that_takes_the_payment_up_before_the_move_keeps_it() {
    let both = Both::new();
    both.world.script.answers([not_reached(), shows(held())]);
    let (time, retrying) = (both.world.time.clone(), both.restarted(2));
    // While Stripe is being called, a restarted instance waits out the lease and sends the same again.
    *both.world.script.meanwhile.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            time.set(Some(time.now() + Duration::from_secs(21)));
            // It takes the answer that says not reached, and is handed to PayPal by it.
            retrying.paypal.answers([Answer::Shows(order(held()))]);
            drop(retrying.create("key").await);
        })
    }));
    let done = both.create("key").await;
    let payment = both.world.store.payment(done.unwrap().payment.id).await.unwrap().unwrap();
    assert_eq!(payment.status, PaymentStatus::Authorized);
    let calls = both.world.script.sent().len() + both.paypal.sent().len();
    assert!(calls <= 3, "{calls}");
    assert!(payment.open.is_none());
    assert_eq!(payment.provider, ProviderName::Stripe, "its retry holds it there");
    assert_eq!(both.paypal.sent(), [], "a retry of what may have arrived never fails over");
}

#[tokio::test]
async fn a_success_at_the_provider_that_was_not_reached_after_all_is_undone_there() {
    let both = Both::new();
    let payment = both.moved().await;
    let now_there = LookUp::Found(Answer::Shows(at_stripe(held())));
    both.world.script.look_ups([now_there]);
    both.world.script.answers([Answer::Shows(at_stripe(TransactionState::Voided))]);
    let told = event("evt_1", &payment, at_stripe(held()));
    let taken_up = both.world.gateway.ingest_event(ProviderName::Stripe, told.clone(), context()).await.unwrap();
    assert_eq!(taken_up, Ingested::Processed);
    let mut after = both.world.store.payment(payment.id).await.unwrap().unwrap();
    for _ in 0..200 {
        if after.open.is_none() && after.reversed_at.is_some() {
            break;
        }
        tokio::task::yield_now().await;
        after = both.world.store.payment(payment.id).await.unwrap().unwrap();
    }
    assert!(after.reversed_at.is_some(), "{after:?}");
    assert_eq!(both.world.script.kinds(), [OperationKind::Authorize, OperationKind::Reversal]);
    assert_eq!((after.status, after.provider), (PaymentStatus::Authorized, ProviderName::Paypal), "PayPal's stands");
    assert_eq!(after.provider_transaction_id.as_deref(), Some("ORDER1"));
    both.world.script.look_ups([LookUp::Found(Answer::Shows(at_stripe(TransactionState::Voided)))]);
    let again = both.world.gateway.ingest_event(ProviderName::Stripe, told, context()).await.unwrap();
    assert_eq!(again, Ingested::Duplicate);
    assert_eq!(both.paypal.kinds(), [OperationKind::Authorize]);
}

#[tokio::test]
async fn a_success_left_behind_is_found_by_the_job_though_its_events_are_lost() {
    let both = Both::new();
    let payment = both.moved().await;
    *both.paypal.every_look_up.lock().unwrap() = Some(LookUp::Found(Answer::Shows(order(held()))));
    both.world.script.look_ups([LookUp::Found(Answer::Shows(at_stripe(taken())))]);
    let all = TransactionState::Captured { amount: yen(1000), refunded: yen(1000) };
    both.world.script.answers([Answer::Shows(at_stripe(all))]);
    both.world.later(3601);
    let run = JobRun::scheduled(Duration::from_secs(60));
    let report = both.world.gateway.provider_truth(run, context()).await.unwrap();
    assert_eq!(report.did.get("late_success"), Some(&1), "{report:?}");
    let after = both.world.store.payment(payment.id).await.unwrap().unwrap();
    assert!(after.reversed_at.is_some() && after.open.is_none(), "{after:?}");
    assert_eq!((after.status, after.provider), (PaymentStatus::Authorized, ProviderName::Paypal));
    let books = both.world.gateway.invariants(run, context()).await.unwrap();
    assert_eq!(books.could_not.len(), 0, "{books:?}");
}

#[tokio::test]
async fn every_success_that_is_left_behind_is_undone_and_one_that_came_back_keeps_its_review() {
    let both = Both::new();
    let payment = both.moved().await;
    *both.paypal.every_look_up.lock().unwrap() = Some(LookUp::Found(Answer::Shows(order(held()))));
    let run = JobRun::scheduled(Duration::from_secs(60));
    let another = |state| TransactionView { transaction_id: "pi_later".to_owned(), ..order(state) };
    for late in [at_stripe(held()), another(taken())] {
        both.world.later(3601);
        both.world.script.look_ups([LookUp::Found(Answer::Shows(late.clone()))]);
        both.world.script.answers([Answer::Shows(TransactionView { state: TransactionState::Voided, ..late.clone() })]);
        let report = both.world.gateway.provider_truth(run, context()).await.unwrap();
        assert_eq!(report.did.get("late_success"), Some(&1), "{}: {report:?}", late.transaction_id);
    }
    assert_eq!(both.world.script.kinds().len(), 3, "two were undone");
    // The second one comes back within a day: a person looks, is asked once, and the job does not call that all well.
    for (nth, expected) in [(1, Some(1)), (2, None), (3, None)] {
        both.world.later(3601);
        both.world.script.look_ups([LookUp::Found(Answer::Shows(another(taken())))]);
        let report = both.world.gateway.provider_truth(run, context()).await.unwrap();
        assert_eq!(report.could_not.get("late_success"), Some(&1), "{nth}: {report:?}");
        let after = both.world.store.payment(payment.id).await.unwrap().unwrap();
        assert!(after.review.is_some(), "{nth}: {report:?}");
        if expected.is_none() {
            assert_eq!(report.did.get("review_over"), None, "{nth}: {report:?}");
        }
    }
    let told = both.world.store.payment(payment.id).await.unwrap().unwrap().events;
    assert_eq!(told, 2, "authorized, and once that a person has to look");
}

#[tokio::test]
async fn an_event_of_a_provider_that_the_payment_never_was_at_matches_nothing() {
    let both = Both::new();
    both.world.script.answers([shows(held())]);
    let payment = both.create("key").await.unwrap().payment;
    let told = event("evt_1", &payment, order(held()));
    let taken_up = both.world.gateway.ingest_event(ProviderName::Paypal, told, context()).await.unwrap();
    assert_eq!(taken_up, Ingested::Unmatched);
}

#[tokio::test]
async fn a_provider_that_is_turned_off_gets_no_new_payment_and_finishes_the_old_ones() {
    let both = Both::new();
    both.world.script.answers([shows(held())]);
    let before = both.create("before").await.unwrap().payment;
    let off = FlagName::Provider(ProviderName::Stripe);
    both.world.gateway.change_flag(off, &FlagValue::Off, "ann", "incident 4711").await.unwrap();
    // What an instance knows of flags is old after four seconds: another one sees it at once.
    let after = both.restarted(2);
    after.paypal.answers([Answer::Shows(order(held()))]);
    let moved = after.create("after").await.unwrap().payment;
    assert_eq!(moved.provider, ProviderName::Paypal);
    let why = "paypal: the only one left; stripe is turned off by ann (incident 4711)";
    assert_eq!(after.details(&moved).await[0], ("payment_opened", why.to_owned()));
    let refused = after.create_with("only", None, &[ProviderName::Stripe]).await;
    assert!(matches!(refused, Err(Error::ProviderUnavailable { retry_after: Some(_) })), "{refused:?}");
    // The same key, once it was used, is answered from what it made.
    let replayed = after.create("before").await.unwrap();
    assert_eq!((replayed.payment.id, replayed.replayed), (before.id, true));
    after.world.script.answers([shows(taken())]);
    let captured = after.world.gateway.capture_payment(target(&before, "take"), None, context()).await.unwrap();
    assert_eq!(captured.payment.status, PaymentStatus::Captured, "captures go on");
}

#[tokio::test]
async fn weights_share_payments_out_and_the_same_key_goes_the_same_way_everywhere() {
    let (one, another) = (Both::new(), Both::new());
    let mut chosen = BTreeMap::<String, u32>::new();
    for both in [&one, &another] {
        let share = FlagValue::Weights([(ProviderName::Stripe, 1), (ProviderName::Paypal, 1)].into());
        both.world.gateway.change_flag(FlagName::Weights(Scope::default()), &share, "ann", "trial").await.unwrap();
    }
    for n in 0..200 {
        let key = format!("key {n}");
        let mut first = Vec::new();
        for both in [&one, &another] {
            both.world.script.answers([not_reached()]);
            both.paypal.answers([not_reached()]);
            let refused = both.create(&key).await;
            assert!(matches!(refused, Err(Error::ProviderUnavailable { .. })), "{refused:?}");
            assert_eq!((both.world.script.sent().len(), both.paypal.sent().len()), (n + 1, n + 1), "both were tried");
            let why = both.details(&both.made_with(&key).await).await[0].1.clone();
            assert!(why.ends_with(": by weight, 1 of 2, set for all payments by ann (trial)"), "{why}");
            first.push(why.split(':').next().unwrap().to_owned());
        }
        assert_eq!(first[0], first[1], "{key}");
        *chosen.entry(first.remove(0)).or_default() += 1;
    }
    assert!(chosen.len() == 2 && chosen.values().all(|count| (60..=140).contains(count)), "{chosen:?}");
}
