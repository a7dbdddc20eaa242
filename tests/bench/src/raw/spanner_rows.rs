//! The rows of payments that the gateway made, read back from Spanner: what its two commits wrote, as the same mutations of the
//! same columns. Names and order of columns come from the database itself.
//!
//! What the first commit wrote is overwritten by the second, so it is taken from a sample: a payment whose process died
//! between the two, with the ids and the times of the one it stands for.

use std::collections::{HashMap, HashSet};

use anyhow::{Context, Result, ensure};
use google_cloud_spanner::{
    client::DatabaseClient,
    key::KeySet,
    mutation::{Mutation, WriteBuilder},
    read::ReadRequest,
    statement::Statement,
    value::Value,
};
use jiff::Timestamp;

use super::spanner::client;

/// The tables in the order in which a change set writes them.
const TABLES: [(&str, Written); 9] = [
    ("payments", Written::Payment),
    ("history", Written::ByVersion),
    ("operations", Written::Twice),
    ("events", Written::AtLast),
    ("deliveries", Written::AtLast),
    ("postings", Written::AtLast),
    ("idempotency", Written::Key),
    ("provider_refs", Written::AtLast),
    ("provider_calls", Written::AtLast),
];
/// What of a payment's row never changes: the first commit writes it, the second does not.
const NEVER_CHANGES: [&str; 9] = [
    "shard",
    "merchant_id",
    "currency",
    "amount",
    "capture_method",
    "merchant_reference",
    "reference_hash",
    "details",
    "created_at",
];
/// What tells one payment from the next beside that, already in its first commit.
const OWN: [&str; 2] = ["payment_id", "provider_request_id"];
/// Times of the first commit: so much later than `created_at` as the sample's.
const TIMES: [&str; 3] = ["due_at", "truth_at", "updated_at"];

/// Which of the two commits writes a table's row, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    /// Inserted by the first, updated by the second but for what never changes.
    Payment,
    /// A row by each.
    ByVersion,
    /// Whole by both.
    Twice,
    /// Inserted by the first; the second writes until when it binds.
    Key,
    /// By the second.
    AtLast,
}

/// One payment's mutations.
#[derive(Default)]
pub(crate) struct Payment {
    /// The first commit.
    pub(crate) intent: Vec<Mutation>,
    /// The second commit.
    pub(crate) outcome: Vec<Mutation>,
}

/// The gateway's database, to read from.
pub(crate) struct Source {
    client: DatabaseClient,
    tables: Vec<Table>,
    /// The payments that were read or left out.
    known: HashSet<String>,
}

struct Table {
    name: &'static str,
    written: Written,
    columns: Vec<String>,
    payment: usize,
    /// The sample's row after its first commit, where the second one overwrites it.
    sample: Option<Vec<Value>>,
}

impl Source {
    /// `database` of the emulator at `host`, which holds one payment only: the sample.
    pub(crate) async fn with_sample(host: &str, database: &str) -> Result<Self> {
        let client = client(host).await?.database_client(database).build().await?;
        let mut source = Self { client, tables: Vec::new(), known: HashSet::new() };
        for (name, written) in TABLES {
            let columns = source.columns(name).await?;
            let payment = columns.iter().position(|column| column == "payment_id");
            let payment = payment.with_context(|| format!("{name} names no payment"))?;
            let mut table = Table { name, written, columns, payment, sample: None };
            if matches!(written, Written::Payment | Written::Twice) {
                let mut rows = source.rows(&table).await?;
                ensure!(rows.len() == 1, "{name} holds {} rows instead of the sample's", rows.len());
                table.sample = rows.pop();
            }
            source.tables.push(table);
        }
        source.skip().await?;
        Ok(source)
    }

    /// Leaves out what was made so far.
    pub(crate) async fn skip(&mut self) -> Result<()> {
        self.made_since(0).await.map(drop)
    }

    /// At most so many of the payments that were made since the last time, in the order in which they were made; the
    /// rest is left out.
    pub(crate) async fn made_since(&mut self, at_most: usize) -> Result<Vec<Payment>> {
        let mut order = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut payments: Vec<Payment> = Vec::new();
        for table in &self.tables {
            let mut rows = self.rows(table).await?;
            if table.written == Written::Payment {
                rows.retain(|row| table.payment_of(row).is_some_and(|id| !self.known.contains(id)));
                let created = table.index("created_at")?;
                rows.sort_by(|one, other| one[created].as_str().cmp(&other[created].as_str()));
                order = rows.iter().filter_map(|row| table.payment_of(row).map(str::to_owned)).collect();
                places.extend(order.iter().take(at_most).cloned().zip(0..));
                payments.resize_with(places.len(), Payment::default);
            }
            for row in rows {
                let place = table.payment_of(&row).and_then(|id| places.get(id));
                if let Some(payment) = place.and_then(|place| payments.get_mut(*place)) {
                    table.add(payment, &row)?;
                }
            }
        }
        self.known.extend(order);
        Ok(payments)
    }

    /// Those that are written: generated ones cannot be.
    async fn columns(&self, table: &str) -> Result<Vec<String>> {
        let sql = "SELECT column_name FROM information_schema.columns WHERE table_schema = '' AND table_name = @table
                   AND is_generated = 'NEVER' ORDER BY ordinal_position";
        let asked = Statement::builder(sql).add_param("table", table).build();
        let mut found = self.client.single_use().build().execute_query(asked).await?;
        let mut columns = Vec::new();
        while let Some(row) = found.next().await {
            columns.push(row?.get::<String>(0)?);
        }
        Ok(columns)
    }

    async fn rows(&self, table: &Table) -> Result<Vec<Vec<Value>>> {
        let asked = ReadRequest::builder(table.name, table.columns.clone()).with_keys(KeySet::all()).build();
        let mut found = self.client.single_use().build().execute_read(asked).await?;
        let mut rows = Vec::new();
        while let Some(row) = found.next().await {
            rows.push(row?.into_values());
        }
        Ok(rows)
    }
}

impl Table {
    fn index(&self, column: &str) -> Result<usize> {
        let place = self.columns.iter().position(|known| known == column);
        place.with_context(|| format!("{} has no column {column}", self.name))
    }

    fn payment_of<'a>(&self, row: &'a [Value]) -> Option<&'a str> {
        row.get(self.payment).and_then(Value::as_str)
    }

    /// Adds the mutations that led to `row`.
    fn add(&self, payment: &mut Payment, row: &[Value]) -> Result<()> {
        let (insert, update) = (Mutation::new_insert_builder, Mutation::new_update_builder);
        match self.written {
            Written::AtLast => payment.outcome.push(self.write(insert(self.name), row, |_| true)),
            Written::ByVersion => {
                let is_first = row[self.index("version")?].as_str() == Some("1");
                let commit = if is_first { &mut payment.intent } else { &mut payment.outcome };
                commit.push(self.write(insert(self.name), row, |_| true));
            }
            Written::Payment => {
                payment.intent.push(self.write(insert(self.name), &self.first(row)?, |_| true));
                let changes = |column: &str| !NEVER_CHANGES.contains(&column);
                payment.outcome.push(self.write(update(self.name), row, changes));
            }
            Written::Twice => {
                let upsert = Mutation::new_insert_or_update_builder;
                payment.intent.push(self.write(upsert(self.name), &self.first(row)?, |_| true));
                payment.outcome.push(self.write(upsert(self.name), row, |_| true));
            }
            Written::Key => {
                payment.intent.push(self.write(insert(self.name), row, |column| column != "expires_at"));
                let released = |column: &str| matches!(column, "key_hash" | "expires_at");
                payment.outcome.push(self.write(update(self.name), row, released));
            }
        }
        Ok(())
    }

    /// What `row` was after the first commit.
    fn first(&self, row: &[Value]) -> Result<Vec<Value>> {
        let sample = self.sample.as_ref().context("there is no sample")?;
        let mut first = sample.clone();
        let own = OWN.iter().chain(&NEVER_CHANGES).filter_map(|column| self.index(column).ok());
        own.for_each(|place| first[place].clone_from(&row[place]));
        if let Ok(created) = self.index("created_at") {
            let later = time(&row[created])?.duration_since(time(&sample[created])?);
            for place in TIMES.iter().filter_map(|column| self.index(column).ok()) {
                first[place] = Value::from((time(&sample[place])? + later).to_string());
            }
        }
        Ok(first)
    }

    /// One mutation of those columns; the database puts the commit's time in, as it did for the gateway.
    fn write(&self, mut builder: WriteBuilder, row: &[Value], of: impl Fn(&str) -> bool) -> Mutation {
        for (column, value) in self.columns.iter().zip(row).filter(|(column, _)| of(column)) {
            let bound = builder.set(column.as_str());
            builder = match column.as_str() {
                "committed_at" => bound.to("spanner.commit_timestamp()"),
                _ => bound.to(value.clone()),
            };
        }
        builder.build()
    }
}

fn time(value: &Value) -> Result<Timestamp> {
    value.as_str().context("a time is missing")?.parse().context("this is no time")
}
