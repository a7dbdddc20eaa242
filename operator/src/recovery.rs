//! `tollgate recovery`: copies of a store, and the drill that restores one and proves that nothing is missing.
//!
//! Must not know: what makes two stores equal, how rows are kept.

mod backup;
mod drill;
mod manifest;
mod on_spanner;
mod on_sqlite;
mod plan;
mod report;

use std::process::ExitCode;

use tollgate_assembly::StoreConfiguration;

use crate::arguments::Recovery;

/// Does what was typed.
pub(crate) async fn run(store: &StoreConfiguration, command: Recovery, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        Recovery::Backup { file } => backup::run(store, &file, json).await.map(|()| ExitCode::SUCCESS),
        Recovery::Drill(drill) if drill.dry_run => plan::print(store, &drill, json),
        Recovery::Drill(drill) => drill::run(store, &drill, json).await,
    }
}
