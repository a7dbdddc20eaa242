//! `tollgate reconciliation …`, as it is typed.
//!
//! Must not know: what an exception is.

use clap::{Subcommand, value_parser};
use tollgate_domain::ExceptionId;

use super::word::{By, by, why};

/// More are not listed at once.
const LISTED_AT_MOST: u32 = 100_000;

#[derive(Subcommand)]
pub(crate) enum Reconciliation {
    /// What does not agree between providers' own records and our books, and who looks after it.
    #[command(subcommand)]
    Exceptions(ExceptionsCommand),
}

#[derive(Subcommand)]
pub(crate) enum ExceptionsCommand {
    /// List what is open, the oldest first: a report, with --csv or --json.
    List {
        /// As CSV, with a header.
        #[arg(long)]
        csv: bool,
        /// Those that are resolved, too.
        #[arg(long)]
        all: bool,
        /// How many at most.
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=i64::from(LISTED_AT_MOST)))]
        limit: u32,
    },
    /// Show one with who did what to it and why, the last change first.
    Show {
        /// `exc_…`
        #[arg(value_name = "ID")]
        exception: ExceptionId,
    },
    /// Say who looks after one.
    Assign {
        /// `exc_…`
        #[arg(value_name = "ID")]
        exception: ExceptionId,
        /// Who.
        #[arg(long, value_name = "NAME", value_parser = by)]
        owner: String,
        #[command(flatten)]
        by: By,
    },
    /// Resolve one by hand: it is as it should be, and stays resolved for as long as both say the same as now.
    ///
    /// It moves no money and changes no payment. What is put right at the provider resolves itself with the next run.
    Resolve {
        /// `exc_…`
        #[arg(value_name = "ID")]
        exception: ExceptionId,
        /// Why: kept with it.
        #[arg(long, value_name = "TEXT", value_parser = why)]
        why: String,
        #[command(flatten)]
        by: By,
    },
}
