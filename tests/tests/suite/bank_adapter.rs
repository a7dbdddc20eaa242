//! The bank's adapter against the simulated bank, whose clock the test moves: what takes time, what comes back, what came too
//! late, and what the bank tells.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use jiff::{SignedDuration, Timestamp};
use tollgate_domain::{
    Answer, Attempt, BootId, CaptureMethod, Details, KeyHash, Lease, MerchantId, Money, NewPayment, Observation,
    OperationKind, Payment, PaymentId, PaymentStatus, ProviderName, ProviderRequestId, RefundId, RefundState,
    SettlementId, TransactionState,
};
use tollgate_gateway::ports::{
    EventReader as _, HttpClient, HttpError, Provider as _, Time,
    provider::{Call, EventRejected, LookUp, News, ProviderEvent},
};
use tollgate_providers::{Bank, BankConfig, BankEvents};
use tollgate_simulators::{Bank as SimulatedBank, Ending, Endpoint, Simulator};
use tollgate_tests::ports::SystemEntropy;

use crate::provider_subjects::{bank_config, bank_sealing, random};

const URL: &str = "http://bank.test/bank";
const AUDIENCE: &str = "tollgate-at-the-bank";

/// The simulated bank without a socket, and its clock.
struct Desk {
    simulator: Mutex<Simulator>,
    now: Mutex<Timestamp>,
}

#[async_trait]
impl HttpClient for Desk {
    async fn send(&self, request: Request<Bytes>, _: Duration) -> Result<Response<Bytes>, HttpError> {
        let answer = self.simulator.lock().unwrap().handle(self.now(), &request);
        match answer.ending {
            Ending::Answered => Ok(answer.response),
            _ => Err(HttpError::AnswerLost("it hung up".to_owned())),
        }
    }
}

#[async_trait]
impl Time for Desk {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.now().as_second().unsigned_abs())
    }

    async fn sleep(&self, _: Duration) {}
}

fn config() -> BankConfig {
    bank_config(URL)
}

fn pounds(minor: i64) -> Money {
    Money::new(minor, "GBP".parse().unwrap()).unwrap()
}

/// A payment of ten pounds, carried out by hand.
struct Played {
    desk: Arc<Desk>,
    bank: Bank,
    payment: Payment,
}

impl Played {
    fn new(debtor: &str) -> Self {
        let mut simulator = Simulator::ephemeral(SimulatedBank::new(Arc::new(SystemEntropy), None));
        simulator.set_endpoint(Endpoint { url: "http://gateway.test/events".into(), secret: AUDIENCE.into() });
        let now = Mutex::new("2026-11-25T12:00:00Z".parse().unwrap());
        let desk = Arc::new(Desk { simulator: Mutex::new(simulator), now });
        let bank = Bank::new(&config(), bank_sealing(), desk.clone(), desk.clone()).unwrap();
        let new = NewPayment {
            id: PaymentId::from_random(random()),
            merchant: MerchantId::from_random([3; 16]),
            amount: pounds(1000),
            provider: ProviderName::Bank,
            payment_method: debtor.to_owned(),
            return_url: "https://tollgate.example/return/opaque".to_owned(),
            capture_method: CaptureMethod::Manual,
            details: Details { description: Some("A pair of shoes".to_owned()), ..Details::default() },
        };
        let payment = Payment::open(new, attempt(&desk), KeyHash([4; 32]), desk.now()).payment;
        Self { desk, bank, payment }
    }

    async fn authorized(debtor: &str) -> Self {
        let mut played = Self::new(debtor);
        played.carry_out().await;
        assert_eq!(played.payment.status, PaymentStatus::Authorized, "{:?}", played.payment);
        played
    }

    async fn settled(debtor: &str) -> Self {
        let mut played = Self::authorized(debtor).await;
        played.capture();
        played.carry_out().await;
        let settled = played.payment.settle(SettlementId::from_random([9; 16]), pounds(0), played.desk.now());
        played.payment = settled.unwrap().payment;
        played
    }

    fn pass(&self, seconds: i64) {
        *self.desk.now.lock().unwrap() += SignedDuration::from_secs(seconds);
    }

    fn capture(&mut self) {
        let change = self.payment.request_capture(None, attempt(&self.desk), KeyHash([5; 32]), self.desk.now());
        self.payment = change.unwrap().payment;
    }

    fn refund(&mut self, minor: i64) -> RefundId {
        let (id, amount) = (RefundId::from_random(random()), Some(pounds(minor)));
        let change =
            self.payment.request_refund(id, amount, None, attempt(&self.desk), KeyHash([7; 32]), self.desk.now());
        self.payment = change.unwrap().payment;
        id
    }

    async fn send(&self) -> Answer {
        let operation = self.payment.open.as_ref().unwrap();
        let call = Call { payment: &self.payment, operation, timeout: Duration::from_secs(5) };
        self.bank.send(call).await.answer
    }

    async fn look_up(&self) -> LookUp {
        let operation = self.payment.open.as_ref().unwrap();
        let call = Call { payment: &self.payment, operation, timeout: Duration::from_secs(5) };
        self.bank.look_up(call).await.answer
    }

    fn take(&mut self, answer: &Answer) {
        let number = self.payment.open.as_ref().unwrap().number;
        let change = self.payment.answered(number, answer, attempt(&self.desk), self.desk.now());
        self.payment = change.unwrap().payment;
    }

    /// Sends step after step until there is an answer that is none of a step.
    async fn carry_out(&mut self) -> Answer {
        loop {
            let answer = self.send().await;
            self.take(&answer);
            if !matches!(answer, Answer::Advanced { .. }) {
                return answer;
            }
        }
    }

    /// What was taken and given back, by the bank's books.
    fn books(&self) -> Vec<(i64, i64)> {
        let simulator = self.desk.simulator.lock().unwrap();
        simulator.transactions().iter().map(|of| (of.captured, of.refunded)).collect()
    }

    /// Every event that is due, as it is sent.
    fn told(&self) -> Vec<Bytes> {
        let now = self.desk.now();
        let mut simulator = self.desk.simulator.lock().unwrap();
        std::iter::from_fn(|| {
            let webhook = simulator.take_webhook(now)?;
            simulator.webhook_settled(&webhook.event_id, true, now);
            Some(Bytes::copy_from_slice(webhook.body.as_bytes()))
        })
        .collect()
    }

    fn events(&self, audience: &str) -> BankEvents {
        BankEvents::new(&config(), audience, self.desk.clone(), self.desk.clone()).unwrap()
    }

    async fn read(&self, body: &Bytes) -> Result<ProviderEvent, EventRejected> {
        self.events(AUDIENCE).read(&HeaderMap::new(), body, self.desk.now()).await
    }
}

fn attempt(desk: &Desk) -> Attempt {
    let lease = Lease { owner: BootId::from_random([1; 16]), call_until: desk.now() + Duration::from_secs(30) };
    Attempt { request_id: ProviderRequestId::from_random(random()), lease }
}

#[tokio::test]
async fn a_slow_payment_is_followed_by_its_own_id_long_after_its_key_is_forgotten() {
    let mut played = Played::authorized("debtor-slow").await;
    played.capture();
    let step = played.send().await;
    let Answer::Advanced { progress } = &step else { panic!("{step:?}") };
    assert!(progress.starts_with("payment:dp-"), "{progress}");
    played.take(&step);
    let Answer::Shows(view) = played.carry_out().await else { panic!("it is shown") };
    assert_eq!(view.state, TransactionState::Processing);
    assert_eq!(played.payment.status, PaymentStatus::Authorized, "not taken yet (rule 5)");
    played.pass(2 * 24 * 3600);
    played.carry_out().await;
    assert_eq!(played.payment.status, PaymentStatus::Captured, "{:?}", played.payment);
    assert_eq!(played.books(), [(1000, 0)]);
}

#[tokio::test]
async fn a_used_consent_is_found_by_its_key_for_a_day_and_never_used_again() {
    let mut played = Played::authorized("debtor-ok").await;
    played.capture();
    let lost = played.send().await;
    assert!(matches!(lost, Answer::Shows(_)), "{lost:?}");
    played.pass(23 * 3600);
    let LookUp::Found(Answer::Shows(view)) = played.look_up().await else { panic!("it is found") };
    assert_eq!(view.state, TransactionState::Captured { amount: pounds(1000), refunded: pounds(0) });
    assert!(view.kept.is_some_and(|kept| kept.starts_with("dp-")));
    played.pass(2 * 3600);
    let found = played.look_up().await;
    assert!(matches!(&found, LookUp::Failed { reason } if reason.contains("used")), "{found:?}");
    assert!(matches!(played.send().await, Answer::Unknown { .. }));
    assert_eq!(played.books(), [(1000, 0)]);
}

#[tokio::test]
async fn a_rejected_payment_ends_the_authorization_with_it() {
    let mut played = Played::authorized("debtor-late-reject").await;
    played.capture();
    played.carry_out().await;
    played.pass(60);
    let answer = played.carry_out().await;
    let Answer::Refused { failure, authorization_gone: true } = &answer else { panic!("{answer:?}") };
    assert_eq!(failure.provider_code.as_deref(), Some("AC04"));
    assert_eq!(played.payment.status, PaymentStatus::Voided);
    assert_eq!(played.books(), [(0, 0)]);
}

#[tokio::test]
async fn a_blocked_payment_stays_open() {
    let mut played = Played::authorized("debtor-blocked").await;
    played.capture();
    let Answer::Shows(view) = played.carry_out().await else { panic!("it is shown") };
    assert_eq!(view.state, TransactionState::Processing);
    assert!(played.payment.open.is_some());
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_a_failure_of_the_payers() {
    let mut played = Played::new("debtor-unheard-of");
    played.carry_out().await;
    assert_eq!(played.payment.failure.unwrap().code, "payment_method_invalid");
}

#[tokio::test]
async fn a_refund_on_its_way_is_asked_for_and_told_and_one_that_comes_back_fails() {
    let mut played = Played::settled("debtor-refund-slow").await;
    let refund = played.refund(400);
    let asked = loop {
        let before = played.payment.open.clone().unwrap();
        let answer = played.send().await;
        played.take(&answer);
        if let Answer::ShowsRefund(view) = answer {
            assert_eq!(view.state, RefundState::Pending);
            let mut operation = before;
            operation.refund.as_mut().unwrap().provider_reference = Some(view.refund_reference);
            break operation;
        }
    };
    played.told();
    played.pass(2 * 24 * 3600);
    let call = Call { payment: &played.payment, operation: &asked, timeout: Duration::from_secs(5) };
    let LookUp::Found(Answer::ShowsRefund(view)) = played.bank.look_up(call).await.answer else {
        panic!("it is shown")
    };
    assert_eq!((view.state, view.instead_of), (RefundState::Completed, None));
    assert_eq!(played.books(), [(1000, 400)]);
    played.desk.simulator.lock().unwrap().advance(played.desk.now());
    let events = played.told();
    let event = played.read(events.last().unwrap()).await.unwrap();
    let News::Refund { payment, refund: told, view } = event.news else { panic!("{event:?}") };
    assert_eq!((payment, told, view.state), (played.payment.id, refund, RefundState::Completed));

    let mut rejected = Played::settled("debtor-refund-rejected").await;
    rejected.refund(400);
    let Answer::ShowsRefund(view) = rejected.carry_out().await else { panic!("it is shown") };
    assert_eq!(view.state, RefundState::Pending);
    rejected.pass(60);
    rejected.desk.simulator.lock().unwrap().advance(rejected.desk.now());
    let events = rejected.told();
    let event = rejected.read(events.last().unwrap()).await.unwrap();
    let News::Refund { view, .. } = event.news else { panic!("{event:?}") };
    assert!(matches!(view.state, RefundState::Failed(failure) if failure.code == "refund_failed"));
}

/// A payment that counts as failed, though the bank holds or took the money.
async fn late(debtor: &str, captured: bool) -> Played {
    let mut played = Played::authorized(debtor).await;
    if captured {
        played.capture();
        played.carry_out().await;
    }
    let LookUp::Found(Answer::Shows(view)) = ({
        let mut operation = played.payment.open.clone().unwrap_or_else(|| Played::new(debtor).payment.open.unwrap());
        operation.kind = OperationKind::Capture;
        operation.progress = None;
        operation.transaction_id.clone_from(&played.payment.provider_transaction_id);
        let call = Call { payment: &played.payment, operation: &operation, timeout: Duration::from_secs(5) };
        played.bank.look_up(call).await.answer
    }) else {
        panic!("it is shown")
    };
    played.payment.status = PaymentStatus::Failed;
    let observed = played.payment.observed(&view, true, attempt(&played.desk), played.desk.now());
    let Observation::Change(change) = observed else { panic!("{observed:?}") };
    played.payment = change.payment;
    assert_eq!(played.payment.open.as_ref().unwrap().kind, OperationKind::Reversal);
    played
}

#[tokio::test]
async fn what_came_too_late_is_undone() {
    for (captured, expected) in [(true, (1000, 1000)), (false, (0, 0))] {
        let mut played = late("debtor-ok", captured).await;
        played.carry_out().await;
        assert!(played.payment.open.is_none() && played.payment.reversed_at.is_some(), "{:?}", played.payment);
        assert_eq!(played.books(), [expected]);
    }
}

#[tokio::test]
async fn a_reversal_on_its_way_stays_open_until_the_money_is_back() {
    let mut played = late("debtor-refund-slow", true).await;
    assert!(matches!(played.carry_out().await, Answer::Unknown { .. }));
    played.pass(60);
    played.carry_out().await;
    assert!(played.payment.open.is_none(), "{:?}", played.payment);
    assert_eq!(played.books(), [(1000, 1000)]);
}

#[tokio::test]
async fn a_reversal_that_is_rejected_is_made_again_under_another_id() {
    let mut played = late("debtor-refund-rejected", true).await;
    played.carry_out().await;
    played.pass(60);
    let answer = played.carry_out().await;
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    let again = played.send().await;
    assert!(matches!(again, Answer::Advanced { .. }), "a new consent: {again:?}");
}

#[tokio::test]
async fn events_tell_of_whose_they_are() {
    let mut played = Played::authorized("debtor-ok").await;
    played.capture();
    played.carry_out().await;
    let events = played.told();
    assert_eq!(events.len(), 3, "AUTH, COND and ACSC");
    let transaction = played.payment.provider_transaction_id.clone().unwrap();
    for event in &events {
        let read = played.read(event).await.unwrap();
        let changed = News::Changed { payment: played.payment.id, transaction_id: transaction.clone() };
        assert_eq!(read.news, changed);
        assert_eq!(read.event_type, "urn:uk:org:openbanking:events:resource-update");
    }
}

#[tokio::test]
async fn events_that_are_not_the_banks_or_not_ours_are_not_taken() {
    let played = Played::authorized("debtor-ok").await;
    let event = played.told().remove(0);
    let text = std::str::from_utf8(&event).unwrap().to_owned();
    let (signed, signature) = text.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let other = format!("{}A{}", &payload[..40], &payload[41..]);
    for forged in [
        format!("{header}.{other}.{signature}"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!("eyJhbGciOiJub25lIn0.{payload}."),
        String::new(),
    ] {
        let read = played.read(&Bytes::from(forged.clone())).await;
        assert!(matches!(read, Err(EventRejected::Signature(_))), "{forged}: {read:?}");
    }
    let read = played.events("somebody-else").read(&HeaderMap::new(), &event, played.desk.now()).await;
    assert!(matches!(read, Err(EventRejected::Signature("meant for somebody else"))), "{read:?}");
    played.pass(5 * 24 * 3600);
    let read = played.read(&event).await;
    assert!(matches!(read, Err(EventRejected::Signature("too old, or from the future"))), "{read:?}");
}
