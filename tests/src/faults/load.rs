//! Merchants who pay, capture, void and refund, and ask again with the same key until they know; and a scheduler who calls the jobs.
//!
//! Must not know: what is in trouble.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};
use tollgate_gateway::ports::{HttpClient, Time};
use tollgate_runtime::SystemClock;

use crate::ports::TestHttp;

/// A merchant waits so long for an answer: a little longer than a request may take.
const PATIENCE: Duration = Duration::from_secs(33);
/// Between two tries where nobody says how long.
const PAUSE: Duration = Duration::from_millis(500);
/// However long they ask him to wait, this merchant asks again after it.
const WAITS_AT_MOST: Duration = Duration::from_secs(3);
/// Between the end of one life and the next.
const BETWEEN: Duration = Duration::from_millis(250);
/// The scheduler calls each job so often: oftener than Google's, and never twice at once.
const JOBS_EVERY: Duration = Duration::from_secs(5);

/// What was answered while something was in trouble.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// Done, or a result: 2xx.
    pub answered: u64,
    /// "Later": 409, 429, 503.
    pub refused: u64,
    /// No answer came.
    pub unknown: u64,
}

/// One payment as the merchant knows it in the end.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its id.
    pub id: String,
    /// Refunds that were made, by their keys.
    pub refunds: BTreeMap<String, (String, i64)>,
}

/// A load under way.
pub struct Load {
    http: TestHttp,
    /// Where `payments` is; it may move.
    at: Mutex<SocketAddr>,
    scheduler: SocketAddr,
    api_key: String,
    /// No key is used twice in a deployment.
    name: String,
    /// Merchants who pay at the same time.
    merchants: u64,
    clock: SystemClock,
    over: AtomicBool,
    jobs_over: AtomicBool,
    counts: AtomicBool,
    /// Asking again ends here.
    give_up_at: Mutex<Option<Duration>>,
    tally: Mutex<Tally>,
    settled: Mutex<Vec<String>>,
    known: Mutex<BTreeMap<String, Known>>,
    wrong: Mutex<Vec<String>>,
    lives: AtomicU64,
}

/// What a try came to.
enum Came {
    Done(Value),
    /// The answer is final, and not what was asked for.
    Wrong(String),
    Again(Duration),
}

impl Load {
    /// A load that has not begun.
    pub fn new(
        (at, scheduler): (SocketAddr, SocketAddr),
        api_key: &str,
        name: &str,
        merchants: u64,
        settled: Vec<String>,
    ) -> Arc<Self> {
        Arc::new(Self {
            http: TestHttp::new(),
            at: Mutex::new(at),
            scheduler,
            api_key: api_key.to_owned(),
            name: name.to_owned(),
            merchants,
            clock: SystemClock::start(),
            over: AtomicBool::new(false),
            jobs_over: AtomicBool::new(false),
            counts: AtomicBool::new(false),
            give_up_at: Mutex::default(),
            tally: Mutex::default(),
            settled: Mutex::new(settled),
            known: Mutex::default(),
            wrong: Mutex::default(),
            lives: AtomicU64::new(0),
        })
    }

    /// Merchants pay until [`stop`](Self::stop), and then until everything that they asked for is answered.
    pub async fn pay(&self) {
        futures::future::join_all((0..self.merchants).map(|_| self.merchant())).await;
    }

    /// Jobs are called until [`stop_jobs`](Self::stop_jobs).
    pub async fn schedule(&self) {
        let jobs = ["deliveries", "stuck-payments", "provider-truth", "invariants", "settlement"];
        futures::future::join_all(jobs.map(|job| self.job(job))).await;
    }

    /// From now on answers are counted, or no longer.
    pub fn count(&self, counts: bool) {
        self.counts.store(counts, Ordering::Relaxed);
    }

    /// `payments` is elsewhere.
    pub fn moved(&self, at: SocketAddr) {
        *lock(&self.at) = at;
    }

    /// No new payments; what is under way is asked for again until `patience` is over.
    pub fn stop(&self, patience: Duration) {
        self.over.store(true, Ordering::Relaxed);
        *lock(&self.give_up_at) = Some(self.clock.monotonic() + patience);
    }

    /// Nobody calls jobs any more.
    pub fn stop_jobs(&self) {
        self.jobs_over.store(true, Ordering::Relaxed);
    }

    /// What was counted.
    pub fn tally(&self) -> Tally {
        *lock(&self.tally)
    }

    /// Settled payments that nobody refunded.
    pub fn left(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.settled))
    }

    /// Every payment that merchants know of.
    pub fn known(&self) -> Vec<Known> {
        lock(&self.known).values().cloned().collect()
    }

    /// What should not have been answered.
    pub fn wrong(&self) -> Vec<String> {
        lock(&self.wrong).clone()
    }

    async fn merchant(&self) {
        while !self.over.load(Ordering::Relaxed) {
            let number = self.lives.fetch_add(1, Ordering::Relaxed);
            if let Err(what) = self.life(number).await {
                lock(&self.wrong).push(what);
            }
            self.clock.sleep(BETWEEN).await;
        }
    }

    async fn life(&self, number: u64) -> Result<(), String> {
        if number % 4 == 3 {
            let settled = lock(&self.settled).pop();
            if let Some(id) = settled {
                return self.refund(number, &id).await;
            }
        }
        let card = if number % 9 == 8 { "pm_card_visa_chargeDeclined" } else { "pm_card_visa" };
        let order = json!({"amount": 1000 + number, "currency": "JPY", "payment_method": {"stripe": card}});
        let payment = self.until_done("/v1/payments", &format!("make-{number}"), &order).await?;
        let id = payment["id"].as_str().ok_or_else(|| format!("no id: {payment}"))?.to_owned();
        let known = Known { id: id.clone(), refunds: BTreeMap::new() };
        lock(&self.known).insert(id.clone(), known);
        let expected = if number % 9 == 8 { "FAILED" } else { "AUTHORIZED" };
        if payment["status"] != expected {
            return Err(format!("a payment is {} and not {expected}: {payment}", payment["status"]));
        }
        let (call, body, expected) = match number % 4 {
            _ if expected == "FAILED" => return Ok(()),
            0 => ("capture", Value::Null, "CAPTURED"),
            1 => ("void", Value::Null, "VOIDED"),
            _ => ("capture", json!({"amount": 400}), "CAPTURED"),
        };
        let path = format!("/v1/payments/{id}/{call}");
        let payment = self.until_done(&path, &format!("{call}-{number}"), &body).await?;
        if payment["status"] == expected { Ok(()) } else { Err(format!("after a {call}: {payment}")) }
    }

    async fn refund(&self, number: u64, id: &str) -> Result<(), String> {
        let amount = 300;
        let known = Known { id: id.to_owned(), refunds: BTreeMap::new() };
        lock(&self.known).insert(id.to_owned(), known);
        let (path, key) = (format!("/v1/payments/{id}/refund"), format!("refund-{number}"));
        let refund = self.until_done(&path, &key, &json!({"amount": amount})).await?;
        if refund["status"] != "COMPLETED" {
            return Err(format!("a refund is not completed: {refund}"));
        }
        let made = (refund["id"].as_str().unwrap_or_default().to_owned(), amount);
        if let Some(known) = lock(&self.known).get_mut(id) {
            known.refunds.insert(key, made);
        }
        Ok(())
    }

    /// Asks with the same key until there is an answer that stays.
    async fn until_done(&self, path: &str, key: &str, body: &Value) -> Result<Value, String> {
        let key = format!("{}-{key}", self.name);
        let mut last = "nothing".to_owned();
        loop {
            let pause = match self.once(path, &key, body, &mut last).await {
                Came::Done(answer) => return Ok(answer),
                Came::Wrong(what) => return Err(format!("{path} with {key}: {what}")),
                Came::Again(pause) => pause,
            };
            if lock(&self.give_up_at).is_some_and(|at| self.clock.monotonic() > at) {
                return Err(format!("{path} with {key} comes to no end; the last answer: {last}"));
            }
            self.clock.sleep(pause).await;
        }
    }

    async fn once(&self, path: &str, key: &str, body: &Value, last: &mut String) -> Came {
        let counted = self.counts.load(Ordering::Relaxed);
        let count = |which: fn(&mut Tally) -> &mut u64| {
            if counted {
                *which(&mut lock(&self.tally)) += 1;
            }
        };
        let Some((status, retry_after, answer)) = self.send(Method::POST, path, key, body).await else {
            "none".clone_into(last);
            count(|tally| &mut tally.unknown);
            return Came::Again(PAUSE);
        };
        *last = format!("{status} {answer}");
        let pause = retry_after.map_or(PAUSE, |seconds| Duration::from_secs(seconds).min(WAITS_AT_MOST));
        match (status, answer["code"].as_str().unwrap_or_default()) {
            (200 | 201, _) => {
                count(|tally| &mut tally.answered);
                Came::Done(answer)
            }
            (202, _) => {
                count(|tally| &mut tally.answered);
                Came::Again(PAUSE)
            }
            (409, "idempotency_key_in_use" | "operation_in_progress") | (429 | 503, _) => {
                count(|tally| &mut tally.refused);
                if retry_after.is_none() {
                    lock(&self.wrong).push(format!("{path}: {status} without Retry-After: {answer}"));
                }
                Came::Again(pause)
            }
            _ => Came::Wrong(format!("{status} {answer}")),
        }
    }

    /// One request: status, `Retry-After`, body. `None`: no answer.
    pub async fn send(&self, method: Method, path: &str, key: &str, body: &Value) -> Option<(u16, Option<u64>, Value)> {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let at = *lock(&self.at);
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{at}{path}"))
            .header("x-api-key", &self.api_key)
            .header("idempotency-key", key)
            .header("content-type", "application/json");
        let answer = self.http.send(request.body(body).ok()?, PATIENCE).await.ok()?;
        let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let body = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
        Some((answer.status().as_u16(), retry_after, body))
    }

    /// A payment that is made and captured at the first try, now. Answers its id.
    pub async fn probe(&self, number: u32) -> Option<String> {
        let order = json!({"amount": 1000, "currency": "JPY", "payment_method": {"stripe": "pm_card_visa"}});
        let key = format!("{}-probe-{number}", self.name);
        let (status, _, payment) = self.send(Method::POST, "/v1/payments", &key, &order).await?;
        let id = payment["id"].as_str()?.to_owned();
        // Whatever becomes of it: it is asked for in the end, too.
        lock(&self.known).insert(id.clone(), Known { id: id.clone(), refunds: BTreeMap::new() });
        let path = format!("/v1/payments/{id}/capture");
        let (captured, ..) = self.send(Method::POST, &path, &format!("{key}-take"), &Value::Null).await?;
        (status == 201 && captured == 200).then_some(id)
    }

    async fn job(&self, job: &str) {
        while !self.jobs_over.load(Ordering::Relaxed) {
            let url = format!("http://{}/jobs/{job}", self.scheduler);
            let Ok(request) = Request::post(url).body(Bytes::new()) else { return };
            // Google's waits 180 s; nobody here waits for a call that is lost.
            let called = self.http.send(request, Duration::from_secs(65));
            let over = async {
                while !self.jobs_over.load(Ordering::Relaxed) {
                    self.clock.sleep(PAUSE).await;
                }
            };
            futures::pin_mut!(over);
            let called = std::pin::pin!(called);
            futures::future::select(called, over).await;
            let pause = if job == "deliveries" { PAUSE } else { JOBS_EVERY };
            self.clock.sleep(pause).await;
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
