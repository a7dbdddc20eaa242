//! Which boots are alive: every open store holds a lock that the operating system releases when its process dies, so
//! that what a dead process leased can be taken over at once (rule 11).
//!
//! Beside a file `PATH` it is the directory `PATH.owners`, with one locked file per boot, and the file `start`, locked
//! while a store opens. In memory it is a list, for there is only one process.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tollgate_domain::BootId;

/// The boots of one database.
#[derive(Debug, Clone)]
pub(super) enum Owners {
    /// Files beside the database.
    Files(PathBuf),
    /// The boots in this process, with how many stores each has open.
    Memory(Arc<Mutex<BTreeMap<BootId, u32>>>),
}

/// Held for as long as a store is open.
#[derive(Debug)]
pub(super) enum Presence {
    /// Dropping it releases the lock. The file stays until somebody sweeps it: deleting it here would deny another
    /// store of the same boot.
    File {
        _locked: File,
    },
    Memory(BootId, Arc<Mutex<BTreeMap<BootId, u32>>>),
}

impl Owners {
    /// The owners of the database at `path`.
    pub(super) fn beside(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(".owners");
        Self::Files(name.into())
    }

    /// The owners of a database in memory.
    pub(super) fn in_memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// Keeps others from starting at the same time, for as long as the result lives.
    pub(super) fn start(&self) -> io::Result<Option<File>> {
        let Self::Files(directory) = self else { return Ok(None) };
        fs::create_dir_all(directory)?;
        let gate = open(&directory.join("start"))?;
        gate.lock()?;
        Ok(Some(gate))
    }

    /// Shows that `boot` is alive. To be called between [`Owners::start`] and the end of what it returned.
    pub(super) fn enter(&self, boot: BootId) -> io::Result<Presence> {
        match self {
            Self::Files(directory) => {
                sweep(directory)?;
                let file = open(&directory.join(boot.to_string()))?;
                // Shared, so that one boot can open several stores; who asks whether it is gone tries to lock alone.
                file.lock_shared()?;
                Ok(Presence::File { _locked: file })
            }
            Self::Memory(boots) => {
                *boots.lock().unwrap_or_else(PoisonError::into_inner).entry(boot).or_default() += 1;
                Ok(Presence::Memory(boot, Arc::clone(boots)))
            }
        }
    }

    /// Whether no store of `boot` is open. A boot that is just being swept counts as alive for another moment.
    pub(super) fn is_gone(&self, boot: BootId) -> io::Result<bool> {
        match self {
            Self::Files(directory) => match File::open(directory.join(boot.to_string())) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
                Err(error) => Err(error),
                Ok(file) => lockable(&file),
            },
            Self::Memory(boots) => Ok(!boots.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&boot)),
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let Self::Memory(boot, boots) = self else { return };
        let mut boots = boots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = boots.get_mut(boot) {
            *count -= 1;
            if *count == 0 {
                boots.remove(boot);
            }
        }
    }
}

/// Deletes the files of boots that are gone. Nobody starts meanwhile, so no file is caught between made and locked.
fn sweep(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let is_boot = entry.file_name().to_str().is_some_and(|name| name.parse::<BootId>().is_ok());
        if is_boot && lockable(&File::open(entry.path())?)? {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether nobody holds `file`.
fn lockable(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}
