//! `tollgate migrate`: brings the database to this program's schema.
//!
//! Must not know: what a migration does. What is refused, and why, the store says.

use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tollgate_assembly::StoreConfiguration;
use tollgate_runtime::{System, system::within};
use tollgate_store_spanner::migrations::{self, Migrated};

use crate::{open::open_sqlite, output::answer};

/// An index over a table that is large already takes its time.
const MIGRATION_TIMEOUT: Duration = Duration::from_hours(1);

#[derive(Serialize)]
struct Body<'a> {
    store: &'static str,
    /// Which were applied now; null where the store does not say.
    applied: Option<&'a [String]>,
    /// Which had been applied before.
    applied_before: Option<&'a [String]>,
}

/// Migrates, and says what was done.
pub(crate) async fn run(store: &StoreConfiguration, json: bool) -> anyhow::Result<()> {
    let system = System::real();
    match store {
        StoreConfiguration::Sqlite(path) => {
            let is_new = !path.exists();
            drop(open_sqlite(path, &system)?);
            let body = Body { store: "sqlite", applied: None, applied_before: None };
            let made = if is_new { "is a new, empty database, and " } else { "" };
            answer(json, &body, || {
                format!("{} {made}has this program's schema: opening a SQLite store migrates it.", path.display())
            })
        }
        StoreConfiguration::Spanner { database, emulator } => {
            let database = database.parse()?;
            let migrate = Box::pin(migrations::migrate(&database, emulator.as_deref()));
            let migrated = within(system.time.as_ref(), MIGRATION_TIMEOUT, migrate).await;
            let migrated =
                migrated.context("Spanner has not finished within an hour; run `tollgate migrate` again")??;
            let body = Body { store: "spanner", applied: Some(&migrated.now), applied_before: Some(&migrated.before) };
            answer(json, &body, || words(&migrated))
        }
    }
}

fn words(Migrated { before, now }: &Migrated) -> String {
    if now.is_empty() {
        return format!("nothing to do: all {} migrations were applied before", before.len());
    }
    now.iter().map(|name| format!("applied {name}")).collect::<Vec<_>>().join("\n")
}
