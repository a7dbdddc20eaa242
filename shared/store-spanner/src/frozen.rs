//! A database as of one moment: looked through, and copied into another one, while others write to it.
//!
//! Must not know: what is in a table, beyond its name. Which tables there are, their keys and columns, the database says.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use google_cloud_spanner::{
    key::{Key, KeyRange},
    mutation::Mutation,
    read::ReadRequest,
    statement::Statement,
    transaction::TimestampBound,
    value::{Kind, Value},
};
use tollgate_domain::{PaymentId, Timestamp, audit::Books};
use tollgate_gateway::{
    ports::{Frozen, StoreError},
    recovery::{Cell, Contents},
};

use crate::{
    SpannerStore, audit,
    error::{Result, Trouble},
    reading::Snapshot,
    rows::{Counted, key},
};

const TAG: &str = "tollgate:recovery";
/// Rows that one read brings, and one commit of a copy writes: far below what a commit may carry, whatever the table.
const PAGE: i64 = 200;
/// More index entries than any row of ours has.
const INDEXED: usize = 16;

/// A database that is read at one timestamp.
pub struct FrozenDatabase<'a> {
    snapshot: Snapshot<'a>,
    at: Timestamp,
    tables: Vec<Table>,
}

/// A table, as the database tells of it.
#[derive(Debug, Clone)]
struct Table {
    name: String,
    /// All that are not computed.
    columns: Vec<Column>,
    /// Where among the columns its key is.
    key: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    is_int: bool,
}

impl SpannerStore {
    /// Freezes the database at `at`; not given: at the present. Further back than the database keeps versions, it is refused.
    pub async fn frozen(&self, at: Option<Timestamp>) -> std::result::Result<FrozenDatabase<'_>, StoreError> {
        self.freeze(at).await.map_err(|trouble| trouble.of("the database"))
    }

    async fn freeze(&self, at: Option<Timestamp>) -> Result<FrozenDatabase<'_>> {
        let bound = match at {
            Some(at) => TimestampBound::try_read_timestamp(at.to_string().as_str())
                .map_err(|_| Trouble::Impossible("a time that Spanner does not know"))?,
            None => TimestampBound::strong(),
        };
        let snapshot = self.snapshot_of(TAG, bound).await?;
        let at = snapshot.read_at().ok_or(Trouble::Impossible("a snapshot without a timestamp"))?;
        let tables = tables(&snapshot).await?;
        Ok(FrozenDatabase { snapshot, at, tables })
    }
}

impl FrozenDatabase<'_> {
    /// Copies every row into `to`, whose schema is the same, and says how many.
    pub async fn copy_to(&self, to: &SpannerStore) -> std::result::Result<u64, StoreError> {
        let mut rows = 0;
        for table in &self.tables {
            let mut after = None;
            while let Some(page) = self.page(table, &mut after).await.map_err(|trouble| trouble.of(&table.name))? {
                rows += page.len() as u64;
                let writes = page.into_iter().map(|row| written(table, row)).collect();
                to.write(TAG, writes).await.map_err(|trouble| trouble.of(&table.name))?;
            }
        }
        Ok(rows)
    }

    /// The rows behind `after`, which then is the last of them. `None`: there are no more.
    async fn page(&self, table: &Table, after: &mut Option<Key>) -> Result<Option<Vec<Vec<Value>>>> {
        let range = match after.take() {
            None => KeyRange::closed_closed(key([]), key([])),
            Some(last) => KeyRange::open_closed(last, key([])),
        };
        let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let request = ReadRequest::builder(table.name.as_str(), columns).with_keys(range);
        let rows = self.snapshot.values(request.set_limit(PAGE).set_request_tag(TAG)).await?;
        let last = rows.last();
        *after = last.map(|row| Key::new(table.key.iter().filter_map(|place| row.get(*place).cloned()).collect()));
        Ok((!rows.is_empty()).then_some(rows))
    }

    async fn read(&self) -> Result<Contents> {
        let mut contents = Contents::default();
        for table in &self.tables {
            contents.table(&table.name);
            let mut after = None;
            while let Some(page) = self.page(table, &mut after).await? {
                for row in &page {
                    add(&mut contents, table, row);
                }
            }
        }
        Ok(contents)
    }
}

#[async_trait]
impl Frozen for FrozenDatabase<'_> {
    fn at(&self) -> Timestamp {
        self.at
    }

    async fn contents(&self) -> std::result::Result<Contents, StoreError> {
        self.read().await.map_err(|trouble| trouble.of("contents"))
    }

    async fn books(
        &self,
        after: Option<PaymentId>,
        limit: u32,
    ) -> std::result::Result<Vec<(PaymentId, Option<Books>)>, StoreError> {
        audit::books(&self.snapshot, after, limit).await.map_err(|trouble| trouble.of("books"))
    }
}

/// Whatever is there under its key: a migrated database has its own record of migrations.
fn written(table: &Table, row: Vec<Value>) -> Counted {
    let weight = row.len() + INDEXED;
    let columns = table.columns.iter().zip(row);
    let write = columns.fold(Mutation::new_insert_or_update_builder(&table.name), |write, (column, value)| {
        write.set(&column.name).to(value)
    });
    Counted { mutation: write.build(), weight }
}

fn add(contents: &mut Contents, table: &Table, row: &[Value]) {
    // What is no plain text (a yes or no, a list) is compared as it is printed, kind and all.
    let printed: Vec<Option<String>> = row
        .iter()
        .map(|value| (!matches!(value.kind(), Kind::Null | Kind::String)).then(|| format!("{value:?}")))
        .collect();
    let cells: Vec<(&str, Cell<'_>)> = table
        .columns
        .iter()
        .zip(row.iter().zip(&printed))
        .map(|(column, (value, printed))| {
            let text = printed.as_deref().or_else(|| value.as_str());
            let int = text.filter(|_| column.is_int).and_then(|text| text.parse().ok()).map(Cell::Int);
            (column.name.as_str(), int.or(text.map(Cell::Text)).unwrap_or(Cell::Null))
        })
        .collect();
    contents.row(&table.name, &cells);
}

/// All tables, those first that others stand in or refer to.
async fn tables(snapshot: &Snapshot<'_>) -> Result<Vec<Table>> {
    let columns = "SELECT c.table_name, c.column_name, c.spanner_type, k.ordinal_position
        FROM information_schema.tables AS t
        JOIN information_schema.columns AS c ON c.table_schema = t.table_schema AND c.table_name = t.table_name
        LEFT JOIN information_schema.index_columns AS k ON k.table_schema = c.table_schema
          AND k.table_name = c.table_name AND k.index_name = 'PRIMARY_KEY' AND k.column_name = c.column_name
        WHERE t.table_schema = '' AND t.table_type = 'BASE TABLE' AND c.is_generated = 'NEVER'
        ORDER BY c.table_name, c.ordinal_position";
    let mut found: BTreeMap<String, (Table, BTreeMap<i64, usize>)> = BTreeMap::new();
    for row in texts(snapshot, columns).await? {
        let [Some(name), Some(column), Some(kind), place] = &row[..] else { return Err(UNREADABLE) };
        let (table, key) = found
            .entry(name.clone())
            .or_insert_with(|| (Table { name: name.clone(), columns: Vec::new(), key: Vec::new() }, BTreeMap::new()));
        if let Some(place) = place.as_ref().and_then(|place| place.parse().ok()) {
            key.insert(place, table.columns.len());
        }
        table.columns.push(Column { name: column.clone(), is_int: kind == "INT64" });
    }
    let before = "SELECT table_name, parent_table_name FROM information_schema.tables
        WHERE table_schema = '' AND parent_table_name IS NOT NULL
        UNION ALL SELECT k.table_name, u.table_name
        FROM information_schema.table_constraints AS k
        JOIN information_schema.constraint_table_usage AS u ON u.constraint_name = k.constraint_name
        WHERE k.table_schema = '' AND k.constraint_type = 'FOREIGN KEY'";
    let mut before: BTreeSet<(String, String)> = texts(snapshot, before)
        .await?
        .into_iter()
        .filter_map(|row| row.into_iter().collect::<Option<Vec<_>>>()?.try_into().ok())
        .map(|[table, other]: [String; 2]| (table, other))
        .collect();
    let mut ordered = Vec::new();
    while !found.is_empty() {
        let free = found.keys().find(|name| !before.iter().any(|(table, _)| table == *name)).cloned();
        let Some((name, (mut table, key))) = free.and_then(|name| found.remove_entry(&name)) else {
            return Err(Trouble::Impossible("tables that refer to each other in a circle"));
        };
        table.key = key.into_values().collect();
        before.retain(|(_, other)| *other != name);
        ordered.push(table);
    }
    Ok(ordered)
}

const UNREADABLE: Trouble = Trouble::Impossible("a schema that does not read as one");

/// What a query about the schema finds, as text.
async fn texts(snapshot: &Snapshot<'_>, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
    let rows = snapshot.query(Statement::builder(sql).set_request_tag(TAG).build()).await?;
    Ok(rows.into_iter().map(|row| row.into_iter().map(Value::into_string).collect()).collect())
}
