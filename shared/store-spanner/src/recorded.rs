//! What each release writes and reads, recorded mutation by mutation, still works on the newest schema, and leaves the same rows: while
//! a new version comes up, the one before it runs on the database that was migrated already.
//!
//! `UPDATE_RECORDED=1` records this version anew, unless it is released.

mod life;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use google_cloud_spanner::{
    client::{DatabaseClient, Spanner},
    mutation::Mutation,
    read::ReadRequest,
    statement::Statement,
    value::{Kind as ValueKind, ToValue, Value as Cell},
};
use serde_json::{Value, json};
use tollgate_emulators::{Database, spanner};

use crate::{
    migrations::migrate,
    rows::{Kind, Source},
};

/// What the database puts in by itself is another time in every play.
const COMMIT_TIME: &str = "spanner.commit_timestamp()";
/// Mutations of one commit.
const AT_ONCE: usize = 50;

thread_local! {
    static NOTES: RefCell<Option<Notes>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Notes {
    writes: Vec<Value>,
    reads: BTreeSet<String>,
}

/// Called for every mutation that is made.
pub(crate) fn note_write(table: &str, kind: Kind, columns: &[&str], values: &[Cell]) {
    NOTES.with_borrow_mut(|notes| {
        if let Some(notes) = notes {
            let kind = match kind {
                Kind::Insert => "insert",
                Kind::Update => "update",
                Kind::Upsert => "upsert",
            };
            let row: BTreeMap<&str, Value> = columns.iter().copied().zip(values.iter().map(to_json)).collect();
            notes.writes.push(json!({"table": table, "kind": kind, "row": row}));
        }
    });
}

/// Called for every read that is made.
pub(crate) fn note_read(source: &Source) {
    NOTES.with_borrow_mut(|notes| {
        if let Some(notes) = notes {
            let read = json!({"table": source.table, "index": source.index, "columns": source.columns});
            notes.reads.insert(read.to_string());
        }
    });
}

fn to_json(cell: &Cell) -> Value {
    match cell.kind() {
        ValueKind::Bool => json!(cell.as_bool()),
        ValueKind::Number => json!(cell.as_f64()),
        ValueKind::List => cell.as_list().unwrap().iter().map(to_json).collect(),
        _ => json!(cell.as_str()),
    }
}

fn to_cell(value: &Value) -> Cell {
    match value {
        Value::Bool(yes) => yes.to_value(),
        Value::String(text) => text.to_value(),
        Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Vec<_>>().to_value(),
        Value::Null => Cell::null(),
        other => panic!("{other} is in no recording"),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/recorded")
}

/// A version is released once the changelog has a heading for it.
fn is_released(version: &str) -> bool {
    let changelog = fs::read_to_string(folder().join("../../CHANGELOG.md")).unwrap();
    changelog.lines().any(|line| {
        let heading = line.strip_prefix("## ").map(|heading| heading.trim_start_matches('['));
        heading.and_then(|heading| heading.strip_prefix(version)).is_some_and(|rest| !rest.starts_with(['.', '-']))
    })
}

/// A database with the newest schema, and a client of our own.
struct Place {
    database: Database,
    client: DatabaseClient,
    host: String,
}

impl Place {
    /// `None`: there is no emulator.
    async fn new() -> Option<Self> {
        let emulator = spanner()?;
        let (host, database) = (emulator.host().to_owned(), emulator.create_database());
        migrate(&database.name().parse().unwrap(), Some(&host)).await.unwrap();
        let spanner = Spanner::builder().with_endpoint(format!("http://{host}")).build().await.unwrap();
        let client = spanner.database_client(database.name()).build().await.unwrap();
        Some(Self { database, client, host })
    }

    /// Rows of a table, in no order that counts; an error: it does not have these columns.
    async fn rows(&self, table: &str, columns: &[String]) -> Result<Vec<Value>, String> {
        let sql = format!("SELECT {} FROM {table}", columns.join(", "));
        let reader = self.client.single_use().build();
        let failed = |error: google_cloud_spanner::Error| format!("{sql}\n{error:?}");
        let mut found = reader.execute_query(Statement::builder(&sql).build()).await.map_err(failed)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().await {
            rows.push(Value::Array(row.map_err(failed)?.into_values().iter().map(to_json).collect()));
        }
        rows.sort_by_key(Value::to_string);
        Ok(rows)
    }

    /// What this version writes and reads, and what is there then.
    async fn record(&self) -> Value {
        NOTES.set(Some(Notes::default()));
        life::play(self.database.name(), &self.host).await;
        let notes = NOTES.take().unwrap();
        let mut columns: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for write in &notes.writes {
            let of = columns.entry(write["table"].as_str().unwrap().to_owned()).or_default();
            let row = write["row"].as_object().unwrap().iter();
            of.extend(row.filter(|(_, value)| **value != COMMIT_TIME).map(|(column, _)| column.clone()));
        }
        let mut contents = Vec::new();
        for (table, columns) in columns {
            let columns: Vec<String> = columns.into_iter().collect();
            let rows = self.rows(&table, &columns).await.unwrap();
            contents.push(json!({"table": table, "columns": columns, "rows": rows}));
        }
        let reads: Vec<Value> = notes.reads.iter().map(|read| serde_json::from_str(read).unwrap()).collect();
        json!({"writes": notes.writes, "reads": reads, "contents": contents})
    }

    /// Plays a recording. An error: what does not work any more.
    async fn play(&self, recording: &Value) -> Result<(), String> {
        let list = |name: &str| recording[name].as_array().unwrap().as_slice();
        for writes in list("writes").chunks(AT_ONCE) {
            let mutations: Vec<Mutation> = writes.iter().map(mutation).collect();
            let written = self.client.write_only_transaction().build().write(mutations).await;
            written.map_err(|error| format!("a commit: {error:?}"))?;
        }
        for read in list("reads") {
            let columns: Vec<&str> = read["columns"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let request = ReadRequest::builder(read["table"].as_str().unwrap(), columns);
            let all = google_cloud_spanner::key::KeySet::all();
            let request = match read["index"].as_str() {
                Some(index) => request.with_index(index, all),
                None => request.with_keys(all),
            };
            let failed = |error: google_cloud_spanner::Error| format!("{read}\n{error:?}");
            let once = self.client.single_use().build();
            let mut found = once.execute_read(request.build()).await.map_err(failed)?;
            while let Some(row) = found.next().await {
                row.map_err(failed)?;
            }
        }
        for table in list("contents") {
            let columns: Vec<String> = serde_json::from_value(table["columns"].clone()).unwrap();
            let name = table["table"].as_str().unwrap();
            let rows = self.rows(name, &columns).await?;
            if Value::Array(rows) != table["rows"] {
                return Err(format!("{name} has other rows"));
            }
        }
        Ok(())
    }
}

fn mutation(write: &Value) -> Mutation {
    let table = write["table"].as_str().unwrap();
    let builder = match write["kind"].as_str().unwrap() {
        "insert" => Mutation::new_insert_builder(table),
        "update" => Mutation::new_update_builder(table),
        _ => Mutation::new_insert_or_update_builder(table),
    };
    let row = write["row"].as_object().unwrap();
    row.iter().fold(builder, |builder, (column, value)| builder.set(column).to(to_cell(value))).build()
}

/// One entry a line: what a release changed can be seen.
fn to_text(recording: &Value) -> String {
    let list = |name: &str| {
        let lines: Vec<String> = recording[name].as_array().unwrap().iter().map(Value::to_string).collect();
        format!("\"{name}\": [\n{}\n]", lines.join(",\n"))
    };
    format!("{{{},\n{},\n{}}}\n", list("writes"), list("reads"), list("contents"))
}

fn recordings() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for version in fs::read_dir(folder()).unwrap() {
        let version = version.unwrap();
        if let Ok(text) = fs::read(version.path().join("spanner.json")) {
            let name = version.file_name().to_string_lossy().into_owned();
            all.push((name, serde_json::from_slice(&text).unwrap()));
        }
    }
    all
}

#[tokio::test]
async fn what_every_release_writes_and_reads_works_on_the_newest_schema() {
    let Some(place) = Place::new().await else { return };
    if std::env::var_os("UPDATE_RECORDED").is_some_and(|value| value == "1") {
        let version = env!("CARGO_PKG_VERSION");
        assert!(
            !is_released(version),
            "{version} is released: what it sent is never recorded anew; raise the version first"
        );
        fs::create_dir_all(folder().join(version)).unwrap();
        fs::write(folder().join(version).join("spanner.json"), to_text(&place.record().await)).unwrap();
    }
    let recordings = recordings();
    assert!(!recordings.is_empty());
    for (version, recording) in recordings {
        let count = |name: &str| recording[name].as_array().unwrap().len();
        assert!(count("writes") > 300 && count("reads") > 20 && count("contents") > 18, "{version} is a whole life");
        let place = Place::new().await.unwrap();
        let played = place.play(&recording).await;
        played.unwrap_or_else(|what| panic!("what {version} sends does not work any more: {what}"));
    }
}

#[tokio::test]
async fn a_migration_that_a_release_cannot_live_with_is_found_and_one_that_it_can_is_not() {
    let Some(place) = Place::new().await else { return };
    let (_, recording) = recordings().pop().unwrap();
    place.database.ddl("ALTER TABLE payments ADD COLUMN risk STRING(MAX)");
    place.database.ddl("ALTER TABLE jobs ADD COLUMN runs INT64 NOT NULL DEFAULT (0)");
    place.database.ddl("CREATE INDEX history_by_time ON history (occurred_at)");
    place.play(&recording).await.unwrap();
    for bad in [
        "ALTER TABLE payments DROP COLUMN provider_state",
        "ALTER TABLE refunds ALTER COLUMN reason STRING(MAX) NOT NULL",
        "ALTER TABLE merchants ADD CONSTRAINT narrower CHECK (fee_basis_points > 100)",
        "ALTER TABLE events ALTER COLUMN body STRING(16)",
        "DROP INDEX payments_by_merchant",
    ] {
        let place = Place::new().await.unwrap();
        place.database.ddl(bad);
        let played = place.play(&recording).await;
        assert!(played.is_err(), "{bad}: {played:?}");
    }
}
