//! One process for one folder of data: two would each write books of their own into it.

use std::{fs, path::Path};

use anyhow::{Context, bail};

/// A folder that nobody else uses. A kill lets it go.
pub(crate) struct FolderLock(#[allow(dead_code, reason = "it is locked as long as it is open")] fs::File);

impl FolderLock {
    /// Makes `folder` if needed, and takes it. `who` would use it otherwise, for the message.
    pub(crate) fn take(folder: &Path, who: &str) -> anyhow::Result<Self> {
        let lock = fs::create_dir_all(folder).and_then(|()| fs::File::create(folder.join("lock")));
        let lock = lock.with_context(|| format!("{} cannot be used as a folder", folder.display()))?;
        if lock.try_lock().is_err() {
            bail!("{} is in use by {who}; give this one its own with --data DIR", folder.display());
        }
        Ok(Self(lock))
    }
}
