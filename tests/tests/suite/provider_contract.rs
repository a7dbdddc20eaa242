//! What every provider's adapter keeps to, against its simulated provider over real sockets: the same payments, faults and
//! payers for each. The domain decides what answers mean, as in the gateway; the provider's own books say what happened.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_domain::{
    Answer, CaptureMethod, Details, KeyHash, MerchantId, NewPayment, Observation, Operation, OperationKind, Payment,
    PaymentId, PaymentStatus, ProviderName, RefundId, SettlementId,
};
use tollgate_gateway::ports::{
    Time as _,
    provider::{Call, LookUp},
};

use crate::provider_subjects::{CALL_TIMEOUT, Subject, random};

/// A payment of 10.00, whose operations are carried out by hand.
struct Played {
    subject: Subject,
    payment: Payment,
}

impl Played {
    fn new(subject: &Subject, token: &str) -> Self {
        let new = NewPayment {
            id: PaymentId::from_random(random()),
            merchant: MerchantId::from_random([3; 16]),
            amount: subject.money(1000),
            provider: subject.name(),
            payment_method: token.to_owned(),
            return_url: "https://tollgate.example/return/opaque".to_owned(),
            capture_method: CaptureMethod::Manual,
            details: Details { description: Some("A pair of shoes".to_owned()), ..Details::default() },
        };
        let payment = Payment::open(new, subject.attempt(), KeyHash([4; 32]), subject.now()).payment;
        Self { subject: subject.clone(), payment }
    }

    async fn authorized(subject: &Subject) -> Self {
        let mut played = Self::new(subject, subject.good);
        played.carry_out().await;
        assert_eq!(played.status(), PaymentStatus::Authorized, "{:?}", played.payment);
        played
    }

    async fn captured(subject: &Subject) -> Self {
        let mut played = Self::authorized(subject).await;
        played.capture(None);
        played.carry_out().await;
        assert_eq!(played.status(), PaymentStatus::Captured, "{:?}", played.payment);
        played.settle();
        played
    }

    fn status(&self) -> PaymentStatus {
        self.payment.status
    }

    /// Only what is settled is refunded.
    fn settle(&mut self) {
        let (settlement, nothing) = (SettlementId::from_random([9; 16]), self.subject.money(0));
        self.payment = self.payment.settle(settlement, nothing, self.subject.now()).unwrap().payment;
    }

    fn capture(&mut self, amount: Option<i64>) {
        let amount = amount.map(|amount| self.subject.money(amount));
        let change =
            self.payment.request_capture(amount, self.subject.attempt(), KeyHash([5; 32]), self.subject.now()).unwrap();
        self.payment = change.payment;
    }

    fn void(&mut self) {
        let change = self.payment.request_void(self.subject.attempt(), KeyHash([6; 32]), self.subject.now()).unwrap();
        self.payment = change.payment;
    }

    fn refund(&mut self, amount: i64) {
        let id = RefundId::from_random(random());
        let amount = Some(self.subject.money(amount));
        let attempt = self.subject.attempt();
        let change =
            self.payment.request_refund(id, amount, None, attempt, KeyHash([7; 32]), self.subject.now()).unwrap();
        self.payment = change.payment;
    }

    fn open(&self) -> Option<Operation> {
        self.payment.open.clone()
    }

    async fn send(&self) -> Answer {
        let operation = self.open().unwrap();
        let call = Call { payment: &self.payment, operation: &operation, timeout: CALL_TIMEOUT };
        self.subject.provider.send(call).await.answer
    }

    async fn look_up(&self) -> LookUp {
        let operation = self.open().unwrap();
        let call = Call { payment: &self.payment, operation: &operation, timeout: CALL_TIMEOUT };
        self.subject.provider.look_up(call).await.answer
    }

    /// The payer comes back.
    async fn back(&self, returned: &str) -> LookUp {
        let operation = self.open().unwrap();
        let call = Call { payment: &self.payment, operation: &operation, timeout: CALL_TIMEOUT };
        match self.subject.provider.brought_back(call, returned) {
            Some(view) => LookUp::Found(Answer::Shows(view)),
            None => self.subject.provider.look_up(call).await.answer,
        }
    }

    fn take(&mut self, answer: &Answer) {
        let number = self.open().unwrap().number;
        if let Some(change) = self.payment.answered(number, answer, self.subject.attempt(), self.subject.now()) {
            self.payment = change.payment;
        }
    }

    /// Sends step after step until there is an answer that is none of a step.
    async fn carry_out(&mut self) -> Option<Answer> {
        let mut last = None;
        for _ in 0..8 {
            if self.open().is_none_or(|open| open.payer.is_some()) {
                break;
            }
            let answer = self.send().await;
            self.take(&answer);
            let is_step = matches!(answer, Answer::Advanced { .. });
            last = Some(answer);
            if !is_step {
                break;
            }
        }
        last
    }

    /// Does what a merchant's retries and the jobs do until the outcome is known: asks where it may have happened, and sends
    /// again where it did not.
    ///
    /// A provider that keeps its own error under an operation's id answers that for ever: after a while nobody sends under it any
    /// more, a create is given up, and anything else is sent afresh.
    async fn find_out(&mut self) {
        for round in 0..12 {
            let Some(open) = self.open() else { return };
            if round == 4 {
                self.much_later().await;
                continue;
            }
            match self.look_up().await {
                LookUp::Found(answer) => {
                    self.take(&answer);
                    if self.open().is_some_and(|now| now.number == open.number) {
                        // Nothing was done there: the same request again.
                        self.carry_out().await;
                    }
                }
                LookUp::NotFound => {
                    self.carry_out().await;
                }
                LookUp::NotOurs { .. } | LookUp::Failed { .. } => {}
            }
        }
        panic!("{} never told: {:?}", self.subject.name(), self.payment);
    }

    async fn much_later(&mut self) {
        let later = self.subject.now() + Duration::from_secs(1800);
        self.payment = self.payment.take_over_to_ask(later).expect("nobody sends any more").payment;
        let found = self.look_up().await;
        let change = match found {
            LookUp::NotFound if self.open().unwrap().kind == OperationKind::Authorize => {
                self.payment.never_arrived(later)
            }
            _ => self.payment.afresh(self.subject.attempt(), later),
        };
        self.payment =
            change.unwrap_or_else(|| panic!("{}: {found:?}, {:?}", self.subject.name(), self.payment)).payment;
        if self.open().is_some() {
            self.carry_out().await;
        }
    }

    /// One transaction, with so much captured and given back.
    async fn stands_at_the_provider(&self, captured: i64, refunded: i64, context: &str) {
        let books = self.subject.books(self.payment.id).await;
        let name = self.subject.name();
        assert_eq!(books.len(), 1, "{name} {context}: {books:#?}");
        let shown = (books[0]["captured"].as_i64(), books[0]["refunded"].as_i64());
        assert_eq!(shown, (Some(captured), Some(refunded)), "{name} {context}: {books:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_held_taken_and_given_back() {
    for subject in Subject::all().await {
        let mut played = Played::authorized(&subject).await;
        assert!(played.payment.provider_transaction_id.is_some());
        let part = if subject.provider.terms().captures_partially { 700 } else { 1000 };
        played.capture(Some(part));
        played.carry_out().await;
        assert_eq!((played.status(), played.payment.captured), (PaymentStatus::Captured, subject.money(part)));
        played.settle();
        played.refund(300);
        played.find_out().await;
        assert_eq!(played.payment.refunded, subject.money(300));
        played.refund(part - 300);
        played.carry_out().await;
        assert_eq!(played.status(), PaymentStatus::Refunded, "{:?}", played.payment);
        played.stands_at_the_provider(part, part, "at the end").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_released() {
    for subject in Subject::all().await {
        let mut played = Played::authorized(&subject).await;
        played.void();
        played.carry_out().await;
        assert_eq!(played.status(), PaymentStatus::Voided, "{}: {:?}", subject.name(), played.payment);
        played.stands_at_the_provider(0, 0, "voided").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_is_declined_is_a_result_with_a_code_of_ours() {
    for subject in Subject::all().await {
        let mut played = Played::new(&subject, subject.declined);
        played.carry_out().await;
        assert_eq!(played.status(), PaymentStatus::Failed, "{}: {:?}", subject.name(), played.payment);
        let failure = played.payment.failure.clone().unwrap();
        assert!(!failure.message.is_empty() && failure.code != "provider_refused", "{}: {failure:?}", subject.name());
        for row in subject.books(played.payment.id).await {
            assert_eq!(row["captured"], json!(0), "{row}");
        }
    }
}

/// Sends the payer away, and gives the page.
async fn at_the_payers_turn(subject: &Subject) -> (Played, String) {
    let mut played = Played::new(subject, subject.asks_the_payer);
    played.carry_out().await;
    let open = played.open().expect("nothing is decided");
    let page = open.payer.unwrap_or_else(|| panic!("{} asks no payer: {:?}", subject.name(), played.payment)).url;
    (played, page)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_approves_pays_once_however_often_it_is_looked_at() {
    for subject in Subject::all().await {
        let (mut played, page) = at_the_payers_turn(&subject).await;
        assert!(matches!(played.look_up().await, LookUp::Found(_)), "{}", subject.name());
        let returned = subject.payer(&page, "approve").await;
        for _ in 0..2 {
            let LookUp::Found(Answer::Shows(view)) = played.back(&returned).await else { panic!("it is shown") };
            if let Observation::Change(change) = played.payment.observed(&view, true, subject.attempt(), subject.now())
            {
                played.payment = change.payment;
            }
            if played.open().is_none() {
                break;
            }
            played.carry_out().await;
            if played.open().is_none() {
                break;
            }
        }
        assert_eq!(played.status(), PaymentStatus::Authorized, "{}: {:?}", subject.name(), played.payment);
        played.capture(None);
        played.carry_out().await;
        played.stands_at_the_provider(1000, 0, "approved and captured").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_who_never_comes_or_refuses_leaves_nothing_that_could_be_paid_later() {
    for subject in Subject::all().await {
        for refuses in [true, false] {
            let (mut played, page) = at_the_payers_turn(&subject).await;
            if refuses {
                let refuses = match subject.name() {
                    ProviderName::Stripe => "fail",
                    ProviderName::Paypal => "cancel",
                    ProviderName::Bank => "refuse",
                };
                subject.payer(&page, refuses).await;
            }
            let operation = played.open().unwrap();
            let call = Call { payment: &played.payment, operation: &operation, timeout: CALL_TIMEOUT };
            let answer = subject.provider.cancel(call).await.answer;
            let expired =
                played.payment.expire_approval(subject.attempt().lease, operation.payer.clone().unwrap().until);
            played.payment = expired.unwrap().payment;
            let after = operation.payer.unwrap().until;
            let number = operation.number;
            let change = played.payment.answered(number, &answer, subject.attempt(), after).unwrap();
            assert_eq!(change.payment.status, PaymentStatus::Failed, "{} {refuses}: {answer:?}", subject.name());
            for row in subject.books(played.payment.id).await {
                assert_eq!(row["captured"], json!(0), "{row}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_lost_on_the_way_every_operation_happens_once() {
    for subject in Subject::all().await {
        let mut faults: Vec<Value> =
            ["error_500", "html_502", "rate_limit", "malformed_json", "truncated_body", "wrong_id"]
                .iter()
                .map(|kind| json!({"kind": kind, "times": 1}))
                .collect();
        faults.extend(
            ["timeout", "charge_then_timeout", "slow"].map(|kind| json!({"kind": kind, "times": 1, "ms": 600})),
        );
        for fault in faults {
            let context = fault["kind"].as_str().unwrap().to_owned();
            let mut played = Played::new(&subject, subject.good);
            subject.fault(&fault).await;
            played.carry_out().await;
            settled_down(&subject).await;
            played.find_out().await;
            if played.status() == PaymentStatus::Failed {
                assert_eq!(context, "error_500", "{}: {:?}", subject.name(), played.payment);
                let books = subject.books(played.payment.id).await;
                assert!(books.iter().all(|row| row["captured"] == 0), "{books:?}");
                played = Played::authorized(&subject).await;
            }
            assert_eq!(
                played.status(),
                PaymentStatus::Authorized,
                "{} {context}: {:?}",
                subject.name(),
                played.payment
            );
            played.stands_at_the_provider(0, 0, &format!("authorize, {context}")).await;

            let mut held = Played::authorized(&subject).await;
            subject.fault(&fault).await;
            held.void();
            held.carry_out().await;
            settled_down(&subject).await;
            held.find_out().await;
            assert_eq!(held.status(), PaymentStatus::Voided, "{} {context}: {:?}", subject.name(), held.payment);

            subject.fault(&fault).await;
            played.capture(None);
            played.carry_out().await;
            settled_down(&subject).await;
            played.find_out().await;
            assert_eq!(played.status(), PaymentStatus::Captured, "{} {context}: {:?}", subject.name(), played.payment);
            played.stands_at_the_provider(1000, 0, &format!("capture, {context}")).await;
            // What was taken from that answer is what comes next works on.
            played.settle();
            played.refund(250);
            played.find_out().await;
            played.stands_at_the_provider(1000, 250, &format!("refund after capture, {context}")).await;
            assert_eq!(
                played.payment.refunded,
                subject.money(250),
                "{} {context}: {:?}",
                subject.name(),
                played.payment
            );

            let mut taken = Played::captured(&subject).await;
            subject.fault(&fault).await;
            taken.refund(400);
            taken.carry_out().await;
            settled_down(&subject).await;
            taken.find_out().await;
            taken.stands_at_the_provider(1000, 400, &format!("refund, {context}")).await;
            assert_eq!(taken.payment.refunded, subject.money(400), "{} {context}: {:?}", subject.name(), taken.payment);
        }
    }
}

/// What was slow is over, and nothing is armed any more.
async fn settled_down(subject: &Subject) {
    subject.no_faults().await;
    subject.time.sleep(Duration::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_twice_happens_once() {
    for subject in Subject::all().await {
        let mut played = Played::new(&subject, subject.good);
        let mut before = Vec::new();
        for _ in 0..4 {
            if played.open().is_none() {
                break;
            }
            let (one, other) = (played.send().await, played.send().await);
            before.push(format!("{one:?}"));
            assert!(!matches!(other, Answer::Refused { .. }), "{}: {one:?}, then {other:?}", subject.name());
            played.take(&one);
        }
        played.stands_at_the_provider(0, 0, &format!("authorized twice: {before:?}")).await;
        played.capture(None);
        let (one, other) = (played.send().await, played.send().await);
        assert_eq!(one, other, "{}", subject.name());
        played.take(&one);
        assert_eq!(played.status(), PaymentStatus::Captured);
        played.stands_at_the_provider(1000, 0, "captured twice").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_arrived_is_not_found_and_what_cannot_be_asked_is_not_that() {
    for subject in Subject::all().await {
        let played = Played::new(&subject, subject.good);
        assert_eq!(played.look_up().await, LookUp::NotFound, "{}", subject.name());
        let mut taken = Played::captured(&subject).await;
        taken.refund(100);
        assert_eq!(taken.look_up().await, LookUp::NotFound, "{}", subject.name());
        subject.fault(&json!({"kind": "error_500"})).await;
        assert!(matches!(taken.look_up().await, LookUp::Failed { .. }), "{}", subject.name());
        subject.no_faults().await;
        assert_eq!(taken.open().unwrap().kind, OperationKind::Refund);
    }
}
