//! A disk in memory that does to unsynced writes what a power cut does, and fails when told to.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::{Disk, DiskFile};
use super::frame::SECTOR;

/// The state of the disk; clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    files: Vec<Content>,
    /// Names as a process sees them, and as they would be after a power cut.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names since the last sync of the directory.
    renames: Vec<Change>,
    calls: u64,
    /// From which call on everything fails: the power is gone.
    cut: Option<u64>,
    /// The call that fails; with `forever`, all after it too.
    fault: Option<(u64, bool)>,
}

#[derive(Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// Writes that are not durable for certain, in order.
    unsynced: Vec<(usize, Vec<u8>)>,
    /// Writes of before a failed sync: the system takes them for clean, the disk may not have them.
    doubtful: Vec<(usize, Vec<u8>)>,
}

#[derive(Clone)]
enum Change {
    Set(String, usize),
    Gone(String),
}

impl State {
    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        let fails = self.cut.is_some_and(|cut| self.calls >= cut)
            || self.fault.is_some_and(|(n, forever)| self.calls == n || forever && self.calls > n);
        if fails { Err(io::Error::other("simulated failure")) } else { Ok(()) }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.renames.push(change);
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: &Change) {
    match change {
        Change::Set(name, file) => {
            names.insert(name.clone(), *file);
        }
        Change::Gone(name) => {
            names.remove(name);
        }
    }
}

fn overlay(bytes: &mut Vec<u8>, offset: usize, part: &[u8]) {
    if bytes.len() < offset + part.len() {
        bytes.resize(offset + part.len(), 0);
    }
    bytes[offset..offset + part.len()].copy_from_slice(part);
}

/// SplitMix64.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
}

impl SimDisk {
    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.0.lock().calls
    }

    /// The power goes at this call.
    pub fn cut_at(&self, call: u64) {
        self.0.lock().cut = Some(call);
    }

    /// This call fails, and with `forever` all after it.
    pub fn fail_at(&self, call: u64, forever: bool) {
        self.0.lock().fault = Some((call, forever));
    }

    /// What is there once the power is back: any part of what was not synced.
    pub fn after_power_cut(&self, random: &mut Random) -> SimDisk {
        let state = self.0.lock();
        let mut after = State { durable_names: state.durable_names.clone(), ..State::default() };
        for change in &state.renames {
            if random.below(2) == 0 {
                apply(&mut after.durable_names, change);
            }
        }
        after.names = after.durable_names.clone();
        // Everything, nothing, or each sector by itself.
        let mood = random.below(4);
        for file in &state.files {
            let mut bytes = file.durable.clone();
            for (offset, part) in file.doubtful.iter().chain(&file.unsynced) {
                let mut at = 0;
                while at < part.len() {
                    // Up to the next multiple of a sector in the file.
                    let len = (SECTOR - (offset + at) % SECTOR).min(part.len() - at);
                    if mood == 0 || mood > 1 && random.below(2) == 0 {
                        overlay(&mut bytes, offset + at, &part[at..at + len]);
                    }
                    at += len;
                }
            }
            after.files.push(Content { now: bytes.clone(), durable: bytes, ..Content::default() });
        }
        SimDisk(Arc::new(Mutex::new(after)))
    }

    /// What is there after the process was killed: all that was written.
    pub fn after_kill(&self) -> SimDisk {
        let state = self.0.lock();
        let file = |c: &Content| Content { now: c.now.clone(), durable: c.now.clone(), ..Content::default() };
        SimDisk(Arc::new(Mutex::new(State {
            files: state.files.iter().map(file).collect(),
            names: state.names.clone(),
            durable_names: state.names.clone(),
            ..State::default()
        })))
    }

    /// Flips one bit of a file.
    pub fn flip(&self, name: &str, bit: usize) {
        let mut state = self.0.lock();
        let file = state.names[name];
        state.files[file].now[bit / 8] ^= 1 << (bit % 8);
    }

    /// A file's length.
    pub fn length(&self, name: &str) -> usize {
        let state = self.0.lock();
        state.files[state.names[name]].now.len()
    }
}

impl Disk for SimDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.call()?;
        let file = state.files.len();
        state.files.push(Content::default());
        state.change(Change::Set(name.to_owned(), file));
        Ok(Arc::new(SimFile { disk: self.clone(), file }))
    }

    fn open(&self, name: &str, _write: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.call()?;
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call()?;
        let file = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        // A file may come back under both names, or be lost to neither.
        state.change(Change::Set(to.to_owned(), file));
        state.change(Change::Gone(from.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call()?;
        state.change(Change::Gone(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call()?;
        state.durable_names = state.names.clone();
        state.renames.clear();
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.0.lock();
        state.call()?;
        Ok(state.names.keys().cloned().collect())
    }
}

struct SimFile {
    disk: SimDisk,
    file: usize,
}

impl DiskFile for SimFile {
    fn read(&self) -> io::Result<Vec<u8>> {
        let mut state = self.disk.0.lock();
        state.call()?;
        Ok(state.files[self.file].now.clone())
    }

    fn head(&self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = self.read()?;
        bytes.truncate(len);
        Ok(bytes)
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.0.lock();
        state.call()?;
        Ok(state.files[self.file].now.len() as u64)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let called = state.call();
        let cut = state.cut.is_some_and(|cut| state.calls > cut);
        let file = &mut state.files[self.file];
        if called.is_ok() {
            overlay(&mut file.now, offset as usize, bytes);
            file.unsynced.push((offset as usize, bytes.to_vec()));
        } else if !cut {
            // A write that fails may have done a part of its work.
            let part = &bytes[..bytes.len() / 2];
            overlay(&mut file.now, offset as usize, part);
            file.unsynced.push((offset as usize, part.to_vec()));
        }
        called
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let called = state.call();
        let file = &mut state.files[self.file];
        let unsynced = std::mem::take(&mut file.unsynced);
        if called.is_ok() {
            let Content { durable, .. } = file;
            unsynced.iter().for_each(|(offset, part)| overlay(durable, *offset, part));
        } else {
            file.doubtful.extend(unsynced);
        }
        called
    }
}
