//! The same for every provider, over the gateway's API: the process dies, or the provider's answer is lost, at any step of a
//! payment's life. The merchant asks again with the same key, the jobs do the rest, and the provider's own books show it once.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_gateway::ports::Time as _;
use tollgate_runtime::SystemClock;
use tollgate_sandbox::client::{Answer, Client};
use tollgate_tests::stage::Stage;

/// A provider with a token that pays.
pub(crate) struct Via {
    pub(crate) name: &'static str,
    pub(crate) token: &'static str,
    /// One that does not.
    pub(crate) declined: &'static str,
    /// It captures parts.
    pub(crate) in_parts: bool,
    /// A payment is made in two steps, with a commit between them.
    pub(crate) in_steps: bool,
}

pub(crate) const STRIPE: Via = Via {
    name: "stripe",
    token: "pm_card_visa",
    declined: "pm_card_visa_chargeDeclined",
    in_parts: true,
    in_steps: false,
};
pub(crate) const PAYPAL: Via =
    Via { name: "paypal", token: "vault-ok", declined: "vault-declined", in_parts: true, in_steps: true };
pub(crate) const BANK: Via =
    Via { name: "bank", token: "debtor-ok", declined: "debtor-no-funds", in_parts: false, in_steps: true };

/// Around a request of the merchant's own.
const IN_REQUESTS: [&str; 4] = ["before_intent", "after_intent", "after_call", "after_outcome"];
/// Around an event of the provider's.
const IN_EVENTS: [&str; 2] = ["before_event", "after_event"];

/// What goes wrong with one call. Those with a time outlast the call's deadline, or answer too late.
const FAULTS: [(&str, u64); 7] = [
    ("timeout", 50),
    ("charge_then_timeout", 50),
    ("error_500", 0),
    ("html_502", 0),
    ("unreachable", 0),
    ("rate_limit", 0),
    ("slow", 2200),
];

impl Via {
    fn order(&self) -> Value {
        json!({"amount": 900, "currency": "JPY", "payment_method": {self.name: self.token}})
    }

    /// What the provider's books have of a payment: taken and given back.
    pub(crate) async fn books(&self, stage: &Stage, payment: &str) -> Vec<(i64, i64)> {
        let books = stage.books(self.name).await;
        let ours = books.iter().filter(|row| row["payment_id"] == payment);
        ours.map(|row| (row["captured"].as_i64().unwrap(), row["refunded"].as_i64().unwrap())).collect()
    }
}

/// A stage whose bank has made its key: that takes longer than a call may here.
pub(crate) async fn stage() -> Stage {
    let stage = Stage::with_a_public_address().await;
    assert_eq!(stage.http().get(&format!("{}/bank/jwks", stage.providers_url())).await.status(), 200);
    stage
}

/// Asks on a sandbox that dies at one point after the other, and once more.
async fn dies(
    stage: &mut Stage,
    points: &[&str],
    request: impl AsyncFn(Client) -> anyhow::Result<Answer>,
) -> anyhow::Result<Answer> {
    for point in points {
        stage.client().crash_at(point).await?;
        let cut_off = request(stage.client()).await;
        assert!(cut_off.is_err() || IN_EVENTS.contains(point), "{point}: answered {cut_off:?}");
        stage.died().await;
        stage.restart().await;
    }
    request(stage.client()).await
}

/// Where a request can die: once, or at its second step after the first.
fn deaths(in_steps: bool, events: bool) -> Vec<Vec<&'static str>> {
    let mut deaths: Vec<_> = IN_REQUESTS.iter().map(|point| vec![*point]).collect();
    if events {
        deaths.extend(IN_EVENTS.iter().map(|point| vec![*point]));
    }
    if in_steps {
        deaths.push(vec!["after_outcome", "after_call"]);
        deaths.push(vec!["after_outcome", "after_outcome"]);
    }
    deaths
}

async fn a_life_that_dies_anywhere(via: &Via) {
    let mut stage = stage().await;
    let mut settled = Vec::new();
    for points in deaths(via.in_steps, true) {
        let key = format!("create-{points:?}");
        let order = via.order();
        let made = dies(&mut stage, &points, async |client| client.create_as(&key, &order).await).await.unwrap();
        assert_eq!(made.text("status"), "AUTHORIZED", "{} {points:?}: {}", via.name, made.body);
        let id = made.text("id").to_owned();
        assert_eq!(via.books(&stage, &id).await, [(0, 0)], "{} {points:?}", via.name);
        stage.quiet().await;
        settled.push(id);
    }
    for (points, id) in deaths(false, true).into_iter().zip(&settled) {
        let take = async |client: Client| client.capture(id, &format!("take-{id}"), None).await;
        let taken = dies(&mut stage, &points, take).await.unwrap();
        assert_eq!((taken.status, taken.text("status")), (200, "CAPTURED"), "{} {points:?}: {}", via.name, taken.body);
        assert_eq!(via.books(&stage, id).await, [(900, 0)], "{} {points:?}", via.name);
        stage.quiet().await;
    }
    for points in deaths(false, false) {
        let key = format!("void-{points:?}");
        let held = stage.client().create_as(&key, &via.order()).await.unwrap();
        stage.quiet().await;
        let id = held.text("id").to_owned();
        let void = async |client: Client| client.void(&id, &key).await;
        let void = dies(&mut stage, &points, void).await.unwrap();
        assert_eq!((void.status, void.text("status")), (200, "VOIDED"), "{} {points:?}: {}", via.name, void.body);
        assert_eq!(via.books(&stage, &id).await, [(0, 0)], "{} {points:?}", via.name);
    }
    stage.client().advance(24 * 3600).await.unwrap();
    let in_steps = via.name == BANK.name;
    for (points, id) in deaths(in_steps, false).into_iter().zip(&settled) {
        let back = async |client: Client| client.refund(id, &format!("back-{id}"), Some(400)).await;
        let back = dies(&mut stage, &points, back).await.unwrap();
        assert_eq!(back.text("status"), "COMPLETED", "{} {points:?}: {}", via.name, back.body);
        assert_eq!(via.books(&stage, id).await, [(900, 400)], "{} {points:?}", via.name);
    }
    nothing_differs(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_through_stripe_that_dies_anywhere_happens_once() {
    a_life_that_dies_anywhere(&STRIPE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_through_paypal_that_dies_anywhere_happens_once() {
    a_life_that_dies_anywhere(&PAYPAL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_through_the_bank_that_dies_anywhere_happens_once() {
    a_life_that_dies_anywhere(&BANK).await;
}

async fn nothing_differs(stage: &Stage) {
    for job in ["provider-truth", "invariants"] {
        let report = stage.client().run_job(job).await.unwrap();
        assert_eq!(report["could_not"], json!({}), "{job}: {report}");
    }
}

/// Asks once while `fault` is armed, and then again and again, with the jobs running, until it is `done`. No event helps.
async fn lost(
    stage: &Stage,
    via: &Via,
    (kind, ms): (&str, u64),
    request: impl AsyncFn(Client) -> anyhow::Result<Answer>,
    done: impl Fn(&Answer) -> bool,
) -> Answer {
    let client = stage.client();
    client.fault(via.name, &json!({"kind": "drop_webhooks"})).await.unwrap();
    let mut fault = json!({"kind": kind, "ms": ms});
    // These are not the last word of the adapter's guard, unless they last.
    if !["unreachable", "rate_limit"].contains(&kind) {
        fault["times"] = json!(1);
    }
    client.fault(via.name, &fault).await.unwrap();
    let first = request(stage.client()).await.unwrap();
    assert!([200, 201, 202, 503].contains(&first.status), "{} {kind}: {first:?}", via.name);
    client.clear_faults(via.name).await.unwrap();
    client.fault(via.name, &json!({"kind": "drop_webhooks"})).await.unwrap();
    if kind == "slow" {
        // The provider works in real time, and the clock that is moved below does not wait for it.
        SystemClock::start().sleep(Duration::from_millis(1200)).await;
    }
    for _ in 0..40 {
        let answer = request(stage.client()).await.unwrap();
        if done(&answer) {
            return answer;
        }
        // Ten minutes: a call that is cut off can be under way for a while, and what a provider keeps is sent afresh after that.
        client.advance(600).await.unwrap();
    }
    panic!("{} {kind}: never told", via.name);
}

async fn a_life_whose_answers_are_lost(via: &Via) {
    let stage = stage().await;
    let mut held = Vec::new();
    for fault in FAULTS {
        let (kind, _) = fault;
        let (key, order) = (format!("create-{kind}"), via.order());
        let create = async |client: Client| client.create_as(&key, &order).await;
        let made =
            lost(&stage, via, fault, create, |answer| ["AUTHORIZED", "FAILED"].contains(&answer.text("status"))).await;
        let id = made.text("id").to_owned();
        if made.text("status") == "FAILED" {
            // Stripe keeps its own error under an id, and nothing was charged under it.
            assert_eq!(kind, "error_500", "{}: {}", via.name, made.body);
            assert!(via.books(&stage, &id).await.is_empty(), "{} {kind}", via.name);
        } else {
            assert_eq!(made.text("status"), "AUTHORIZED", "{} {kind}: {}", via.name, made.body);
            assert_eq!(via.books(&stage, &id).await, [(0, 0)], "{} {kind}", via.name);
        }

        let to_void = stage.client().create_as(&format!("void-{kind}"), &order).await.unwrap();
        let id = to_void.text("id").to_owned();
        let void = async |client: Client| client.void(&id, &format!("void-{id}")).await;
        lost(&stage, via, fault, void, |answer| answer.text("status") == "VOIDED").await;
        assert_eq!(via.books(&stage, &id).await, [(0, 0)], "{} void {kind}", via.name);

        let to_take = stage.client().create_as(&format!("take-{kind}"), &order).await.unwrap();
        let id = to_take.text("id").to_owned();
        let take = async |client: Client| client.capture(&id, &format!("take-{id}"), None).await;
        lost(&stage, via, fault, take, |answer| answer.text("status") == "CAPTURED").await;
        assert_eq!(via.books(&stage, &id).await, [(900, 0)], "{} capture {kind}", via.name);
        held.push((fault, id));
    }
    stage.client().advance(24 * 3600).await.unwrap();
    for (fault, id) in &held {
        let back = async |client: Client| client.refund(id, &format!("back-{id}"), Some(400)).await;
        lost(&stage, via, *fault, back, |answer| answer.text("status") == "COMPLETED").await;
        assert_eq!(via.books(&stage, id).await, [(900, 400)], "{} refund {fault:?}", via.name);
    }
    nothing_differs(&stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_through_stripe_whose_answers_are_lost_happens_once() {
    a_life_whose_answers_are_lost(&STRIPE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_through_paypal_whose_answers_are_lost_happens_once() {
    a_life_whose_answers_are_lost(&PAYPAL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_through_the_bank_whose_answers_are_lost_happens_once() {
    a_life_whose_answers_are_lost(&BANK).await;
}
