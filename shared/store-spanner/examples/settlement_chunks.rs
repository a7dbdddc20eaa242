//! What a chunk of a settlement costs on Spanner's emulator: reading a shard's page, committing, comparing; and two shards at once.
//!
//! `cargo run --release -p tollgate-store-spanner --example settlement_chunks -- 200`
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement that cannot go on ends right there")]
#![allow(clippy::cast_precision_loss, reason = "a measurement for people")]
#![allow(clippy::similar_names, reason = "a store is told stories")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::future::join;
use tollgate_domain::{
    Payment, Settlement, SettlementDay, SettlementId, Timestamp,
    settlement::{Line, SettlementCounts, Totals, fee},
};
use tollgate_emulators::spanner;
use tollgate_gateway::{
    contract::{Samples, yen},
    ports::{
        SettlementChunks, Settlements, Store, Time,
        settlements::{Checkpoint, Chunk, ChunkCommitted, Lane},
    },
    records::{Cause, ChangeSet, EventRecord},
};
use tollgate_store_spanner::{Options, SpannerStore, migrations::migrate, mutations_of};

struct Clock(Instant);

#[async_trait]
#[allow(clippy::disallowed_methods, reason = "a measurement's real clock")]
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

fn chunk(samples: &Samples, settlement: &Settlement, number: u32, payments: &[Payment]) -> Chunk {
    let settled = payments.iter().map(|payment| {
        let fee = fee(payment.captured, 250).unwrap();
        let change = payment.settle(settlement.id, fee, Samples::start()).unwrap();
        let line = Line::of_payment(payment, &change, fee);
        let event = |event: &tollgate_domain::Event| EventRecord {
            id: samples.event_id(),
            payment: payment.id,
            merchant: payment.merchant,
            sequence: event.sequence,
            kind: event.kind,
            body: "x".repeat(900),
            at: event.at,
        };
        let events = change.events.iter().map(event).collect();
        let cause = Cause::Job("settlement".to_owned());
        (ChangeSet::of(samples.change_id(), change, cause, "corr", events), line)
    });
    let (sets, lines): (Vec<_>, Vec<_>) = settled.unzip();
    let totals = lines.iter().fold(Totals::none(yen(0).currency()), |sum, line| sum.with(line).unwrap());
    Chunk {
        settlement: settlement.id,
        number,
        change_id: samples.change_id(),
        counts: SettlementCounts { payments: lines.len() as u64, ..SettlementCounts::default() },
        sets,
        lines,
        totals: vec![(samples.merchant, totals)],
        set_aside: Vec::new(),
        checkpoint: Checkpoint::Closed,
        at: Samples::start(),
    }
}

#[tokio::main]
async fn main() {
    let size: usize = std::env::args().nth(1).and_then(|size| size.parse().ok()).unwrap_or(200);
    let emulator = spanner().expect("Spanner's emulator is needed");
    let (host, database) = (emulator.host().to_owned(), emulator.create_database());
    migrate(&database.name().parse().unwrap(), Some(&host)).await.unwrap();
    let clock: Arc<dyn Time> = Arc::new(Clock(started()));
    let mut options = Options::new(database.name().parse().unwrap()).emulator(Some(host));
    options.attempt_timeout = Duration::from_secs(60);
    options.operation_timeout = Duration::from_secs(120);
    let (store, samples) = (SpannerStore::new(options, Arc::clone(&clock)), Samples::new(77));
    let day = SettlementDay::of(Samples::start());
    let settlement = Settlement::open(SettlementId::from_random([1; 16]), day, None, Samples::start()).in_shards(64);
    assert!(store.put_settlement(&settlement).await.unwrap());
    let far = Samples::start() + Duration::from_secs(48 * 3600);
    let mut payments = Vec::new();
    for _ in 0..4 * size {
        let story = samples.opened().captured(1000);
        for set in &story.sets {
            store.commit(set).await.unwrap();
        }
        payments.push(story.payment);
    }
    let parts: Vec<&[Payment]> = payments.chunks(size).collect();
    let numbers: Vec<u32> = (0..4).map(|shard| *Lane::of_shard(shard).numbers().start()).collect();
    let first = chunk(&samples, &settlement, numbers[0], parts[0]);
    let mutations: usize = first.sets.iter().map(mutations_of).sum();
    println!("{size} payments a chunk: {mutations} mutations of its change sets, {} each", mutations / size);
    let took = |began: Duration| clock.monotonic().saturating_sub(began).as_secs_f64() * 1e3;
    for (name, shard) in [("all shards", None), ("one shard", Some(3))] {
        let began = clock.monotonic();
        let page = store.payments_to_settle(shard, far, None, u32::try_from(size).unwrap()).await.unwrap();
        println!("read a page of {name}: {:.1} ms for {} payments", took(began), page.len());
    }
    let (began, used) = (clock.monotonic(), cpu());
    assert_eq!(store.commit_chunk(&first).await.unwrap(), ChunkCommitted::Done);
    println!("commit: {:.1} ms", took(began));
    let began = clock.monotonic();
    assert!(store.chunk_sums(settlement.id, numbers[0]).await.unwrap().is_some());
    println!("compare: {:.1} ms", took(began));
    let second = chunk(&samples, &settlement, numbers[1], parts[1]);
    let began = clock.monotonic();
    assert_eq!(store.commit_chunk(&second).await.unwrap(), ChunkCommitted::Done);
    println!("commit of another shard: {:.1} ms", took(began));
    let two = [(numbers[2], parts[2]), (numbers[3], parts[3])]
        .map(|(number, part)| chunk(&samples, &settlement, number, part));
    let began = clock.monotonic();
    let (one, other) = join(store.commit_chunk(&two[0]), store.commit_chunk(&two[1])).await;
    assert_eq!((one.unwrap(), other.unwrap()), (ChunkCommitted::Done, ChunkCommitted::Done));
    println!("two shards at once: {:.1} ms (the emulator commits one after the other)", took(began));
    println!(
        "this program's own CPU for each payment of the four: {:.0} µs",
        (cpu() - used) * 1e6 / payments.len() as f64
    );
}

/// Seconds of CPU that this program has used.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

#[allow(clippy::disallowed_methods, reason = "a measurement's real clock")]
fn started() -> Instant {
    Instant::now()
}
