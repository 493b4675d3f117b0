//! What survives: every crash point, every failing call, every flipped bit of a small journal, against a
//! plain list of what was acknowledged.

use std::sync::Arc;

use super::damage::{Refusal, Stop};
use super::disk::{Disk, DiskFile};
use super::frame::Raw;
use super::scan::{Scan, Visitor, scan};
use super::segment::{RESERVE, prepare};
use super::simulated::{Random, SimDisk};
use super::writer::Writer;

/// Small, so that a few records fill one.
pub(super) const SEGMENT: usize = 8192;
pub(super) const JOURNAL: u64 = 77;

/// The record of a number is told by the number.
pub(super) fn payload(lsn: u64) -> Vec<u8> {
    let mut random = Random(lsn);
    (0..random.below(900)).map(|_| random.next() as u8).collect()
}

pub(super) fn body(first: u64, count: u64) -> Vec<u8> {
    let mut body = Vec::new();
    for lsn in first..first + count {
        Raw { kind: 1, version: 1, payload: &payload(lsn) }.put(&mut body);
    }
    body
}

/// Counts records that are what they should be; any other is a wrong value.
struct Count(u64);

impl Visitor for Count {
    fn record(&mut self, lsn: u64, record: Raw<'_>) -> Result<(), String> {
        assert!(record.payload == payload(lsn), "record {lsn} has another value");
        assert_eq!(lsn, self.0 + 1, "out of order");
        self.0 = lsn;
        Ok(())
    }
}

fn read(disk: &SimDisk) -> Result<(Option<Scan>, u64), Stop> {
    let mut count = Count(0);
    scan(disk, &mut count).map(|scan| (scan, count.0))
}

fn resume(disk: &SimDisk) -> std::io::Result<Writer> {
    let scan = match read(disk) {
        Ok((scan, _)) => scan,
        Err(Stop::Io(_, e)) => return Err(e),
        Err(Stop::Refused(refusal)) => panic!("a legal state was refused: {refusal}"),
    };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    match scan {
        Some(scan) => Writer::resume(disk, &scan, SEGMENT),
        None => Writer::begin(disk, JOURNAL, 0, SEGMENT),
    }
}

/// What the writer of a journal had been told when it stopped.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Told {
    /// Records whose write had returned.
    pub written: u64,
    /// Records that were synced.
    pub synced: u64,
}

/// Writes up to four records; the last one's number.
pub(super) fn write_some(writer: &mut Writer, random: &mut Random, durable: u64) -> std::io::Result<u64> {
    let mut count = 1 + random.below(4);
    while body(writer.last_lsn() + 1, count).len() > writer.body_max() {
        count -= 1;
    }
    let body = body(writer.last_lsn() + 1, count);
    writer.write(&body, count as u32, durable)?;
    Ok(writer.last_lsn())
}

/// Opens, writes, syncs and seals at random until `steps` are done or the disk fails.
fn work(disk: &SimDisk, random: &mut Random, steps: u64, told: &mut Told) -> std::io::Result<()> {
    let mut writer = resume(disk)?;
    *told = Told { written: writer.last_lsn(), synced: writer.last_lsn() };
    let mut durable = writer.last_frame();
    let sync = |file: Arc<dyn DiskFile>, writer: &Writer, told: &mut Told| {
        file.sync()?;
        told.synced = writer.last_lsn();
        std::io::Result::Ok(writer.last_frame())
    };
    for _ in 0..steps {
        match random.below(8) {
            0 | 1 => durable = sync(writer.file(), &writer, told)?,
            2 if !writer.sealed() => {
                durable = sync(writer.file(), &writer, told)?;
                writer.write(&[], 0, durable)?;
            }
            3 => {
                if !disk.list()?.iter().any(|n| n == RESERVE) {
                    prepare(disk, SEGMENT)?;
                }
            }
            _ => told.written = write_some(&mut writer, random, durable)?,
        }
    }
    Ok(())
}

/// How much more is done than in every run of the tests: `TOLLGATE_SOAK=20 cargo test --release crash`.
pub(super) fn soak() -> u64 {
    std::env::var("TOLLGATE_SOAK").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// The journal opens after a power cut and holds what was synced, and nothing that was not written.
fn check(disk: &SimDisk, told: Told, what: &str) {
    let (_, kept) = read(disk).unwrap_or_else(|stop| panic!("{what}: {stop:?}"));
    assert!((told.synced..=told.written.max(told.synced) + 4).contains(&kept), "{what}: {kept} of {told:?}");
}

#[test]
fn every_crash_point_opens_with_all_that_was_synced() {
    let mut points = 0;
    for seed in 0..25 * soak() {
        let whole = SimDisk::default();
        work(&whole, &mut Random(seed), 60, &mut Told::default()).unwrap();
        for cut in 1..=whole.calls() {
            let disk = SimDisk::default();
            disk.cut_at(cut);
            let mut told = Told::default();
            let _ = work(&disk, &mut Random(seed), 60, &mut told);
            let mut random = Random(seed << 32 | cut);
            let mut after = disk.after_power_cut(&mut random);
            check(&after, told, &format!("seed {seed}, call {cut}"));
            // Recovery is interrupted in its turn, three deep, and goes on all the same.
            for depth in 0..3 {
                after.cut_at(after.calls() + 1 + random.below(12));
                let mut again = told;
                if work(&after, &mut Random(cut), 6, &mut again).is_ok() || again.written > told.written {
                    told = Told { synced: again.synced.max(told.synced), written: again.written };
                }
                after = after.after_power_cut(&mut random);
                check(&after, told, &format!("seed {seed}, call {cut}, depth {depth}"));
            }
            points += 4;
        }
    }
    assert!(points > 5_000, "{points}");
}

#[test]
fn a_killed_process_loses_nothing_that_was_written() {
    for seed in 0..200 * soak() {
        let disk = SimDisk::default();
        disk.cut_at(20 + Random(seed).below(150));
        let mut told = Told::default();
        let _ = work(&disk, &mut Random(seed), 80, &mut told);
        let (_, kept) = read(&disk.after_kill()).unwrap();
        assert!(kept >= told.written, "seed {seed}: {kept} of {told:?}");
    }
}

#[test]
fn after_any_failed_call_nothing_more_is_written_and_the_journal_opens() {
    for forever in [false, true] {
        for seed in 0..10 * soak() {
            let whole = SimDisk::default();
            work(&whole, &mut Random(seed), 60, &mut Told::default()).unwrap();
            for call in 1..=whole.calls() {
                let disk = SimDisk::default();
                disk.fail_at(call, forever);
                let mut told = Told::default();
                assert!(work(&disk, &mut Random(seed), 60, &mut told).is_err(), "call {call} was not heard");
                let what = format!("seed {seed}, call {call}");
                check(&disk.after_power_cut(&mut Random(call)), told, &what);
                check(&disk.after_kill(), told, &what);
            }
        }
    }
}

/// A journal of two segments: a few frames, a seal or not.
fn small(sealed: bool) -> (SimDisk, u64, u64) {
    let disk = SimDisk::default();
    let mut writer = resume(&disk).unwrap();
    for count in [3, 1, 4, 2, 3, 1] {
        let first = writer.last_lsn() + 1;
        writer.write(&body(first, count), count as u32, writer.last_frame()).unwrap();
    }
    let before_last = writer.last_lsn() - 1;
    if sealed {
        writer.write(&[], 0, writer.last_frame()).unwrap();
    }
    assert!(disk.list().unwrap().contains(&"00000002.log".to_owned()));
    (disk, before_last, writer.last_lsn())
}

#[test]
fn no_flipped_bit_is_a_silent_loss() {
    for sealed in [true, false] {
        let (disk, before_last, all) = small(sealed);
        let (mut refused, mut harmless, mut torn) = (0, 0, 0);
        let names = disk.list().unwrap();
        for name in names.iter().filter(|name| !name.starts_with("reserve")) {
            for bit in 0..disk.length(name) * 8 {
                let disk = disk.after_kill();
                disk.flip(name, bit);
                match read(&disk) {
                    // What is refused is named: the segment, and records that are there.
                    Err(Stop::Refused(Refusal { segment, .. })) => {
                        refused += 1;
                        assert!(segment == *name || bit < 4096 * 8, "{segment} for {name}");
                    }
                    Err(stop) => panic!("{stop:?}"),
                    Ok((scan, kept)) if scan.as_ref().is_some_and(|s| s.torn.is_some()) => {
                        torn += 1;
                        // Only the last frame, and a seal holds no record.
                        let least = if sealed { all } else { before_last };
                        assert!(kept >= least, "{name} bit {bit}: {kept} of {all}");
                    }
                    // Zeros behind the frames of a full segment.
                    Ok((_, kept)) => {
                        harmless += 1;
                        assert_eq!(kept, all, "{name} bit {bit}");
                    }
                }
            }
        }
        assert!(refused > 60_000 && torn > 1_000, "{refused} {torn} {harmless}");
    }
}

/// What the fuzz target does, on mutants of a good segment, its frames and its records.
#[test]
fn mutants_do_no_harm() {
    let (disk, ..) = small(true);
    let good = disk.open("00000001.log", false).unwrap().read().unwrap();
    let mut random = Random(3);
    for round in 0..3_000 {
        let from = [0, 4096, 4096 + 80 + 9][round % 3];
        let mut bytes = good[from..].to_owned();
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.next() as u8;
        }
        bytes.truncate(random.below(2 * bytes.len() as u64) as usize);
        super::fuzzing::journal(&bytes);
    }
}

#[test]
fn what_is_missing_or_cut_is_named() {
    let refusal = |disk: &SimDisk| match read(disk) {
        Err(Stop::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let (disk, ..) = small(true);
    disk.remove("00000001.log").unwrap();
    assert!(refusal(&disk).to_string().starts_with("00000001.log at byte 0: it is missing"));
    let (disk, ..) = small(true);
    disk.flip("00000001.log", 5000 * 8);
    let said = refusal(&disk);
    assert_eq!((said.segment.as_str(), said.offset, said.lsns.0), ("00000001.log", 4096, 1));
    assert!(
        said.to_string()
            .contains("frame 1 is damaged, and 00000002.log begins after it; records 1 to 3 are lost")
    );
    let (other, ..) = small(true);
    let mut second = other.open("00000002.log", false).unwrap().read().unwrap();
    second.truncate(5000);
    other.create("00000002.log").unwrap().write_at(&second, 0).unwrap();
    assert!(refusal(&other).why.contains("was 8192 bytes long and is cut"));
}

#[test]
fn a_frame_as_large_as_may_be_fits_and_one_byte_more_starts_a_segment() {
    let disk = SimDisk::default();
    let mut writer = resume(&disk).unwrap();
    let filler = |len: usize| {
        let mut body = Vec::new();
        Raw { kind: 1, version: 1, payload: &vec![0; len] }.put(&mut body);
        body
    };
    let largest = Writer::record_max(SEGMENT);
    let body = filler(largest);
    assert_eq!(body.len(), writer.body_max());
    writer.write(&body, 1, 0).unwrap();
    writer.write(&[], 0, 1).unwrap(); // the seal still fits
    assert_eq!(disk.list().unwrap(), ["00000001.log"]);
    writer.write(&filler(1), 1, 2).unwrap();
    assert_eq!(disk.list().unwrap(), ["00000001.log", "00000002.log"]);
}
