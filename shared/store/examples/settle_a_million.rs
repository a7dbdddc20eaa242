//! How long a settlement of a million captured payments takes, how much memory it needs, and how long merchants wait
//! for their own commits meanwhile: `cargo run --release -p tollgate-store --example settle_a_million -- [PAYMENTS] [FOLDER]`.
//!
//! The payments are written straight into the file first (with their history and the ledger of their captures), because
//! it is the settlement that is measured. It is settled as in production: a durable store, chunks of a thousand.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, reason = "a measuring tool")]
#![allow(clippy::disallowed_methods, reason = "it measures the real time")]

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use rusqlite::{Connection, params};
use tollgate_domain::{BootId, Event, EventId, MerchantId, Settlement, SettlementDay, SettlementStatus, Timestamp};
use tollgate_gateway::{
    Context, Gateway, JobRun, Keys, Ports, ReturnLinks, Settings, Stores,
    contract::Samples,
    ports::{
        Entropy, EventFormat, Merchants, Spawn, Store, Time, WebhookSender,
        event_backlog::NoBacklog,
        fail_points::NoFailPoints,
        merchants::Merchant,
        queue::NoQueue,
        spawn::Task,
        webhook_sender::{EndpointRefused, Sent, Webhook},
    },
    records::Committed,
    secrets::SecretsKey,
};
use tollgate_store::{Options, SqliteStore};

/// Payments are spread over so many merchants.
const MERCHANTS: u64 = 200;
/// Payments that merchants make a second meanwhile: two commits each.
const INTERACTIVE_PER_SECOND: u64 = 50;

/// Real durations; the business time stands.
struct Clock(Instant, Timestamp);

#[async_trait]
impl Time for Clock {
    fn now(&self) -> Timestamp {
        self.1
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Random enough for ids.
struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            let mut mixed = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            piece.copy_from_slice(&(mixed ^ (mixed >> 31)).to_be_bytes()[..piece.len()]);
        }
    }
}

/// Bodies as long as real ones.
struct Bodies;

impl EventFormat for Bodies {
    fn body(&self, id: EventId, event: &Event) -> String {
        let (payment, kind, at) = (&event.payment, event.kind.as_str(), event.at);
        format!(
            r#"{{"id":"{id}","type":"{kind}","created_at":"{at}","sequence":{},"data":{{"id":"{}","object":"payment","status":"{}","amount":{},"currency":"{}","amount_captured":{},"amount_refunded":0,"provider":"{}","provider_transaction_id":"pi_3MtwBwLkdIwHu7ix28a3tqPa","provider_request_id":"{}","capture_method":"manual","merchant_reference":"order 1","description":"A pair of shoes","metadata":{{"cart":"7"}},"next_action":null,"pending_operation":null,"failure":null,"expires_at":"{at}","resolve_by":null,"settlement_id":"{:?}","created_at":"{at}","updated_at":"{at}","version":{}}}}}"#,
            event.sequence,
            payment.id,
            payment.status.as_str(),
            payment.amount.minor(),
            payment.amount.currency(),
            payment.captured.minor(),
            payment.provider,
            payment.provider_request_id,
            payment.settlement,
            payment.version,
        )
    }
}

struct Tasks;

impl Spawn for Tasks {
    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }
}

struct NoWebhooks;

#[async_trait]
impl WebhookSender for NoWebhooks {
    fn check(&self, _: &str) -> Result<(), EndpointRefused> {
        Ok(())
    }

    async fn send(&self, _: Webhook<'_>) -> Sent {
        unreachable!("nothing is sent here")
    }
}

fn day() -> SettlementDay {
    SettlementDay::of(Timestamp::from_second(1_790_000_000).unwrap())
}

fn merchant(number: u64) -> MerchantId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    MerchantId::from_random(bytes)
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|word| word == "write") {
        let (path, payments) = (arguments.nth(1).unwrap(), arguments.next().unwrap().parse().unwrap());
        return prefill(Path::new(&path), payments).await;
    }
    let payments: u64 = arguments.next().map_or(1_000_000, |count| count.parse().unwrap());
    let folder = arguments.next().unwrap_or_else(|| ".".to_owned());
    // `apart`: merchants' payments come from another process's connection, as the function `payments` has one.
    let apart = arguments.next().is_some_and(|how| how == "apart");
    let directory = tempfile::tempdir_in(folder).unwrap();
    let path = directory.path().join("store.db");
    let clock = Arc::new(Clock(Instant::now(), day().cutoff() + Duration::from_secs(1)));

    let started = Instant::now();
    // By a process of its own, so that its memory is not counted.
    let this = std::env::current_exe().unwrap();
    let written = std::process::Command::new(this).arg("write").arg(&path).arg(payments.to_string()).status().unwrap();
    assert!(written.success());
    let size = std::fs::metadata(&path).unwrap().len() / (1024 * 1024);
    println!("{payments} captured payments written in {:.0} s: {size} MiB", started.elapsed().as_secs_f64());

    let boot = BootId::from_random([1; 16]);
    let store = Arc::new(SqliteStore::open(&path, Options::new(boot), clock.clone()).unwrap());
    let theirs = if apart { Arc::new(store.another(BootId::from_random([2; 16])).unwrap()) } else { store.clone() };
    let ends = Arc::new(AtomicBool::new(false));
    let waits = tokio::spawn(interactive(theirs, clock.clone(), ends.clone()));
    let memory = tokio::spawn(memory(clock.clone(), ends.clone()));
    let gateway = gateway(&store, clock.clone());
    let (started, cpu_before) = (Instant::now(), cpu());
    let context = Context { correlation_id: "a-million".to_owned() };
    let (report, settlement) =
        gateway.run_settlement(JobRun::scheduled(Duration::from_secs(28 * 60)), context).await.unwrap();
    let took = started.elapsed().as_secs_f64();
    println!("{:.1} s of CPU, of all threads and of the merchants' payments too", cpu() - cpu_before);
    ends.store(true, Ordering::Relaxed);
    memory.await.unwrap();
    let mut waits = waits.await.unwrap();
    waits.sort_unstable();
    tell(&settlement, payments, took);
    let at = |per_mille: usize| waits[(waits.len() - 1) * per_mille / 1000].as_secs_f64() * 1e3;
    println!(
        "{} commits of merchants meanwhile: median {:.1} ms, 95 % {:.1} ms, 99 % {:.1} ms, longest {:.1} ms",
        waits.len(),
        at(500),
        at(950),
        at(990),
        at(1000)
    );
    println!("{report:?}");
}

fn tell(settlement: &Settlement, payments: u64, took: f64) {
    assert_eq!(settlement.status, SettlementStatus::Completed, "{:?}", settlement.failure);
    assert_eq!(settlement.counts.payments, payments);
    println!("settled in {took:.1} s: {:.0} payments/s; {:?}", payments as f64 / took, settlement.totals);
}

fn gateway(store: &Arc<SqliteStore>, clock: Arc<Clock>) -> Gateway {
    let ports = Ports {
        stores: Stores::of(store),
        providers: Vec::new(),
        events: Arc::new(Bodies),
        statuses: None,
        queue: Arc::new(NoQueue),
        shards: Arc::new(NoQueue),
        backlog: Arc::new(NoBacklog),
        webhooks: Arc::new(NoWebhooks),
        secrets: SecretsKey::new(&[1; 32]),
        time: clock,
        spawn: Arc::new(Tasks),
        entropy: Arc::new(Counted(AtomicU64::new(7))),
        fail_points: Arc::new(NoFailPoints),
    };
    let mut settings = Settings::new(BootId::from_random([1; 16]), ReturnLinks::new("https://pay.example", &[1; 32]));
    settings.keys = Keys::ByTime;
    if let Ok(pause) = std::env::var("PAUSE_MS") {
        settings.settlement_pause = Duration::from_millis(pause.parse().unwrap());
    }
    if let Ok(chunk) = std::env::var("CHUNK") {
        settings.settlement_chunk = chunk.parse().unwrap();
    }
    Gateway::new(ports, settings)
}

/// Merchants make payments all the while; how long each commit took.
async fn interactive(store: Arc<SqliteStore>, clock: Arc<Clock>, ends: Arc<AtomicBool>) -> Vec<Duration> {
    let samples = Samples::new(77);
    let waits = Arc::new(Mutex::new(Vec::new()));
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / INTERACTIVE_PER_SECOND));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    while !ends.load(Ordering::Relaxed) {
        ticks.tick().await;
        let sets = samples.opened().authorized().sets;
        let (store, clock, waits) = (store.clone(), clock.clone(), Arc::clone(&waits));
        tokio::spawn(async move {
            for set in sets {
                let started = clock.monotonic();
                let committed = store.commit(&set).await;
                let took = clock.monotonic().saturating_sub(started);
                match committed {
                    Ok(Committed::Done) => waits.lock().unwrap().push(took),
                    other => println!("  a merchant's commit after {:.1} s: {other:?}", took.as_secs_f64()),
                }
            }
        });
    }
    // Each holds it until it is done.
    while Arc::strong_count(&waits) > 1 {
        clock.sleep(Duration::from_millis(10)).await;
    }
    std::mem::take(&mut waits.lock().unwrap())
}

/// Seconds of CPU that this process has used (Linux, 100 ticks a second).
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Prints the resident memory, so that one sees it stay flat.
async fn memory(clock: Arc<Clock>, ends: Arc<AtomicBool>) {
    let started = clock.monotonic();
    while !ends.load(Ordering::Relaxed) {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let rss = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
        println!("  {:4.0} s {rss}", clock.monotonic().saturating_sub(started).as_secs_f64());
        for _ in 0..50 {
            if !ends.load(Ordering::Relaxed) {
                clock.sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Writes one captured payment through the store, and copies it so many times within the file.
async fn prefill(path: &Path, payments: u64) {
    let day = day();
    let clock = Arc::new(Clock(Instant::now(), day.cutoff()));
    let samples = Samples::new(7);
    let store = SqliteStore::open(path, Options::new(BootId::from_random([9; 16])).ephemeral(), clock).unwrap();
    for number in 0..MERCHANTS {
        let (name, created_at) = (format!("Shop {number}"), day.cutoff());
        let merchant =
            Merchant { id: merchant(number), name, requests_per_minute: None, fee_basis_points: 300, created_at };
        store.put_merchant(&merchant).await.unwrap();
    }
    let template = samples.opened().authorized().capture_requested(1000).captured(1000);
    for set in &template.sets {
        assert_eq!(store.commit(set).await.unwrap(), Committed::Done);
    }
    drop(store);

    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -4000000;").unwrap();
    connection
        .execute_batch("BEGIN; CREATE TEMP TABLE copies (n INTEGER PRIMARY KEY, id TEXT, merchant TEXT)")
        .unwrap();
    let mut copy = connection
        .prepare(
            // In the order of their making, as the gateway makes them for this store.
            "INSERT INTO copies VALUES (?1, 'pay_01' || printf('%012x', ?1) || lower(hex(randomblob(6))), ?2)",
        )
        .unwrap();
    for number in 0..payments {
        copy.execute(params![i64::try_from(number).unwrap(), merchant(number % MERCHANTS).to_string()]).unwrap();
    }
    drop(copy);
    let (template, theirs) = (template.payment.id.to_string(), samples.merchant.to_string());
    for table in ["payments", "history", "operations", "events", "deliveries", "postings"] {
        let start = day.cutoff().as_microsecond() - i64::try_from(payments).unwrap() * 50_000;
        copy_table(&connection, table, &template, &theirs, start);
    }
    for table in ["payments", "history", "operations", "events", "deliveries", "postings"] {
        let key = if table == "payments" { "id" } else { "payment_id" };
        connection.execute(&format!("DELETE FROM {table} WHERE {key} = ?1"), [&template]).unwrap();
    }
    connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
}

fn copy_table(connection: &Connection, table: &str, template: &str, theirs: &str, start: i64) {
    let mut info = connection.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
    let columns: Vec<String> = info.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let key = if table == "payments" { "id" } else { "payment_id" };
    let values: Vec<String> = columns
        .iter()
        .map(|column| match (table, column.as_str()) {
            ("payments", "id") | (_, "payment_id") => "copies.id".to_owned(),
            ("payments", "captured_at" | "created_at") => format!("{start} + copies.n * 50000"),
            (_, "merchant_id") => "copies.merchant".to_owned(),
            ("events", "id") => "'evt_' || (abs(random()) % 8) || substr(lower(hex(randomblob(13))), 2)".to_owned(),
            (_, "account") => format!("replace(source.account, '{theirs}', copies.merchant)"),
            (_, column) => format!("source.{column}"),
        })
        .collect();
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM copies CROSS JOIN {table} AS source
         WHERE source.{key} = '{template}' ORDER BY copies.n",
        columns.join(", "),
        values.join(", "),
    );
    connection.execute(&sql, []).unwrap();
}
