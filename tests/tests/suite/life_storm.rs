//! Whole lives of payments in a storm: merchants create, capture, void and refund, payers approve or stay away, days pass,
//! and all the while the sandbox is killed, the provider misbehaves and the merchants' endpoint fails. Merchants do not
//! always ask again, so that only jobs can find out. In the end everything agrees: nothing doubled, nothing lost, every
//! merchant told.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::join_all;
use http::{Method, Request, header};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::join;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;
use tollgate_sandbox::client::{Answer, Client};
use tollgate_tests::{
    dice::{Dice, seed},
    stage::Stage,
};

use super::whole_truth::{Told, assert_whole_truth};

const MERCHANTS: u64 = 6;
const KILLS: usize = 16;
/// No kill comes later than this, real time: a slow machine has a shorter storm.
const STORM_AT_MOST: Duration = Duration::from_secs(30);
/// What goes wrong at the provider: the kind, and for how many calls or webhooks, and how long a call hangs. Whatever it
/// is, it is over within the deadline of a call.
const FAULTS: [(&str, u32, u64); 10] = [
    ("charge_then_timeout", 4, 30),
    ("slow", 6, 150),
    ("error_500", 2, 0),
    ("duplicate_webhooks", 8, 0),
    ("timeout", 3, 30),
    ("reorder_webhooks", 6, 0),
    ("drop_webhooks", 8, 0),
    ("html_502", 3, 0),
    ("rate_limit", 3, 0),
    ("unreachable", 3, 0),
];
/// Where the sandbox dies by itself; none: it is killed wherever it is.
const POINTS: [Option<&str>; 12] = [
    None,
    Some("after_intent"),
    Some("after_call"),
    None,
    Some("after_outcome"),
    Some("before_chunk"),
    Some("after_webhook"),
    None,
    Some("after_chunk"),
    Some("before_event"),
    Some("after_event"),
    Some("before_finish"),
];
/// How the clock moves, seconds at once.
const MOVES: [u64; 6] = [45, 900, 2 * HOUR, 6 * HOUR, 12 * HOUR, 20 * HOUR];
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// So much passes during the storm, at most: idempotency keys are kept for seven days.
const STORM_DAYS: u64 = 4;
const CARD: &str = "pm_card_visa";
const DECLINED: &str = "pm_card_visa_chargeDeclined";
const THREE_D_SECURE: &str = "pm_card_threeDSecure2Required";
const SLOW_REFUND: &str = "pm_card_pendingRefund";
const FAILED_REFUND: &str = "pm_card_refundFail";
/// Payments that were held so long before that they expire in the storm, while somebody may capture them.
const OLD_HOLDS: u64 = 24;
const HELD_BEFORE_DAYS: u64 = 5;
/// Requests that everybody has given up arrive at the provider after all.
const LATE_ARRIVALS: usize = 6;

/// A request as a merchant keeps it, to be sent again.
#[derive(Debug, Clone)]
enum Asked {
    Create { amount: u64, automatic: bool, card: &'static str },
    Capture { payment: String, amount: Option<i64> },
    Void { payment: String },
    Refund { payment: String, amount: Option<i64> },
}

/// A request with its key and what was answered last.
#[derive(Debug, Clone)]
struct Kept {
    other_merchant: bool,
    key: String,
    asked: Asked,
    answer: Option<Answer>,
}

impl Kept {
    async fn send(&self, client: &Client) -> anyhow::Result<Answer> {
        match &self.asked {
            Asked::Create { amount, automatic, card } => {
                let capture_method = if *automatic { "automatic" } else { "manual" };
                let body = json!({
                    "amount": amount, "currency": "JPY", "capture_method": capture_method,
                    "payment_method": {"stripe": card}, "return_url": "https://shop.example/thanks",
                });
                client.create_as(&self.key, &body).await
            }
            Asked::Capture { payment, amount } => client.capture(payment, &self.key, *amount).await,
            Asked::Void { payment } => client.void(payment, &self.key).await,
            Asked::Refund { payment, amount } => client.refund(payment, &self.key, *amount).await,
        }
    }

    /// The answer, where one came.
    fn text(&self, field: &str) -> &str {
        self.answer.as_ref().map(|answer| answer.text(field)).unwrap_or_default()
    }

    fn status(&self) -> u16 {
        self.answer.as_ref().map(|answer| answer.status).unwrap_or_default()
    }

    /// Done, or refused for good.
    fn is_final(&self) -> bool {
        [200, 201, 422].contains(&self.status())
            || ["payment_state_conflict", "payment_not_settled"].contains(&self.text("code"))
    }

    /// What the key guards, once anything is known of it.
    fn resource(&self) -> Option<&str> {
        Some(self.text("id")).filter(|id| !id.is_empty())
    }
}

/// What all merchants share.
struct World {
    stage: tokio::sync::RwLock<Stage>,
    clock: SystemClock,
    over: AtomicBool,
    requests: AtomicUsize,
    /// Requests that were cut off.
    cut_off: AtomicUsize,
    /// Moves of the clock that were cut off.
    moves_cut_off: AtomicUsize,
    told: Mutex<Told>,
}

impl World {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Nobody holds the stage while waiting for an answer: it may be killed at any time.
    async fn client(&self, other_merchant: bool) -> Client {
        let stage = self.stage.read().await;
        if other_merchant { stage.other_merchant() } else { stage.client() }
    }

    /// Sends a request until it is answered for good, at most so many times.
    async fn ask(&self, kept: &mut Kept, tries: u32) {
        for _ in 0..tries {
            let client = self.client(kept.other_merchant).await;
            self.requests.fetch_add(1, Ordering::Relaxed);
            match kept.send(&client).await {
                Err(_) => {
                    self.cut_off.fetch_add(1, Ordering::Relaxed);
                    self.clock.sleep(Duration::from_millis(30)).await;
                }
                Ok(answer) => {
                    self.read(kept, answer);
                    let payers_turn = kept.answer.as_ref().is_some_and(|a| a.body["next_action"].is_object());
                    if kept.is_final() || payers_turn {
                        return;
                    }
                    self.clock.sleep(Duration::from_millis(25)).await;
                }
            }
        }
    }

    /// Checks an answer and remembers it.
    fn read(&self, kept: &mut Kept, answer: Answer) {
        assert_contract(&kept.asked, &answer);
        if let (Some(before), Some(id)) = (kept.resource(), answer.body["id"].as_str())
            && matches!(kept.asked, Asked::Create { .. } | Asked::Refund { .. })
        {
            assert_eq!(before, id, "one key, one resource: {kept:?}");
        }
        let mut told = self.told.lock().unwrap();
        told.take(&answer);
        if let Asked::Capture { payment, amount } = &kept.asked
            && answer.status == 200
        {
            told.captured(payment, *amount);
        }
        // What was told of the resource is not forgotten over a "try again later".
        if kept.resource().is_none() || answer.body["id"].is_string() || answer.status == 422 {
            kept.answer = Some(answer);
        }
    }
}

/// Every answer is one that the contract knows for this request.
fn assert_contract(asked: &Asked, answer: &Answer) {
    let code = answer.text("code");
    let is_refund = matches!(asked, Asked::Refund { .. });
    let known = match answer.status {
        200..=202 => true,
        409 => {
            ["idempotency_key_in_use", "operation_in_progress", "payment_state_conflict"].contains(&code)
                || (is_refund && code == "payment_not_settled")
        }
        422 => code == "provider_refused" || (is_refund && code == "refund_exceeds_captured"),
        503 => ["provider_unavailable", "store_unavailable", "overloaded"].contains(&code),
        _ => false,
    };
    assert!(known, "not an answer of the contract: {answer:?} to {asked:?}");
}

/// One till of a merchant: it makes payments, and comes back to those that were captured.
struct Till<'a> {
    world: &'a World,
    dice: Dice,
    name: String,
    other_merchant: bool,
    count: u32,
    kept: Vec<Kept>,
    /// Payments that were captured, with what was taken.
    captured: Vec<(String, i64)>,
    /// Payments that are held for long, with how much.
    old: Vec<(String, i64)>,
}

impl Till<'_> {
    fn request(&mut self, asked: Asked) -> Kept {
        self.count += 1;
        let key = format!("{}-{}", self.name, self.count);
        Kept { other_merchant: self.other_merchant, key, asked, answer: None }
    }

    /// Some ask until they know; some ask once or twice and never again.
    fn patience(&mut self) -> u32 {
        if self.dice.below(3) == 0 { 1 + u32::from(self.dice.below(2) == 0) } else { 60 }
    }

    async fn ask(&mut self, asked: Asked) -> Kept {
        let (mut kept, patience) = (self.request(asked), self.patience());
        self.world.ask(&mut kept, patience).await;
        self.kept.push(kept.clone());
        kept
    }

    async fn work(mut self) -> Vec<Kept> {
        while !self.world.is_over() {
            if self.dice.below(12) == 0
                && let Some((payment, amount)) = self.old.pop()
            {
                self.capture_or_void(payment, amount).await;
            } else if self.captured.is_empty() || self.dice.below(5) < 3 {
                self.sell().await;
            } else {
                self.give_back().await;
            }
            self.world.clock.sleep(Duration::from_millis(50 + self.dice.below(200))).await;
        }
        self.kept
    }

    async fn sell(&mut self) {
        let card = match self.dice.below(12) {
            0 => DECLINED,
            1 | 2 => THREE_D_SECURE,
            3 | 4 => SLOW_REFUND,
            5 => FAILED_REFUND,
            _ => CARD,
        };
        let (amount, automatic) = (100 + self.dice.below(900), self.dice.below(4) == 0);
        let made = self.ask(Asked::Create { amount, automatic, card }).await;
        let Some(payment) = made.resource().map(str::to_owned) else { return };
        let status = if card == THREE_D_SECURE {
            let asked = made.answer.as_ref().map(|answer| answer.body.clone()).unwrap_or_default();
            self.approve(&asked).await
        } else {
            made.text("status").to_owned()
        };
        let whole = i64::try_from(amount).unwrap();
        match status.as_str() {
            "CAPTURED" => self.captured.push((payment, whole)),
            "AUTHORIZED" => self.capture_or_void(payment, whole).await,
            // What is not known yet can be voided all the same.
            "PENDING" if self.dice.below(4) == 0 => {
                self.ask(Asked::Void { payment }).await;
            }
            _ => {}
        }
    }

    async fn capture_or_void(&mut self, payment: String, whole: i64) {
        let amount = (self.dice.below(2) == 0).then_some(50);
        match self.dice.below(6) {
            0 => {
                self.ask(Asked::Void { payment }).await;
            }
            1 => {
                let mut capture = self.request(Asked::Capture { payment: payment.clone(), amount });
                let mut void = self.request(Asked::Void { payment });
                join!(self.world.ask(&mut capture, 60), self.world.ask(&mut void, 60));
                self.kept.extend([capture, void]);
            }
            2..=4 => {
                let capture = self.ask(Asked::Capture { payment: payment.clone(), amount }).await;
                if capture.status() == 200 {
                    self.captured.push((payment, amount.unwrap_or(whole)));
                }
            }
            _ => {}
        }
    }

    /// Refunds something that was captured once: a part, all that is left, or more than there is; sometimes twice at once.
    async fn give_back(&mut self) {
        let index = usize::try_from(self.dice.below(self.captured.len() as u64)).unwrap();
        let (payment, captured) = self.captured[index].clone();
        let part = 1 + i64::try_from(self.dice.below(captured.unsigned_abs())).unwrap();
        let amount = self.dice.one_of(&[None, Some(part), Some(part), Some(captured), Some(captured + 1)]);
        if self.dice.below(3) == 0 {
            let mut one = self.request(Asked::Refund { payment: payment.clone(), amount });
            let mut other = self.request(Asked::Refund { payment, amount });
            join!(self.world.ask(&mut one, 60), self.world.ask(&mut other, 60));
            self.kept.extend([one, other]);
        } else {
            let refund = self.ask(Asked::Refund { payment, amount }).await;
            let too_much = amount.is_some_and(|amount| amount > captured);
            assert!(!too_much || refund.resource().is_none(), "more than was captured: {refund:?}");
        }
    }

    /// The payer's turn: approves, refuses, or stays away; comes back to the shop or not. Answers the status afterwards.
    async fn approve(&mut self, payment: &Value) -> String {
        let (Some(id), Some(page)) = (payment["id"].as_str(), payment["next_action"]["url"].as_str()) else {
            return payment["status"].as_str().unwrap_or_default().to_owned();
        };
        let button = self.dice.one_of(&["approve", "approve", "approve", "fail", ""]);
        if button.is_empty() {
            return String::new();
        }
        let (folder, _) = page.rsplit_once('/').unwrap();
        let stage = self.world.stage.read().await;
        // The page of a payer's turn that has ended has no buttons that work any more.
        let pressed = stage.http().send(Request::post(format!("{folder}/{button}")).body(Bytes::new()).unwrap()).await;
        let way_back = pressed.headers().get(header::LOCATION).and_then(|url| url.to_str().ok()).unwrap_or_default();
        let path = way_back.split_once("/return/").map(|(_, opaque)| format!("{}/return/{opaque}", stage.url()));
        drop(stage);
        if let Some(url) = path.filter(|_| self.dice.below(3) > 0) {
            let http = tollgate_tests::stage::Http::new();
            _ = http.try_send(Request::get(url).body(Bytes::new()).unwrap()).await;
        }
        let client = self.world.client(self.other_merchant).await;
        let Ok(answer) = client.get(&format!("/v1/payments/{id}")).await else { return String::new() };
        self.world.told.lock().unwrap().take(&answer);
        answer.text("status").to_owned()
    }
}

/// Kills and restarts, with something wrong at the provider and at the merchants' endpoint every time.
async fn killer(world: &World, seed: u64) -> usize {
    let mut dice = Dice::of(!seed);
    let mut kills = 0;
    while kills < KILLS && world.clock.monotonic() < STORM_AT_MOST {
        let (kind, times, ms) = dice.one_of(&FAULTS);
        let client = world.client(false).await;
        // Armed at the sandbox, which is there: only this task kills.
        client.fault("stripe", &json!({"kind": kind, "times": times, "ms": ms})).await.unwrap();
        let (status, delay_ms) = dice.one_of(&[(500, 0), (503, 20), (200, 150), (200, 0), (410, 0)]);
        let body = json!({"status": status, "times": 1 + dice.below(12), "delay_ms": delay_ms});
        let behave = client.send(Method::POST, "/sandbox/inbox/behaviour", None, Some(&body)).await;
        assert_eq!(behave.unwrap().status, 200);
        world.clock.sleep(Duration::from_millis(100 + dice.below(1400))).await;
        if let Some(point) = POINTS[kills % POINTS.len()]
            && dice.below(4) > 0
        {
            // It may die there before it has said that it will.
            _ = client.crash_at(point).await;
            // Until it has died there, or is killed elsewhere.
            let until = world.clock.monotonic() + Duration::from_millis(500 + dice.below(1500));
            while world.clock.monotonic() < until && client.get("/health/live").await.is_ok() {
                world.clock.sleep(Duration::from_millis(10)).await;
            }
        }
        let mut stage = world.stage.write().await;
        stage.kill().await;
        stage.restart().await;
        kills += 1;
    }
    world.over.store(true, Ordering::Relaxed);
    kills
}

/// Somebody runs jobs by hand, while they run by the clock, too; the merchants' offices have webhooks sent again, make new
/// secrets, and set their endpoints again, which may have said that they want nothing more.
async fn offices(world: &World, seed: u64) {
    let mut dice = Dice::of(seed.rotate_left(31));
    while !world.is_over() {
        let client = world.client(dice.below(2) == 0).await;
        // A kill may cut any of it off.
        match dice.below(8) {
            0 => _ = set_endpoint(world, &client).await,
            1 => _ = client.send(Method::POST, "/v1/webhook-endpoint/rotate-secret", None, None).await,
            2 => {
                let some = world.told.lock().unwrap().some_payment(dice.below(1000));
                if let Some(payment) = some {
                    _ = client.redeliver(&payment).await;
                }
            }
            _ => {
                let job = dice.one_of(&["settlement", "settlement", "deliveries", "stuck-payments", "provider-truth"]);
                _ = client.run_job(job).await;
            }
        }
        world.clock.sleep(Duration::from_millis(20 + dice.below(500))).await;
    }
}

/// The merchant's endpoint is the inbox, wherever that is now. Paused, it goes on.
async fn set_endpoint(world: &World, client: &Client) -> anyhow::Result<Answer> {
    let body = json!({"url": format!("{}/sandbox/inbox", world.stage.read().await.url())});
    client.send(Method::PUT, "/v1/webhook-endpoint", None, Some(&body)).await
}

/// The time that the sandbox's clock shows, also when nobody is there to ask.
async fn time_shown(world: &World) -> Timestamp {
    let file = world.stage.read().await.data().join("clock");
    std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

/// Moves the clock from day to day. A move that a kill cuts off is gone on with after the restart.
async fn hand(world: &World, seed: u64) {
    let mut dice = Dice::of(seed.rotate_left(17));
    let end = time_shown(world).await + Duration::from_secs(STORM_DAYS * DAY);
    while !world.is_over() {
        let now = time_shown(world).await;
        let target = (now + Duration::from_secs(dice.one_of(&MOVES))).min(end);
        if target <= now {
            return;
        }
        while !world.is_over() {
            let left = target.duration_since(time_shown(world).await).as_secs();
            if left <= 0 {
                break;
            }
            if world.client(false).await.advance(left.unsigned_abs()).await.is_err() {
                world.moves_cut_off.fetch_add(1, Ordering::Relaxed);
                world.clock.sleep(Duration::from_millis(20)).await;
            }
        }
        world.clock.sleep(Duration::from_millis(dice.below(100))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "the seed has to be known to play it again")]
async fn in_a_storm_over_days_nothing_is_doubled_nothing_is_lost_and_every_merchant_is_told() {
    let seed = seed();
    eprintln!("life storm: TOLLGATE_SEED={seed}");
    let world = World {
        stage: tokio::sync::RwLock::new(Stage::with_a_public_address().await),
        clock: SystemClock::start(),
        over: AtomicBool::new(false),
        requests: AtomicUsize::new(0),
        cut_off: AtomicUsize::new(0),
        moves_cut_off: AtomicUsize::new(0),
        told: Mutex::default(),
    };
    let mut old = hold(&world).await;
    let began = time_shown(&world).await;
    let tills = (0..MERCHANTS).map(|number| {
        let own = usize::try_from(OLD_HOLDS / MERCHANTS).unwrap();
        let till = Till {
            old: if number % 2 == 0 { old.split_off(old.len().saturating_sub(2 * own)) } else { Vec::new() },
            world: &world,
            dice: Dice::of(seed ^ (number << 32)),
            name: format!("till-{number}"),
            other_merchant: number % 2 == 1,
            count: 0,
            kept: Vec::new(),
            captured: Vec::new(),
        };
        till.work()
    });
    let (kept, kills, (), ()) = join!(join_all(tills), killer(&world, seed), hand(&world, seed), offices(&world, seed));
    let mut kept: Vec<_> = kept.into_iter().flatten().collect();
    let count = |number: &AtomicUsize| number.load(Ordering::Relaxed);
    eprintln!(
        "life storm: {kills} kills, {} requests of {} intents, {} cut off, {} moves of the clock cut off, {} h, {} s",
        count(&world.requests),
        kept.len(),
        count(&world.cut_off),
        count(&world.moves_cut_off),
        time_shown(&world).await.duration_since(began).as_hours(),
        world.clock.monotonic().as_secs(),
    );
    assert!(count(&world.cut_off) > 0, "no request was cut off: this shows nothing");
    calm(&world).await;
    again(&world, &mut kept).await;
    arrive_late(&world).await;

    let (stage, told) = (world.stage.into_inner(), world.told.into_inner().unwrap());
    // Every retry of a delivery and of a provider's webhook has its time, and a settlement follows every refund.
    for _ in 0..4 {
        stage.client().advance(DAY).await.unwrap();
    }
    stage.quiet().await;
    let statuses = assert_whole_truth(&stage, &told).await;
    eprintln!("life storm: {statuses:?}, {} s", world.clock.monotonic().as_secs());
}

/// Payments of the first merchant that are held since days when the storm begins.
async fn hold(world: &World) -> Vec<(String, i64)> {
    let client = world.client(false).await;
    let mut held = Vec::new();
    for number in 0..OLD_HOLDS {
        let made = client.create(&format!("old-{number}"), 500, CARD).await.unwrap();
        world.told.lock().unwrap().take(&made);
        held.push((made.text("id").to_owned(), 500));
    }
    client.advance(HELD_BEFORE_DAYS * DAY).await.unwrap();
    held
}

/// Requests that everybody has given up reach the provider after all, and succeed there. So late, only its webhook tells:
/// whoever asks, asks for what was made while the request could have been on its way.
async fn arrive_late(world: &World) {
    let stage = world.stage.read().await;
    let failed = stage.client().get("/v1/payments?status=FAILED&limit=100").await.unwrap();
    let given_up = failed.body["data"].as_array().unwrap().iter();
    for payment in given_up.filter(|payment| payment["failure"]["code"] == "not_processed").take(LATE_ARRIVALS) {
        let text = |field: &str| payment[field].as_str().unwrap();
        let form = format!(
            "amount={}&currency=jpy&payment_method={CARD}&confirm=true&capture_method={}&\
             metadata[tollgate_payment_id]={}&metadata[tollgate_request_id]={}",
            payment["amount"],
            text("capture_method"),
            text("id"),
            text("provider_request_id"),
        );
        let request = Request::post(format!("{}/stripe/v1/payment_intents", stage.providers_url()))
            .header("authorization", "Bearer sk_test_sandbox")
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = stage.http().send(request.body(form.into()).unwrap()).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
    }
}

/// Nothing goes wrong any more.
async fn calm(world: &World) {
    let mut stage = world.stage.write().await;
    stage.kill().await;
    stage.disarm("stripe").await;
    stage.restart().await;
    drop(stage);
    for other_merchant in [false, true] {
        let client = world.client(other_merchant).await;
        assert_eq!(set_endpoint(world, &client).await.unwrap().status, 200);
    }
    let stage = world.stage.read().await;
    stage.client().advance(MINUTE).await.unwrap();
    stage.quiet().await;
}

/// Whatever named a resource is asked again with its key: the same one, and no word taken back.
async fn again(world: &World, kept: &mut [Kept]) {
    for kept in kept.iter_mut().filter(|kept| kept.resource().is_some() && kept.is_final()) {
        let before = kept.answer.clone().unwrap();
        world.ask(kept, 60).await;
        let after = kept.answer.as_ref().unwrap();
        assert!([200, 201].contains(&after.status), "was {before:?}, is {after:?}");
        assert_eq!(before.text("id"), after.text("id"), "was {before:?}, is {after:?}");
    }
}
