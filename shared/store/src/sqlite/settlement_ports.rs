//! The gateway's ports of settlements, each method on its table.

use async_trait::async_trait;
use rusqlite::Connection;
use tollgate_domain::{
    Currency, Date, MerchantId, Payment, PaymentId, Refund, RefundId, Settlement, SettlementId, Timestamp,
    settlement::{Balance, Totals},
};
use tollgate_gateway::ports::{
    SettlementChunks, SettlementShards, Settlements, StoreError,
    settlements::{Checkpoint, Chunk, ChunkCommitted, ChunkSums, Lane, PlacedLine, ShardBooks, Waiting},
};

use super::{SqliteStore, settlement_chunks, settlement_lines, settlement_shards, settlements};

#[async_trait]
impl Settlements for SqliteStore {
    async fn settlement(&self, id: SettlementId) -> Result<Option<Settlement>, StoreError> {
        self.read("settlement", id, move |connection| settlements::find(connection, id)).await
    }

    async fn latest_settlement(&self, date: Date) -> Result<Option<Settlement>, StoreError> {
        self.read("latest_settlement", date, move |connection| settlements::latest(connection, date)).await
    }

    async fn unfinished_settlement(&self) -> Result<Option<Settlement>, StoreError> {
        self.read("unfinished_settlement", "unfinished settlement", settlements::unfinished).await
    }

    async fn put_settlement(&self, settlement: &Settlement) -> Result<bool, StoreError> {
        let settlement = settlement.clone();
        self.decide("put_settlement", move |transaction| settlements::put(transaction, &settlement)).await
    }

    async fn merchant_totals(&self, id: SettlementId, merchant: MerchantId) -> Result<Vec<Totals>, StoreError> {
        self.read("merchant_totals", id, move |connection| settlements::merchant_totals(connection, id, merchant)).await
    }

    async fn settlement_lines(
        &self,
        id: SettlementId,
        merchant: MerchantId,
        after: Option<(u32, u32)>,
        limit: u32,
    ) -> Result<Vec<PlacedLine>, StoreError> {
        let read = move |connection: &Connection| settlement_lines::page(connection, id, merchant, after, limit);
        self.read("settlement_lines", id, read).await
    }
}

#[async_trait]
impl SettlementChunks for SqliteStore {
    async fn last_chunk(&self, id: SettlementId, lane: Lane) -> Result<Option<(u32, Checkpoint)>, StoreError> {
        self.read("last_chunk", id, move |connection| settlement_chunks::last(connection, id, lane)).await
    }

    async fn negative_balances(
        &self,
        id: SettlementId,
        after: Option<(MerchantId, Currency)>,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Balance)>, StoreError> {
        let read = move |connection: &Connection| settlement_lines::negative_balances(connection, id, after, limit);
        self.read("negative_balances", id, read).await
    }

    async fn payments_to_settle(
        &self,
        shard: Option<u32>,
        cutoff: Timestamp,
        after: Option<(Timestamp, PaymentId)>,
        limit: u32,
    ) -> Result<Vec<Waiting<PaymentId, Payment>>, StoreError> {
        let read = move |connection: &Connection| {
            settlement_chunks::payments_to_settle(connection, shard, cutoff, after, limit)
        };
        self.read("payments_to_settle", "payments to settle", read).await
    }

    async fn refunds_to_settle(
        &self,
        shard: Option<u32>,
        cutoff: Timestamp,
        after: Option<(Timestamp, RefundId)>,
        limit: u32,
    ) -> Result<Vec<Waiting<RefundId, (Refund, Payment)>>, StoreError> {
        let read = move |connection: &Connection| {
            settlement_chunks::refunds_to_settle(connection, shard, cutoff, after, limit)
        };
        self.read("refunds_to_settle", "refunds to settle", read).await
    }

    async fn commit_chunk(&self, chunk: &Chunk) -> Result<ChunkCommitted, StoreError> {
        let chunk = chunk.clone();
        let write = move |transaction: &Connection| settlement_chunks::commit(transaction, &chunk).map(Some);
        let committed = self.take("commit_chunk", write).await?;
        committed.ok_or_else(|| StoreError::Unavailable("the writer gave no outcome".to_owned()))
    }

    async fn chunk_sums(&self, id: SettlementId, number: u32) -> Result<Option<ChunkSums>, StoreError> {
        self.read("chunk_sums", id, move |connection| settlement_chunks::sums(connection, id, number)).await
    }
}

#[async_trait]
impl SettlementShards for SqliteStore {
    async fn shard_books(&self, id: SettlementId) -> Result<Vec<ShardBooks>, StoreError> {
        self.read("shard_books", id, move |connection| settlement_shards::of(connection, id)).await
    }

    async fn put_shard_books(&self, books: &ShardBooks) -> Result<(), StoreError> {
        let books = books.clone();
        let write = move |transaction: &Connection| settlement_shards::put(transaction, &books).map(|()| true);
        self.decide("put_shard_books", write).await.map(drop)
    }
}
