//! Settlements, as the store keeps them: the record of each, and its chunks, which are committed one after the other and
//! are the run's checkpoints.
//!
//! Must not know: what is settled, and for how much.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use tollgate_domain::{
    ChangeId, Currency, Date, MerchantId, Payment, PaymentId, Refund, RefundId, Settlement, SettlementId, Timestamp,
    settlement::{Balance, LedgerSums, Line, SettlementCounts, Totals},
};

use super::StoreError;
use crate::records::ChangeSet;

/// The most change sets that one chunk may carry.
pub const CHUNK_AT_MOST: u32 = 1000;

/// Into how many shards what waits for a settlement can be split: payments by their ids, refunds with their payments.
pub const SHARDS: u32 = 64;

/// One of a settlement's sequences of chunks, each with numbers and checkpoints of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane(u32);

impl Lane {
    /// Everything; in a settlement that is split into shards, what merchants owe alone.
    pub const MAIN: Self = Self(0);
    /// More chunks than a lane will ever have.
    const CHUNKS: u32 = 1 << 24;

    /// The lane of shard `shard`.
    pub const fn of_shard(shard: u32) -> Self {
        Self(shard + 1)
    }

    /// The shard that it is of. `None`: it is the main one.
    pub const fn shard(self) -> Option<u32> {
        self.0.checked_sub(1)
    }

    /// The numbers that its chunks may have.
    pub const fn numbers(self) -> RangeInclusive<u32> {
        self.before() + 1..=self.before() + Self::CHUNKS - 1
    }

    /// The number before its first chunk's.
    pub const fn before(self) -> u32 {
        self.0 * Self::CHUNKS
    }
}

/// How far a settlement is: what the next chunk reads. Each part is read to its end before the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkpoint {
    /// What merchants owe after the settlement before, those behind this place.
    CarriedOver(Option<(MerchantId, Currency)>),
    /// Captured payments behind this place.
    Payments(Option<(Timestamp, PaymentId)>),
    /// Refunds behind this place.
    Refunds(Option<(Timestamp, RefundId)>),
    /// Everything is in it: no chunk may follow.
    Closed,
}

impl Checkpoint {
    /// Where a settlement begins.
    pub const START: Self = Self::CarriedOver(None);
}

/// One chunk: everything in it, and how far the settlement then is, committed together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Of what.
    pub settlement: SettlementId,
    /// 1, 2, 3 … within the settlement: with it, the guard against another run's chunk.
    pub number: u32,
    /// Tells this chunk from any other when a commit's answer was lost (rule 14).
    pub change_id: ChangeId,
    /// What settles, at most [`CHUNK_AT_MOST`]. Several of one payment follow each other, version by version.
    pub sets: Vec<ChangeSet>,
    /// What is settled, in order.
    pub lines: Vec<Line>,
    /// What the lines come to, per merchant and currency.
    pub totals: Vec<(MerchantId, Totals)>,
    /// What could not be settled.
    pub set_aside: Vec<SetAside>,
    /// How much of what.
    pub counts: SettlementCounts,
    /// How far the settlement is with it.
    pub checkpoint: Checkpoint,
    /// When.
    pub at: Timestamp,
}

/// A payment that could not be settled. It waits for the next settlement, which may say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetAside {
    /// Which.
    pub payment: PaymentId,
    /// Whose.
    pub merchant: MerchantId,
    /// Why, by name.
    pub reason: &'static str,
}

/// Something that waits for a settlement, at its place in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting<I, T> {
    /// Since when it waits.
    pub at: Timestamp,
    /// Its id.
    pub id: I,
    /// Its payment.
    pub payment: PaymentId,
    /// Whose.
    pub merchant: MerchantId,
    /// What it is. `None`: it does not read as what was written, as the store has logged; it hinders no other.
    pub read: Option<T>,
}

/// What the commit of a chunk came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkCommitted {
    /// It is durable.
    Done,
    /// Another run committed a chunk of this number. Nothing was written.
    Taken,
    /// These payments were changed by somebody else meanwhile. Nothing was written.
    Changed(Vec<PaymentId>),
}

/// What the books say of one chunk, each read from rows of its own: they must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkSums {
    /// What the chunk says is in it.
    pub counts: SettlementCounts,
    /// The totals that were written with it, summed up.
    pub totals: Vec<Totals>,
    /// The totals of its lines.
    pub lines: Vec<Totals>,
    /// The postings of the payments' versions that its lines name.
    pub ledger: Vec<LedgerSums>,
}

/// What the books say of a shard, as far as they were compared: what is known once need not be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardBooks {
    /// Of what.
    pub settlement: SettlementId,
    /// Which of its shards.
    pub shard: u32,
    /// The last chunk that was compared; [`Lane::before`] the first: none was.
    pub verified: u32,
    /// How much of what is in the chunks until then.
    pub counts: SettlementCounts,
    /// What they come to, per currency.
    pub totals: Vec<Totals>,
    /// The first disagreement that was found.
    pub wrong: Option<String>,
}

impl ShardBooks {
    /// Nothing was compared yet.
    pub fn none(settlement: SettlementId, shard: u32) -> Self {
        Self {
            settlement,
            shard,
            verified: Lane::of_shard(shard).before(),
            counts: SettlementCounts::default(),
            totals: Vec::new(),
            wrong: None,
        }
    }
}

/// A line with its place, and the merchant's own number of the payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedLine {
    /// Chunk, and number within the chunk: the order of lines.
    pub place: (u32, u32),
    /// The line.
    pub line: Line,
    /// The merchant's own number of the payment.
    pub merchant_reference: Option<String>,
}

/// The records of settlements, and what is in them.
#[async_trait]
pub trait Settlements: Send + Sync + 'static {
    /// A settlement.
    async fn settlement(&self, id: SettlementId) -> Result<Option<Settlement>, StoreError>;

    /// The latest settlement of `date` or before.
    async fn latest_settlement(&self, date: Date) -> Result<Option<Settlement>, StoreError>;

    /// The settlement that is being made, if one is.
    async fn unfinished_settlement(&self) -> Result<Option<Settlement>, StoreError>;

    /// Makes or changes a settlement. Revision 1 must follow on the latest one: a later date, and that one's id as the
    /// previous. Any other revision follows the one before it. `false`: somebody else was faster (or this very record was
    /// written before); nothing was written.
    async fn put_settlement(&self, settlement: &Settlement) -> Result<bool, StoreError>;

    /// What a settlement comes to for one merchant, per currency. Empty: nothing of the merchant's is in it.
    async fn merchant_totals(&self, id: SettlementId, merchant: MerchantId) -> Result<Vec<Totals>, StoreError>;

    /// At most `limit` of a merchant's lines in order, those behind `after`.
    async fn settlement_lines(
        &self,
        id: SettlementId,
        merchant: MerchantId,
        after: Option<(u32, u32)>,
        limit: u32,
    ) -> Result<Vec<PlacedLine>, StoreError>;
}

/// The making of a settlement: what waits for it, and its chunks.
#[async_trait]
pub trait SettlementChunks: Send + Sync + 'static {
    /// The number and checkpoint of the last chunk in `lane`. `None`: there is none in it yet.
    async fn last_chunk(&self, id: SettlementId, lane: Lane) -> Result<Option<(u32, Checkpoint)>, StoreError>;

    /// At most `limit` balances below zero of a settlement that has ended, those behind `after` in the order of merchant
    /// and currency.
    async fn negative_balances(
        &self,
        id: SettlementId,
        after: Option<(MerchantId, Currency)>,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Balance)>, StoreError>;

    /// At most `limit` payments captured before `cutoff`, those behind `after` in the order of capture time and id; of one shard, or
    /// of all.
    async fn payments_to_settle(
        &self,
        shard: Option<u32>,
        cutoff: Timestamp,
        after: Option<(Timestamp, PaymentId)>,
        limit: u32,
    ) -> Result<Vec<Waiting<PaymentId, Payment>>, StoreError>;

    /// At most `limit` refunds that have waited since before `cutoff`, those behind `after` in the order of that time and id,
    /// each with its payment as it is at the same moment; of one shard, or of all.
    async fn refunds_to_settle(
        &self,
        shard: Option<u32>,
        cutoff: Timestamp,
        after: Option<(Timestamp, RefundId)>,
        limit: u32,
    ) -> Result<Vec<Waiting<RefundId, (Refund, Payment)>>, StoreError>;

    /// Commits `chunk` whole, or nothing of it. Its guards are its own number, which must be new within the settlement, and
    /// the guards of its change sets. Committing the same chunk again is [`ChunkCommitted::Done`] and changes nothing.
    async fn commit_chunk(&self, chunk: &Chunk) -> Result<ChunkCommitted, StoreError>;

    /// What the books say of one chunk. `None`: there is none of this number.
    async fn chunk_sums(&self, id: SettlementId, number: u32) -> Result<Option<ChunkSums>, StoreError>;
}

/// What is known of a settlement's shards.
#[async_trait]
pub trait SettlementShards: Send + Sync + 'static {
    /// What is known of each shard, in their order; those of which nothing is are not there.
    async fn shard_books(&self, id: SettlementId) -> Result<Vec<ShardBooks>, StoreError>;

    /// Keeps what is known of a shard, in the place of what was. It follows from the chunks alone, so whoever writes last writes
    /// nothing wrong, and at worst what is older: then chunks are read again.
    async fn put_shard_books(&self, books: &ShardBooks) -> Result<(), StoreError>;
}
