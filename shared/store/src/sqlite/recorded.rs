//! What each release writes and reads, recorded statement by statement, still works on the newest schema, and brings the same rows:
//! while a new version comes up, the one before it runs on the database that was migrated already.
//!
//! `UPDATE_RECORDED=1` records this version anew, unless it is released.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rusqlite::{
    Connection,
    trace::{TraceEvent, TraceEventCodes},
    types::ValueRef,
};

use super::{migrations, plans};

/// Before each statement in a file of recordings; then the statement, then what it brought.
const STATEMENT: &str = "--- statement";
const COLUMNS: &str = "--- columns ";
const ROW: &str = "--- row ";

/// A statement, with what it brought.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Recorded {
    sql: String,
    columns: Vec<String>,
    rows: Vec<String>,
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

/// Every statement that this version sends, its parameters in it.
fn sent() -> Vec<String> {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::migrate(&mut connection).unwrap();
    let statements = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&statements);
    let trace = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(statement, _) = event {
            seen.lock().unwrap().push(statement.expanded_sql().unwrap());
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(trace)).unwrap();
    plans::everything(&connection);
    connection.trace_v2(TraceEventCodes::empty(), None::<fn(TraceEvent<'_>)>).unwrap();
    // What is in each table in the end, as this version sees it.
    let tables =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let tables: Vec<String> =
        connection.prepare(tables).unwrap().query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let mut sent = statements.lock().unwrap().clone();
    for table in tables.iter().filter(|table| *table != "schema_migrations") {
        let columns: Vec<String> = connection
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid"))
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        sent.push(format!("SELECT {0} FROM {table} ORDER BY {0}", columns.join(", ")));
    }
    sent
}

/// Runs a statement; of what it brings, `wanted` (none: all).
fn run(connection: &Connection, sql: &str, wanted: Option<&[String]>) -> Result<Recorded, String> {
    let failed = |error: rusqlite::Error| format!("{sql}\n{error}");
    let mut statement = connection.prepare(sql).map_err(failed)?;
    // An expression without a name of its own is known by its place.
    let named = |(place, name): (usize, &str)| {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_name { name.to_owned() } else { format!("#{place}") }
    };
    let there: Vec<String> = statement.column_names().enumerate().map(named).collect();
    let columns = wanted.map_or_else(|| there.clone(), <[String]>::to_vec);
    let places: Vec<usize> = columns
        .iter()
        .map(|column| there.iter().position(|name| name == column).ok_or(format!("{sql}\nbrings no {column}")))
        .collect::<Result<_, _>>()?;
    let mut rows = Vec::new();
    let mut found = statement.query([]).map_err(failed)?;
    while let Some(row) = found.next().map_err(failed)? {
        let cells: Vec<String> = places.iter().map(|place| cell(row.get_ref(*place).unwrap())).collect();
        rows.push(cells.join(" | "));
    }
    Ok(Recorded { sql: sql.to_owned(), columns, rows })
}

fn cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => format!("{number:?}"),
        ValueRef::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => bytes.iter().fold("x".to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        }),
    }
}

fn to_text(all: &[Recorded]) -> String {
    let mut text = String::new();
    for one in all {
        writeln!(text, "{STATEMENT}\n{}", one.sql).unwrap();
        if !one.columns.is_empty() {
            writeln!(text, "{COLUMNS}{}", one.columns.join(" | ")).unwrap();
        }
        for row in &one.rows {
            writeln!(text, "{ROW}{row}").unwrap();
        }
    }
    text
}

fn from_text(text: &str) -> Vec<Recorded> {
    let mut all = Vec::new();
    for block in text.split(&format!("{STATEMENT}\n")).filter(|block| !block.is_empty()) {
        let (mut sql, mut columns, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for line in block.lines() {
            if let Some(names) = line.strip_prefix(COLUMNS) {
                columns = names.split(" | ").map(str::to_owned).collect();
            } else if let Some(row) = line.strip_prefix(ROW) {
                rows.push(row.to_owned());
            } else {
                sql.push(line);
            }
        }
        all.push(Recorded { sql: sql.join("\n"), columns, rows });
    }
    all
}

/// Plays a recording on a database with the newest schema and `further` migrations. An error: what does not work any more.
fn play(recording: &[Recorded], further: &[&str]) -> Result<(), String> {
    let mut connection = Connection::open_in_memory().unwrap();
    migrations::migrate(&mut connection).unwrap();
    for step in further {
        connection.execute_batch(step).map_err(|error| format!("{step}\n{error}"))?;
    }
    connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    for one in recording {
        let now = run(&connection, &one.sql, Some(&one.columns))?;
        if now.rows != one.rows {
            return Err(format!("{}\nbrought\n{:#?}\nand brings\n{:#?}", one.sql, one.rows, now.rows));
        }
    }
    Ok(())
}

fn recordings() -> Vec<(String, Vec<Recorded>)> {
    let mut all = Vec::new();
    for version in fs::read_dir(folder()).unwrap() {
        let version = version.unwrap();
        if let Ok(text) = fs::read_to_string(version.path().join("sqlite.txt")) {
            all.push((version.file_name().to_string_lossy().into_owned(), from_text(&text)));
        }
    }
    all
}

#[test]
fn what_every_release_writes_and_reads_works_on_the_newest_schema() {
    if std::env::var_os("UPDATE_RECORDED").is_some_and(|value| value == "1") {
        let version = env!("CARGO_PKG_VERSION");
        assert!(
            !is_released(version),
            "{version} is released: what it sent is never recorded anew; raise the version first"
        );
        let mut connection = Connection::open_in_memory().unwrap();
        migrations::migrate(&mut connection).unwrap();
        let all: Vec<_> = sent().iter().map(|sql| run(&connection, sql, None).unwrap()).collect();
        fs::create_dir_all(folder().join(version)).unwrap();
        fs::write(folder().join(version).join("sqlite.txt"), to_text(&all)).unwrap();
    }
    let recordings = recordings();
    assert!(!recordings.is_empty());
    for (version, recording) in recordings {
        assert!(recording.len() > 300, "{version}: {} statements", recording.len());
        play(&recording, &[]).unwrap_or_else(|what| panic!("what {version} sends does not work any more: {what}"));
    }
}

#[test]
fn a_migration_that_a_release_cannot_live_with_is_found_and_one_that_it_can_is_not() {
    let (_, recording) = recordings().pop().unwrap();
    for good in [
        "ALTER TABLE payments ADD COLUMN risk TEXT",
        "ALTER TABLE jobs ADD COLUMN runs INTEGER NOT NULL DEFAULT 0",
        "CREATE TABLE later (id TEXT NOT NULL PRIMARY KEY) STRICT",
        "CREATE INDEX history_by_time ON history (at)",
    ] {
        play(&recording, &[good]).unwrap();
    }
    let again =
        |columns: &str| format!("ALTER TABLE jobs RENAME TO old; CREATE TABLE jobs ({columns}) STRICT; DROP TABLE old");
    let columns = "name TEXT NOT NULL PRIMARY KEY, cursor TEXT, last_success_at INTEGER";
    for (bad, why) in [
        ("ALTER TABLE payments DROP COLUMN provider_state".to_owned(), "provider_state"),
        ("ALTER TABLE refunds RENAME COLUMN reason TO why".to_owned(), "reason"),
        (again(&format!("{columns}, owner TEXT NOT NULL")), "NOT NULL constraint failed: jobs.owner"),
        (again(&format!("{columns}, CHECK (length(name) > 3)")), "CHECK constraint failed"),
        ("CREATE UNIQUE INDEX one_payment ON events (payment_id)".to_owned(), "UNIQUE constraint failed"),
        ("DROP TABLE provider_refs".to_owned(), "no such table"),
        (
            "CREATE TRIGGER t AFTER INSERT ON refunds BEGIN UPDATE refunds SET reason = 'x' WHERE id = NEW.id; END"
                .to_owned(),
            "and brings",
        ),
    ] {
        let found = play(&recording, &[&bad]).expect_err(&bad);
        assert!(found.contains(why), "{bad}: {found}");
    }
}

#[test]
fn a_recording_is_read_as_it_was_written() {
    let one = |sql: &str, columns: &[&str], rows: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Recorded { sql: sql.to_owned(), columns: owned(columns), rows: owned(rows) }
    };
    let all = [one("SELECT 1 AS a,\n 2 AS b", &["a", "b"], &["1 | 2"]), one("BEGIN", &[], &[])];
    assert_eq!(from_text(&to_text(&all)), all);
}
