//! The schema: numbered steps, each applied once, in order, in one transaction of its own. A step that was released
//! is never edited; a change is another step.

use rusqlite::{Connection, Result, TransactionBehavior};

use super::OpenError;

/// Every step, oldest first; its number is its place.
const STEPS: &[&str] = &[
    include_str!("../../../../schemas/sqlite/0001_payments.sql"),
    include_str!("../../../../schemas/sqlite/0002_after_the_payment.sql"),
    include_str!("../../../../schemas/sqlite/0003_settlements.sql"),
    include_str!("../../../../schemas/sqlite/0004_jobs.sql"),
    include_str!("../../../../schemas/sqlite/0005_secrets_before.sql"),
    include_str!("../../../../schemas/sqlite/0006_keys_of_a_merchant.sql"),
    include_str!("../../../../schemas/sqlite/0007_provider_state.sql"),
    include_str!("../../../../schemas/sqlite/0008_flags.sql"),
    include_str!("../../../../schemas/sqlite/0009_provider_records.sql"),
    include_str!("../../../../schemas/sqlite/0010_settlement_shards.sql"),
    include_str!("../../../../schemas/sqlite/0011_operators.sql"),
];

/// Which of the steps a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// How many are applied; none in a new file.
    pub applied: u32,
    /// How many this program knows.
    pub known: u32,
}

/// What a database has; it only reads.
pub(super) fn schema(connection: &Connection) -> Result<Schema, OpenError> {
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    // At one moment: another process may be making them.
    let count =
        "SELECT count(*), count(*) FILTER (WHERE name = 'schema_migrations') FROM sqlite_schema WHERE type = 'table'";
    let tables: (u32, u32) = connection.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    match tables {
        (0, _) => Ok(Schema { applied: 0, known }),
        (_, 0) => Err(OpenError::Foreign),
        _ => Ok(Schema { applied: applied(connection)?, known }),
    }
}

/// Brings the database to the schema that this program knows. Safe where several processes start at once: each step
/// is decided and applied under `SQLite`'s write lock.
///
/// Where nothing is missing it only reads, so that a program starts while somebody holds that lock.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let Schema { applied, known } = schema(connection)?;
    if applied == known {
        return Ok(());
    }
    while apply_next(connection, STEPS)? {}
    Ok(())
}

/// How many steps are applied.
fn applied(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("SELECT coalesce(max(number), 0) FROM schema_migrations", [], |row| row.get(0))
}

/// Applies the first step that is missing. `false`: none was.
fn apply_next(connection: &mut Connection, steps: &[&str]) -> Result<bool, OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
            number     INTEGER NOT NULL PRIMARY KEY,
            applied_at TEXT    NOT NULL DEFAULT CURRENT_TIMESTAMP
         ) STRICT",
    )?;
    let applied = applied(&transaction)?;
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    if applied > known {
        return Err(OpenError::Newer { found: applied, known });
    }
    let Some(step) = steps.get(applied as usize) else {
        transaction.commit()?;
        return Ok(false);
    };
    transaction.execute_batch(step)?;
    transaction.execute("INSERT INTO schema_migrations (number) VALUES (?1)", [applied + 1])?;
    transaction.commit()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use tollgate_domain::MerchantId;

    use super::{super::merchants, *};

    fn tables(connection: &Connection) -> i64 {
        connection.query_row("SELECT count(*) FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn migrating_twice_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let before = tables(&connection);
        migrate(&mut connection).unwrap();
        assert_eq!(tables(&connection), before);
    }

    #[test]
    fn a_secret_that_signed_along_goes_on_after_the_step_that_keeps_several() {
        let mut connection = Connection::open_in_memory().unwrap();
        while apply_next(&mut connection, &STEPS[..4]).unwrap() {}
        let merchant = MerchantId::from_random([1; 16]);
        let old = "INSERT INTO webhook_endpoints
                (merchant_id, url, sealed_secret, sealed_previous, previous_until, updated_at)
             VALUES (?1, 'https://shop.example/', x'02', x'01', 86400000000, 0)";
        connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        connection.execute(old, [merchant.to_string()]).unwrap();
        migrate(&mut connection).unwrap();
        let endpoint = merchants::endpoint(&connection, merchant).unwrap().unwrap();
        assert_eq!(endpoint.sealed_secret, [2]);
        assert_eq!(endpoint.sealed_previous, [(vec![1], "1970-01-02T00:00:00Z".parse().unwrap())]);
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection.execute("INSERT INTO schema_migrations (number) VALUES (?1)", [999]).unwrap();
        let refused = migrate(&mut connection);
        assert!(matches!(refused, Err(OpenError::Newer { .. })), "{refused:?}");
    }

    #[test]
    fn another_programs_database_is_left_as_it_is() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (a TEXT) STRICT").unwrap();
        assert!(matches!(migrate(&mut connection), Err(OpenError::Foreign)));
        assert!(matches!(schema(&connection), Err(OpenError::Foreign)));
        assert_eq!(tables(&connection), 1);
    }

    #[test]
    fn what_is_missing_is_known_before_it_is_applied() {
        let mut connection = Connection::open_in_memory().unwrap();
        let known = u32::try_from(STEPS.len()).unwrap();
        assert_eq!(schema(&connection).unwrap(), Schema { applied: 0, known });
        while apply_next(&mut connection, &STEPS[..4]).unwrap() {}
        assert_eq!(schema(&connection).unwrap(), Schema { applied: 4, known });
        migrate(&mut connection).unwrap();
        assert_eq!(schema(&connection).unwrap(), Schema { applied: known, known });
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_behind() {
        let mut connection = Connection::open_in_memory().unwrap();
        let steps = ["CREATE TABLE one (a TEXT) STRICT", "CREATE TABLE two (a TEXT) STRICT; CREATE TABLE one (b TEXT)"];
        assert!(apply_next(&mut connection, &steps).unwrap());
        assert!(apply_next(&mut connection, &steps).is_err());
        assert_eq!(tables(&connection), 2);
    }
}
