//! A file in chunks that is whole or of no use: each chunk has a checksum, and a hash of all stands at the end. It gets
//! its name when the disk has it, and is read back.

use std::io;
use std::sync::Arc;

use crate::failpoint::{Failpoint, reach};

use super::disk::{Disk, DiskFile};
use super::wire::{Cursor, Malformed};

/// What a file begins with.
pub(super) type Magic = [u8; 8];

/// How many files of the kind are kept.
const KEPT: usize = 2;
const SUFFIX: &str = ".snapshot";
const UNFINISHED: &str = "snapshot.tmp";
/// Bytes of the hash at the end.
const FOOTER: usize = 32;
/// Bytes that are synced at a time: whoever syncs the journal meanwhile waits for no more.
const SYNCED: u64 = 8 << 20;

/// A file that is being written.
pub(super) struct Chunks<'a> {
    disk: &'a dyn Disk,
    file: Arc<dyn DiskFile>,
    magic: Magic,
    hash: blake3::Hasher,
    offset: u64,
    synced: u64,
}

impl<'a> Chunks<'a> {
    /// Begins one; whatever was unfinished is gone.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn begin(disk: &'a dyn Disk, magic: Magic) -> io::Result<Chunks<'a>> {
        let file = disk.create(UNFINISHED)?;
        let mut chunks = Chunks { disk, file, magic, hash: blake3::Hasher::new(), offset: 0, synced: 0 };
        chunks.append(&magic)?;
        Ok(chunks)
    }

    /// Appends a chunk.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn put(&mut self, chunk: &[u8]) -> io::Result<()> {
        let mut head = [0; 12];
        head[..8].copy_from_slice(&(chunk.len() as u64).to_le_bytes());
        head[8..].copy_from_slice(&crc32c::crc32c(chunk).to_le_bytes());
        self.append(&head)?;
        self.append(chunk)?;
        if self.offset - self.synced >= SYNCED {
            self.file.sync()?;
            self.synced = self.offset;
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.file.write_at(bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Names it for what it knows, everything up to a record, reads it back, and takes away all but the newest two.
    /// `passed` are the places between these steps.
    ///
    /// # Errors
    /// Whatever the disk says; those that were there are then still there.
    pub fn end(mut self, lsn: u64, passed: [Failpoint; 2]) -> io::Result<()> {
        let hash = self.hash.finalize();
        self.append(hash.as_bytes())?;
        self.file.sync()?;
        reach(passed[0]);
        let name = name(lsn);
        self.disk.rename(UNFINISHED, &name)?;
        reach(passed[1]);
        self.disk.sync_dir()?;
        let written = self.disk.open(&name, false)?.read()?;
        whole(&written, self.magic).map_err(|m| io::Error::other(format!("{name}: {}", m.0)))?;
        for old in names(&self.disk.list()?).into_iter().skip(KEPT) {
            self.disk.remove(&old)?;
        }
        self.disk.sync_dir()
    }
}

/// The next chunk.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read_chunk<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Malformed> {
    let len = u64::from_le_bytes(cursor.array()?);
    let crc = u32::from_le_bytes(cursor.array()?);
    let chunk = cursor.take(usize::try_from(len).unwrap_or(usize::MAX))?;
    if crc == crc32c::crc32c(chunk) { Ok(chunk) } else { Err(Malformed::new("a checksum does not hold")) }
}

/// The chunks of a file whose hash holds.
///
/// # Errors
/// Why it is of no use.
pub(super) fn whole(bytes: &[u8], magic: Magic) -> Result<Cursor<'_>, Malformed> {
    let (body, footer) = bytes
        .len()
        .checked_sub(FOOTER)
        .and_then(|end| bytes.split_at_checked(end))
        .ok_or_else(|| Malformed::new("it ends too early"))?;
    if footer != blake3::hash(body).as_bytes() {
        return Err(Malformed::new("it is damaged"));
    }
    let mut cursor = Cursor(body);
    if cursor.array()? == magic { Ok(cursor) } else { Err(Malformed::new("it is no snapshot of this kind")) }
}

/// The file of a snapshot after this record.
fn name(lsn: u64) -> String {
    format!("{lsn:020}{SUFFIX}")
}

/// Whether there is one after this record.
#[cfg(feature = "serve")]
pub(super) fn named(disk: &dyn Disk, lsn: u64) -> bool {
    disk.list().is_ok_and(|all| all.contains(&name(lsn)))
}

/// All snapshots, newest first.
pub(super) fn names(all: &[String]) -> Vec<String> {
    let mut names: Vec<String> = all.iter().filter(|name| name.ends_with(SUFFIX)).cloned().collect();
    names.sort_unstable_by(|a, b| b.cmp(a));
    names
}
