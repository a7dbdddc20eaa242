//! Commits by Google's client alone: mutations that are made already, in the one round trip that the store takes, each client on
//! a session of its own, for the emulator cannot do otherwise.

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use google_cloud_spanner::{
    client::{DatabaseClient, Spanner},
    mutation::Mutation,
};
use tokio::runtime::Runtime;

use super::spanner_rows::Payment;
use crate::load::{Client, Measured, closed_loop, together};

/// As the store tags its own.
const TAG: &str = "tollgate:commit";

/// Clients of a database that only takes writes, with as many threads as the gateway has.
pub(crate) struct RawSpanner {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    sessions: Vec<DatabaseClient>,
}

impl RawSpanner {
    /// So many sessions on `database` of the emulator at `host`.
    pub(crate) async fn open(host: &str, database: &str, sessions: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let (host, database) = (host.to_owned(), database.to_owned());
        let opened = runtime.spawn(async move {
            let spanner = client(&host).await?;
            let open = (0..sessions).map(|_| spanner.database_client(database.as_str()).build());
            anyhow::Ok(try_join_all(open).await?)
        });
        Ok(Self { sessions: opened.await??, runtime: Some(runtime) })
    }

    /// So many clients commit payments, two commits each, as fast as they are done, until the time or the payments are over.
    pub(crate) async fn commit(&self, clients: usize, mut payments: Vec<Payment>, time: Duration) -> Result<Measured> {
        let runtime = self.runtime.as_ref().context("the raw clients are being dropped")?;
        // The last is taken first.
        payments.reverse();
        let payments = Arc::new(Mutex::new(payments));
        let work = self.sessions.iter().take(clients).map(|session| {
            let mut committer = [Committer { session: session.clone(), payments: Arc::clone(&payments) }];
            runtime.spawn(async move { closed_loop(&mut committer, time).await })
        });
        let work: Vec<_> = work.collect();
        Ok(together(try_join_all(work).await?.into_iter().collect::<Result<Vec<_>>>()?))
    }
}

impl Drop for RawSpanner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Nothing that it does is waited for any more.
            runtime.shutdown_background();
        }
    }
}

/// Google's client for the emulator at `host`, as it comes.
pub(crate) async fn client(host: &str) -> Result<Spanner> {
    // The scheme says that there is no TLS, and with that no credentials.
    Spanner::builder().with_endpoint(format!("http://{host}")).build().await.context("the emulator is not reached")
}

/// Somebody who commits payments and waits for both commits of each.
struct Committer {
    session: DatabaseClient,
    payments: Arc<Mutex<Vec<Payment>>>,
}

impl Committer {
    async fn commit(&self, mutations: Vec<Mutation>) -> Result<()> {
        let transaction = self.session.write_only_transaction().set_transaction_tag(TAG).build();
        transaction.write_at_least_once(mutations).await.context("a raw commit failed")?;
        Ok(())
    }
}

impl Client for Committer {
    async fn call(&mut self) -> Result<ControlFlow<()>> {
        let next = self.payments.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(payment) = next else { return Ok(ControlFlow::Break(())) };
        self.commit(payment.intent).await?;
        self.commit(payment.outcome).await?;
        Ok(ControlFlow::Continue(()))
    }
}
