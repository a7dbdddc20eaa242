//! What stands beside a backup, in `FILE.json`: what was in the store when it was taken. So a backup can be proven when the store
//! itself is gone.
//!
//! Must not know: how it came to be, what it is compared with.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tollgate_domain::audit::Invariant;
use tollgate_gateway::recovery::{Contents, Examined, Rows, Sequence};

#[derive(Serialize, Deserialize)]
struct Manifest {
    taken_at: String,
    payments: u64,
    tables: BTreeMap<String, Table>,
    ledger: Vec<Total>,
    sequences: BTreeMap<String, Numbers>,
    violations: BTreeMap<String, u64>,
}

#[derive(Serialize, Deserialize)]
struct Table {
    rows: u64,
    digest: String,
}

#[derive(Serialize, Deserialize)]
struct Total {
    account: String,
    currency: String,
    /// A sum may be larger than a number of JSON.
    minor: String,
}

#[derive(Serialize, Deserialize)]
struct Numbers {
    highest: i64,
    sum: String,
}

/// Where it stands.
pub(super) fn beside(file: &Path) -> PathBuf {
    let mut name: OsString = file.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

/// Writes it, whole.
pub(super) fn write(file: &Path, examined: &Examined) -> anyhow::Result<()> {
    let contents = &examined.contents;
    let table = |rows: &Rows| Table { rows: rows.count, digest: rows.digest() };
    let numbers = |sequence: &Sequence| Numbers { highest: sequence.highest, sum: sequence.sum.to_string() };
    let manifest = Manifest {
        taken_at: examined.at.to_string(),
        payments: examined.payments,
        tables: contents.tables.iter().map(|(name, rows)| (name.clone(), table(rows))).collect(),
        ledger: contents
            .ledger
            .iter()
            .map(|((account, currency), total)| Total {
                account: account.clone(),
                currency: currency.clone(),
                minor: total.to_string(),
            })
            .collect(),
        sequences: contents.sequences.iter().map(|(name, sequence)| (name.clone(), numbers(sequence))).collect(),
        violations: examined.violations.iter().map(|(one, count)| (one.as_str().to_owned(), *count)).collect(),
    };
    let path = beside(file);
    fs::write(&path, serde_json::to_vec_pretty(&manifest)?)
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// Reads it.
pub(super) fn read(file: &Path) -> anyhow::Result<Examined> {
    let path = beside(file);
    let wrong = || format!("{} is no account of a backup", path.display());
    let text = fs::read(&path)
        .with_context(|| format!("{} cannot be read; `tollgate recovery backup` writes it", path.display()))?;
    let manifest: Manifest = serde_json::from_slice(&text).with_context(wrong)?;
    let mut contents = Contents::default();
    for (name, table) in manifest.tables {
        contents.tables.insert(name, Rows::from_digest(table.rows, &table.digest).with_context(wrong)?);
    }
    for total in manifest.ledger {
        contents.ledger.insert((total.account, total.currency), total.minor.parse().with_context(wrong)?);
    }
    for (name, numbers) in manifest.sequences {
        let sum = numbers.sum.parse().with_context(wrong)?;
        contents.sequences.insert(name, Sequence { highest: numbers.highest, sum });
    }
    let mut violations = BTreeMap::new();
    for (name, count) in manifest.violations {
        let invariant = Invariant::ALL.into_iter().find(|one| one.as_str() == name).with_context(wrong)?;
        violations.insert(invariant, count);
    }
    let at = manifest.taken_at.parse().with_context(wrong)?;
    Ok(Examined { at, contents, payments: manifest.payments, violations })
}
