//! The schema: numbered files of DDL, applied in order and recorded in the database. For the operator's command; a function
//! only asks whether the newest is there.
//!
//! What was applied is never applied again, and nothing is applied to a database that is not as the last migration left it: what
//! somebody changed by hand would else surface as a fault of the next migration. Each statement says `IF NOT EXISTS`, so that a
//! run that died half-way is taken up by the next.

use std::collections::BTreeSet;

use google_cloud_gax::error::rpc::Code;
use google_cloud_lro::Poller;
use google_cloud_spanner::{
    client::{DatabaseAdmin, DatabaseClient, Spanner},
    mutation::{Mutation, WriteBuilder},
};
use sha2::{Digest as _, Sha256};

use crate::{
    DatabaseName,
    cells::{Row, commit_time, int, text},
    connection::builder,
    error::{code, unreachable},
    rows::{Asked, Source, key},
};

/// One file.
#[derive(Debug, Clone, Copy)]
struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "0001_payments.sql",
        sql: include_str!("../../../schemas/spanner/0001_payments.sql"),
    },
    Migration {
        version: 2,
        name: "0002_settlements_and_jobs.sql",
        sql: include_str!("../../../schemas/spanner/0002_settlements_and_jobs.sql"),
    },
    Migration {
        version: 3,
        name: "0003_provider_state.sql",
        sql: include_str!("../../../schemas/spanner/0003_provider_state.sql"),
    },
    Migration { version: 4, name: "0004_flags.sql", sql: include_str!("../../../schemas/spanner/0004_flags.sql") },
    Migration {
        version: 5,
        name: "0005_provider_records.sql",
        sql: include_str!("../../../schemas/spanner/0005_provider_records.sql"),
    },
    Migration {
        version: 6,
        name: "0006_settlement_shards.sql",
        sql: include_str!("../../../schemas/spanner/0006_settlement_shards.sql"),
    },
    Migration {
        version: 7,
        name: "0007_operators.sql",
        sql: include_str!("../../../schemas/spanner/0007_operators.sql"),
    },
];

/// Which were applied, and what the database's whole DDL was after each; `NULL` while it is being applied.
const RECORD: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
  version    INT64       NOT NULL,
  name       STRING(MAX) NOT NULL,
  checksum   STRING(64)  NOT NULL,
  schema     STRING(MAX),
  applied_at TIMESTAMP   NOT NULL OPTIONS (allow_commit_timestamp = true),
) PRIMARY KEY (version)";

static RECORDS: Source =
    Source { table: "schema_migrations", index: None, columns: &["version", "name", "checksum", "schema"] };
static FINISHED: Source = Source { table: "schema_migrations", index: None, columns: &["version"] };

/// The record of the newest migration that this program knows.
pub(crate) fn newest() -> Asked {
    FINISHED.read(key([int(MIGRATIONS.last().map_or(0, |newest| newest.version))]))
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Applied before, by name.
    pub before: Vec<String>,
    /// Applied now, by name.
    pub now: Vec<String>,
}

/// Why nothing was (further) applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// Spanner does not answer, or refuses.
    #[error("{doing}: {why}")]
    Spanner {
        /// What was being done.
        doing: String,
        /// What Spanner said.
        why: String,
    },
    /// A newer program migrated it.
    #[error("the database has migration {0}, which this program does not know: use the newer program")]
    Newer(i64),
    /// A file was changed after it had been applied.
    #[error("{0} was applied, and is another file now: add a new migration instead of changing an old one")]
    Edited(String),
    /// Somebody changed the database by hand.
    #[error("the schema is not as {after} left it; put it back, then run again:{}", lines(.unknown, .missing))]
    Drift {
        /// The last migration that was applied.
        after: String,
        /// Statements that nobody knows.
        unknown: Vec<String>,
        /// Statements that are gone.
        missing: Vec<String>,
    },
    /// The record makes no sense.
    #[error("the record of migrations is damaged: {0}")]
    Damaged(String),
}

fn lines(unknown: &[String], missing: &[String]) -> String {
    let unknown = unknown.iter().map(|statement| format!("\n  it should not have: {statement}"));
    let missing = missing.iter().map(|statement| format!("\n  it should have:     {statement}"));
    unknown.chain(missing).collect()
}

/// A row of the record.
struct Applied {
    version: i64,
    name: String,
    checksum: String,
    schema: Option<String>,
}

/// Brings the database up to this program's schema. Nothing to do is success.
pub async fn migrate(database: &DatabaseName, emulator: Option<&str>) -> Result<Migrated, MigrationError> {
    let spanner = builder(emulator).build().await.map_err(|error| refused("making a client", &error))?;
    let admin = admin_of(&spanner, emulator).await?;
    let run = Run { database, admin };
    run.ddl("making the record of migrations", vec![RECORD.to_owned()]).await?;
    run.go(&session(&spanner, database).await?).await
}

async fn session(spanner: &Spanner, database: &DatabaseName) -> Result<DatabaseClient, MigrationError> {
    spanner.database_client(database.as_str()).build().await.map_err(|error| refused("opening a session", &error))
}

/// Who makes, changes and drops databases.
pub(crate) async fn admin(emulator: Option<&str>) -> Result<DatabaseAdmin, MigrationError> {
    let spanner = builder(emulator).build().await.map_err(|error| refused("making a client", &error))?;
    admin_of(&spanner, emulator).await
}

async fn admin_of(spanner: &Spanner, emulator: Option<&str>) -> Result<DatabaseAdmin, MigrationError> {
    let admin = spanner.database_admin_builder();
    let admin = match emulator {
        // The emulator's REST is on another port: Google's own rule.
        Some(host) => admin.with_endpoint(format!("http://{}", host.replace(":9010", ":9020"))),
        None => admin,
    };
    admin.build().await.map_err(|error| refused("making a client", &error))
}

struct Run<'a> {
    database: &'a DatabaseName,
    admin: DatabaseAdmin,
}

impl Run<'_> {
    async fn go(&self, client: &DatabaseClient) -> Result<Migrated, MigrationError> {
        let applied = self.applied(client).await?;
        check_record(&applied)?;
        if let Some(last) = applied.last()
            && let Some(schema) = &last.schema
        {
            check_drift(&last.name, schema, &self.schema().await?)?;
        }
        let finished =
            |migration: &Migration| applied.iter().any(|one| one.version == migration.version && one.schema.is_some());
        let mut migrated = Migrated { before: Vec::new(), now: Vec::new() };
        for migration in MIGRATIONS {
            if finished(migration) {
                migrated.before.push(migration.name.to_owned());
                continue;
            }
            self.apply(client, migration).await?;
            migrated.now.push(migration.name.to_owned());
        }
        Ok(migrated)
    }

    async fn apply(&self, client: &DatabaseClient, migration: &Migration) -> Result<(), MigrationError> {
        self.begin(client, migration).await?;
        let doing = format!("applying {}", migration.name);
        self.ddl(&doing, statements(migration.sql)).await?;
        let schema = self.schema().await?.join("\n;\n");
        self.finish(client, migration, schema).await
    }

    /// First what is begun: a run that dies after this is taken up, and not taken for a change by hand. What another run has
    /// begun, or finished meanwhile, stands as it is: were it written over and this run then died, finished work would be open.
    async fn begin(&self, client: &DatabaseClient, migration: &Migration) -> Result<(), MigrationError> {
        let row = Mutation::new_insert_builder("schema_migrations");
        match write(client, of(row, migration, None)).await {
            Err(error) if code(&error) != Some(Code::AlreadyExists) => Err(not_recorded(migration, &error)),
            _ => Ok(()),
        }
    }

    async fn finish(
        &self,
        client: &DatabaseClient,
        migration: &Migration,
        schema: String,
    ) -> Result<(), MigrationError> {
        let row = Mutation::new_insert_or_update_builder("schema_migrations");
        write(client, of(row, migration, Some(schema))).await.map_err(|error| not_recorded(migration, &error))
    }

    async fn ddl(&self, doing: &str, statements: Vec<String>) -> Result<(), MigrationError> {
        let update = self.admin.update_database_ddl().set_database(self.database.as_str()).set_statements(statements);
        update.poller().until_done().await.map_err(|error| refused(doing, &error))?;
        Ok(())
    }

    /// The database's own account of its schema, in an order that does not depend on when what was made. The record's own table
    /// is left out.
    async fn schema(&self) -> Result<Vec<String>, MigrationError> {
        let ddl = self.admin.get_database_ddl().set_database(self.database.as_str()).send().await;
        let ddl = ddl.map_err(|error| refused("reading the schema", &error))?;
        let one_line = |statement: &String| statement.split_whitespace().collect::<Vec<_>>().join(" ");
        let statements = ddl.statements.iter().map(one_line);
        let mut statements: Vec<String> =
            statements.filter(|statement| !statement.contains("schema_migrations")).collect();
        statements.sort_unstable();
        Ok(statements)
    }

    async fn applied(&self, client: &DatabaseClient) -> Result<Vec<Applied>, MigrationError> {
        let refused = |error| refused("reading the record of migrations", &error);
        let all = RECORDS.read(google_cloud_spanner::key::KeySet::all()).request("tollgate:migrate").build();
        let mut found = client.single_use().build().execute_read(all).await.map_err(refused)?;
        let mut applied = Vec::new();
        while let Some(row) = found.next().await {
            let row = Row::new(RECORDS.columns, row.map_err(refused)?.into_values());
            applied.push(read(&row).map_err(|trouble| MigrationError::Damaged(format!("{trouble:?}")))?);
        }
        Ok(applied)
    }
}

/// A migration's record, begun (without a schema) or finished.
fn of(row: WriteBuilder, migration: &Migration, schema: Option<String>) -> Mutation {
    row.set("version")
        .to(int(migration.version))
        .set("name")
        .to(text(migration.name))
        .set("checksum")
        .to(text(checksum(migration.sql)))
        .set("schema")
        .to(schema)
        .set("applied_at")
        .to(commit_time())
        .build()
}

async fn write(client: &DatabaseClient, row: Mutation) -> Result<(), google_cloud_spanner::Error> {
    client.write_only_transaction().build().write([row]).await.map(drop)
}

fn not_recorded(migration: &Migration, error: &google_cloud_spanner::Error) -> MigrationError {
    refused(&format!("recording {}", migration.name), error)
}

fn read(row: &Row) -> crate::error::Result<Applied> {
    Ok(Applied {
        version: row.int("version")?,
        name: row.string("name")?,
        checksum: row.string("checksum")?,
        schema: row.maybe_string("schema")?,
    })
}

/// What was applied is the beginning of what this program knows, unchanged.
fn check_record(applied: &[Applied]) -> Result<(), MigrationError> {
    for (place, one) in applied.iter().enumerate() {
        let Some(known) = MIGRATIONS.iter().find(|known| known.version == one.version) else {
            return Err(MigrationError::Newer(one.version));
        };
        if one.checksum != checksum(known.sql) {
            return Err(MigrationError::Edited(one.name.clone()));
        }
        if MIGRATIONS.get(place).map(|migration| migration.version) != Some(one.version) {
            return Err(MigrationError::Damaged(format!("{} was applied before those that come first", one.name)));
        }
    }
    Ok(())
}

fn check_drift(after: &str, left: &str, present: &[String]) -> Result<(), MigrationError> {
    let of_ours = |statement: &&str| !statement.is_empty() && !is_setting(statement);
    let left: BTreeSet<&str> = left.split("\n;\n").filter(of_ours).collect();
    let present: BTreeSet<&str> = present.iter().map(String::as_str).filter(of_ours).collect();
    let owned = |statements: Vec<&&str>| statements.into_iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let unknown = owned(present.difference(&left).collect());
    let missing = owned(left.difference(&present).collect());
    if unknown.is_empty() && missing.is_empty() {
        return Ok(());
    }
    Err(MigrationError::Drift { after: after.to_owned(), unknown, missing })
}

/// Whether a statement sets what Terraform owns, by the database's name: how long old versions are kept, and the like. A database
/// that was restored under another name has the same schema.
fn is_setting(statement: &str) -> bool {
    statement.starts_with("ALTER DATABASE ")
}

/// The statements of a file. (No text in ours holds a semicolon or two dashes.)
fn statements(sql: &str) -> Vec<String> {
    let code: String =
        sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    code.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

fn checksum(sql: &str) -> String {
    hex::encode(Sha256::digest(sql.as_bytes()))
}

fn refused(doing: &str, error: &(dyn std::error::Error + 'static)) -> MigrationError {
    MigrationError::Spanner { doing: doing.to_owned(), why: unreachable(error).0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_follow_each_other_and_names_begin_with_them() {
        for (place, migration) in (1..).zip(MIGRATIONS) {
            assert_eq!(migration.version, place);
            assert!(migration.name.starts_with(&format!("{place:04}_")), "{}", migration.name);
        }
    }

    #[test]
    fn every_statement_can_be_applied_again() {
        for statement in MIGRATIONS.iter().flat_map(|migration| statements(migration.sql)) {
            assert!(statement.contains("IF NOT EXISTS"), "{statement}");
        }
    }

    #[test]
    fn a_restored_database_has_not_drifted_and_one_that_somebody_changed_has() {
        let (table, index) = ("CREATE TABLE a (b INT64) PRIMARY KEY(b)", "CREATE INDEX c ON a(b)");
        let setting = |name: &str| format!("ALTER DATABASE `{name}` SET OPTIONS ( version_retention_period = '7d' )");
        let left = [table, &setting("tollgate"), index].join("\n;\n");
        let now = |statements: &[&str]| statements.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        for present in [now(&[table, index]), now(&[table, index, &setting("tollgate-restored")])] {
            check_drift("0001", &left, &present).unwrap();
        }
        for present in [now(&[table]), now(&[table, index, "ALTER TABLE a ADD COLUMN d INT64"])] {
            check_drift("0001", &left, &present).unwrap_err();
        }
    }

    #[tokio::test]
    async fn what_another_run_has_finished_stays_finished_for_one_that_thinks_it_begins() {
        let Some(emulator) = tollgate_emulators::spanner() else { return };
        let host = Some(emulator.host());
        let made = emulator.create_database();
        let database: DatabaseName = made.name().parse().unwrap();
        migrate(&database, host).await.unwrap();
        let spanner = builder(host).build().await.unwrap();
        let run = Run { database: &database, admin: admin_of(&spanner, host).await.unwrap() };
        // A run that read the record before the first had finished, and dies after this.
        let client = session(&spanner, &database).await.unwrap();
        run.begin(&client, MIGRATIONS.last().unwrap()).await.unwrap();
        let next = migrate(&database, host).await.unwrap();
        assert_eq!((next.before.len(), next.now), (MIGRATIONS.len(), Vec::new()));
    }
}
