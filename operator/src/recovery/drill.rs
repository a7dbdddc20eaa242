//! `tollgate recovery drill`: restores, proves, and drops what it made.
//!
//! Must not know: which store, what is equal.

use std::{process::ExitCode, time::Duration};

use tollgate_assembly::StoreConfiguration;
use tollgate_domain::Timestamp;
use tollgate_gateway::recovery::{Compared, Examined, compare};
use tollgate_runtime::System;

use super::{on_spanner, on_sqlite, report};
use crate::{arguments::Drill, output::answer, progress::Progress};

/// Something differs.
const NOT_PROVEN: u8 = 1;

/// A copy that was restored, and what it is held against.
pub(super) struct Restored {
    /// What was in the source when the copy was taken.
    pub(super) source: Examined,
    /// What is in the copy.
    pub(super) copy: Examined,
    /// What the database says is damaged in the copy.
    pub(super) damage: Vec<String>,
    /// What restoring took; nothing where somebody else did it.
    pub(super) took: Option<Duration>,
    /// Where the copy is.
    pub(super) place: String,
}

/// What the drill came to.
pub(super) struct Played {
    pub(super) compared: Vec<Compared>,
    pub(super) damage: Vec<String>,
    pub(super) payments: u64,
    pub(super) taken_at: Timestamp,
    pub(super) restoring: Option<Duration>,
    /// From the beginning until all was proven.
    pub(super) whole: Duration,
    /// How old the restored data is by now.
    pub(super) age: Duration,
    /// Where the copy was made.
    pub(super) place: String,
    /// Whether it is still there.
    pub(super) kept: bool,
}

/// Plays it.
pub(super) async fn run(store: &StoreConfiguration, drill: &Drill, json: bool) -> anyhow::Result<ExitCode> {
    let system = System::real();
    let started = system.time.monotonic();
    let progress = Progress::of_steps(json);
    progress.doing("restores, and reads every row of both");
    let restored = match store {
        StoreConfiguration::Sqlite(path) => on_sqlite::restore(path, drill, &system).await?,
        StoreConfiguration::Spanner { database, emulator } => {
            on_spanner::restore(database, emulator.as_deref(), drill, &system).await?
        }
    };
    drop(progress);
    let age = system.time.now().duration_since(restored.source.at);
    let played = Played {
        compared: compare(&restored.source, &restored.copy),
        damage: restored.damage,
        payments: restored.copy.payments,
        taken_at: restored.source.at,
        restoring: restored.took,
        whole: system.time.monotonic().saturating_sub(started),
        // A clock that was put back shows nothing of age.
        age: Duration::try_from(age).unwrap_or_default(),
        place: restored.place,
        kept: drill.keep || drill.restored.is_some() && !matches!(store, StoreConfiguration::Sqlite(_)),
    };
    answer(json, &report::body(&played), || report::words(&played))?;
    Ok(if played.is_proven() { ExitCode::SUCCESS } else { ExitCode::from(NOT_PROVEN) })
}
