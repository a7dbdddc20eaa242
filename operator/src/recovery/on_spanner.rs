//! The drill on Spanner. On the emulator, which has no backups, all rows are read at one timestamp and written into a database that
//! is made for it. On Google Cloud a backup is restored by `gcloud`, and what came of it is held against the source as it was then.
//!
//! Must not know: what is equal, what is said.

use anyhow::{Context, bail};
use tollgate_gateway::recovery::{Examined, examine};
use tollgate_runtime::System;
use tollgate_store_spanner::{DatabaseName, migrations, scratch};

use super::drill::Restored;
use crate::{arguments::Drill, open::spanner};

/// Restores the database, or takes the one that was restored.
pub(super) async fn restore(
    database: &str,
    emulator: Option<&str>,
    drill: &Drill,
    system: &System,
) -> anyhow::Result<Restored> {
    let database: DatabaseName = database.parse()?;
    match (&drill.restored, emulator) {
        (Some(restored), _) => {
            let Some(at) = drill.at else {
                bail!("--at is missing: the source is read as it was when the backup was taken (its `versionTime`)");
            };
            let restored = restored.parse().context("--restored")?;
            let source = spanner(database, emulator.map(str::to_owned), system);
            let source = examine(&source.frozen(Some(at)).await.context("the source, as it was then")?).await?;
            let copy = examined(&restored, emulator, system).await.context("what was restored")?;
            Ok(Restored { source, copy, damage: Vec::new(), took: None, place: restored.to_string() })
        }
        (None, Some(host)) => copied(database, host, drill, system).await,
        (None, None) => bail!(
            "on Google Cloud a backup is restored by gcloud: --dry-run prints every step, and --restored with --at proves the result"
        ),
    }
}

/// Into a database of its own, dropped again whatever came of it.
async fn copied(database: DatabaseName, host: &str, drill: &Drill, system: &System) -> anyhow::Result<Restored> {
    if drill.at.is_some() {
        bail!("--at goes with --restored: without it the present is copied");
    }
    let started = system.time.monotonic();
    let mut mark = [0; 4];
    system.entropy.fill(&mut mark);
    let name = format!("restore-drill-{}", hex::encode(mark));
    let made = scratch::create(&database, &name, Some(host)).await.context("the scratch database")?;
    let restored = Box::pin(copy_into(database, &made, host, started, system)).await;
    let dropped = if drill.keep { Ok(()) } else { scratch::drop(&made, Some(host)).await };
    let restored = restored?;
    dropped.with_context(|| format!("{made} could not be dropped"))?;
    Ok(restored)
}

async fn copy_into(
    database: DatabaseName,
    made: &DatabaseName,
    host: &str,
    started: std::time::Duration,
    system: &System,
) -> anyhow::Result<Restored> {
    migrations::migrate(made, Some(host)).await.context("the scratch database")?;
    let source = spanner(database, Some(host.to_owned()), system);
    let source = source.frozen(None).await?;
    let to = spanner(made.clone(), Some(host.to_owned()), system);
    source.copy_to(&to).await.context("the copy")?;
    let took = system.time.monotonic().saturating_sub(started);
    let copy = examined(made, Some(host), system).await?;
    let source = examine(&source).await?;
    Ok(Restored { source, copy, damage: Vec::new(), took: Some(took), place: made.to_string() })
}

async fn examined(database: &DatabaseName, emulator: Option<&str>, system: &System) -> anyhow::Result<Examined> {
    let store = spanner(database.clone(), emulator.map(str::to_owned), system);
    Ok(examine(&store.frozen(None).await?).await?)
}
