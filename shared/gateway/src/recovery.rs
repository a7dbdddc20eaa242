//! Whether a copy of a store is what the store was: every table's rows, the ledger's totals, the sequences, and the invariants of
//! money, by the same checks as the job `invariants`.
//!
//! Must not know: which store, how a copy is made.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use tollgate_domain::{Timestamp, audit::Invariant};

use crate::{
    ports::{Frozen, StoreError},
    reconcile::violated,
};

/// Payments that one read brings.
const PAGE: u32 = 100;
/// Where the ledger is. (The tables are called the same in every store: schemas/README.md.)
const LEDGER: &str = "postings";
/// Columns that count upwards without gaps, by their table.
const SEQUENCES: [(&str, &str); 6] = [
    ("history", "version"),
    ("events", "sequence"),
    ("deliveries", "sequence"),
    ("operations", "number"),
    ("settlement_chunks", "number"),
    ("flags", "revision"),
];

/// A cell as it is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// The rows of a table, in no order: how many, and a digest that any lost, added or changed row changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// The sum of the rows' digests: rows may come in any order, and none is in a table twice.
    sum: [u64; 4],
}

/// Numbers of a sequence: the highest, and the sum of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sequence {
    /// The highest.
    pub highest: i64,
    /// The sum of all.
    pub sum: i128,
}

/// Everything in a store, in short.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// By table.
    pub tables: BTreeMap<String, Rows>,
    /// The ledger: the sum of each account, by account and currency.
    pub ledger: BTreeMap<(String, String), i128>,
    /// By table and column.
    pub sequences: BTreeMap<String, Sequence>,
}

/// A store that was looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// As of when.
    pub at: Timestamp,
    /// What is in it.
    pub contents: Contents,
    /// Payments whose books were checked.
    pub payments: u64,
    /// How many of them violate each invariant; those that all keep are left out.
    pub violations: BTreeMap<Invariant, u64>,
}

/// One thing that was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// What kind of thing.
    pub kind: Kind,
    /// Which: a table, an account with its currency, a sequence, an invariant.
    pub name: String,
    /// What the source has.
    pub source: Option<String>,
    /// What the copy has.
    pub copy: Option<String>,
    /// Whether they are equal. (Two tables of as many rows need not be.)
    pub equal: bool,
}

/// Kinds of what is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A table's rows.
    Table,
    /// A total of the ledger.
    Ledger,
    /// A sequence.
    Sequence,
    /// Payments that violate an invariant.
    Invariant,
}

impl Kind {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Ledger => "ledger",
            Self::Sequence => "sequence",
            Self::Invariant => "invariant",
        }
    }
}

impl Rows {
    /// The digest, as text.
    pub fn digest(&self) -> String {
        let [a, b, c, d] = self.sum;
        format!("{a:016x}{b:016x}{c:016x}{d:016x}")
    }

    /// So many rows with that digest. `None`: it is no digest.
    pub fn from_digest(count: u64, digest: &str) -> Option<Self> {
        let mut sum = [0; 4];
        if digest.len() != 64 || !digest.is_ascii() {
            return None;
        }
        for (part, at) in sum.iter_mut().zip((0..64).step_by(16)) {
            *part = u64::from_str_radix(&digest[at..at + 16], 16).ok()?;
        }
        Some(Self { count, sum })
    }

    fn add(&mut self, row: &[(&str, Cell<'_>)]) {
        let mut digest = Sha256::new();
        for (column, cell) in row {
            part(&mut digest, column.as_bytes());
            match cell {
                Cell::Null => digest.update([0]),
                Cell::Int(number) => digest.update([&[1], &number.to_be_bytes()[..]].concat()),
                Cell::Real(number) => digest.update([&[2], &number.to_bits().to_be_bytes()[..]].concat()),
                Cell::Text(text) => {
                    digest.update([3]);
                    part(&mut digest, text.as_bytes());
                }
                Cell::Bytes(bytes) => {
                    digest.update([4]);
                    part(&mut digest, bytes);
                }
            }
        }
        self.count += 1;
        for (sum, bytes) in self.sum.iter_mut().zip(digest.finalize().chunks_exact(8)) {
            *sum = sum.wrapping_add(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
        }
    }
}

/// With its length before it: no two rows are told as one.
fn part(digest: &mut Sha256, bytes: &[u8]) {
    digest.update((bytes.len() as u64).to_be_bytes());
    digest.update(bytes);
}

impl Contents {
    /// A table is there, with or without rows.
    pub fn table(&mut self, table: &str) {
        self.tables.entry(table.to_owned()).or_default();
    }

    /// One more row of `table`: every column with its cell.
    pub fn row(&mut self, table: &str, row: &[(&str, Cell<'_>)]) {
        self.tables.entry(table.to_owned()).or_default().add(row);
        let cell = |column: &str| row.iter().find(|(name, _)| *name == column).map(|(_, cell)| *cell);
        if table == LEDGER
            && let (Some(Cell::Text(account)), Some(Cell::Text(currency)), Some(Cell::Int(minor))) =
                (cell("account"), cell("currency"), cell("minor"))
        {
            *self.ledger.entry((account.to_owned(), currency.to_owned())).or_default() += i128::from(minor);
        }
        for (_, column) in SEQUENCES.iter().filter(|(of, _)| *of == table) {
            if let Some(Cell::Int(number)) = cell(column) {
                let sequence = self.sequences.entry(format!("{table}.{column}")).or_default();
                sequence.highest = sequence.highest.max(number);
                sequence.sum += i128::from(number);
            }
        }
    }
}

/// Looks through a store: counts, digests, and checks the books of every payment.
pub async fn examine(store: &dyn Frozen) -> Result<Examined, StoreError> {
    let contents = store.contents().await?;
    let (mut payments, mut violations, mut after) = (0, BTreeMap::new(), None);
    loop {
        let page = store.books(after, PAGE).await?;
        for (id, books) in &page {
            payments += 1;
            after = Some(*id);
            for invariant in violated(books.as_ref()) {
                *violations.entry(invariant).or_default() += 1;
            }
        }
        if page.len() < PAGE as usize {
            return Ok(Examined { at: store.at(), contents, payments, violations });
        }
    }
}

/// Holds the copy against the source, thing by thing.
pub fn compare(source: &Examined, copy: &Examined) -> Vec<Compared> {
    let ledger = |examined: &Examined| -> BTreeMap<String, i128> {
        let totals = examined.contents.ledger.iter();
        totals.map(|((account, currency), total)| (format!("{account} {currency}"), *total)).collect()
    };
    let invariants = |examined: &Examined| -> BTreeMap<String, u64> {
        let count = |invariant| examined.violations.get(&invariant).copied().unwrap_or_default();
        Invariant::ALL.into_iter().map(|invariant| (invariant.as_str().to_owned(), count(invariant))).collect()
    };
    let (from, to) = (&source.contents, &copy.contents);
    let mut all = side_by_side(Kind::Table, &from.tables, &to.tables, |rows| rows.count.to_string());
    all.extend(side_by_side(Kind::Ledger, &ledger(source), &ledger(copy), i128::to_string));
    all.extend(side_by_side(Kind::Sequence, &from.sequences, &to.sequences, |sequence| {
        format!("{} (sum {})", sequence.highest, sequence.sum)
    }));
    all.extend(side_by_side(Kind::Invariant, &invariants(source), &invariants(copy), u64::to_string));
    all
}

fn side_by_side<T: PartialEq>(
    kind: Kind,
    source: &BTreeMap<String, T>,
    copy: &BTreeMap<String, T>,
    show: impl Fn(&T) -> String,
) -> Vec<Compared> {
    let mut names: Vec<&String> = source.keys().chain(copy.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let compared = names.into_iter().map(|name| {
        let (from, to) = (source.get(name), copy.get(name));
        Compared { kind, name: name.clone(), source: from.map(&show), copy: to.map(&show), equal: from == to }
    });
    compared.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[&[(&str, Cell<'_>)]]) -> Rows {
        let mut all = Rows::default();
        for row in rows {
            all.add(row);
        }
        all
    }

    #[test]
    fn rows_in_another_order_are_the_same_and_a_changed_cell_is_not() {
        let (one, two) = ([("a", Cell::Int(1)), ("b", Cell::Text("x"))], [("a", Cell::Int(2)), ("b", Cell::Null)]);
        let rows = of(&[&one, &two]);
        assert_eq!(rows, of(&[&two, &one]));
        for other in [
            [("a", Cell::Int(2)), ("b", Cell::Text(""))],
            [("a", Cell::Int(3)), ("b", Cell::Null)],
            [("a", Cell::Text("2")), ("b", Cell::Null)],
            [("a", Cell::Int(2)), ("c", Cell::Null)],
        ] {
            assert_ne!(rows, of(&[&one, &other]), "{other:?}");
        }
        assert_ne!(
            of(&[&[("a", Cell::Text("xy")), ("b", Cell::Text("z"))]]),
            of(&[&[("a", Cell::Text("x")), ("b", Cell::Text("yz"))]])
        );
    }

    #[test]
    fn a_digest_is_read_back() {
        let rows = of(&[&[("a", Cell::Bytes(&[1, 2]))]]);
        assert_eq!(Rows::from_digest(1, &rows.digest()), Some(rows.clone()));
        assert_eq!(Rows::from_digest(1, &rows.digest()[1..]), None);
        assert_eq!(Rows::from_digest(1, &rows.digest().replace(|_: char| true, "g")), None);
    }
}
