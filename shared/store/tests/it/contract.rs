//! The contract, on every way to open a store.

#![allow(clippy::unused_async, reason = "other stores have to wait until they are there")]

/// As in production: threads, group commit, a commit waits for the disk.
mod on_a_file {
    use crate::subject::OnFile;

    async fn fresh() -> Option<OnFile> {
        Some(OnFile::new())
    }

    tollgate_gateway::store_contract!(fresh);
}

/// As in a simulation: on the caller's thread.
mod inline {
    use crate::subject::{OnFile, options};

    async fn fresh() -> Option<OnFile> {
        Some(OnFile::with(options(1).inline().ephemeral()))
    }

    tollgate_gateway::store_contract!(fresh);
}

/// One commit per transaction: nothing may depend on who shares one.
mod without_batches {
    use crate::subject::{OnFile, options};

    async fn fresh() -> Option<OnFile> {
        Some(OnFile::with(options(1).batch(1).ephemeral()))
    }

    tollgate_gateway::store_contract!(fresh);
}
