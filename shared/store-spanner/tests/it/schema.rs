//! Migrations: applied once, taken up after a crash, and refused where the database is another than they left.

use tollgate_emulators::{Database, spanner};
use tollgate_store_spanner::migrations::{Migrated, MigrationError, migrate};

use crate::raw::Raw;

async fn run(host: &str, database: &Database) -> Result<Migrated, MigrationError> {
    migrate(&database.name().parse().unwrap(), Some(host)).await
}

#[tokio::test]
async fn a_second_run_has_nothing_to_do() {
    let Some(emulator) = spanner() else { return };
    let database = emulator.create_database();
    let first = run(emulator.host(), &database).await.unwrap();
    assert_eq!((first.before.len(), first.now.len()), (0, files()));
    let second = run(emulator.host(), &database).await.unwrap();
    assert_eq!((second.before, second.now), (first.now, Vec::new()));
}

#[tokio::test]
async fn a_run_that_died_half_way_is_taken_up() {
    let Some(emulator) = spanner() else { return };
    let database = emulator.create_database();
    run(emulator.host(), &database).await.unwrap();
    let raw = Raw::open(emulator.host(), database.name()).await;
    // As it is after the DDL of the second and before its record.
    raw.execute("UPDATE schema_migrations SET schema = NULL WHERE version = 2").await.unwrap();
    let again = run(emulator.host(), &database).await.unwrap();
    assert_eq!(again.now, ["0002_settlements_and_jobs.sql"]);
    assert_eq!(run(emulator.host(), &database).await.unwrap().now, Vec::<String>::new());
}

#[tokio::test]
async fn a_database_that_somebody_changed_by_hand_is_refused_and_the_change_is_named() {
    let Some(emulator) = spanner() else { return };
    let database = emulator.create_database();
    run(emulator.host(), &database).await.unwrap();
    database.ddl("CREATE INDEX by_hand ON payments (status)");
    let refused = run(emulator.host(), &database).await.unwrap_err();
    assert!(
        matches!(&refused, MigrationError::Drift { unknown, missing, .. }
        if unknown.len() == 1 && missing.is_empty()),
        "{refused}"
    );
    assert!(refused.to_string().contains("by_hand"), "{refused}");
    database.ddl("DROP INDEX by_hand");
    run(emulator.host(), &database).await.unwrap();
    database.ddl("DROP INDEX payments_truth");
    assert!(run(emulator.host(), &database).await.unwrap_err().to_string().contains("payments_truth"));
}

#[tokio::test]
async fn a_file_that_was_changed_after_it_was_applied_is_refused() {
    let Some(emulator) = spanner() else { return };
    let database = emulator.create_database();
    run(emulator.host(), &database).await.unwrap();
    let raw = Raw::open(emulator.host(), database.name()).await;
    raw.execute("UPDATE schema_migrations SET checksum = 'other' WHERE version = 1").await.unwrap();
    let refused = run(emulator.host(), &database).await.unwrap_err();
    assert!(matches!(refused, MigrationError::Edited(_)), "{refused}");
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let Some(emulator) = spanner() else { return };
    let database = emulator.create_database();
    run(emulator.host(), &database).await.unwrap();
    let raw = Raw::open(emulator.host(), database.name()).await;
    let sql = "INSERT INTO schema_migrations (version, name, checksum, schema, applied_at)
               VALUES (99, '0099_later.sql', 'x', 'y', PENDING_COMMIT_TIMESTAMP())";
    raw.execute(sql).await.unwrap();
    let refused = run(emulator.host(), &database).await.unwrap_err();
    assert!(matches!(refused, MigrationError::Newer(99)), "{refused}");
}

#[tokio::test]
async fn two_runs_at_once_come_to_one_schema() {
    let Some(emulator) = spanner() else { return };
    let database = emulator.create_database();
    let both = futures::join!(run(emulator.host(), &database), run(emulator.host(), &database));
    // One of them may find the other's half: it says so, and its next run finds everything done.
    assert!(both.0.is_ok() || both.1.is_ok(), "{both:?}");
    let last = run(emulator.host(), &database).await.unwrap();
    assert_eq!((last.before.len(), last.now.len()), (files(), 0));
}

/// How many migrations there are: none is forgotten.
fn files() -> usize {
    std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/spanner")).unwrap().count()
}
