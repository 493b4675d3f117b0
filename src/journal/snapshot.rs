//! What an engine remembered at one place of the journal, so that a start reads only what came after.
//!
//! A snapshot is never needed: one that is damaged, of another pipeline or release, or ahead of a journal
//! that has lost its tail is passed over, for an older one or for the journal from its beginning.

use std::io;

use crate::decision::Digest;
use crate::engine::Engine;
use crate::failpoint::Failpoint;
use crate::list::{Edits, ListEdit};
use crate::rules::{BrakeChange, Rule, Trip};
use crate::time::Timestamp;

use super::chunks::{Chunks, Magic, read_chunk, whole};
use super::disk::Disk;
use super::past::{Contents, NUMBERS};
use super::record::PipelineChange;
use super::scan::Position;
use super::wire::{Cursor, Malformed, put_bytes, put_instant, put_option, put_varint};

const MAGIC: Magic = *b"TGSNAPSH";
/// Which program wrote it: images of windows are read by the same release only.
const RELEASE: &str = concat!(env!("CARGO_PKG_VERSION"), " 3");

/// All of a snapshot but the windows.
#[derive(Debug)]
pub(crate) struct Head {
    pub position: Position,
    pub known_since: Option<Timestamp>,
    pub contents: Contents,
    /// The pipeline that decided, and how its payments are written.
    pub change: PipelineChange,
    pub edits: Edits,
    /// The rules that are braked.
    pub brakes: Vec<BrakeChange>,
    pub shut_down: bool,
}

/// The rules that are braked, as changes from none.
pub(crate) fn brakes(engine: &Engine) -> Vec<BrakeChange> {
    let pipeline = engine.pipeline();
    let change = |(rule, trip): (&Rule, Trip)| BrakeChange { rule: rule.id.clone(), trip: Some(trip) };
    pipeline.braked().into_iter().map(change).collect()
}

impl Head {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(out, RELEASE.as_bytes());
        self.position.put(out);
        put_option(out, self.known_since, put_instant);
        self.contents.numbers().into_iter().for_each(|n| put_varint(out, n));
        self.change.put(out);
        let edits = self.edits.list();
        put_varint(out, edits.len() as u64);
        for (lsn, edit) in edits {
            put_varint(out, lsn);
            edit.put(out);
        }
        put_varint(out, self.brakes.len() as u64);
        self.brakes.iter().for_each(|change| change.put(out));
        out.push(u8::from(self.shut_down));
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Head, Malformed> {
        let release = cursor.text()?;
        if release != RELEASE {
            return Err(Malformed::new(format!("release {release} wrote it, and this is {RELEASE}")));
        }
        let position = Position::read(cursor)?;
        let known_since = cursor.option(Cursor::instant)?;
        let mut numbers = [0; NUMBERS];
        for number in &mut numbers {
            *number = cursor.varint()?;
        }
        let contents = Contents::of_numbers(numbers);
        let change = PipelineChange::read(cursor)?;
        let mut edits = Edits::default();
        for _ in 0..cursor.varint()? {
            edits.push(cursor.varint()?, ListEdit::read(cursor)?);
        }
        let mut brakes = Vec::new();
        for _ in 0..cursor.varint()? {
            brakes.push(BrakeChange::read(cursor)?);
        }
        let shut_down = cursor.byte()? != 0;
        Ok(Head { position, known_since, contents, change, edits, brakes, shut_down })
    }
}

/// Writes a snapshot, reads it back, and takes away all but the newest two. Nobody may score meanwhile.
///
/// # Errors
/// Whatever the disk says; those that were there are then still there.
pub(crate) fn save(disk: &dyn Disk, engine: &Engine, head: &Head) -> io::Result<()> {
    let velocity = engine.velocity();
    let mut out = Chunks::begin(disk, MAGIC)?;
    let (mut chunk, mut words) = (Vec::new(), Vec::new());
    put_bytes(&mut chunk, velocity.shape().as_bytes());
    head.put(&mut chunk);
    out.put(&chunk)?;
    for shard in 0..velocity.shards() {
        words.clear();
        velocity.image(shard, &mut words);
        chunk.clear();
        words.iter().for_each(|word| chunk.extend_from_slice(&word.to_le_bytes()));
        out.put(&chunk)?;
    }
    out.end(head.position.next_lsn - 1, [Failpoint::SnapshotWritten, Failpoint::SnapshotNamed])
}

/// A snapshot in memory.
pub(crate) struct Snapshot {
    bytes: Vec<u8>,
    pub head: Head,
    shape: String,
}

impl Snapshot {
    /// Reads a snapshot and looks whether it is of this pipeline.
    ///
    /// # Errors
    /// Why it is of no use, as a sentence's end.
    pub fn load(disk: &dyn Disk, name: &str, digest: Digest) -> Result<Snapshot, String> {
        let bytes = disk.open(name, false).and_then(|file| file.read()).map_err(|e| e.to_string())?;
        let read = || {
            let mut chunk = Cursor(read_chunk(&mut whole(&bytes, MAGIC)?)?);
            let shape = chunk.text()?.to_owned();
            let head = Head::read(&mut chunk)?;
            chunk.end()?;
            Ok((head, shape))
        };
        let (head, shape) = read().map_err(|m: Malformed| m.0)?;
        if head.change.digest != digest {
            return Err(format!("it is of pipeline {}", head.change.digest));
        }
        Ok(Snapshot { bytes, head, shape })
    }

    /// Brings the windows back; lists are for the caller.
    ///
    /// # Errors
    /// Why it can't; what the engine remembers is then of no use.
    pub fn restore(&self, engine: &Engine) -> Result<(), String> {
        engine.forget(self.head.known_since);
        let velocity = engine.velocity();
        if velocity.shape() != self.shape {
            return Err("its windows are laid out in another way".to_owned());
        }
        let read = || {
            let mut chunks = whole(&self.bytes, MAGIC)?;
            read_chunk(&mut chunks)?;
            for shard in 0..velocity.shards() {
                let chunk = read_chunk(&mut chunks)?;
                let words: Vec<u64> = chunk
                    .chunks_exact(8)
                    .map(|word| u64::from_le_bytes(std::array::from_fn(|i| word[i])))
                    .collect();
                if !velocity.set_image(shard, &words) {
                    return Err(Malformed::new(format!("shard {shard} makes no sense")));
                }
            }
            chunks.end()
        };
        read().map_err(|m| m.0)
    }
}
