//! The store of payments on Cloud Spanner: what several functions on many machines share.
//!
//! It persists what the gateway decided and decides nothing. A change set is one commit of mutations with inserts as guards, so
//! no read and no lock stand before it (rule 13); what must be compared first is a short transaction of two round trips.
//! Each table has a file of its own. This file opens the store; `ports.rs` holds what the gateway asks of it.
//!
//! Must not know: what a payment may do, HTTP, providers.

mod agenda;
mod audit;
mod calls;
mod cells;
mod change_set;
mod commit;
mod connection;
mod deliveries;
mod delivery_lists;
mod error;
mod events;
mod exceptions;
mod flags;
mod frozen;
mod history;
mod idempotency;
mod jobs;
mod measure;
mod merchants;
mod merged;
pub mod migrations;
mod operations;
mod operator_acts;
mod options;
mod payments;
mod ports;
mod postings;
mod provider_records;
mod reading;
mod received_events;
#[cfg(test)]
mod recorded;
mod references;
mod refunds;
mod rows;
pub mod scratch;
mod settlement_chunks;
mod settlement_lines;
mod settlement_ports;
mod settlement_shards;
mod settlements;
mod shards;
mod timeline;
mod transactions;

use std::{future::Future, sync::Arc};

use futures::future::{BoxFuture, Either, select};
use tollgate_gateway::ports::Time;

pub use change_set::{INDEXES, Index, MUTATIONS_AT_MOST, SETTLEMENT_CHUNK, mutations_of};
pub use error::SpannerUnreachable;
pub use frozen::FrozenDatabase;
pub use measure::Counts;
pub use options::{DatabaseName, NotADatabase, Options};

use connection::Connection;
use error::{Result, Trouble};
use measure::Counters;

/// Payments and all that belongs to them, in one Spanner database.
///
/// It connects when it is first used, and again whenever that failed: a database that is away makes calls fail, not the
/// process.
pub struct SpannerStore {
    connection: Connection,
    options: Arc<Options>,
    time: Arc<dyn Time>,
    counters: Counters,
}

impl SpannerStore {
    /// A store on the database that `options` name. Nothing is connected yet.
    pub fn new(options: Options, time: Arc<dyn Time>) -> Self {
        let connection = Connection::new(&options, Arc::clone(&time));
        Self { connection, options: Arc::new(options), time, counters: Counters::default() }
    }

    /// How often this store was used since it was made: lets a test count what a use-case costs.
    pub fn counts(&self) -> Counts {
        self.counters.now()
    }

    /// What `work` comes to, within the operation's time: whatever the client waits for, nobody waits longer. (In a box: the
    /// client's futures are large.)
    pub(crate) fn in_time<'a, T: Send + 'a>(
        &'a self,
        work: impl Future<Output = Result<T>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        let (work, late) = (Box::pin(work), self.time.sleep(self.options.operation_timeout));
        Box::pin(async move {
            let result = match select(work, late).await {
                Either::Left((result, _)) => result,
                Either::Right(_) => Err(Trouble::Unreachable(SpannerUnreachable("no answer in time".to_owned()))),
            };
            self.connection.heard(!result.as_ref().is_err_and(Trouble::is_silence));
            result
        })
    }
}
