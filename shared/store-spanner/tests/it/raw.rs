//! A look into a database from outside: SQL by a client of our own.

use std::collections::BTreeMap;

use google_cloud_spanner::{
    client::{DatabaseClient, Spanner},
    result::TransactionResult,
    statement::Statement,
    value::{Kind, Value},
};

pub(crate) struct Raw(DatabaseClient);

impl Raw {
    pub(crate) async fn open(host: &str, database: &str) -> Self {
        let spanner = Spanner::builder().with_endpoint(format!("http://{host}")).build().await.unwrap();
        Self(spanner.database_client(database).build().await.unwrap())
    }

    /// What a query finds: rows of values.
    pub(crate) async fn query(&self, sql: &str) -> Vec<Vec<Value>> {
        let reader = self.0.single_use().build();
        let found = reader.execute_query(Statement::builder(sql).build()).await;
        let mut found = found.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let mut rows = Vec::new();
        while let Some(row) = found.next().await {
            rows.push(row.unwrap().into_values());
        }
        rows
    }

    /// As text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<Vec<String>> {
        self.query(sql).await.iter().map(|row| row.iter().map(text).collect()).collect()
    }

    /// Changes rows, and says how many.
    pub(crate) async fn execute(&self, sql: &str) -> Result<i64, google_cloud_spanner::Error> {
        let sql = sql.to_owned();
        let work = move |transaction: google_cloud_spanner::transaction::ReadWriteTransaction| {
            let statement = Statement::builder(sql.clone()).build();
            async move { transaction.execute_update(statement).await }
        };
        self.0.read_write_transaction().build().run(work).await.map(TransactionResult::into_inner)
    }

    /// Every row of every table of ours, as text.
    pub(crate) async fn contents(&self) -> BTreeMap<String, Vec<String>> {
        let mut contents = BTreeMap::new();
        for name in self.tables().await {
            let rows = self.texts(&format!("SELECT * FROM {name}")).await;
            let mut rows: Vec<String> = rows.into_iter().map(|row| row.join(" | ")).collect();
            rows.sort();
            contents.insert(name, rows);
        }
        contents
    }

    async fn tables(&self) -> Vec<String> {
        let sql = "SELECT table_name FROM information_schema.tables
                   WHERE table_schema = '' AND table_name != 'schema_migrations'";
        self.texts(sql).await.into_iter().map(|mut row| row.remove(0)).collect()
    }

    /// Does what Spanner does by itself, in its own time, for tables with a row deletion policy; an emulator never does.
    pub(crate) async fn apply_deletion_policies(&self, now: &str, limit: u32) -> u32 {
        let policies = "SELECT table_name, row_deletion_policy_expression FROM information_schema.tables
                        WHERE row_deletion_policy_expression IS NOT NULL ORDER BY table_name";
        let mut deleted = 0;
        for policy in self.texts(policies).await {
            let [table, expression] = &policy[..] else { panic!("{policy:?}") };
            let inner = expression.strip_prefix("OLDER_THAN(").and_then(|rest| rest.strip_suffix(')')).unwrap();
            let (column, interval) = inner.split_once(',').unwrap();
            let key = format!(
                "SELECT column_name FROM information_schema.index_columns
                 WHERE table_name = '{table}' AND index_name = 'PRIMARY_KEY'"
            );
            let key = self.texts(&key).await.remove(0).remove(0);
            let delete = format!(
                "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table}
                 WHERE TIMESTAMP_ADD({column}, {interval}) < TIMESTAMP '{now}' LIMIT {})",
                limit - deleted
            );
            deleted += u32::try_from(self.execute(&delete).await.unwrap()).unwrap();
        }
        deleted
    }
}

pub(crate) fn text(value: &Value) -> String {
    match value.kind() {
        Kind::Null => "NULL".to_owned(),
        Kind::Bool => value.as_bool().unwrap().to_string(),
        Kind::List => value.as_list().unwrap().iter().map(text).collect::<Vec<_>>().join(","),
        _ => value.as_str().map_or_else(|| format!("{value:?}"), str::to_owned),
    }
}
