//! What the journal asks of a file system: one directory of files, and what is durable when.
//!
//! Two implementations: the machine's own, here, and one in memory that loses, tears and reorders what was
//! not synced (`simulated.rs`, for tests).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory.
pub(crate) trait Disk: Send + Sync {
    /// A new, empty file; an old one of the name is emptied.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// A file that is there, to read; to write, too, with `write`.
    fn open(&self, name: &str, write: bool) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name, in place of whatever had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Takes a file away.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names durable.
    fn sync_dir(&self) -> io::Result<()>;
    /// The names of all files.
    fn list(&self) -> io::Result<Vec<String>>;
}

/// A file. One thread writes it, another may sync it meanwhile.
pub(crate) trait DiskFile: Send + Sync {
    /// The whole content.
    fn read(&self) -> io::Result<Vec<u8>>;
    /// Its first bytes: as many as there are of so many.
    fn head(&self, len: usize) -> io::Result<Vec<u8>>;
    /// How many bytes it has.
    fn len(&self) -> io::Result<u64>;
    /// Writes all of it or fails.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes what was written durable. Once it has failed, nothing is known of what was written, and
    /// asking again proves nothing.
    fn sync(&self) -> io::Result<()>;
}

/// A directory of this machine.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub fn new(path: &Path) -> Directory {
        Directory(path.to_owned())
    }
}

impl Disk for Directory {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.0.join(name))?;
        Ok(Arc::new(OpenFile(file)))
    }

    fn open(&self, name: &str, write: bool) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(write).open(self.0.join(name))?;
        Ok(Arc::new(OpenFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        // Elsewhere a directory can't be opened, and names are as durable as the system makes them.
        if cfg!(unix) { File::open(&self.0)?.sync_all() } else { Ok(()) }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.0)?.map(|e| e.map(|e| e.file_name().to_string_lossy().into_owned()));
        names.collect()
    }
}

struct OpenFile(File);

impl DiskFile for OpenFile {
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&self.0).seek(SeekFrom::Start(0))?;
        (&self.0).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn head(&self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(len);
        (&self.0).seek(SeekFrom::Start(0))?;
        (&self.0).take(len as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.metadata().map(|m| m.len())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        (&self.0).seek(SeekFrom::Start(offset))?;
        (&self.0).write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// The name of the file that says who writes here.
pub(crate) const LOCK_FILE: &str = "journal.lock";

/// Held by the one process that writes; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "held, not read")] File);

impl Lock {
    /// `None` when another process has it.
    pub fn take(dir: &Path) -> io::Result<Option<Lock>> {
        let path = dir.join(LOCK_FILE);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(e)) => Err(e),
        }
    }
}
