//! Settlements: one per date, in chunks that are there whole or not at all, each once.

use std::time::Duration;

use futures::future::join_all;
use tollgate_domain::{
    Date, Payment, Settlement, SettlementDay, SettlementId, SettlementStatus, Timestamp,
    settlement::{LedgerSums, Line, LineKind, SettlementCounts, Totals, fee},
};

use super::{Samples, Story, Subject, done, tell};
use crate::{
    ports::{
        SettlementChunks, SettlementShards, Settlements, Store, Timelines,
        settlements::{
            Checkpoint, Chunk, ChunkCommitted, Lane, PlacedLine, SHARDS, SetAside, ShardBooks, Waiting,
        },
    },
    records::{Cause, ChangeSet, EventRecord},
};

const DAY: Duration = Duration::from_secs(24 * 3600);
const FEE: u32 = 250;

/// A date has one settlement, which follows on the latest; of many at once, one is made.
pub async fn a_date_has_one_settlement_and_each_follows_on_the_latest<S: Subject>(subject: &S) {
    let (samples, store) = (Samples::new(180), subject.store());
    assert_eq!(store.unfinished_settlement().await.unwrap(), None);
    assert_eq!(store.latest_settlement(Date::MAX).await.unwrap(), None);
    let rivals: Vec<_> = (0..20).map(|_| opened(&samples, day(0), None)).collect();
    let put = join_all(rivals.iter().map(|rival| store.put_settlement(rival))).await;
    assert_eq!(put.iter().filter(|put| *put.as_ref().unwrap()).count(), 1, "one of many at once");
    let first = store.unfinished_settlement().await.unwrap().unwrap();
    assert!(rivals.contains(&first));
    assert!(!store.put_settlement(&first).await.unwrap(), "made already");

    let before = subject.contents().await;
    let stranger = opened(&samples, day(0), None).id;
    for wrong in [
        opened(&samples, day(0), Some(first.id)),
        opened(&samples, day(1), None),
        opened(&samples, day(1), Some(stranger)),
        opened(&samples, day(0).before(), Some(first.id)),
    ] {
        assert!(!store.put_settlement(&wrong).await.unwrap(), "{wrong:?}");
    }
    assert_eq!(subject.contents().await, before);
    let second = opened(&samples, day(1), Some(first.id));
    assert!(store.put_settlement(&second).await.unwrap());
    assert!(!store.put_settlement(&opened(&samples, day(2), Some(first.id))).await.unwrap(), "one follows on each");
    assert_eq!(store.settlement(first.id).await.unwrap(), Some(first.clone()));
    let latest = |date| store.latest_settlement(date);
    assert_eq!(latest(day(0).date()).await.unwrap(), Some(first.clone()));
    assert_eq!(latest(day(1).date()).await.unwrap(), Some(second.clone()));
    assert_eq!(latest(day(9).date()).await.unwrap(), Some(second));
    assert_eq!(latest(day(0).before().date()).await.unwrap(), None);
    assert_eq!(store.settlement(stranger).await.unwrap(), None);
    assert_eq!(store.unfinished_settlement().await.unwrap(), Some(first), "the oldest first");
}

/// Of two changes of the record at once, one happens; what is read is what was written.
pub async fn of_two_changes_of_a_settlement_at_once_one_happens<S: Subject>(subject: &S) {
    let (samples, store) = (Samples::new(181), subject.store());
    let first = opened(&samples, day(0), None);
    assert!(store.put_settlement(&first).await.unwrap());
    let counts = SettlementCounts { payments: 3, set_aside: 1, ..SettlementCounts::default() };
    let totals = vec![Totals { payments: 3, gross: 3000, fees: 75, net: 2925, ..none() }];
    let ended = first.ended(counts, totals, None, Samples::start());
    let resumed = first.resumed();
    let put = join_all([store.put_settlement(&ended), store.put_settlement(&resumed)]).await;
    let put: Vec<_> = put.into_iter().map(Result::unwrap).collect();
    assert_eq!(put.iter().filter(|put| **put).count(), 1);
    let found = store.settlement(first.id).await.unwrap().unwrap();
    assert_eq!(found, if put[0] { ended } else { resumed });
    let failed = found.ended(counts, Vec::new(), Some("chunk 7: it is missing".to_owned()), Samples::start());
    assert!(store.put_settlement(&failed).await.unwrap());
    assert_eq!(store.settlement(first.id).await.unwrap(), Some(failed));
    assert_eq!(store.unfinished_settlement().await.unwrap(), None);
}

/// The payments, the lines, the totals, what is set aside, and how far it is: together, and read back as written.
pub async fn a_chunk_is_read_back_whole<S: Subject>(subject: &S) {
    let (samples, store) = (Samples::new(182), subject.store());
    let settlement = begun(subject, &samples).await;
    let stories = captured(subject, &samples, 3).await;
    let chunk = chunk(&samples, &settlement, 1, &stories);
    assert_eq!(store.last_chunk(settlement.id, Lane::MAIN).await.unwrap(), None);
    assert_eq!(store.chunk_sums(settlement.id, 1).await.unwrap(), None);
    assert_eq!(store.commit_chunk(&chunk).await.unwrap(), ChunkCommitted::Done);
    for set in &chunk.sets {
        let written = &set.payment.as_ref().unwrap().payment;
        assert_eq!(store.payment(written.id).await.unwrap().as_ref(), Some(written));
        assert_eq!((written.status.as_str(), written.settlement), ("SETTLED", Some(settlement.id)));
    }
    let lines = store.settlement_lines(settlement.id, samples.merchant, None, 100).await.unwrap();
    let expected = (1..).zip(&chunk.lines).map(|(number, line)| PlacedLine {
        place: (1, number),
        line: line.clone(),
        merchant_reference: Some("order 1".to_owned()),
    });
    assert_eq!(lines, expected.collect::<Vec<_>>());
    let all = Totals { payments: 3, gross: 3000, fees: 75, net: 2925, ..none() };
    assert_eq!(store.merchant_totals(settlement.id, samples.merchant).await.unwrap(), [all]);
    assert_eq!(store.last_chunk(settlement.id, Lane::MAIN).await.unwrap(), Some((1, chunk.checkpoint)));
    let sums = store.chunk_sums(settlement.id, 1).await.unwrap().unwrap();
    assert_eq!((sums.counts, &sums.totals, &sums.lines), (chunk.counts, &vec![all], &vec![all]));
    let ledger = LedgerSums { currency: all.currency, gross: 3000, fees: 75, net: 2925, elsewhere: 0 };
    assert_eq!(sums.ledger, [ledger]);
    assert_eq!(subject.contents().await["settlement_set_aside"].len(), 1);
    let stranger = Samples::new(1820).merchant;
    assert!(store.merchant_totals(settlement.id, stranger).await.unwrap().is_empty());
    assert!(store.settlement_lines(settlement.id, stranger, None, 100).await.unwrap().is_empty());
}

/// Rule 14: the answer was lost, and the same chunk is sent again.
pub async fn the_same_chunk_twice_is_done_once<S: Subject>(subject: &S) {
    let (samples, store) = (Samples::new(183), subject.store());
    let settlement = begun(subject, &samples).await;
    let chunk = chunk(&samples, &settlement, 1, &captured(subject, &samples, 2).await);
    assert_eq!(store.commit_chunk(&chunk).await.unwrap(), ChunkCommitted::Done);
    let before = subject.contents().await;
    assert_eq!(store.commit_chunk(&chunk).await.unwrap(), ChunkCommitted::Done);
    assert_eq!(subject.contents().await, before);
}

/// Two runs at once: of two chunks of the same number one is committed, and nothing of the other.
pub async fn of_many_chunks_of_one_number_one_is_committed<S: Subject>(subject: &S) {
    let (samples, store) = (Samples::new(184), subject.store());
    let settlement = begun(subject, &samples).await;
    let mut chunks = Vec::new();
    for _ in 0..10 {
        chunks.push(chunk(&samples, &settlement, 1, &captured(subject, &samples, 1).await));
    }
    let committed = join_all(chunks.iter().map(|chunk| store.commit_chunk(chunk))).await;
    let count = |wanted| committed.iter().filter(|one| one.as_ref().unwrap() == &wanted).count();
    assert_eq!((count(ChunkCommitted::Done), count(ChunkCommitted::Taken)), (1, 9));
    assert_eq!(store.settlement_lines(settlement.id, samples.merchant, None, 100).await.unwrap().len(), 1);
    let waiting = store.payments_to_settle(None, Timestamp::MAX, None, 100).await.unwrap();
    assert_eq!(waiting.len(), 9, "what is not in it still waits");
}

/// The payments that somebody else changed are named, nothing is written, and the rest can be committed without them.
pub async fn a_chunk_with_a_payment_that_changed_writes_nothing_and_names_it<S: Subject>(subject: &S) {
    let (samples, store) = (Samples::new(185), subject.store());
    let settlement = begun(subject, &samples).await;
    let stories = captured(subject, &samples, 4).await;
    let mut chunk = chunk(&samples, &settlement, 1, &stories);
    let rivals = [&stories[1], &stories[3]];
    for rival in rivals {
        done(store, &settled_set(&samples, &rival.payment, &settlement).0).await;
    }
    let before = subject.contents().await;
    let ChunkCommitted::Changed(mut changed) = store.commit_chunk(&chunk).await.unwrap() else {
        panic!("two of its payments changed");
    };
    changed.sort();
    let mut expected = rivals.map(|story| story.payment.id);
    expected.sort_unstable();
    assert_eq!(changed, expected);
    assert_eq!(subject.contents().await, before);
    chunk.sets.retain(|set| !expected.contains(&set.payment.as_ref().unwrap().payment.id));
    chunk.lines.retain(|line| !expected.contains(&line.payment.unwrap().0));
    chunk.totals[0].1 = Totals { payments: 2, gross: 2000, fees: 50, net: 1950, ..none() };
    assert_eq!(store.commit_chunk(&chunk).await.unwrap(), ChunkCommitted::Done);
}

/// Several changes of one payment in one chunk: version by version.
pub async fn a_chunk_may_carry_several_versions_of_one_payment<S: Subject>(subject: &S) {
    let (samples, store) = (Samples::new(186), subject.store());
    let settlement = begun(subject, &samples).await;
    let story = samples.opened().authorized().capture_requested(1000).captured(1000).settled();
    let story = story.refund_requested(300).refund_completed();
    let first = story.last().payment.as_ref().unwrap().refund.clone().unwrap();
    let story = story.refund_requested(200).refund_completed();
    let second = story.last().payment.as_ref().unwrap().refund.clone().unwrap();
    tell(store, &story).await;
    let waiting = store.refunds_to_settle(None, Timestamp::MAX, None, 10).await.unwrap();
    let read: Vec<_> = waiting.into_iter().map(|one| one.read.unwrap()).collect();
    assert_eq!(read, [(first.clone(), story.payment.clone()), (second.clone(), story.payment.clone())]);

    let mut payment = story.payment.clone();
    let mut chunk = chunk(&samples, &settlement, 1, &[]);
    for refund in [&first, &second] {
        let change = payment.settle_refund(refund, settlement.id, story.now).unwrap();
        chunk.lines.push(Line::of_refund(refund, &change));
        payment = change.payment.clone();
        let cause = Cause::Job("settlement".to_owned());
        chunk.sets.push(ChangeSet::of(samples.change_id(), change, cause, "corr", Vec::new()));
    }
    chunk.totals = vec![(samples.merchant, Totals { refunds: 500, net: -500, ..none() })];
    assert_eq!(store.commit_chunk(&chunk).await.unwrap(), ChunkCommitted::Done);
    assert_eq!(store.payment(payment.id).await.unwrap(), Some(payment));
    assert!(store.refunds_to_settle(None, Timestamp::MAX, None, 10).await.unwrap().is_empty());
    let lined = store.refund(second.id).await.unwrap().unwrap();
    assert_eq!((lined.settlement, lined.to_settle_at), (Some(settlement.id), None));
    let sums = store.chunk_sums(settlement.id, 1).await.unwrap().unwrap();
    assert_eq!((sums.lines, sums.ledger), (sums.totals, Vec::new()), "the ledger knew it when it happened");
}

/// By the time of the capture and the id, only what was captured before the cut-off, each once.
pub async fn what_waits_for_a_settlement_is_paged_through_in_order<S: Subject>(subject: &S) {
    let (samples, store) = (Samples::new(187), subject.store());
    for (_, story) in samples.every_state() {
        tell(store, &story).await;
    }
    let mut expected = Vec::new();
    for step in [3, 1, 2, 2, 2] {
        let mut story = samples.opened();
        story.step = Duration::from_secs(step);
        let story = story.captured(1000);
        tell(store, &story).await;
        expected.push((story.payment.captured_at.unwrap(), story.payment.id));
    }
    let states = samples.every_state();
    let captured = store.payments_to_settle(None, Timestamp::MAX, None, 100).await.unwrap();
    assert!(captured.len() > expected.len() && captured.len() < states.len() + expected.len());
    let is_captured = |waiting: &Waiting<_, Payment>| waiting.read.as_ref().unwrap().to_settle_at().is_some();
    assert!(captured.iter().all(is_captured), "nothing but what is captured");
    let cutoff = Samples::start() + Duration::from_secs(3);
    let mut expected: Vec<_> =
        captured.iter().map(|waiting| (waiting.at, waiting.id)).filter(|(at, _)| *at < cutoff).collect();
    expected.sort_unstable();
    let mut seen: Vec<(Timestamp, _)> = Vec::new();
    loop {
        let page = store.payments_to_settle(None, cutoff, seen.last().copied(), 2).await.unwrap();
        seen.extend(page.iter().map(|waiting| (waiting.at, waiting.id)));
        if page.is_empty() {
            break;
        }
    }
    assert_eq!(seen, expected);
    assert!(seen.len() >= 4);
}

/// Every payment and every refund that waits is in one shard, a refund in its payment's.
pub async fn what_waits_for_a_settlement_is_in_one_shard_each<S: Subject>(subject: &S) {
    let (samples, store) = (Samples::new(190), subject.store());
    for _ in 0..20 {
        tell(store, &samples.opened().captured(1000)).await;
        let story = samples.opened().authorized().capture_requested(1000).captured(1000).settled();
        tell(store, &story.refund_requested(300).refund_completed()).await;
    }
    let (mut payments, mut refunds, mut full) = (Vec::new(), Vec::new(), 0);
    for shard in 0..SHARDS {
        let mut after = None;
        let before = payments.len() + refunds.len();
        loop {
            // Page by page: a shard's order is its own.
            let page = store.payments_to_settle(Some(shard), Timestamp::MAX, after, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.at, last.id));
            let of = |payment: &Waiting<_, Payment>| u32::from(payment.payment.to_bytes()[15]) % SHARDS;
            assert!(page.iter().all(|payment| of(payment) == shard));
            payments.extend(page.into_iter().map(|payment| (payment.at, payment.id)));
        }
        let page = store.refunds_to_settle(Some(shard), Timestamp::MAX, None, 100).await.unwrap();
        assert!(page.iter().all(|refund| u32::from(refund.payment.to_bytes()[15]) % SHARDS == shard));
        refunds.extend(page.into_iter().map(|refund| (refund.at, refund.id)));
        full += u32::from(payments.len() + refunds.len() > before);
    }
    payments.sort_unstable();
    refunds.sort_unstable();
    let all = store.payments_to_settle(None, Timestamp::MAX, None, 1000).await.unwrap();
    assert_eq!(payments, all.iter().map(|payment| (payment.at, payment.id)).collect::<Vec<_>>());
    let all = store.refunds_to_settle(None, Timestamp::MAX, None, 1000).await.unwrap();
    assert_eq!(refunds, all.iter().map(|refund| (refund.at, refund.id)).collect::<Vec<_>>());
    assert!(full > 1, "more than one shard has something");
}

/// A lane's chunks are its own: its numbers, how far it is, and what was compared of it.
pub async fn each_shard_has_a_lane_of_its_own<S: Subject>(subject: &S) {
    let (samples, store) = (Samples::new(191), subject.store());
    let settlement = opened(&samples, day(0), None).in_shards(SHARDS);
    assert!(store.put_settlement(&settlement).await.unwrap());
    assert_eq!(store.settlement(settlement.id).await.unwrap(), Some(settlement.clone()));
    let lanes = [Lane::MAIN, Lane::of_shard(0), Lane::of_shard(7), Lane::of_shard(SHARDS - 1)];
    for lane in lanes {
        assert_eq!(store.last_chunk(settlement.id, lane).await.unwrap(), None, "{lane:?}");
        for number in lane.numbers().take(2) {
            let chunk = chunk(&samples, &settlement, number, &captured(subject, &samples, 1).await);
            assert_eq!(store.commit_chunk(&chunk).await.unwrap(), ChunkCommitted::Done);
            let last = store.last_chunk(settlement.id, lane).await.unwrap();
            assert_eq!(last, Some((number, chunk.checkpoint)), "{lane:?}");
            assert!(store.chunk_sums(settlement.id, number).await.unwrap().is_some());
        }
    }
    assert!(store.shard_books(settlement.id).await.unwrap().is_empty());
    let totals = vec![Totals { payments: 3, gross: 3000, fees: 75, net: 2925, ..none() }];
    let (first, second) = (ShardBooks::none(settlement.id, 3), ShardBooks::none(settlement.id, 63));
    let counts = SettlementCounts { payments: 3, refunds: 2, dropped: 1, ..SettlementCounts::default() };
    let known = ShardBooks { verified: 5, counts, totals, wrong: Some("chunk 4: it is missing".to_owned()), ..second };
    for books in [&ShardBooks::none(settlement.id, 63), &known, &first, &first] {
        store.put_shard_books(books).await.unwrap();
    }
    assert_eq!(store.shard_books(settlement.id).await.unwrap(), [first, known]);
    assert!(store.shard_books(opened(&samples, day(1), None).id).await.unwrap().is_empty());
}

/// In the order of merchant and currency, what several chunks come to together.
pub async fn balances_below_zero_are_paged_through<S: Subject>(subject: &S) {
    let (samples, store) = (Samples::new(188), subject.store());
    let settlement = begun(subject, &samples).await;
    let merchants: Vec<_> = (0..6).map(|_| samples.merchant()).collect();
    let balances = [[-5, -5], [10, -4], [-10, 4], [-1, 1], [0, -7], [3, 3]];
    for number in 1..=2_u32 {
        let mut chunk = chunk(&samples, &settlement, number, &[]);
        chunk.totals = merchants
            .iter()
            .zip(balances)
            .map(|(merchant, nets)| (*merchant, Totals { net: nets[number as usize - 1], ..none() }))
            .collect();
        assert_eq!(store.commit_chunk(&chunk).await.unwrap(), ChunkCommitted::Done);
    }
    let mut expected = vec![(merchants[0], -10), (merchants[2], -6), (merchants[4], -7)];
    expected.sort_unstable();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.negative_balances(settlement.id, after, 2).await.unwrap();
        let Some((merchant, balance)) = page.last() else { break };
        after = Some((*merchant, balance.currency));
        seen.extend(page.into_iter().map(|(merchant, balance)| (merchant, balance.minor)));
    }
    assert_eq!(seen, expected);
    assert!(store.negative_balances(opened(&samples, day(0), None).id, None, 2).await.unwrap().is_empty());
}

/// In the order of the chunks, each line once.
pub async fn a_merchants_lines_are_paged_through_in_order<S: Subject>(subject: &S) {
    let (samples, store) = (Samples::new(189), subject.store());
    let settlement = begun(subject, &samples).await;
    let mut expected = Vec::new();
    for number in 1..=3 {
        let stories = captured(subject, &samples, 3).await;
        let chunk = chunk(&samples, &settlement, number, &stories);
        assert_eq!(store.commit_chunk(&chunk).await.unwrap(), ChunkCommitted::Done);
        expected.extend(chunk.lines);
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.settlement_lines(settlement.id, samples.merchant, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.place);
        seen.extend(page.into_iter().map(|placed| placed.line));
    }
    assert_eq!(seen, expected);
}

/// However far a settlement is, it is read back as it was written.
pub async fn every_checkpoint_comes_back_unchanged<S: Subject>(subject: &S) {
    let (samples, store) = (Samples::new(190), subject.store());
    let settlement = begun(subject, &samples).await;
    let (at, yen) = (Samples::start(), none().currency);
    let checkpoints = [
        Checkpoint::START,
        Checkpoint::CarriedOver(Some((samples.merchant, yen))),
        Checkpoint::Payments(None),
        Checkpoint::Payments(Some((at, samples.payment_id()))),
        Checkpoint::Refunds(None),
        Checkpoint::Refunds(Some((at, samples.refund_id()))),
        Checkpoint::Closed,
    ];
    for (number, checkpoint) in (1..).zip(checkpoints) {
        let chunk = Chunk { checkpoint, ..chunk(&samples, &settlement, number, &[]) };
        assert_eq!(store.commit_chunk(&chunk).await.unwrap(), ChunkCommitted::Done);
        assert_eq!(store.last_chunk(settlement.id, Lane::MAIN).await.unwrap(), Some((number, checkpoint)));
    }
}

fn none() -> Totals {
    Totals::none(super::yen(0).currency())
}

fn day(number: u32) -> SettlementDay {
    SettlementDay::of(Samples::start() + DAY * number)
}

fn opened(samples: &Samples, day: SettlementDay, previous: Option<SettlementId>) -> Settlement {
    Settlement::open(SettlementId::from_random(samples.bytes()), day, previous, Samples::start())
}

async fn begun<S: Subject>(subject: &S, samples: &Samples) -> Settlement {
    let settlement = opened(samples, day(0), None);
    assert!(subject.store().put_settlement(&settlement).await.unwrap());
    assert_eq!(settlement.status, SettlementStatus::Running);
    settlement
}

async fn captured<'a, S: Subject>(subject: &S, samples: &'a Samples, count: usize) -> Vec<Story<'a>> {
    let mut stories = Vec::new();
    for _ in 0..count {
        let story = samples.opened().captured(1000);
        tell(subject.store(), &story).await;
        stories.push(story);
    }
    stories
}

/// The change set that settles `payment`, and its line.
fn settled_set(samples: &Samples, payment: &Payment, settlement: &Settlement) -> (ChangeSet, Line) {
    let fee = fee(payment.captured, FEE).unwrap();
    let change = payment.settle(settlement.id, fee, Samples::start() + DAY).unwrap();
    let line = Line::of_payment(payment, &change, fee);
    let events = change.events.iter().map(|event| EventRecord {
        id: samples.event_id(),
        payment: payment.id,
        merchant: payment.merchant,
        sequence: event.sequence,
        kind: event.kind,
        body: "{}".to_owned(),
        at: event.at,
    });
    let events = events.collect();
    let set = ChangeSet::of(samples.change_id(), change, Cause::Job("settlement".to_owned()), "corr", events);
    (set, line)
}

/// A chunk that settles the payments of `stories`, and sets one aside.
fn chunk(samples: &Samples, settlement: &Settlement, number: u32, stories: &[Story<'_>]) -> Chunk {
    let (sets, lines): (Vec<_>, Vec<_>) =
        stories.iter().map(|story| settled_set(samples, &story.payment, settlement)).unzip();
    let mut totals = none();
    for line in &lines {
        totals = totals.with(line).unwrap();
    }
    assert!(lines.iter().all(|line| line.kind == LineKind::Payment));
    Chunk {
        settlement: settlement.id,
        number,
        change_id: samples.change_id(),
        counts: SettlementCounts { payments: lines.len() as u64, set_aside: 1, ..SettlementCounts::default() },
        sets,
        lines,
        totals: if stories.is_empty() { Vec::new() } else { vec![(samples.merchant, totals)] },
        set_aside: vec![SetAside { payment: samples.payment_id(), merchant: samples.merchant, reason: "needs_review" }],
        checkpoint: Checkpoint::Payments(stories.last().map(|story| (story.now, story.payment.id))),
        at: Samples::start(),
    }
}
