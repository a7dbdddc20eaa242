//! What is asked of a table, and the mutations that write to one: thin names over the client's builders.

use google_cloud_spanner::{
    builder::KeySetBuilder,
    key::{Key, KeyRange, KeySet},
    mutation::{Mutation, WriteBuilder},
    read::ReadRequest,
    value::Value,
};

/// Columns of a table, or those that an index of it holds: what a read never has to look further for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    /// The table.
    pub(crate) table: &'static str,
    /// The index that is read; `None`: the table itself, by its key.
    pub(crate) index: Option<&'static str>,
    /// What is read of each row.
    pub(crate) columns: &'static [&'static str],
}

impl Source {
    /// The rows of `keys`, in the order of the key.
    pub(crate) fn read(&'static self, keys: impl Into<KeySet>) -> Asked {
        Asked { source: self, keys: keys.into(), limit: None }
    }
}

/// A read that can be sent.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) source: &'static Source,
    keys: KeySet,
    limit: Option<i64>,
}

impl Asked {
    /// At most so many rows.
    pub(crate) fn limit(mut self, rows: u32) -> Self {
        self.limit = Some(rows.into());
        self
    }

    /// As the client sends it, under a tag that shows in Spanner's statistics.
    pub(crate) fn request(self, tag: &str) -> google_cloud_spanner::builder::ConfiguredReadRequestBuilder {
        #[cfg(test)]
        crate::recorded::note_read(self.source);
        let Source { table, index, columns } = *self.source;
        let builder = ReadRequest::builder(table, columns.to_vec());
        let builder = match index {
            Some(index) => builder.with_index(index, self.keys),
            None => builder.with_keys(self.keys),
        };
        let builder = match self.limit {
            Some(limit) => builder.set_limit(limit),
            None => builder,
        };
        builder.set_request_tag(tag)
    }
}

/// One key of these cells.
pub(crate) fn key<const N: usize>(cells: [Value; N]) -> Key {
    Key::new(cells.into())
}

/// Everything whose key begins with these cells.
pub(crate) fn prefix<const N: usize>(cells: [Value; N]) -> KeyRange {
    KeyRange::closed_closed(key(cells.clone()), key(cells))
}

/// Several keys.
pub(crate) fn keys(keys: impl IntoIterator<Item = Key>) -> KeySet {
    keys.into_iter().fold(KeySet::builder(), KeySetBuilder::add_key).build()
}

/// Several ranges.
pub(crate) fn ranges(ranges: impl IntoIterator<Item = KeyRange>) -> KeySet {
    ranges.into_iter().fold(KeySet::builder(), KeySetBuilder::add_range).build()
}

/// A mutation that is being written, with the count of its cells: the limit of a commit is in those.
pub(crate) struct Write {
    builder: WriteBuilder,
    table: &'static str,
    kind: Kind,
    columns: Vec<&'static str>,
    #[cfg(test)]
    values: Vec<Value>,
}

/// What a mutation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The row must not exist.
    Insert,
    /// The row must exist.
    Update,
    /// Either.
    Upsert,
}

/// A mutation, and what it counts for.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) mutation: Mutation,
    pub(crate) weight: usize,
}

impl Write {
    /// A row that must not exist yet.
    pub(crate) fn insert(table: &'static str) -> Self {
        Self::new(Mutation::new_insert_builder(table), table, Kind::Insert)
    }

    /// A row that must exist.
    pub(crate) fn update(table: &'static str) -> Self {
        Self::new(Mutation::new_update_builder(table), table, Kind::Update)
    }

    /// A row that may exist: what is not named stays as it was.
    pub(crate) fn upsert(table: &'static str) -> Self {
        Self::new(Mutation::new_insert_or_update_builder(table), table, Kind::Upsert)
    }

    fn new(builder: WriteBuilder, table: &'static str, kind: Kind) -> Self {
        Self {
            builder,
            table,
            kind,
            columns: Vec::new(),
            #[cfg(test)]
            values: Vec::new(),
        }
    }

    /// Puts `value` into `column`.
    pub(crate) fn set(mut self, column: &'static str, value: Value) -> Self {
        #[cfg(test)]
        self.values.push(value.clone());
        self.builder = self.builder.set(column).to(value);
        self.columns.push(column);
        self
    }

    /// The mutation.
    pub(crate) fn build(self) -> Counted {
        #[cfg(test)]
        crate::recorded::note_write(self.table, self.kind, &self.columns, &self.values);
        let weight = self.columns.len() + crate::change_set::index_entries(self.table, self.kind, &self.columns);
        Counted { mutation: self.builder.build(), weight }
    }
}
