//! `migrate`: what it applied, that there was nothing to do, and what it refuses.

use google_cloud_spanner::{client::Spanner, statement::Statement, transaction::ReadWriteTransaction};
use serde_json::json;

use crate::place::{Place, Store};

#[test]
fn on_sqlite_it_makes_the_database_and_a_second_run_is_success() {
    let place = Place::on_sqlite();
    let line = place.tollgate.run("merchants list").failure(2);
    assert!(line.contains("there is no database") && line.contains("`tollgate migrate`"), "{line}");
    let Store::Sqlite(folder) = &place.store else { unreachable!() };
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "what only looks makes nothing");
    let first = place.tollgate.run("migrate").answer();
    assert!(
        first.contains("is a new, empty database") && first.contains("opening a SQLite store migrates it"),
        "{first}"
    );
    assert_eq!(place.tollgate.run("migrate").answer(), first.replace("is a new, empty database, and ", ""));
    place.tollgate.run("merchants list").answer();
    assert_eq!(place.tollgate.run("migrate --json").json()["store"], "sqlite");
}

#[test]
fn on_sqlite_what_only_looks_changes_no_file_that_is_not_a_store_of_this_schema() {
    let place = Place::on_sqlite();
    let Store::Sqlite(folder) = &place.store else { unreachable!() };
    let (empty, theirs) = (folder.path().join("empty.db"), folder.path().join("theirs.db"));
    std::fs::write(&empty, "").unwrap();
    rusqlite::Connection::open(&theirs).unwrap().execute_batch("CREATE TABLE theirs (a TEXT)").unwrap();
    for (path, says, code) in [(&empty, "0 of the ", 2), (&theirs, "another program's", 1)] {
        let before = std::fs::read(path).unwrap();
        let on = place.tollgate.with("STORE_URL", &format!("sqlite:{}", path.display()));
        for command in ["provider list", "merchants create Shoes --by ann --why asked"] {
            let line = on.run(command).failure(code);
            assert!(line.contains(says), "{line}");
        }
        assert_eq!(std::fs::read(path).unwrap(), before);
    }
    let before = std::fs::read(&theirs).unwrap();
    let line = place.tollgate.with("STORE_URL", &format!("sqlite:{}", theirs.display())).run("migrate").failure(1);
    assert!(line.contains("another program's"), "{line}");
    assert_eq!(std::fs::read(&theirs).unwrap(), before, "not even its journal's kind");
}

#[test]
fn it_needs_no_secrets_key() {
    let place = Place::on_sqlite();
    place.tollgate.with("SECRETS_KEY", "").run("migrate").answer();
    place.tollgate.with("SECRETS_KEY", "").run("merchants create Shoes --by ann --why asked").answer();
}

#[test]
fn a_folder_that_is_not_there_is_one_clear_line() {
    let place = Place::on_sqlite();
    let line = place.tollgate.with("STORE_URL", "sqlite:/nowhere/at/all/t.db").run("migrate").failure(2);
    assert_eq!(line, "STORE_URL: there is no folder /nowhere/at/all");
}

#[test]
fn on_spanner_it_says_what_it_applied_and_that_a_second_run_had_nothing_to_do() {
    let Some(place) = Place::on_spanner() else { return };
    let line = place.tollgate.run("merchants list").failure(1);
    assert!(line.contains("run `tollgate migrate`"), "{line}");
    let first = place.tollgate.run("migrate").answer();
    assert!(first.lines().count() >= 2 && first.lines().all(|line| line.starts_with("applied 0")), "{first}");
    let second = place.tollgate.run("migrate").answer();
    assert!(second.starts_with("nothing to do"), "{second}");
    let third = place.tollgate.run("migrate --json").json();
    assert_eq!((&third["store"], &third["applied"]), (&json!("spanner"), &json!([])));
    assert_eq!(third["applied_before"].as_array().unwrap().len(), first.lines().count());
}

#[test]
fn a_database_that_somebody_changed_by_hand_is_refused_and_the_change_is_named() {
    let Some(place) = Place::on_spanner().map(Place::migrated) else { return };
    let Store::Spanner { database, .. } = &place.store else { unreachable!() };
    database.ddl("CREATE INDEX by_hand ON payments (status)");
    let refused = place.tollgate.run("migrate");
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    assert!(refused.stderr.starts_with("error: the schema is not as "), "{refused:?}");
    assert!(refused.stderr.contains("it should not have: CREATE INDEX by_hand"), "{refused:?}");
    database.ddl("DROP INDEX by_hand");
    place.tollgate.run("migrate").answer();
}

#[tokio::test]
async fn a_file_that_was_changed_after_it_was_applied_is_refused() {
    let Some(place) = Place::on_spanner().map(Place::migrated) else { return };
    let Store::Spanner { database, host } = &place.store else { unreachable!() };
    let spanner = Spanner::builder().with_endpoint(format!("http://{host}")).build().await.unwrap();
    let client = spanner.database_client(database.name()).build().await.unwrap();
    let edit = |transaction: ReadWriteTransaction| async move {
        let sql = "UPDATE schema_migrations SET checksum = 'other' WHERE version = 1";
        transaction.execute_update(Statement::builder(sql).build()).await
    };
    client.read_write_transaction().build().run(edit).await.unwrap();
    let line = place.tollgate.run("migrate").failure(1);
    assert!(line.starts_with("0001_payments.sql was applied, and is another file now"), "{line}");
}
