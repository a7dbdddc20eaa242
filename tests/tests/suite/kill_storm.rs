//! The sandbox is killed at random while merchants work with it and the provider misbehaves. Every request is sent again
//! with its key until it is answered. In the end, gateway and provider agree on every payment, and nobody paid twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::join;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;
use tollgate_sandbox::client::{Answer, Client};
use tollgate_tests::{
    dice::{Dice, seed},
    stage::{Stage, assert_timeline, assert_true_to_the_books},
};

use crate::every_provider::{BANK, PAYPAL, STRIPE, Via, stage};

const MERCHANTS: u64 = 16;
/// What goes wrong at the provider, in turns. Whatever it is, it is over within the deadline of a call.
const FAULTS: [(&str, u32, u64); 8] = [
    ("charge_then_timeout", 4, 30),
    ("slow", 6, 150),
    ("error_500", 2, 0),
    ("duplicate_webhooks", 8, 0),
    ("timeout", 3, 30),
    ("reorder_webhooks", 6, 0),
    ("drop_webhooks", 8, 0),
    ("html_502", 3, 0),
];

/// A request as a merchant keeps it, to be sent again.
#[derive(Debug, Clone)]
enum Asked {
    Create { amount: u64, automatic: bool, declined: bool },
    Capture { payment: String, amount: Option<i64> },
    Void { payment: String },
}

/// A request with its key and what was answered last.
#[derive(Debug, Clone)]
struct Kept {
    key: String,
    asked: Asked,
    answer: Option<Answer>,
}

impl Kept {
    async fn send(&self, via: &Via, client: &Client) -> anyhow::Result<Answer> {
        match &self.asked {
            Asked::Create { amount, automatic, declined } => {
                let token = if *declined { via.declined } else { via.token };
                let capture_method = if *automatic { "automatic" } else { "manual" };
                let body = json!({
                    "amount": amount, "currency": "JPY", "capture_method": capture_method,
                    "payment_method": {via.name: token},
                });
                client.create_as(&self.key, &body).await
            }
            Asked::Capture { payment, amount } => client.capture(payment, &self.key, *amount).await,
            Asked::Void { payment } => client.void(payment, &self.key).await,
        }
    }

    /// A final answer: done, or refused for good.
    fn is_final(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| {
            [200, 201, 422].contains(&answer.status) || answer.text("code") == "payment_state_conflict"
        })
    }
}

/// What all merchants share.
struct World {
    via: &'static Via,
    kills: u32,
    stage: tokio::sync::RwLock<Stage>,
    clock: SystemClock,
    over: AtomicBool,
    /// Requests that were cut off.
    cut_off: AtomicUsize,
}

impl World {
    /// Sends a request until it is answered for good, or has been unknown so often that the provider must be the cause.
    async fn insist(&self, kept: &mut Kept) {
        let (mut unknown, mut in_progress) = (0, 0);
        for _ in 0..2000 {
            // Nobody holds the stage while waiting for an answer: it may be killed at any time.
            let client = self.stage.read().await.client();
            match kept.send(self.via, &client).await {
                Err(_) => {
                    self.cut_off.fetch_add(1, Ordering::Relaxed);
                    self.clock.sleep(Duration::from_millis(40)).await;
                }
                Ok(answer) => {
                    assert_contract(&answer);
                    if let (Some(before), Asked::Create { .. }) = (&kept.answer, &kept.asked)
                        && !before.text("id").is_empty()
                        && !answer.text("id").is_empty()
                    {
                        assert_eq!(before.text("id"), answer.text("id"), "one key, one payment: {kept:?}");
                    }
                    unknown += u32::from(answer.status == 202);
                    in_progress += u32::from(answer.text("code") == "operation_in_progress");
                    kept.answer = Some(answer);
                    // Unknown for so long: the provider keeps an error for it, or for what it has to wait for.
                    if kept.is_final() || unknown > 6 || in_progress > 150 {
                        return;
                    }
                    self.clock.sleep(Duration::from_millis(25)).await;
                }
            }
        }
        panic!("never answered: {kept:?}");
    }
}

/// Every answer is one that the contract knows.
fn assert_contract(answer: &Answer) {
    let code = answer.text("code");
    let known = match answer.status {
        200..=202 => true,
        409 => ["idempotency_key_in_use", "operation_in_progress", "payment_state_conflict"].contains(&code),
        422 => code == "provider_refused",
        503 => ["provider_unavailable", "store_unavailable", "overloaded"].contains(&code),
        _ => false,
    };
    assert!(known, "not an answer of the contract: {answer:?}");
}

/// Pays, captures and voids until it is over. Returns everything that was asked for.
async fn merchant(world: &World, seed: u64, number: u64) -> Vec<Kept> {
    let mut dice = Dice::of(seed ^ (number << 32));
    let mut kept = Vec::new();
    let mut count = 0;
    while !world.over.load(Ordering::Relaxed) {
        count += 1;
        let name = format!("storm-{number}-{count}");
        let asked = Asked::Create {
            amount: 100 + dice.below(900),
            automatic: dice.below(5) == 0,
            declined: dice.below(10) == 0,
        };
        let mut create = Kept { key: name.clone(), asked, answer: None };
        world.insist(&mut create).await;
        let made = create.answer.clone().unwrap();
        let payment = made.text("id").to_owned();
        kept.push(create);
        if made.text("status") != "AUTHORIZED" {
            continue;
        }
        let amount = (dice.below(2) == 0 && world.via.in_parts).then_some(50);
        let mut capture =
            Kept { key: format!("{name}-c"), asked: Asked::Capture { payment: payment.clone(), amount }, answer: None };
        let mut void = Kept { key: format!("{name}-v"), asked: Asked::Void { payment }, answer: None };
        match dice.below(4) {
            0 => world.insist(&mut void).await,
            1 => {
                join!(world.insist(&mut capture), world.insist(&mut void));
            }
            2 => world.insist(&mut capture).await,
            _ => {}
        }
        kept.extend([capture, void].into_iter().filter(|asked| asked.answer.is_some()));
    }
    kept
}

/// Kills and restarts, with something wrong at the provider every time.
async fn killer(world: &World, seed: u64) {
    let mut dice = Dice::of(!seed);
    for kill in 0..world.kills {
        let (kind, times, ms) = FAULTS[kill as usize % FAULTS.len()];
        world.stage.read().await.arm(world.via.name, &json!({"kind": kind, "times": times, "ms": ms})).await;
        world.clock.sleep(Duration::from_millis(150 + dice.below(700))).await;
        let mut stage = world.stage.write().await;
        stage.kill().await;
        stage.restart().await;
    }
    world.clock.sleep(Duration::from_millis(300)).await;
    world.over.store(true, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_pays_twice_and_nothing_is_lost_when_it_is_killed_again_and_again() {
    storm(&STRIPE, 15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_through_paypal() {
    storm(&PAYPAL, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_through_the_bank() {
    storm(&BANK, 8).await;
}

#[allow(clippy::print_stderr, reason = "the seed has to be known to play it again")]
async fn storm(via: &'static Via, kills: u32) {
    let seed = seed();
    eprintln!("kill storm, {}: TOLLGATE_SEED={seed}", via.name);
    let world = World {
        via,
        kills,
        stage: tokio::sync::RwLock::new(stage().await),
        clock: SystemClock::start(),
        over: AtomicBool::new(false),
        cut_off: AtomicUsize::new(0),
    };
    let merchants = join_all((0..MERCHANTS).map(|number| merchant(&world, seed, number)));
    let (kept, ()) = join!(merchants, killer(&world, seed));
    let mut kept: Vec<_> = kept.into_iter().flatten().collect();
    let cut_off = world.cut_off.load(Ordering::Relaxed);
    let confirmed = kept.iter().filter(|kept| kept.is_final()).count();
    eprintln!(
        "kill storm, {}: {} requests, {confirmed} final, {cut_off} cut off, {} s",
        via.name,
        kept.len(),
        world.clock.monotonic().as_secs()
    );
    assert!(cut_off > 0, "no request was cut off: this shows nothing");
    assert!(confirmed > 100, "only {confirmed} requests were answered for good: this shows little");

    world.stage.read().await.disarm(via.name).await;
    // A capture that follows an authorization of several steps, and was cut off, is the job's to send.
    let until_the_jobs_ran = if via.in_steps { 1200 } else { 60 };
    world.stage.read().await.client().advance(until_the_jobs_ran).await.unwrap();
    world.stage.read().await.quiet().await;
    // What was confirmed stays so; what was not is found out now, but for what the provider keeps an error for.
    for kept in &mut kept {
        let before = kept.answer.clone().unwrap();
        let was_final = kept.is_final();
        world.insist(kept).await;
        let after = kept.answer.as_ref().unwrap();
        assert!(!was_final || kept.is_final(), "was {before:?}, is {after:?}");
        assert_eq!(before.status == 422, was_final && after.status == 422, "was {before:?}, is {after:?}");
        assert_follows(&before, after);
    }
    let stage = world.stage.into_inner();
    let unresolved = compare(via, &stage, &kept).await;
    let kept_errors: u32 =
        (0..kills as usize).map(|n| FAULTS[n % FAULTS.len()]).filter(|f| f.0 == "error_500").map(|f| f.1).sum();
    assert!(unresolved.len() <= kept_errors as usize, "{kept_errors} errors are kept; unresolved: {unresolved:#?}");
}

/// Nothing that was confirmed is taken back: the same status, or one that the machine leads to.
fn assert_follows(before: &Answer, after: &Answer) {
    let (from, to) = (before.text("status"), after.text("status"));
    let follows = from.is_empty()
        || to.is_empty()
        || from == to
        || from == "PENDING"
        || (from == "AUTHORIZED" && ["CAPTURED", "VOIDED"].contains(&to));
    assert!(follows, "was {before:?}, is {after:?}");
}

/// Holds every payment against the provider's books. Returns those whose outcome is honestly unknown.
async fn compare(via: &Via, stage: &Stage, kept: &[Kept]) -> Vec<Value> {
    let client = stage.client();
    let mut charges: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for transaction in stage.books(via.name).await {
        let payment = transaction["payment_id"].as_str().unwrap().to_owned();
        charges.entry(payment).or_default().push(transaction);
    }
    let answers = kept.iter().filter_map(|kept| kept.answer.as_ref());
    let told: BTreeSet<_> =
        answers.map(|answer| answer.text("id").to_owned()).filter(|id| id.starts_with("pay_")).collect();
    assert!(charges.keys().all(|payment| told.contains(payment)), "a charge that no merchant was told of");
    let mut unresolved = Vec::new();
    for id in &told {
        let payment = client.payment(id).await.unwrap();
        let charges = charges.get(id).map(Vec::as_slice).unwrap_or_default();
        assert_timeline(&payment, &client.timeline(id).await.unwrap());
        if via.name == STRIPE.name {
            assert_true_to_the_books(&payment, charges);
        } else {
            assert_taken_once(&payment, charges);
        }
        if payment["status"] == "PENDING" || !payment["pending_operation"].is_null() {
            unresolved.push(payment);
        }
    }
    for kept in kept.iter().filter(|kept| kept.is_final()) {
        let answer = kept.answer.as_ref().unwrap();
        if let Asked::Capture { payment, amount } = &kept.asked
            && answer.status == 200
        {
            let charge = &charges[payment][0];
            let expected = amount.map_or(charge["amount"].clone(), Value::from);
            assert_eq!(charge["captured"], expected, "a confirmed capture took what it was asked for");
        }
        if let Asked::Void { payment } = &kept.asked
            && answer.status == 200
        {
            assert_eq!(charges[payment][0]["captured"], 0, "a confirmed void took nothing");
        }
    }
    unresolved
}

/// Asserts that the provider's `charges` for `payment` are one at most, of which so much was taken as we say.
fn assert_taken_once(payment: &Value, charges: &[Value]) {
    let told = format!("{payment:#}\n{charges:#?}");
    assert!(charges.len() <= 1, "charged more than once: {told}");
    let taken = charges.first().map_or(json!(0), |charge| charge["captured"].clone());
    let unknown = !payment["pending_operation"].is_null();
    assert!(unknown || taken == payment["amount_captured"], "the books say otherwise: {told}");
}
