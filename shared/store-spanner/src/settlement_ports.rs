//! The gateway's ports of settlements, each method on its table.

use async_trait::async_trait;
use tollgate_domain::{
    Currency, Date, MerchantId, Payment, PaymentId, Refund, RefundId, Settlement, SettlementId, Timestamp,
    settlement::{Balance, Totals},
};
use tollgate_gateway::ports::{
    SettlementChunks, SettlementShards, Settlements, StoreError,
    settlements::{Checkpoint, Chunk, ChunkCommitted, ChunkSums, Lane, PlacedLine, ShardBooks, Waiting},
};

use crate::{
    SpannerStore, settlement_chunks, settlement_lines, settlement_shards,
    settlements::{self, Put},
};

#[async_trait]
impl Settlements for SpannerStore {
    async fn settlement(&self, id: SettlementId) -> Result<Option<Settlement>, StoreError> {
        let work = async { settlements::find(&self.present("tollgate:settlement").await?, id).await };
        self.measured("settlement", id, work).await
    }

    async fn latest_settlement(&self, date: Date) -> Result<Option<Settlement>, StoreError> {
        let work = async { settlements::latest(&self.present("tollgate:latest_settlement").await?, date).await };
        self.measured("latest_settlement", date, work).await
    }

    async fn unfinished_settlement(&self) -> Result<Option<Settlement>, StoreError> {
        let work = async { settlements::unfinished(&self.present("tollgate:unfinished_settlement").await?).await };
        self.measured("unfinished_settlement", "unfinished settlement", work).await
    }

    async fn put_settlement(&self, settlement: &Settlement) -> Result<bool, StoreError> {
        let work = self.transact("tollgate:put_settlement", Put(settlement.clone()));
        self.measured("put_settlement", settlement.id, work).await
    }

    async fn merchant_totals(&self, id: SettlementId, merchant: MerchantId) -> Result<Vec<Totals>, StoreError> {
        let work = async {
            settlements::merchant_totals(&self.present("tollgate:merchant_totals").await?, id, merchant).await
        };
        self.measured("merchant_totals", id, work).await
    }

    async fn settlement_lines(
        &self,
        id: SettlementId,
        merchant: MerchantId,
        after: Option<(u32, u32)>,
        limit: u32,
    ) -> Result<Vec<PlacedLine>, StoreError> {
        let work = async {
            let snapshot = self.snapshot("tollgate:settlement_lines").await?;
            settlement_lines::page(&snapshot, id, merchant, after, limit).await
        };
        self.measured("settlement_lines", id, work).await
    }
}

#[async_trait]
impl SettlementChunks for SpannerStore {
    async fn last_chunk(&self, id: SettlementId, lane: Lane) -> Result<Option<(u32, Checkpoint)>, StoreError> {
        let work = async { settlement_chunks::last(&self.present("tollgate:last_chunk").await?, id, lane).await };
        self.measured("last_chunk", id, work).await
    }

    async fn negative_balances(
        &self,
        id: SettlementId,
        after: Option<(MerchantId, Currency)>,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Balance)>, StoreError> {
        let work = async {
            let snapshot = self.snapshot("tollgate:negative_balances").await?;
            settlements::negative_balances(&snapshot, id, after, limit).await
        };
        self.measured("negative_balances", id, work).await
    }

    async fn payments_to_settle(
        &self,
        shard: Option<u32>,
        cutoff: Timestamp,
        after: Option<(Timestamp, PaymentId)>,
        limit: u32,
    ) -> Result<Vec<Waiting<PaymentId, Payment>>, StoreError> {
        let work = async {
            let snapshot = self.snapshot("tollgate:payments_to_settle").await?;
            settlement_chunks::payments_to_settle(&snapshot, shard, cutoff, after, limit).await
        };
        self.measured("payments_to_settle", "payments to settle", work).await
    }

    async fn refunds_to_settle(
        &self,
        shard: Option<u32>,
        cutoff: Timestamp,
        after: Option<(Timestamp, RefundId)>,
        limit: u32,
    ) -> Result<Vec<Waiting<RefundId, (Refund, Payment)>>, StoreError> {
        let work = async {
            let snapshot = self.snapshot("tollgate:refunds_to_settle").await?;
            settlement_chunks::refunds_to_settle(&snapshot, shard, cutoff, after, limit).await
        };
        self.measured("refunds_to_settle", "refunds to settle", work).await
    }

    async fn commit_chunk(&self, chunk: &Chunk) -> Result<ChunkCommitted, StoreError> {
        self.measured("commit_chunk", chunk.settlement, self.write_chunk(chunk)).await
    }

    async fn chunk_sums(&self, id: SettlementId, number: u32) -> Result<Option<ChunkSums>, StoreError> {
        let work = async { settlement_chunks::sums(&self.snapshot("tollgate:chunk_sums").await?, id, number).await };
        self.measured("chunk_sums", id, work).await
    }
}

#[async_trait]
impl SettlementShards for SpannerStore {
    async fn shard_books(&self, id: SettlementId) -> Result<Vec<ShardBooks>, StoreError> {
        let work = async { settlement_shards::of(&self.present("tollgate:shard_books").await?, id).await };
        self.measured("shard_books", id, work).await
    }

    async fn put_shard_books(&self, books: &ShardBooks) -> Result<(), StoreError> {
        let work = self.write("tollgate:put_shard_books", vec![settlement_shards::put(books)]);
        self.measured("put_shard_books", books.settlement, work).await
    }
}
