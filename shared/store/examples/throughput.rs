//! How many payments a second the store commits, beside what SQLite itself does with the same rows in transactions of
//! the same size: `cargo run --release -p tollgate-store --example throughput`.
//!
//! A payment is what one takes when all goes well: the intent, and the outcome with its event, postings and audit row.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool")]

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
            let mut story = samples.opened().authorized();
            let (call, reference) = (samples.call(&story), samples.reference(&story));
            story.last_mut().calls.push(call);
            story.last_mut().reference = Some(reference);
            story
        })
        .collect();

    let (started, before) = (clock.monotonic(), cpu());
    let (store_ref, stories_ref) = (&store, &stories);
    join_all((0..CLIENTS).map(|client| async move {
        for story in stories_ref.iter().skip(client).step_by(CLIENTS) {
            for set in &story.sets {
                assert_eq!(store_ref.commit(set).await.unwrap(), Committed::Done);
            }
        }
    }))
    .await;
    let (ours, ours_cpu) = ((clock.monotonic() - started).as_secs_f64(), cpu() - before);
    let transactions = store.counts().transactions;
    drop(store);
    let batch = 2 * PAYMENTS as u64 / transactions;
    report("ours", ours, ours_cpu);
    println!("      {transactions} transactions, {batch} commits in each");

    let (started, before) = (clock.monotonic(), cpu());
    let copied = copy(&path, &directory.path().join("raw.db"), usize::try_from(transactions).unwrap());
    let (read, raw, raw_cpu) = (copied, (clock.monotonic() - started).as_secs_f64(), cpu() - before);
    report("raw", raw - read.0, raw_cpu - read.1);
    println!("ours / raw: {:.0} %", 100.0 * (raw - read.0) / ours);
}

fn report(name: &str, seconds: f64, cpu: f64) {
    let (payments, micros) = (PAYMENTS as f64 / seconds, 1e6 * cpu / PAYMENTS as f64);
    println!("{name:5} {payments:8.0} payments/s {micros:8.1} µs of CPU each");
}

/// Inserts every row of `from` into `to`, in so many transactions; how long the reading alone took, and its CPU.
#[allow(clippy::disallowed_methods, reason = "a measuring tool")]
fn copy(from: &std::path::Path, to: &std::path::Path, transactions: usize) -> (f64, f64) {
    let (started, before) = (Instant::now(), cpu());
    let source = Connection::open(from).unwrap();
    let mut target = Connection::open(to).unwrap();
    target.pragma_update(None, "journal_mode", "WAL").unwrap();
    target.pragma_update(None, "wal_autocheckpoint", 4096).unwrap();
    target.pragma_update(None, "synchronous", "FULL").unwrap();
    target.set_prepared_statement_cache_capacity(64);
    target.execute_batch(include_str!("../../../schemas/sqlite/0001_payments.sql")).unwrap();
    let mut tables: Vec<(String, std::vec::IntoIter<Vec<Value>>, usize)> =
        TABLES.iter().map(|table| rows(&source, table)).collect();
    let read = (started.elapsed().as_secs_f64(), cpu() - before);
    for _ in 0..transactions {
        let transaction = target.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        for (insert, rows, total) in &mut tables {
            let mut insert = transaction.prepare_cached(insert).unwrap();
            for row in rows.by_ref().take(total.div_ceil(transactions)) {
                insert.execute(params_from_iter(row)).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    read
}

fn rows(source: &Connection, table: &str) -> (String, std::vec::IntoIter<Vec<Value>>, usize) {
    let columns: Vec<String> = source
        .prepare(&format!("SELECT * FROM {table}"))
        .unwrap()
        .column_names()
        .into_iter()
        .filter(|column| table != "operations" || !["kind", "state"].contains(column))
        .map(str::to_owned)
        .collect();
    let list = columns.join(", ");
    let marks = vec!["?"; columns.len()].join(", ");
    let order = if ["history", "postings", "provider_refs", "idempotency"].contains(&table) {
        // Without a rowid: in the order of the payments that they belong to.
        format!("JOIN payments AS p ON p.id = {table}.payment_id ORDER BY p.rowid")
    } else {
        "ORDER BY rowid".to_owned()
    };
    let qualified: Vec<String> = columns.iter().map(|column| format!("{table}.{column}")).collect();
    let sql = format!("SELECT {} FROM {table} {order}", qualified.join(", "));
    let sql = if order.starts_with("ORDER") { format!("SELECT {list} FROM {table} {order}") } else { sql };
    let mut statement = source.prepare(&sql).unwrap();
    let rows = statement.query_map([], |row| (0..columns.len()).map(|index| row.get(index)).collect());
    let rows: Vec<Vec<Value>> = rows.unwrap().map(Result::unwrap).collect();
    let count = rows.len();
    (format!("INSERT INTO {table} ({list}) VALUES ({marks})"), rows.into_iter(), count)
}

/// Seconds of CPU that this process has used (Linux, 100 ticks a second).
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}
