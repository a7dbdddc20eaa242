//! Our Stripe adapter against the simulated Stripe, over real sockets: a payment's whole life, a lost answer, a replay.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use tollgate_domain::{
    Answer, Attempt, BootId, CaptureMethod, Currency, Details, KeyHash, Lease, MerchantId, Money, NewPayment,
    Operation, OperationKind, Payment, PaymentId, ProviderName, ProviderRequestId, Refund, RefundId, RefundState,
    RefundStatus, TransactionState,
};
use tollgate_gateway::ports::{
    Entropy as _, HttpClient as _, Provider as _, Time,
    provider::{Call, LookUp},
};
use tollgate_providers::{HttpSettings, ReqwestClient, Secret, Stripe, StripeConfig};
use tollgate_simulators::SandboxTime;
use tollgate_tests::{ports::SystemEntropy, simulated::start_providers};

/// So many cents.
pub(crate) fn money(minor: i64) -> Money {
    let usd: Currency = "USD".parse().unwrap();
    Money::new(minor, usd).unwrap()
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    SystemEntropy.fill(&mut bytes);
    bytes
}

/// A payment of 10.00 USD whose operations are sent by hand.
pub(crate) struct Played {
    payment: Payment,
    operation: Operation,
}

impl Played {
    /// Its authorization is open.
    pub(crate) fn new(payment_method: &str) -> Self {
        let now = SandboxTime::real().now();
        let lease = Lease { owner: BootId::from_random([1; 16]), call_until: now + Duration::from_secs(30) };
        let new = NewPayment {
            id: PaymentId::from_random(random()),
            merchant: MerchantId::from_random([3; 16]),
            amount: money(1000),
            provider: ProviderName::Stripe,
            payment_method: payment_method.to_owned(),
            return_url: "https://tollgate.example/return/opaque".to_owned(),
            capture_method: CaptureMethod::Manual,
            details: Details::default(),
        };
        let attempt = Attempt { request_id: ProviderRequestId::from_random(random()), lease };
        let payment = Payment::open(new, attempt, KeyHash([4; 32]), now).payment;
        let mut operation = payment.open.clone().unwrap();
        // Only 3-D Secure needs it, and not every imitation of Stripe takes it.
        operation.return_url = None;
        Self { payment, operation }
    }

    pub(crate) fn id(&self) -> PaymentId {
        self.payment.id
    }

    pub(crate) fn captures_automatically(&mut self) {
        self.payment.capture_method = CaptureMethod::Automatic;
    }

    /// The authorization made this transaction.
    pub(crate) fn goes_on_with(&mut self, transaction_id: &str) {
        self.payment.provider_transaction_id = Some(transaction_id.to_owned());
        self.operation.transaction_id = Some(transaction_id.to_owned());
    }

    /// The next operation, with an id of its own.
    pub(crate) fn next(&mut self, kind: OperationKind, amount: i64) {
        let now = self.operation.opened_at;
        self.operation.kind = kind;
        self.operation.number += 1;
        self.operation.amount = money(amount);
        self.operation.request_id = ProviderRequestId::from_random(random());
        self.operation.refund = (kind == OperationKind::Refund).then(|| {
            Box::new(Refund {
                id: RefundId::from_random(random()),
                payment_id: self.payment.id,
                amount: money(amount),
                reason: None,
                status: RefundStatus::Pending,
                failure: None,
                provider_reference: None,
                to_settle_at: None,
                settlement: None,
                created_at: now,
                updated_at: now,
            })
        });
    }

    fn call(&self) -> Call<'_> {
        let timeout = Duration::from_secs(2);
        Call { payment: &self.payment, operation: &self.operation, timeout }
    }

    pub(crate) async fn send(&self, stripe: &Stripe) -> Answer {
        stripe.send(self.call()).await.answer
    }

    async fn cancel(&self, stripe: &Stripe) -> Answer {
        stripe.cancel(self.call()).await.answer
    }

    pub(crate) async fn look_up(&self, stripe: &Stripe) -> LookUp {
        stripe.look_up(self.call()).await.answer
    }
}

async fn simulated() -> (String, Stripe) {
    let time = Arc::new(SandboxTime::real());
    let url = start_providers(time.clone()).await.unwrap();
    let config = StripeConfig {
        api_url: format!("{url}/stripe"),
        secret_key: Secret::new(format!("sk_test_{}", "a".repeat(24))),
    };
    let http = Arc::new(ReqwestClient::new(HttpSettings::default()).unwrap());
    let time: Arc<dyn Time> = time;
    (url, Stripe::new(&config, http, time).unwrap())
}

async fn fault(url: &str, kind: &str) {
    let body = format!(r#"{{"kind":"{kind}","times":1,"ms":100}}"#);
    let request = Request::post(format!("{url}/sandbox/providers/stripe/faults"))
        .header("content-type", "application/json")
        .body(Bytes::from(body))
        .unwrap();
    let client = ReqwestClient::new(HttpSettings::default()).unwrap();
    let answer = client.send(request, Duration::from_secs(2)).await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

fn shown(answer: Answer) -> TransactionState {
    match answer {
        Answer::Shows(view) => view.state,
        other => panic!("{other:?}"),
    }
}

/// Authorizes, and goes on with what was made.
async fn authorized(stripe: &Stripe) -> Played {
    let mut payment = Played::new("pm_card_visa");
    let answer = payment.send(stripe).await;
    let Answer::Shows(view) = answer else { panic!("{answer:?}") };
    // The date is the provider's own.
    assert!(matches!(view.state, TransactionState::Authorized { expires_at: Some(_) }), "{view:?}");
    payment.goes_on_with(&view.transaction_id);
    payment
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_lives_its_whole_life_at_the_simulated_stripe() {
    let (_, stripe) = simulated().await;
    let mut payment = authorized(&stripe).await;
    payment.next(OperationKind::Capture, 700);
    let taken = |refunded| TransactionState::Captured { amount: money(700), refunded: money(refunded) };
    assert_eq!(shown(payment.send(&stripe).await), taken(0));
    // The same again is a replay; another one is "already done". Both show what is there.
    assert_eq!(shown(payment.send(&stripe).await), taken(0));
    payment.next(OperationKind::Capture, 700);
    assert_eq!(shown(payment.send(&stripe).await), taken(0));

    payment.next(OperationKind::Refund, 300);
    assert_eq!(payment.look_up(&stripe).await, LookUp::NotFound);
    let answer = payment.send(&stripe).await;
    assert!(matches!(&answer, Answer::ShowsRefund(view) if view.state == RefundState::Completed), "{answer:?}");
    assert_eq!(payment.send(&stripe).await, answer);
    assert_eq!(payment.look_up(&stripe).await, LookUp::Found(answer));

    payment.next(OperationKind::Reversal, 700);
    assert_eq!(shown(payment.send(&stripe).await), taken(700));
    assert_eq!(shown(payment.send(&stripe).await), taken(700));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_released_once_by_a_void_and_by_a_reversal() {
    let (_, stripe) = simulated().await;
    for kind in [OperationKind::Void, OperationKind::Reversal] {
        let mut payment = authorized(&stripe).await;
        for _ in 0..2 {
            payment.next(kind, 1000);
            assert_eq!(shown(payment.send(&stripe).await), TransactionState::Voided);
        }
        // Then a capture shows that it is gone.
        payment.next(OperationKind::Capture, 1000);
        assert_eq!(shown(payment.send(&stripe).await), TransactionState::Voided);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_declined_or_asks_for_the_payer() {
    let (_, stripe) = simulated().await;
    let declined = shown(Played::new("pm_card_visa_chargeDeclinedInsufficientFunds").send(&stripe).await);
    assert!(
        matches!(&declined, TransactionState::Declined(failure) if failure.code == "insufficient_funds"),
        "{declined:?}"
    );
    let mut payment = Played::new("pm_card_threeDSecure2Required");
    payment.operation.return_url = Some("https://tollgate.example/return/opaque".to_owned());
    let asked = shown(payment.send(&stripe).await);
    assert!(matches!(&asked, TransactionState::AwaitingPayer { url, .. } if url.starts_with("http")), "{asked:?}");
    let refused = Played::new("pm_no_such_card").send(&stripe).await;
    assert!(
        matches!(&refused, Answer::Refused { failure, .. } if failure.code == "payment_method_invalid"),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_lost_on_the_way_is_found_again() {
    let (url, stripe) = simulated().await;
    for kind in ["charge_then_timeout", "error_500", "html_502", "timeout"] {
        fault(&url, kind).await;
        let payment = Played::new("pm_card_visa");
        let answer = payment.send(&stripe).await;
        assert!(matches!(answer, Answer::Unknown { .. }), "{kind}: {answer:?}");
        let found = payment.look_up(&stripe).await;
        let happened = kind == "charge_then_timeout";
        assert_eq!(matches!(found, LookUp::Found(_)), happened, "{kind}: {found:?}");
        assert_eq!(found == LookUp::NotFound, !happened, "{kind}: {found:?}");
    }
    fault(&url, "rate_limit").await;
    let answer = Played::new("pm_card_visa").send(&stripe).await;
    assert!(matches!(answer, Answer::NotReached { .. }), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_waits_for_its_payer_is_cancelled_once_and_its_page_then_approves_nothing() {
    let (url, stripe) = simulated().await;
    let mut payment = Played::new("pm_card_threeDSecure2Required");
    payment.operation.return_url = Some("https://tollgate.example/return/opaque".to_owned());
    let Answer::Shows(view) = payment.send(&stripe).await else { panic!("the payer is asked") };
    let TransactionState::AwaitingPayer { url: page, .. } = view.state else { panic!("{view:?}") };
    payment.goes_on_with(&view.transaction_id);

    // Its answer may be lost: the same again, under another lease too, finds it done.
    fault(&url, "charge_then_timeout").await;
    assert!(matches!(payment.cancel(&stripe).await, Answer::Unknown { .. }));
    assert_eq!(shown(payment.cancel(&stripe).await), TransactionState::Voided);
    payment.operation.lease = None;
    assert_eq!(shown(payment.cancel(&stripe).await), TransactionState::Voided);

    let approve = Request::post(format!("{page}/approve")).body(Bytes::new()).unwrap();
    let client = ReqwestClient::new(HttpSettings::default()).unwrap();
    _ = client.send(approve, Duration::from_secs(2)).await.unwrap();
    let LookUp::Found(answer) = payment.look_up(&stripe).await else { panic!("it is there") };
    assert_eq!(shown(answer), TransactionState::Voided);
}
