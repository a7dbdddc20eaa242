//! A settlement of very many payments: how long it takes, what each payment costs, and whether memory stays flat.
//!
//! One payment is made and captured over HTTP; the others are its copies, row by row, as if they had been captured the
//! day before. Making a million over HTTP would take longer than what is measured.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::future::{Either, select};
use rusqlite::{Connection as Database, params_from_iter, types::Value};
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use super::Settings;
use crate::{
    http::Connection,
    load::{Client, count},
    payments::{Capturer, Creator},
    process::Process,
    report::{Report, Target},
    stage::Stage,
    usage::{self, Memory},
};

/// What a settlement reads or writes of a payment, and under which name it has the payment's id.
const TABLES: [(&str, &str); 5] = [
    ("payments", "id"),
    ("history", "payment_id"),
    ("postings", "payment_id"),
    ("events", "payment_id"),
    ("deliveries", "payment_id"),
];
/// Copies that are written in one transaction.
const TOGETHER: u64 = 10_000;
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// In microseconds: the sample is captured at noon, and what is settled then was captured before 02:00 that night.
const DAY: i64 = 24 * 3600 * 1_000_000;

pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let stage = Stage::prepare(&settings.programs).await?;
    let gateway = stage.sandbox_at_noon()?;
    let mut capturer = Capturer(Creator::new(Connection::open(gateway.address).await?, &stage.api_key)?);
    // The end of the sample's own work is not waited for: a kill does it no harm.
    _ = capturer.call().await?;
    gateway.kill()?;
    let payments = settings.settled;
    copy_captured(&Database::open(stage.database())?, payments)?;

    let gateway = stage.sandbox_at_noon()?;
    let clock = SystemClock::start();
    let (began, before) = (clock.monotonic(), usage::cpu(gateway.id())?);
    let memory = settle(&gateway, &clock).await?;
    let took = clock.monotonic().saturating_sub(began).as_secs_f64();
    let used = usage::cpu(gateway.id())? - before;
    ensure!(settled(&stage)? == payments, "{} of {payments} payments are settled", settled(&stage)?);

    report.figure("payments", count(payments), "");
    // Five minutes for a million, and as much less for fewer.
    report.target("settled, all of them", took, "s", Target::AtMost(300.0 * count(payments) / 1e6));
    report.figure("settled", count(payments) / took, "/s");
    report.figure("gateway's CPU for each", used / count(payments), "µs");
    let peak = |samples: &[Memory]| samples.iter().map(|memory| memory.anonymous).fold(0.0, f64::max);
    let (first, rest) = memory.split_at(memory.len() / 4);
    let resident = memory.iter().map(|memory| memory.resident).fold(0.0, f64::max);
    report.figure("resident, at most", resident, "MiB");
    report.figure("of that anonymous, at most", peak(&memory), "MiB");
    report.target("growth of that after a quarter of the time", peak(rest) - peak(first), "MiB", Target::AtMost(8.0));
    Ok(())
}

/// Runs the job until it has nothing left. Gives the memory meanwhile.
async fn settle(gateway: &Process, clock: &SystemClock) -> Result<Vec<Memory>> {
    let mut samples = Vec::new();
    loop {
        let mut connection = Connection::open(gateway.address).await?;
        let mut run = Box::pin(async move { connection.post("/sandbox/jobs/settlement", &[], Bytes::new()).await });
        let (status, answer) = loop {
            match select(run, Box::pin(clock.sleep(SAMPLE_EVERY))).await {
                Either::Left((answer, _)) => break answer?,
                Either::Right(((), running)) => {
                    samples.push(gateway.memory()?);
                    run = running;
                }
            }
        };
        ensure!(status == 200, "the job was answered {status}: {}", String::from_utf8_lossy(&answer));
        let report: serde_json::Value = serde_json::from_slice(&answer)?;
        if report["more"] != true {
            return Ok(samples);
        }
    }
}

fn settled(stage: &Stage) -> Result<u64> {
    let count = "SELECT count(*) FROM payments WHERE status = 'SETTLED'";
    let settled: i64 = Database::open(stage.database())?.query_row(count, [], |row| row.get(0))?;
    Ok(settled.unsigned_abs())
}

/// Writes copies of the one captured payment, which is moved to the day before like them, until there are so many.
fn copy_captured(database: &Database, payments: u64) -> Result<()> {
    // Whoever loses power in a benchmark begins it anew.
    database.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;")?;
    let move_back = "UPDATE payments SET captured_at = captured_at - ?1, created_at = created_at - ?1
         WHERE status = 'CAPTURED' RETURNING id";
    let sample: String = database.query_row(move_back, [DAY], |row| row.get(0)).context("there is no sample")?;
    let tables: Vec<Rows> = TABLES.iter().map(|of| Rows::read(database, of, &sample)).collect::<Result<_>>()?;
    let mut written = 1;
    while written < payments {
        let transaction = database.unchecked_transaction()?;
        let until = payments.min(written + TOGETHER);
        for number in written..until {
            for table in &tables {
                let mut insert = transaction.prepare_cached(&table.insert)?;
                for row in &table.samples {
                    insert.execute(params_from_iter(
                        row.iter()
                            .zip(&table.columns)
                            .map(|(value, column)| copied(value, column == "captured_at", number)),
                    ))?;
                }
            }
        }
        transaction.commit()?;
        written = until;
    }
    // What is measured begins with an empty log.
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// A sample's rows in one table.
struct Rows {
    insert: String,
    columns: Vec<String>,
    samples: Vec<Vec<Value>>,
}

impl Rows {
    fn read(database: &Database, (table, payment): &(&str, &str), sample: &str) -> Result<Self> {
        let mut select = database.prepare(&format!("SELECT * FROM {table} WHERE {payment} = ?1"))?;
        let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
        let samples = select
            .query_map([sample], |row| (0..columns.len()).map(|index| row.get(index)).collect())?
            .collect::<rusqlite::Result<_>>()?;
        let marks = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT INTO {table} ({}) VALUES ({marks})", columns.join(", "));
        Ok(Self { insert, columns, samples })
    }
}

/// The sample's value in copy `number`: its ids get another end, and what was captured later has a later id.
fn copied(value: &Value, captured_at: bool, number: u64) -> Value {
    match value {
        Value::Text(text) => Value::Text(renamed(renamed(text.clone(), "pay_", number), "evt_", number)),
        Value::Integer(at) if captured_at => Value::Integer(at + number.cast_signed()),
        other => other.clone(),
    }
}

/// How many characters an id has behind its prefix, and how many of them tell copies apart.
const ID: usize = 26;
const TOLD_APART_BY: usize = 8;

fn renamed(mut text: String, prefix: &str, number: u64) -> String {
    let mut from = 0;
    while let Some(place) = text[from..].find(prefix) {
        let end = from + place + prefix.len() + ID;
        if end > text.len() {
            break;
        }
        text.replace_range(end - TOLD_APART_BY..end, &in_base_32(number));
        from = end;
    }
    text
}

fn in_base_32(number: u64) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let digit = |place: usize| char::from(DIGITS[(number >> (5 * place) & 31) as usize]);
    (0..TOLD_APART_BY).rev().map(digit).collect()
}
