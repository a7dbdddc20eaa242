//! How many payments a second the store commits, beside what SQLite itself does with the same rows in transactions of
//! the same size: `cargo run --release -p tollgate-store --example throughput`.
//!
//! A payment is what one takes when all goes well: the intent, and the outcome with its event, postings and audit row.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss, reason = "a measuring tool")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::future::join_all;
use rusqlite::{Connection, TransactionBehavior, params_from_iter, types::Value};
use tollgate_domain::{BootId, Timestamp};
use tollgate_gateway::{
    contract::{Samples, Story},
    ports::{Store, Time},
    records::Committed,
};
use tollgate_store::{Options, SqliteStore};

const PAYMENTS: usize = 20_000;
const CLIENTS: usize = 64;

/// The tables, parents first.
const TABLES: [&str; 8] =
    ["payments", "history", "operations", "events", "postings", "provider_calls", "provider_refs", "idempotency"];

struct Clock(Instant);

#[async_trait]
impl Time for Clock {
    #[allow(clippy::disallowed_methods, reason = "a measuring tool")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, _: Duration) {}
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::disallowed_methods, reason = "a measuring tool")]
async fn main() {
    let directory = tempfile::tempdir_in(".").unwrap();
    let path = directory.path().join("ours.db");
    let clock = Arc::new(Clock(Instant::now()));
    let store = SqliteStore::open(&path, Options::new(BootId::from_random([1; 16])), clock.clone()).unwrap();
    let samples = Samples::new(1);
    let stories: Vec<Story<'_>> = (0..PAYMENTS)
        .map(|_| {
            let mut payment = samples.opened().authorized();
            let (call, reference) = (samples.call(&payment), samples.reference(&payment));
            payment.last_mut().calls.push(call);
            payment.last_mut().reference = Some(reference);
            payment
        })
        .collect();

    let start = Usage::now(&clock);
    let (ours, payments) = (&store, &stories);
    join_all((0..CLIENTS).map(|client| async move {
        for payment in payments.iter().skip(client).step_by(CLIENTS) {
            for set in &payment.sets {
                assert_eq!(ours.commit(set).await.unwrap(), Committed::Done);
            }
        }
    }))
    .await;
    let ours = start.until(&Usage::now(&clock));
    let transactions = usize::try_from(store.counts().transactions).unwrap();
    drop(store);
    ours.report("ours");
    println!("      {transactions} transactions of {} commits", 2 * PAYMENTS / transactions);

    let source = Connection::open(&path).unwrap();
    let tables = TABLES.map(|table| Table::read(&source, table));
    let start = Usage::now(&clock);
    insert(tables, &directory.path().join("raw.db"), transactions);
    let raw = start.until(&Usage::now(&clock));
    raw.report("raw");
    println!("ours / raw: {:.0} %", 100.0 * raw.seconds / ours.seconds);
}

/// Time that passed, and CPU that this process used.
struct Usage {
    seconds: f64,
    cpu: f64,
}

impl Usage {
    fn now(clock: &Clock) -> Self {
        Self { seconds: clock.monotonic().as_secs_f64(), cpu: cpu() }
    }

    fn until(&self, end: &Self) -> Self {
        Self { seconds: end.seconds - self.seconds, cpu: end.cpu - self.cpu }
    }

    fn report(&self, name: &str) {
        let (payments, micros) = (PAYMENTS as f64 / self.seconds, 1e6 * self.cpu / PAYMENTS as f64);
        println!("{name:5} {payments:8.0} payments/s {micros:8.1} µs of CPU each");
    }
}

/// The rows of one table, in the order in which they were made.
struct Table {
    insert: String,
    count: usize,
    rows: std::vec::IntoIter<Vec<Value>>,
}

impl Table {
    fn read(source: &Connection, name: &str) -> Self {
        let statement = source.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns: Vec<&str> = statement.column_names().collect();
        let marks = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT INTO {name} ({}) VALUES ({marks})", columns.join(", "));
        let qualified: Vec<String> = columns.iter().map(|column| format!("{name}.{column}")).collect();
        let order = match name {
            "payments" => "ORDER BY rowid",
            _ => "JOIN payments AS payment ON payment.id = payment_id ORDER BY payment.rowid",
        };
        let mut select = source.prepare(&format!("SELECT {} FROM {name} {order}", qualified.join(", "))).unwrap();
        let rows = select.query_map([], |row| (0..columns.len()).map(|index| row.get(index)).collect());
        let rows: Vec<Vec<Value>> = rows.unwrap().map(Result::unwrap).collect();
        Self { insert, count: rows.len(), rows: rows.into_iter() }
    }
}

/// Inserts every row, in so many transactions.
fn insert(mut tables: [Table; TABLES.len()], path: &std::path::Path, transactions: usize) {
    let mut target = Connection::open(path).unwrap();
    target.pragma_update(None, "journal_mode", "WAL").unwrap();
    target.pragma_update(None, "wal_autocheckpoint", 4096).unwrap();
    target.pragma_update(None, "synchronous", "FULL").unwrap();
    target.set_prepared_statement_cache_capacity(64);
    target.execute_batch(include_str!("../../../schemas/sqlite/0001_payments.sql")).unwrap();
    for _ in 0..transactions {
        let transaction = target.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        for table in &mut tables {
            let mut insert = transaction.prepare_cached(&table.insert).unwrap();
            for row in table.rows.by_ref().take(table.count.div_ceil(transactions)) {
                insert.execute(params_from_iter(row)).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
}

/// Seconds of CPU that this process has used (Linux, 100 ticks a second).
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}
