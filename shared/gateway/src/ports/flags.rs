//! The flags that operators change at run time: few, read through a short cache.

use async_trait::async_trait;
use tollgate_domain::routing::{Flag, FlagName};

use super::StoreError;

/// More flags than this are not read: they are for people, and a merchant here and there.
pub const FLAGS_AT_MOST: u32 = 10_000;

/// Flags, and every change of them.
#[async_trait]
pub trait Flags: Send + Sync + 'static {
    /// Every flag that was ever set, as it now is, in no order; [`FLAGS_AT_MOST`] at most.
    async fn flags(&self) -> Result<Vec<Flag>, StoreError>;

    /// Sets a flag, and keeps the change: revision 1 must be new, any other follows the one before. `false`: somebody else
    /// was faster; nothing was written. The very same change again is done once.
    async fn put_flag(&self, flag: &Flag) -> Result<bool, StoreError>;

    /// At most `limit` of the changes of one flag, the last one first.
    async fn flag_changes(&self, name: FlagName, limit: u32) -> Result<Vec<Flag>, StoreError>;
}
