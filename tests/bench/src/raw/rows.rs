//! The rows of payments that the gateway made, taken from its database: what its two commits wrote, as statements with
//! plain values. Table and column names come from the database itself.
//!
//! What the first commit wrote is overwritten by the second, so it is taken from a sample: a payment whose process died
//! between the two, with the id and the times of the one it stands for.

use std::{collections::HashMap, fmt::Write as _, path::Path, sync::Arc};

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension, types::Value};

use super::sqlite::Write;

/// Tables that the first commit writes as well, with their key's columns beside the payment's id.
const OF_THE_INTENT: [(&str, &str); 4] =
    [("payments", "id"), ("history", "version"), ("operations", "number"), ("idempotency", "key")];
/// What tells one payment from the next already in its intent.
const OWN: [&str; 4] = ["id", "payment_id", "created_at", "key"];

/// One payment's writes.
pub(crate) struct Payment {
    /// The first commit.
    pub(crate) intent: Vec<Write>,
    /// The second commit.
    pub(crate) outcome: Vec<Write>,
}

/// The gateway's database, to read from.
pub(crate) struct Source {
    connection: Connection,
    tables: Vec<Table>,
    /// The last payment that was read.
    read_up_to: i64,
}

struct Table {
    name: String,
    columns: Vec<String>,
    /// The column that holds the payment's id.
    payment: &'static str,
    insert: Arc<str>,
    /// The sample's row after its first commit.
    sample: Option<Vec<Value>>,
}

impl Source {
    /// The database at `path`, which holds one payment only: the sample.
    pub(crate) fn with_sample(path: &Path) -> Result<Self> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let names: Vec<String> = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut tables = Vec::new();
        for name in names {
            tables.extend(Table::read(&connection, name)?);
        }
        // Parents first, then by name: the order is the same in every transaction.
        tables.sort_by_key(|table| (table.name != "payments", table.name.clone()));
        let mut source = Self { connection, tables, read_up_to: 0 };
        source.skip()?;
        Ok(source)
    }

    /// Leaves out what was made so far.
    pub(crate) fn skip(&mut self) -> Result<()> {
        self.read_up_to = self.connection.query_row("SELECT max(rowid) FROM payments", [], |row| row.get(0))?;
        Ok(())
    }

    /// At most so many of the payments that were made since the last time, in the order in which they were made; the
    /// rest is left out.
    pub(crate) fn made_since(&mut self, at_most: usize) -> Result<Vec<Payment>> {
        let ids: Vec<String> = self
            .connection
            .prepare("SELECT id FROM payments WHERE rowid > ?1 ORDER BY rowid LIMIT ?2")?
            .query_map((self.read_up_to, i64::try_from(at_most)?), |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let places: HashMap<&str, usize> = ids.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
        let mut payments: Vec<Payment> =
            ids.iter().map(|_| Payment { intent: Vec::new(), outcome: Vec::new() }).collect();
        for table in &self.tables {
            let (name, own) = (&table.name, table.payment);
            let select = format!(
                "SELECT {} FROM {name} JOIN payments AS payment ON payment.id = {name}.{own} WHERE payment.rowid > ?1",
                table.qualified()
            );
            let mut select = self.connection.prepare(&select)?;
            let mut rows = select.query([self.read_up_to])?;
            while let Some(row) = rows.next()? {
                let values: Vec<Value> =
                    (0..table.columns.len()).map(|index| row.get(index)).collect::<rusqlite::Result<_>>()?;
                let place = values.get(table.index(table.payment)?).and_then(text).and_then(|id| places.get(id));
                if let Some(payment) = place.and_then(|place| payments.get_mut(*place)) {
                    table.add(payment, values)?;
                }
            }
        }
        self.skip()?;
        Ok(payments)
    }
}

impl Table {
    /// The table `name`, if it holds anything of payments.
    fn read(connection: &Connection, name: String) -> Result<Option<Self>> {
        // Generated columns cannot be written.
        let columns: Vec<String> = connection
            .prepare(&format!("SELECT name FROM pragma_table_xinfo('{name}') WHERE hidden = 0"))?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let payment = if name == "payments" { "id" } else { "payment_id" };
        if !columns.iter().any(|column| column == payment) {
            return Ok(None);
        }
        let marks = vec!["?"; columns.len()].join(", ");
        let insert = format!("INSERT INTO {name} ({}) VALUES ({marks})", columns.join(", ")).into();
        let mut table = Self { name, columns, payment, insert, sample: None };
        if table.key().is_some() {
            let row = connection.query_row(&format!("SELECT {} FROM {}", table.qualified(), table.name), [], |row| {
                (0..table.columns.len()).map(|index| row.get(index)).collect()
            });
            table.sample = Some(row.optional()?.context("there is no payment to be the sample")?);
        }
        Ok(Some(table))
    }

    /// Of a table that the first commit writes to: what names a row beside the payment.
    fn key(&self) -> Option<&'static str> {
        OF_THE_INTENT.iter().find(|(name, _)| *name == self.name).map(|(_, key)| *key)
    }

    fn qualified(&self) -> String {
        let columns: Vec<String> = self.columns.iter().map(|column| format!("{}.{column}", self.name)).collect();
        columns.join(", ")
    }

    fn index(&self, column: &str) -> Result<usize> {
        self.columns.iter().position(|known| known == column).with_context(|| format!("there is no column {column}"))
    }

    /// Adds the writes that led to `row`.
    fn add(&self, payment: &mut Payment, row: Vec<Value>) -> Result<()> {
        let (Some(sample), Some(key)) = (&self.sample, self.key()) else {
            payment.outcome.push((Arc::clone(&self.insert), row));
            return Ok(());
        };
        let key = self.index(key)?;
        if self.name == "history" {
            // Never overwritten: the first version is the first commit's, the rest is not.
            let commit = if row.get(key) == sample.get(key) { &mut payment.intent } else { &mut payment.outcome };
            commit.push((Arc::clone(&self.insert), row));
            return Ok(());
        }
        let mut first = sample.clone();
        for column in OWN {
            if let Ok(index) = self.index(column) {
                first[index].clone_from(&row[index]);
            }
        }
        payment.outcome.push(self.update(&first, &row, key)?);
        payment.intent.push((Arc::clone(&self.insert), first));
        Ok(())
    }

    /// Overwrites what differs between the two.
    fn update(&self, before: &[Value], after: &[Value], key: usize) -> Result<Write> {
        let differs: Vec<usize> = (0..self.columns.len()).filter(|index| before[*index] != after[*index]).collect();
        let set: Vec<String> = differs.iter().map(|index| format!("{} = ?", self.columns[*index])).collect();
        let payment = self.index(self.payment)?;
        let (column, own) = (&self.columns[key], &self.columns[payment]);
        let mut values: Vec<Value> = differs.iter().map(|index| after[*index].clone()).collect();
        values.push(after[key].clone());
        let mut sql = format!("UPDATE {} SET {} WHERE {column} = ?", self.name, set.join(", "));
        if self.name == "operations" {
            // Writing to a `String` does not fail.
            _ = write!(sql, " AND {own} = ?");
            values.push(after[payment].clone());
        }
        Ok((sql.into(), values))
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
