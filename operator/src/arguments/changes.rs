//! `tollgate changes`, as it is typed.
//!
//! Must not know: where changes are kept.

use clap::{Args, value_parser};

use super::When;

/// Which changes.
#[derive(Args)]
pub(crate) struct Changes {
    /// Only what this one did.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Only those that say this somewhere: a command, an id, a word of the reason.
    #[arg(long, value_name = "TEXT")]
    pub(crate) about: Option<String>,
    /// Only those of this time (RFC 3339) or later; or so long ago at most: 90s, 30m, 24h, 7d.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<When>,
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}
