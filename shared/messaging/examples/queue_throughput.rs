//! How many messages a second go through the queue, published, handed out and acknowledged, beside what SQLite itself
//! does when it inserts and deletes the same rows in transactions of the same size:
//! `cargo run --release -p tollgate-messaging --example queue_throughput`.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, reason = "a measuring tool")]
#![allow(clippy::disallowed_methods, reason = "a measuring tool has the machine's own clock and tasks")]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::future::join_all;
use rusqlite::{Connection, TransactionBehavior, params};
use tollgate_domain::{MerchantId, PaymentId, Timestamp};
use tollgate_gateway::ports::{
    Queue, Spawn, Time,
    queue::{DeliveryDue, Handled, Message},
    spawn::Task,
};
use tollgate_messaging::{Delivered, EmbeddedQueue, Handler, Limits, Options};

const MESSAGES: usize = 200_000;
const MERCHANTS: usize = 200;
const CLIENTS: usize = 256;
/// Messages of the paced run, and how many of them a second.
const PACED: usize = 20_000;
const PACE: usize = 5_000;

struct Clock(Instant);

#[async_trait]
impl Time for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

struct Tasks;

impl Spawn for Tasks {
    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }
}

#[derive(Default)]
struct Counting(AtomicUsize);

#[async_trait]
impl Handler for Counting {
    async fn handle(&self, _: Delivered) -> Handled {
        self.0.fetch_add(1, Ordering::Relaxed);
        Handled::Ack
    }
}

/// An id that is spread as a random one is.
fn spread(number: usize) -> [u8; 16] {
    let number = (number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    number.to_be_bytes()
}

fn message(number: usize) -> Message {
    let merchant = MerchantId::from_random(spread(number % MERCHANTS));
    Message::Deliver(DeliveryDue { merchant, payment: PaymentId::from_random(spread(number)), sequence: 1, attempt: 1 })
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let directory = tempfile::tempdir_in(".").unwrap();
    let clock: Arc<dyn Time> = Arc::new(Clock(Instant::now()));
    let open =
        |name: &str| EmbeddedQueue::open(directory.path().join(name), Options::default(), Arc::clone(&clock)).unwrap();

    let queue = open("round.db");
    let consumer = queue.consume(Arc::new(Counting::default()), Limits::default(), &tasks()).unwrap();
    let start = Usage::now(&clock);
    publish(&queue).await;
    while !queue.is_quiet().await.unwrap() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let ours = start.until(&Usage::now(&clock));
    ours.report("published, handed out and acknowledged at once", MESSAGES);
    consumer.stop().await.unwrap();

    backlog(&open("backlog.db"), &clock).await;
    paced(&open("paced.db"), &clock).await;

    let start = Usage::now(&clock);
    raw(&directory.path().join("raw.db"), 128);
    let raw = start.until(&Usage::now(&clock));
    raw.report("SQLite alone: insert and delete, 128 a transaction", MESSAGES);
    println!("the round / SQLite alone: {:.0} % of its messages a second", 100.0 * raw.seconds / ours.seconds);
}

fn tasks() -> Arc<dyn Spawn> {
    Arc::new(Tasks)
}

/// Many clients, each with one message at a time.
async fn publish(queue: &EmbeddedQueue) {
    let clients = (0..CLIENTS).map(|client| {
        let queue = queue.clone();
        tokio::spawn(async move {
            for number in (client..MESSAGES).step_by(CLIENTS) {
                queue.publish(&[message(number)]).await.unwrap();
            }
        })
    });
    for client in join_all(clients).await {
        client.unwrap();
    }
}

/// Everything waits before anybody consumes.
async fn backlog(queue: &EmbeddedQueue, clock: &Arc<dyn Time>) {
    let start = Usage::now(clock);
    publish(queue).await;
    start.until(&Usage::now(clock)).report("published, with nobody to consume", MESSAGES);
    let start = Usage::now(clock);
    let consumer = queue.consume(Arc::new(Counting::default()), Limits::default(), &tasks()).unwrap();
    while !queue.is_quiet().await.unwrap() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    start.until(&Usage::now(clock)).report("handed out and acknowledged from a full file", MESSAGES);
    consumer.stop().await.unwrap();
}

/// Messages come one by one, as payments do.
async fn paced(queue: &EmbeddedQueue, clock: &Arc<dyn Time>) {
    let consumer = queue.consume(Arc::new(Counting::default()), Limits::default(), &tasks()).unwrap();
    let start = Usage::now(clock);
    let mut publications = Vec::new();
    let mut worst = Duration::ZERO;
    for number in 0..PACED {
        let due = start.seconds + number as f64 / PACE as f64;
        while clock.monotonic().as_secs_f64() < due {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (queue, clock) = (queue.clone(), Arc::clone(clock));
        publications.push(tokio::spawn(async move {
            let began = clock.monotonic();
            queue.publish(&[message(number)]).await.unwrap();
            clock.monotonic().saturating_sub(began)
        }));
    }
    let mut took = Vec::new();
    for publication in publications {
        took.push(publication.await.unwrap());
    }
    start.until(&Usage::now(clock)).report("the round, at 5,000 messages a second", PACED);
    took.sort();
    worst = worst.max(took[took.len() - 1]);
    println!(
        "    publishing took {:?} in the middle, {:?} at p99, {worst:?} at most",
        took[PACED / 2],
        took[PACED * 99 / 100]
    );
    consumer.stop().await.unwrap();
    let start = Usage::now(clock);
    let consumer = queue.consume(Arc::new(Counting::default()), Limits::default(), &tasks()).unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = start.until(&Usage::now(clock));
    println!("    idle: {:.2} % of a core", 100.0 * idle.cpu / idle.seconds);
    consumer.stop().await.unwrap();
}

/// The same rows, through nothing but SQLite: each transaction inserts a batch and deletes the one before.
fn raw(path: &Path, batch: usize) {
    let mut connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "wal_autocheckpoint", 4096).unwrap();
    connection.pragma_update(None, "synchronous", "OFF").unwrap();
    connection.execute_batch(include_str!("../../../schemas/queue/0001_messages.sql")).unwrap();
    for first in (0..=MESSAGES).step_by(batch) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO messages VALUES (?1, ?2, ?3, 1, 1, 0, 0, 0, NULL, 0, 0)")
                .unwrap();
            for number in first..MESSAGES.min(first + batch) {
                let (merchant, payment) = (spread(number % MERCHANTS), spread(number));
                insert.execute(params![i64::try_from(number).unwrap(), merchant, payment]).unwrap();
            }
            let mut delete = transaction.prepare_cached("DELETE FROM messages WHERE id = ?1").unwrap();
            for number in first.saturating_sub(batch)..first {
                delete.execute([i64::try_from(number).unwrap()]).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
}

/// Time that passed, and CPU that this process used.
struct Usage {
    seconds: f64,
    cpu: f64,
}

impl Usage {
    fn now(clock: &Arc<dyn Time>) -> Self {
        Self { seconds: clock.monotonic().as_secs_f64(), cpu: cpu() }
    }

    fn until(&self, end: &Self) -> Self {
        Self { seconds: end.seconds - self.seconds, cpu: end.cpu - self.cpu }
    }

    fn report(&self, what: &str, messages: usize) {
        let (rate, micros) = (messages as f64 / self.seconds, 1e6 * self.cpu / messages as f64);
        println!("{rate:9.0} messages/s {micros:6.1} µs of CPU each   {what}");
    }
}

/// Seconds of CPU that this process has used (Linux, 100 ticks a second).
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}
