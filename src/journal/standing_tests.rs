//! What is saved of a journal's records is what they come to, or is passed over: every crash point, every failing
//! call, every flipped bit, against the records themselves.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

use super::chunks::names;
use super::crash_tests::{JOURNAL, SEGMENT, Told, body, payload, soak, write_some};
use super::disk::Disk;
use super::segment::{RESERVE, prepare};
use super::simulated::{Random, SimDisk};
use super::standing::{Brought, Standing, bring_back, follow_on, save};
use super::writer::Writer;

/// How many records there were, and what they came to in their order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Sum {
    records: u64,
    digest: u64,
}

impl Standing for Sum {
    const RELEASE: &'static str = "test";

    fn take(&mut self, _: u8, _: u8, bytes: &[u8]) -> Result<(), String> {
        self.records += 1;
        if bytes != payload(self.records) {
            return Err("it does not follow".to_owned());
        }
        self.digest = self.digest.wrapping_mul(31).wrapping_add(u64::from(crc32c::crc32c(bytes)));
        Ok(())
    }

    fn image(&self, put: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        put(&self.records.to_le_bytes())?;
        put(&self.digest.to_le_bytes())
    }

    fn with_image(self, chunks: &[&[u8]]) -> Result<Sum, String> {
        let number = |at: usize| {
            let bytes = chunks.get(at).and_then(|chunk| <[u8; 8]>::try_from(*chunk).ok());
            bytes.map(u64::from_le_bytes).ok_or_else(|| "it has another shape".to_owned())
        };
        Ok(Sum { records: number(0)?, digest: number(1)? })
    }
}

/// What so many records come to.
fn of(records: u64) -> Sum {
    let mut sum = Sum::default();
    (1..=records).for_each(|lsn| sum.take(1, 1, &payload(lsn)).unwrap());
    sum
}

/// Opens it; a legal state is never refused, and what comes back is what the records come to.
fn back(disk: &SimDisk, what: &str) -> Result<Brought<Sum>, Error> {
    let brought = bring_back(Path::new("simulated"), disk, &Sum::default).inspect_err(|e| {
        assert_ne!(e.kind(), ErrorKind::Damaged, "{what}: a legal state was refused: {e}");
    })?;
    assert_eq!(brought.standing, of(brought.standing.records), "{what}");
    let read = brought.found.as_ref().map_or(0, |scan| scan.next_lsn - 1);
    assert_eq!(brought.standing.records, read, "{what}");
    Ok(brought)
}

/// Opens, writes, syncs and saves at random until `steps` are done or the disk fails. That nothing could be saved
/// does the journal no harm.
fn work(disk: &SimDisk, random: &mut Random, steps: u64, told: &mut Told) -> io::Result<()> {
    let Brought { found, strangers, .. } =
        back(disk, "opened").map_err(|e| io::Error::other(e.to_string()))?;
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut writer = match found {
        Some(scan) => Writer::resume(shared, &scan, SEGMENT)?,
        None => Writer::begin(shared, JOURNAL, 0, SEGMENT)?,
    };
    for name in strangers {
        disk.remove(&name)?;
    }
    *told = Told { written: writer.last_lsn(), synced: writer.last_lsn() };
    let mut durable = writer.last_frame();
    for _ in 0..steps {
        match random.below(10) {
            0 | 1 => {
                writer.file().sync()?;
                (told.synced, durable) = (writer.last_lsn(), writer.last_frame());
            }
            2 => {
                if !disk.list()?.iter().any(|n| n == RESERVE) {
                    prepare(disk, SEGMENT)?;
                }
            }
            // Beside the writer, from what it has written and may not have synced.
            3 | 4 => drop(follow_on(Path::new("simulated"), disk, &Sum::default)),
            // As at an end in good order.
            5 => {
                writer.file().sync()?;
                (told.synced, durable) = (writer.last_lsn(), writer.last_frame());
                writer.write(&[], 0, durable)?;
                drop(save(disk, &of(writer.last_lsn()), &writer.position()));
            }
            _ => told.written = write_some(&mut writer, random, durable)?,
        }
    }
    Ok(())
}

/// How often a start began from a snapshot, from the beginning, and passed one over.
#[derive(Default, Debug)]
struct Ways {
    saved: u64,
    whole: u64,
    passed: u64,
}

impl Ways {
    /// All that was synced is there, and nothing that was not written.
    fn check(&mut self, disk: &SimDisk, told: Told, what: &str) {
        let brought = back(disk, what).unwrap();
        let kept = brought.standing.records;
        let most = told.written.max(told.synced) + 4;
        assert!((told.synced..=most).contains(&kept), "{what}: {kept} of {told:?}");
        match brought.snapshot {
            Some(_) => self.saved += 1,
            None => self.whole += 1,
        }
        self.passed += brought.passed_over.len() as u64;
    }
}

#[test]
fn at_every_crash_point_what_was_saved_is_right_or_passed_over() {
    let mut ways = Ways::default();
    for seed in 0..12 * soak() {
        let whole = SimDisk::default();
        work(&whole, &mut Random(seed), 50, &mut Told::default()).unwrap();
        for cut in 1..=whole.calls() {
            let disk = SimDisk::default();
            disk.cut_at(cut);
            let mut told = Told::default();
            let _ = work(&disk, &mut Random(seed), 50, &mut told);
            let mut random = Random(seed << 32 | cut);
            let mut after = disk.after_power_cut(&mut random);
            ways.check(&after, told, &format!("seed {seed}, call {cut}"));
            // Whoever comes back is interrupted in its turn.
            for depth in 0..2 {
                after.cut_at(after.calls() + 1 + random.below(30));
                let mut again = told;
                if work(&after, &mut Random(cut), 8, &mut again).is_ok() || again.written > told.written {
                    told = Told { synced: again.synced.max(told.synced), written: again.written };
                }
                after = after.after_power_cut(&mut random);
                ways.check(&after, told, &format!("seed {seed}, call {cut}, depth {depth}"));
            }
        }
    }
    let Ways { saved, whole, passed } = ways;
    assert!(saved > 3_000 && whole > 500 && passed > 20, "{ways:?}");
}

#[test]
fn after_any_failed_call_the_journal_opens() {
    let mut ways = Ways::default();
    for forever in [false, true] {
        for seed in 0..4 * soak() {
            let whole = SimDisk::default();
            work(&whole, &mut Random(seed), 50, &mut Told::default()).unwrap();
            for call in 1..=whole.calls() {
                let disk = SimDisk::default();
                disk.fail_at(call, forever);
                let mut told = Told::default();
                let _ = work(&disk, &mut Random(seed), 50, &mut told);
                let what = format!("seed {seed}, call {call}");
                ways.check(&disk.after_power_cut(&mut Random(call)), told, &what);
                ways.check(&disk.after_kill(), told, &what);
            }
        }
    }
    assert!(ways.saved > 1_000, "{ways:?}");
}

/// Two snapshots and records behind them, with the records that they know.
fn small() -> (SimDisk, [String; 2], u64) {
    let disk = SimDisk::default();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut writer = Writer::begin(shared, JOURNAL, 0, SEGMENT).unwrap();
    for count in [3, 1, 4, 2, 3, 1, 2] {
        let first = writer.last_lsn() + 1;
        writer.write(&body(first, count), count as u32, writer.last_frame()).unwrap();
        if count % 2 == 1 {
            follow_on(Path::new("simulated"), &disk, &Sum::default).unwrap();
        }
    }
    let [newest, older] = names(&disk.list().unwrap()).try_into().expect("two are kept");
    (disk, [newest, older], writer.last_lsn())
}

#[test]
fn a_damaged_snapshot_is_passed_over_and_the_records_read() {
    let (disk, [newest, older], all) = small();
    let good = back(&disk, "good").unwrap();
    assert_eq!((good.standing.records, good.snapshot), (all, Some(14)));
    for bit in 0..disk.length(&newest) * 8 {
        let disk = disk.after_kill();
        disk.flip(&newest, bit);
        let what = format!("bit {bit}");
        let brought = back(&disk, &what).unwrap();
        assert_eq!((brought.standing.records, brought.snapshot), (all, Some(13)), "{what}");
        assert!(brought.passed_over[0].starts_with(&newest), "{what}: {:?}", brought.passed_over);
        disk.flip(&older, bit);
        let brought = back(&disk, &what).unwrap();
        assert_eq!((brought.standing.records, brought.snapshot), (all, None), "{what}");
        assert_eq!(brought.passed_over.len(), 2, "{what}: {:?}", brought.passed_over);
    }
    let bytes = disk.open(&newest, false).unwrap().read().unwrap();
    for length in 0..bytes.len() {
        let disk = disk.after_kill();
        disk.create(&newest).unwrap().write_at(&bytes[..length], 0).unwrap();
        let brought = back(&disk, "cut").unwrap();
        assert_eq!((brought.standing.records, brought.snapshot), (all, Some(13)), "cut at {length}");
    }
}

/// A snapshot whose checksums hold and whose content is not what the records come to: what follows does not follow.
#[test]
fn a_snapshot_that_the_records_contradict_is_passed_over() {
    let (disk, [newest, _], all) = small();
    let position = back(&disk.after_kill(), "good").unwrap().found.unwrap().position();
    // It says that it knows all, and knows less.
    save(&disk, &of(all - 1), &position).unwrap();
    let first = bring_back(Path::new("simulated"), &disk, &Sum::default).unwrap();
    assert_eq!((first.standing, first.snapshot), (of(all - 1), Some(all)), "nothing follows that could tell");
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut writer = Writer::resume(shared, &first.found.unwrap(), SEGMENT).unwrap();
    writer.write(&body(all + 1, 1), 1, writer.last_frame()).unwrap();
    let brought = back(&disk, "contradicted").unwrap();
    assert_eq!((brought.standing.records, brought.snapshot), (all + 1, Some(14)));
    assert!(brought.passed_over[0].contains("what follows"), "{:?}", brought.passed_over);
    assert!(newest.starts_with("00000000000000000014"));
}
