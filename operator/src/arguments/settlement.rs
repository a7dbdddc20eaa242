//! `tollgate settlement …`, as it is typed.
//!
//! Must not know: what is settled.

use clap::{Args, Subcommand};
use tollgate_domain::{Date, MerchantId, SettlementId};

use super::word::Word;

#[derive(Subcommand)]
pub(crate) enum SettlementCommand {
    /// Make the settlement of the latest cut-off (02:00 in Tokyo), as the job does: first what is unfinished is ended.
    ///
    /// Over already, it only says so. Beside the job it does no harm: of each chunk one is committed. What merchants are told of goes out
    /// by the job `deliveries`, within two minutes.
    Run {
        #[command(flatten)]
        word: Word,
    },
    /// Go on with a settlement that is unfinished or failed, as `run` does; where there is none, nothing is begun.
    Resume {
        #[command(flatten)]
        word: Word,
    },
    /// Hold a settlement against its lines and the ledger, chunk by chunk. Reads only.
    ///
    /// Exit code 0: they agree. 1: they do not. 3: it could not be done.
    Verify(WhichSettlement),
    /// Show a settlement: what it comes to, per currency and merchant. Reads only.
    Report {
        #[command(flatten)]
        which: WhichSettlement,
        /// This merchant's part alone.
        #[arg(long, value_name = "ID")]
        merchant: Option<MerchantId>,
    },
}

/// Which one; with neither, the latest.
#[derive(Args)]
pub(crate) struct WhichSettlement {
    /// The one of this date in Tokyo.
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with = "settlement")]
    pub(crate) date: Option<Date>,
    /// `stl_…`
    #[arg(long = "id", value_name = "ID")]
    pub(crate) settlement: Option<SettlementId>,
}
