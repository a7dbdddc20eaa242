//! `tollgate recovery drill --dry-run`: the steps of a drill, with every command, and nothing done.
//!
//! Must not know: whether anything of it is there.

use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;
use tollgate_assembly::StoreConfiguration;
use tollgate_domain::Timestamp;
use tollgate_store_spanner::DatabaseName;

use crate::{arguments::Drill, output::answer};

#[derive(Serialize)]
struct Body {
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    what: String,
    command: Option<String>,
}

fn step(what: &str, command: impl Into<Option<String>>) -> Step {
    Step { what: what.to_owned(), command: command.into() }
}

/// Prints it.
pub(super) fn print(store: &StoreConfiguration, drill: &Drill, json: bool) -> anyhow::Result<ExitCode> {
    let steps = match store {
        StoreConfiguration::Spanner { database, emulator: None } => on_google_cloud(database, drill)?,
        StoreConfiguration::Spanner { emulator: Some(_), .. } => here("a new database in the emulator's instance"),
        StoreConfiguration::Sqlite(path) => here(&format!("a new file beside {}", path.display())),
    };
    let body = Body { steps };
    answer(json, &body, || {
        let line = |(number, step): (usize, &Step)| match &step.command {
            Some(command) => format!("# {}. {}\n{command}\n", number + 1, step.what),
            None => format!("# {}. {}\n", number + 1, step.what),
        };
        body.steps.iter().enumerate().map(line).collect()
    })?;
    Ok(ExitCode::SUCCESS)
}

fn here(scratch: &str) -> Vec<Step> {
    vec![
        step("reads the source as of one moment; it may be in use", None),
        step(&format!("copies every row into {scratch}"), None),
        step("compares tables, ledger, sequences and invariants; opens the copy as the functions do", None),
        step("drops the copy, unless --keep", None),
    ]
}

fn on_google_cloud(database: &str, drill: &Drill) -> anyhow::Result<Vec<Step>> {
    let database: DatabaseName = database.parse()?;
    let parts: Vec<&str> = database.as_str().split('/').collect();
    let [_, project, _, instance, _, name] = parts[..] else { return Err(anyhow::anyhow!("no database")) };
    let restored = drill.restored.clone().unwrap_or_else(|| "restore-drill".to_owned());
    let restored = restored.rsplit('/').next().context("--restored")?.to_owned();
    let whole = format!("projects/{project}/instances/{instance}/databases/{restored}");
    let on = format!("--project={project} --instance={instance}");
    let mut steps = backup(&on, name, drill.at);
    let restore = format!(
        "gcloud spanner databases restore --project={project} --source-instance={instance} --source-backup=\"$BACKUP\" \
         --destination-instance={instance} --destination-database={restored}"
    );
    let prove = format!("tollgate recovery drill --restored {whole} --at \"$AT\"");
    let policies = format!(
        "gcloud spanner databases ddl describe {restored} {on} | grep -c 'ROW DELETION POLICY' \
         # 0: a restored database has none, so nothing that has expired is deleted before it is compared"
    );
    let clean = format!("gcloud spanner databases delete {restored} {on} --quiet");
    steps.extend([
        step("restore it into a new database; this time counts against RTO", restore),
        step("a restored database has no row deletion policies", policies),
        step("prove it: exit code 0 if everything is equal", prove),
        step("drop it", clean),
    ]);
    Ok(steps)
}

/// A backup of any moment within the version retention; without one, the newest that the schedule has made.
fn backup(on: &str, name: &str, at: Option<Timestamp>) -> Vec<Step> {
    if let Some(at) = at {
        let create = format!(
            "AT={at}; BACKUP=restore-drill-$(date +%Y%m%d%H%M)\n\
             gcloud spanner backups create \"$BACKUP\" {on} --database={name} --version-time=\"$AT\" --retention-period=7d"
        );
        return vec![step("a backup of that moment, which must be within the version retention", create)];
    }
    let newest = format!(
        "BACKUP=$(gcloud spanner backups list {on} --filter='database:databases/{name} AND state:READY' \
         --sort-by=~versionTime --limit=1 --format='value(name.basename())')"
    );
    let version = format!("AT=$(gcloud spanner backups describe \"$BACKUP\" {on} --format='value(versionTime)')");
    vec![
        step("the newest backup that is ready; with --at, one of that moment is made instead", newest),
        step("as of when it is; within the version retention, or the source cannot be read as it was then", version),
    ]
}
