//! `recovery`: what was restored is held against the source, and whatever differs is said.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use google_cloud_spanner::{client::Spanner, statement::Statement, transaction::ReadWriteTransaction};
use serde_json::{Value, json};
use tollgate_gateway::{
    contract::{Samples, Story},
    records::Committed,
};

use crate::{
    command::Ran,
    place::{Place, Store, on_each_store},
};

on_each_store! {
    a_restored_store_is_equal_to_its_source_and_the_copy_is_dropped,
    a_source_that_is_written_to_meanwhile_is_compared_as_it_was_at_one_moment,
    an_invariant_that_the_source_violates_is_violated_in_the_copy_too,
}

async fn a_restored_store_is_equal_to_its_source_and_the_copy_is_dropped(place: Place) {
    place.merchant("Shoes");
    fill(&place, 700).await;
    let drilled = place.tollgate.run("recovery drill --json").json();
    assert_eq!((&drilled["proven"], &drilled["differences"]), (&json!(true), &json!(0)), "{drilled}");
    assert_eq!((&drilled["within_rto"], &drilled["within_rpo"]), (&json!(true), &json!(true)), "{drilled}");
    assert_eq!(drilled["payments_checked"], 19);
    let payments = line(&drilled, "table", "payments");
    assert_eq!((&payments["source"], &payments["restored"]), (&json!("19"), &json!("19")));
    for (kind, name) in [
        ("table", "postings"),
        ("table", "merchants"),
        ("ledger", "pending:"),
        ("sequence", "history.version"),
        ("invariant", "changes_balance"),
    ] {
        assert_eq!(line(&drilled, kind, name)["equal"], true, "{kind} {name}: {drilled}");
    }
    let scratch = scratch_of(&drilled);
    assert!(!around(&place).await.contains(&scratch), "{scratch} is left behind");
    let words = place.tollgate.run("recovery drill").answer();
    assert!(words.ends_with("everything is equal\n") && words.contains("target (RTO) 30 min: met"), "{words}");
    let kept = place.tollgate.run("recovery drill --keep --json").json();
    assert!(kept["kept"] == true && around(&place).await.contains(&scratch_of(&kept)), "{kept}");
}

async fn a_source_that_is_written_to_meanwhile_is_compared_as_it_was_at_one_moment(place: Place) {
    fill(&place, 701).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (stores, until) = (place.stores(), Arc::clone(&stop));
    #[allow(clippy::disallowed_methods, reason = "another process would write as well; it ends with the test")]
    let writer = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let samples = Samples::new(702);
            let mut written = 0;
            while !until.load(Ordering::Relaxed) {
                let story = samples.opened().authorized().capture_requested(400).captured(400);
                for set in &story.sets {
                    assert_eq!(stores.payments.commit(set).await.unwrap(), Committed::Done);
                }
                written += 1;
            }
            written
        })
    });
    let ran: Vec<Ran> = (0..3).map(|_| place.tollgate.run("recovery drill --json")).collect();
    stop.store(true, Ordering::Relaxed);
    let written = writer.join().unwrap();
    let checked: Vec<u64> = ran
        .into_iter()
        .map(|ran| {
            let drilled = ran.json();
            assert_eq!(drilled["proven"], true, "{drilled}");
            drilled["payments_checked"].as_u64().unwrap()
        })
        .collect();
    assert!(written > 3 && checked[0] < checked[2], "it was written to: {written} payments, {checked:?}");
}

async fn an_invariant_that_the_source_violates_is_violated_in_the_copy_too(place: Place) {
    fill(&place, 703).await;
    place.change("UPDATE postings SET minor = minor + 1 WHERE account LIKE 'pending:%'").await;
    let drilled = place.tollgate.run("recovery drill --json").json();
    assert_eq!(drilled["proven"], true, "{drilled}");
    let violated = line(&drilled, "invariant", "changes_balance");
    assert!(violated["equal"] == true && violated["restored"] != "0", "{violated}");
    let words = place.tollgate.run("recovery drill").answer();
    assert!(words.contains("THE SOURCE ITSELF VIOLATES"), "{words}");
}

#[tokio::test]
async fn a_backup_is_proven_by_what_stands_beside_it_whatever_became_of_the_store() {
    let place = Place::on_sqlite().migrated();
    fill(&place, 710).await;
    let backup = folder(&place).join("backup.db");
    let words = format!("recovery backup {}", backup.display());
    assert!(place.tollgate.run(&words).answer().contains("19 payments"));
    let line = place.tollgate.run(&words).failure(1);
    assert!(line.contains("is there already"), "{line}");
    fill(&place, 711).await;
    let drilled = drill_of(&place, &backup).json();
    assert_eq!((&drilled["proven"], &drilled["payments_checked"]), (&json!(true), &json!(19)), "{drilled}");
    // Nothing without what was written down, and nothing for one that is cut off.
    fs::rename(folder(&place).join("backup.db.json"), folder(&place).join("elsewhere.json")).unwrap();
    let line = drill_of(&place, &backup).failure(3);
    assert!(line.contains("backup.db.json cannot be read"), "{line}");
}

#[tokio::test]
async fn a_backup_in_which_anything_was_changed_is_found_out() {
    for (change, wanted) in [
        ("UPDATE postings SET minor = minor + 1 WHERE account LIKE 'pending:%'", ("ledger", "pending:")),
        ("UPDATE postings SET minor = -minor", ("table", "postings")),
        ("DELETE FROM history WHERE version = 2", ("sequence", "history.version")),
        ("DELETE FROM deliveries WHERE sequence = 1", ("invariant", "deliveries")),
        ("UPDATE events SET rowid = rowid + 1000", ("table", "events")),
        ("UPDATE idempotency SET expires_at = 0", ("table", "idempotency")),
        ("DROP TABLE jobs", ("table", "jobs")),
    ] {
        let place = Place::on_sqlite().migrated();
        fill(&place, 720).await;
        let backup = folder(&place).join("backup.db");
        place.tollgate.run(&format!("recovery backup {}", backup.display())).answer();
        rusqlite::Connection::open(&backup).unwrap().execute_batch(change).unwrap();
        let ran = drill_of(&place, &backup);
        if change.starts_with("DROP") {
            // The functions would not even read it.
            assert_ne!(ran.code, 0, "{ran:?}");
            continue;
        }
        assert_eq!(ran.code, 1, "{change}: {ran:?}");
        let drilled: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(line(&drilled, wanted.0, wanted.1)["equal"], false, "{change}: {drilled}");
        let words = place.tollgate.run(&format!("recovery drill --restored {}", backup.display()));
        assert!(words.code == 1 && words.stdout.contains("NO") && words.stdout.contains("DIFFERENCE"), "{words:?}");
    }
}

#[tokio::test]
async fn a_backup_whose_pages_are_damaged_is_found_out() {
    let place = Place::on_sqlite().migrated();
    fill(&place, 730).await;
    let backup = folder(&place).join("backup.db");
    place.tollgate.run(&format!("recovery backup {}", backup.display())).answer();
    let mut bytes = fs::read(&backup).unwrap();
    let half = bytes.len() / 2;
    bytes[half..half + 4096].fill(0x5a);
    fs::write(&backup, &bytes).unwrap();
    let ran = drill_of(&place, &backup);
    assert!(ran.code == 1 || ran.code == 3, "{ran:?}");
    bytes.truncate(half);
    fs::write(&backup, &bytes).unwrap();
    let ran = drill_of(&place, &backup);
    assert!(ran.code == 1 || ran.code == 3, "{ran:?}");
    let left = fs::read_dir(folder(&place))
        .unwrap()
        .any(|file| file.unwrap().file_name().to_string_lossy().contains("restore-drill"));
    assert!(!left, "the scratch copy is deleted, however it ended");
}

#[tokio::test]
async fn on_spanner_what_was_restored_is_compared_with_the_source_as_it_was() {
    let Some(place) = Place::on_spanner().map(Place::migrated) else { return };
    fill(&place, 740).await;
    let kept = place.tollgate.run("recovery drill --keep --json").json();
    let (restored, at) = (kept["scratch"].as_str().unwrap(), kept["taken_at"].as_str().unwrap());
    // The source goes on.
    fill(&place, 741).await;
    let prove = format!("recovery drill --json --restored {restored} --at {at}");
    let drilled = place.tollgate.run(&prove).json();
    assert_eq!((&drilled["proven"], &drilled["payments_checked"]), (&json!(true), &json!(19)), "{drilled}");
    let late = place.tollgate.run(&format!("recovery drill --json --restored {restored} --at {}", jiff_now()));
    assert_eq!(late.code, 1, "as of now it differs: {late:?}");
    // A ledger line is changed in the copy.
    change_on_spanner(&place, restored, "UPDATE postings SET minor = minor + 1 WHERE account LIKE 'pending:%'").await;
    let ran = place.tollgate.run(&prove);
    assert_eq!(ran.code, 1, "{ran:?}");
    let drilled: Value = serde_json::from_str(&ran.stdout).unwrap();
    for (kind, name) in [("table", "postings"), ("ledger", "pending:"), ("invariant", "changes_balance")] {
        assert_eq!(line(&drilled, kind, name)["equal"], false, "{kind} {name}: {drilled}");
    }
    assert_eq!(line(&drilled, "table", "history")["equal"], true);
    let refused = place.tollgate.run(&format!("recovery drill --restored {restored}")).failure(3);
    assert!(refused.contains("--at is missing"), "{refused}");
}

#[test]
fn on_google_cloud_the_dry_run_prints_every_step_and_nothing_is_done_without_it() {
    let place = Place::on_sqlite();
    let cloud = place.tollgate.with("STORE_URL", "spanner:projects/p1/instances/tollgate/databases/tollgate");
    let steps = cloud.run("recovery drill --dry-run").answer();
    for part in [
        "gcloud spanner backups list --project=p1 --instance=tollgate",
        "gcloud spanner databases restore --project=p1 --source-instance=tollgate",
        "--destination-database=restore-drill",
        "tollgate recovery drill --restored projects/p1/instances/tollgate/databases/restore-drill --at \"$AT\"",
        "gcloud spanner databases delete restore-drill",
    ] {
        assert!(steps.contains(part), "{part}: {steps}");
    }
    let of_a_moment = cloud.run("recovery drill --dry-run --at 2026-11-26T09:00:00Z").answer();
    assert!(of_a_moment.contains("AT=2026-11-26T09:00:00Z; BACKUP=") && of_a_moment.contains("--version-time=\"$AT\""));
    assert!(cloud.run("recovery drill").failure(3).contains("--dry-run prints every step"));
    assert!(cloud.run("recovery backup /nowhere/x").failure(1).contains("Spanner makes its own backups"));
    let here = place.tollgate.run("recovery drill --dry-run --json").json();
    assert_eq!(here["steps"].as_array().unwrap().len(), 4);
}

/// A payment in every state that it can be in.
async fn fill(place: &Place, seed: u64) {
    let samples = Samples::new(seed);
    let stores = place.stores();
    for (state, story) in samples.every_state() {
        commit(&stores, &story).await.unwrap_or_else(|| panic!("{state}"));
    }
}

async fn commit(stores: &tollgate_gateway::Stores, story: &Story<'_>) -> Option<()> {
    for set in &story.sets {
        (stores.payments.commit(set).await.unwrap() == Committed::Done).then_some(())?;
    }
    Some(())
}

fn drill_of(place: &Place, backup: &std::path::Path) -> Ran {
    place.tollgate.run(&format!("recovery drill --json --restored {}", backup.display()))
}

#[track_caller]
fn line<'a>(drilled: &'a Value, kind: &str, name: &str) -> &'a Value {
    let lines = drilled["compared"].as_array().unwrap();
    let line = lines.iter().find(|line| line["kind"] == kind && line["name"].as_str().unwrap().starts_with(name));
    line.unwrap_or_else(|| panic!("{kind} {name}: {drilled}"))
}

/// Its short name.
fn scratch_of(drilled: &Value) -> String {
    drilled["scratch"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

fn folder(place: &Place) -> PathBuf {
    let Store::Sqlite(folder) = &place.store else { unreachable!() };
    folder.path().to_owned()
}

fn jiff_now() -> String {
    let now = tollgate_runtime::System::real().time.now();
    now.to_string()
}

/// What is in the store's folder, or the drills' databases in its instance.
async fn around(place: &Place) -> Vec<String> {
    let mut names: Vec<String> = match &place.store {
        Store::Sqlite(folder) => fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains("restore-drill"))
            .collect(),
        Store::Spanner { database, host } => {
            let admin = Spanner::builder().with_endpoint(format!("http://{host}")).build().await.unwrap();
            let admin = admin.database_admin_builder();
            let admin =
                admin.with_endpoint(format!("http://{}", host.replace(":9010", ":9020"))).build().await.unwrap();
            let (instance, _) = database.name().split_once("/databases/").unwrap();
            let all = admin.list_databases().set_parent(instance).set_page_size(10_000).send().await.unwrap();
            // (Those of other tests come and go.)
            let short = |name: String| name.rsplit('/').next().unwrap_or_default().to_owned();
            all.databases.into_iter().map(|one| short(one.name)).collect()
        }
    };
    names.sort();
    names
}

impl Place {
    /// Changes rows, as nobody should.
    async fn change(&self, sql: &str) {
        match &self.store {
            Store::Sqlite(folder) => {
                let file = rusqlite::Connection::open(folder.path().join("t.db")).unwrap();
                file.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
                file.execute_batch(sql).unwrap();
            }
            Store::Spanner { database, .. } => change_on_spanner(self, database.name(), sql).await,
        }
    }
}

async fn change_on_spanner(place: &Place, database: &str, sql: &str) {
    let Store::Spanner { host, .. } = &place.store else { unreachable!() };
    let spanner = Spanner::builder().with_endpoint(format!("http://{host}")).build().await.unwrap();
    let client = spanner.database_client(database).build().await.unwrap();
    let edit = |transaction: ReadWriteTransaction| {
        let statement = Statement::builder(sql).build();
        async move { transaction.execute_update(statement).await }
    };
    client.read_write_transaction().build().run(edit).await.unwrap();
}
