//! A scripted other side, and the payments that are played against it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tollgate_domain::{
    Answer, BootId, CaptureMethod, Details, KeyHash, Lease, MerchantId, Money, NewPayment, Operation, OperationKind,
    Payment, PaymentId, ProviderName, ProviderRequestId, Refund, RefundId, RefundStatus, Timestamp,
};
use tollgate_gateway::ports::{
    HttpClient, HttpError, Provider as _, Time,
    provider::{Call, LookUp, Reply},
};
use tollgate_providers::{Secret, Stripe, StripeConfig};

pub(crate) const KEY: &str = "sk_test_a_secret_that_must_not_show";
pub(crate) const INTENT: &str = "pi_3Pabc";
pub(crate) const REFUND: &str = "re_3Pabc";
/// 2026-11-23T04:00:00Z.
pub(crate) const NOW_S: i64 = 1_795_406_400;

pub(crate) type Scripted = Result<Response<Bytes>, HttpError>;

/// Answers what it is told to, in order, and remembers what it was asked.
#[derive(Default)]
pub(crate) struct Script {
    answers: Mutex<VecDeque<Scripted>>,
    asked: Mutex<Vec<Request<Bytes>>>,
    clock: Mutex<Duration>,
    /// How long each call takes.
    pub(crate) call_takes: Duration,
}

#[async_trait]
impl HttpClient for Script {
    async fn send(&self, request: Request<Bytes>, timeout: Duration) -> Scripted {
        assert!(!timeout.is_zero(), "a call without time");
        self.asked.lock().unwrap().push(request);
        *self.clock.lock().unwrap() += self.call_takes;
        self.answers.lock().unwrap().pop_front().expect("a call that the script does not foresee")
    }
}

#[async_trait]
impl Time for Script {
    fn now(&self) -> Timestamp {
        now()
    }

    fn monotonic(&self) -> Duration {
        *self.clock.lock().unwrap()
    }

    async fn sleep(&self, _: Duration) {}
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(NOW_S).unwrap()
}

pub(crate) fn money(minor: i64, currency: &str) -> Money {
    Money::new(minor, currency.parse().unwrap()).unwrap()
}

/// One payment of 10.00 USD with one operation, and the script that its provider plays.
pub(crate) struct World {
    pub(crate) payment: Payment,
    pub(crate) operation: Operation,
    pub(crate) script: Arc<Script>,
    pub(crate) timeout: Duration,
}

impl World {
    pub(crate) fn new(kind: OperationKind, script: Vec<Scripted>) -> Self {
        let lease = Lease { owner: BootId::from_random([1; 16]), call_until: now() + Duration::from_secs(30) };
        let request_id = ProviderRequestId::from_random([7; 16]);
        let new = NewPayment {
            id: PaymentId::from_random([2; 16]),
            merchant: MerchantId::from_random([3; 16]),
            amount: money(1000, "USD"),
            provider: ProviderName::Stripe,
            payment_method: "pm_card_visa".to_owned(),
            return_url: "https://tollgate.example/return/opaque".to_owned(),
            capture_method: CaptureMethod::Manual,
            details: Details::default(),
        };
        // The attempt itself is not public to build other than by opening the payment.
        let change = Payment::open(new, attempt(request_id, lease), KeyHash([4; 32]), now());
        let mut payment = change.payment;
        let mut operation = payment.open.clone().unwrap();
        if kind != OperationKind::Authorize {
            operation.kind = kind;
            operation.number = 2;
            operation.request_id = ProviderRequestId::from_random([8; 16]);
            operation.transaction_id = Some(INTENT.to_owned());
            operation.payment_method = None;
            operation.return_url = None;
            payment.provider_transaction_id = Some(INTENT.to_owned());
        }
        if kind == OperationKind::Refund {
            operation.refund = Some(Box::new(Refund {
                id: RefundId::from_random([5; 16]),
                payment_id: payment.id,
                amount: payment.amount,
                reason: None,
                status: RefundStatus::Pending,
                failure: None,
                provider_reference: None,
                to_settle_at: None,
                settlement: None,
                created_at: now(),
                updated_at: now(),
            }));
        }
        payment.open = Some(operation.clone());
        let script = Arc::new(Script { answers: Mutex::new(script.into()), ..Script::default() });
        Self { payment, operation, script, timeout: Duration::from_secs(10) }
    }

    pub(crate) fn stripe(&self) -> Stripe {
        let config = StripeConfig { api_url: "https://stripe.test".to_owned(), secret_key: Secret::new(KEY) };
        Stripe::new(&config, self.script.clone(), self.script.clone()).unwrap()
    }

    pub(crate) fn call(&self) -> Call<'_> {
        Call { payment: &self.payment, operation: &self.operation, timeout: self.timeout }
    }

    pub(crate) async fn reply(&self) -> Reply<Answer> {
        let reply = self.stripe().send(self.call()).await;
        assert!(self.script.answers.lock().unwrap().is_empty(), "the script was not played to its end");
        reply
    }

    pub(crate) async fn send(&self) -> Answer {
        self.reply().await.answer
    }

    pub(crate) async fn cancel(&self) -> Answer {
        let reply = self.stripe().cancel(self.call()).await;
        assert!(self.script.answers.lock().unwrap().is_empty(), "the script was not played to its end");
        reply.answer
    }

    pub(crate) async fn look_up(&self) -> LookUp {
        let found = self.stripe().look_up(self.call()).await.answer;
        assert!(self.script.answers.lock().unwrap().is_empty(), "the script was not played to its end");
        found
    }

    /// What was asked: method and path with query, body.
    pub(crate) fn asked(&self) -> Vec<(String, String)> {
        let line = |request: &Request<Bytes>| {
            let path = request.uri().path_and_query().unwrap();
            (format!("{} {path}", request.method()), String::from_utf8(request.body().to_vec()).unwrap())
        };
        self.script.asked.lock().unwrap().iter().map(line).collect()
    }

    pub(crate) fn requests(&self) -> Vec<Request<Bytes>> {
        self.script.asked.lock().unwrap().clone()
    }

    /// The intent as Stripe shows it, in `status`.
    pub(crate) fn intent(&self, status: &str) -> Value {
        let received = if status == "succeeded" { 1000 } else { 0 };
        let made_by = ProviderRequestId::from_random([7; 16]);
        json!({
            "id": INTENT, "object": "payment_intent", "amount": 1000, "currency": "usd", "status": status,
            "amount_received": received, "next_action": null, "last_payment_error": null,
            "metadata": {
                "tollgate_payment_id": self.payment.id.to_string(),
                "tollgate_request_id": made_by.to_string(),
                "tollgate_operation": "authorize",
            },
            "latest_charge": {"id": "ch_1", "object": "charge", "amount_refunded": 0, "refunded": false},
        })
    }

    /// The refund as Stripe shows it, in `status`.
    pub(crate) fn refund(&self, status: &str) -> Value {
        json!({
            "id": REFUND, "object": "refund", "amount": self.operation.amount.minor(), "currency": "usd", "status": status,
            "payment_intent": INTENT,
            "metadata": {
                "tollgate_payment_id": self.payment.id.to_string(),
                "tollgate_request_id": self.operation.request_id.to_string(),
            },
        })
    }

    pub(crate) fn then(self, answer: Scripted) -> Self {
        self.script.answers.lock().unwrap().push_back(answer);
        self
    }

    /// What the operation is answered with where all is well.
    pub(crate) fn success(&self) -> Value {
        match self.operation.kind {
            OperationKind::Authorize => self.intent("requires_capture"),
            OperationKind::Capture => self.intent("succeeded"),
            OperationKind::Void | OperationKind::Reversal => self.intent("canceled"),
            OperationKind::Refund => self.refund("succeeded"),
        }
    }
}

fn attempt(request_id: ProviderRequestId, lease: Lease) -> tollgate_domain::Attempt {
    tollgate_domain::Attempt { request_id, lease }
}

pub(crate) fn ok(body: &Value) -> Scripted {
    status(200, body)
}

pub(crate) fn status(status: u16, body: &Value) -> Scripted {
    raw(status, &[("request-id", "req_abc")], &body.to_string())
}

#[expect(clippy::unnecessary_wraps, reason = "scripts are made of these")]
pub(crate) fn raw(status: u16, headers: &[(&str, &str)], body: &str) -> Scripted {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Ok(response.body(Bytes::copy_from_slice(body.as_bytes())).unwrap())
}

pub(crate) fn error(kind: &str, code: &str) -> Value {
    json!({"error": {"type": kind, "code": code, "message": "Words of Stripe's: card 4242424242424242"}})
}

pub(crate) fn list(data: &[Value], has_more: bool) -> Value {
    json!({"object": "list", "data": data, "has_more": has_more, "url": "/v1/things"})
}

pub(crate) fn with(mut value: Value, path: &str, new: Value) -> Value {
    match value.pointer_mut(path) {
        Some(place) => *place = new,
        None => value[path.trim_start_matches('/')] = new,
    }
    value
}
