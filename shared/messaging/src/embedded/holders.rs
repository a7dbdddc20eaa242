//! Which open queues are alive: each holds a lock that the operating system releases when its process dies, so that what
//! a dead one held is handed out again as soon as anybody opens the file, without waiting for its lease.
//!
//! Beside a file `PATH` it is the directory `PATH.holders`, with one locked file per open queue, and the file `start`,
//! locked while a queue opens. Must not know: messages.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// An open queue's number: given once, never again.
pub(super) type Holder = i64;

/// The holders of one file, while nobody else opens it.
#[derive(Debug)]
pub(super) struct Holders {
    directory: PathBuf,
    _gate: File,
}

impl Holders {
    /// The holders of the queue at `path`. Waits until nobody else is opening it.
    pub(super) fn beside(path: &Path) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".holders");
        let directory = PathBuf::from(name);
        fs::create_dir_all(&directory)?;
        let gate = open(&directory.join("start"))?;
        gate.lock()?;
        Ok(Self { directory, _gate: gate })
    }

    /// Shows that `holder` is alive, for as long as the result lives.
    pub(super) fn enter(&self, holder: Holder) -> io::Result<File> {
        let file = open(&self.directory.join(holder.to_string()))?;
        file.lock()?;
        Ok(file)
    }

    /// Who is gone and not yet forgotten.
    pub(super) fn gone(&self) -> io::Result<Vec<Holder>> {
        let mut gone = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let Some(holder) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if lockable(&File::open(entry.path())?)? {
                gone.push(holder);
            }
        }
        Ok(gone)
    }

    /// Forgets `holder`. Nothing may be held by it any more.
    pub(super) fn forget(&self, holder: Holder) -> io::Result<()> {
        fs::remove_file(self.directory.join(holder.to_string()))
    }
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
