//! The thread that writes: whatever was appended meanwhile becomes one frame.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::failpoint::{Failpoint, reach};

use super::log::Shared;
use super::segment::{RESERVE, prepare};
use super::writer::Writer;

/// How long nothing must have been appended before the last frame is sealed.
const IDLE: Duration = Duration::from_millis(50);

/// How long after a failure the reserve segment is tried again.
const RESERVE_AGAIN: Duration = Duration::from_secs(1);

/// The thread that writes.
pub(super) struct Commit<'a> {
    shared: &'a Arc<Shared>,
    writer: Writer,
    /// Makes the segment that comes after this one.
    reserve: Option<JoinHandle<io::Result<()>>>,
    tried: Option<Instant>,
}

impl<'a> Commit<'a> {
    pub fn new(shared: &'a Arc<Shared>, writer: Writer) -> Commit<'a> {
        Commit { shared, writer, reserve: None, tried: None }
    }

    /// Writes what is appended until the log is closed; then syncs and seals.
    ///
    /// # Errors
    /// The first failure of the disk: nothing is written after it.
    pub fn run(mut self) -> io::Result<()> {
        let (mut body, mut ends) = (Vec::new(), Vec::new());
        self.make_reserve();
        loop {
            let mut queue = self.shared.queue.lock();
            let mut idle = false;
            while queue.ready.is_empty() && !queue.closing && !idle {
                if self.writer.sealed() && self.reserve.is_none() && self.shared.reserve.lock().is_none() {
                    self.shared.work.wait(&mut queue);
                } else {
                    idle = self.shared.work.wait_for(&mut queue, IDLE).timed_out();
                }
            }
            let closing = queue.closing;
            body.clear();
            ends.clear();
            std::mem::swap(&mut body, &mut queue.ready);
            std::mem::swap(&mut ends, &mut queue.ends);
            drop(queue);
            if self.shared.failed.get().is_some() {
                return Ok(());
            }
            if !body.is_empty() {
                self.write(&body, &ends)?;
                self.check_reserve();
                continue;
            }
            self.seal()?;
            if closing {
                self.sync()?;
                if let Some(making) = self.reserve.take() {
                    let _ = making.join();
                }
                let _ = self.shared.end.set(self.writer.position());
                return Ok(());
            }
            self.check_reserve();
        }
    }

    /// Writes records as few frames.
    fn write(&mut self, body: &[u8], ends: &[usize]) -> io::Result<()> {
        let (mut start, mut done) = (0, 0);
        while done < ends.len() {
            let most = start + self.writer.body_max();
            let fit = ends[done..].partition_point(|end| *end <= most);
            let end = ends[done + fit - 1];
            self.frame(&body[start..end], fit as u32)?;
            self.shared.reached.write(self.writer.last_lsn());
            self.shared.waiters.wake(&self.shared.reached);
            (start, done) = (end, done + fit);
        }
        Ok(())
    }

    fn frame(&mut self, body: &[u8], records: u32) -> io::Result<()> {
        let rotates = self.writer.rotates(body.len());
        if rotates {
            self.sync()?;
            if let Some(making) = self.reserve.take() {
                self.made(making);
            }
        }
        self.writer.write(body, records, self.shared.synced_frame.load(Ordering::Acquire))?;
        reach(Failpoint::FrameWritten);
        if rotates {
            self.make_reserve();
        }
        let mut dirty = self.shared.dirty.lock();
        dirty.file = self.writer.file();
        (dirty.frame, dirty.lsn) = (self.writer.last_frame(), self.writer.last_lsn());
        drop(dirty);
        self.shared.sync_work.notify_one();
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.shared.sync(&*self.writer.file(), self.writer.last_frame(), self.writer.last_lsn())
    }

    /// Says in a frame of its own that everything before it is synced.
    fn seal(&mut self) -> io::Result<()> {
        if self.writer.sealed() {
            return Ok(());
        }
        self.sync()?;
        self.frame(&[], 0)
    }

    fn make_reserve(&mut self) {
        let (disk, bytes) = (self.writer.disk(), self.writer.segment_bytes());
        self.tried = Some(Instant::now());
        let making = Builder::new().name("journal-reserve".into()).spawn(move || {
            if disk.list()?.iter().any(|name| name == RESERVE) {
                return Ok(());
            }
            prepare(&*disk, bytes)
        });
        match making {
            Ok(making) => self.reserve = Some(making),
            // It is made when it is needed.
            Err(e) => *self.shared.reserve.lock() = Some(e.to_string()),
        }
    }

    /// Hears how making the reserve ended, and tries again if it did not.
    fn check_reserve(&mut self) {
        if self.reserve.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(making) = self.reserve.take()
        {
            self.made(making);
        }
        let failed = self.shared.reserve.lock().is_some();
        if failed && self.reserve.is_none() && self.tried.is_none_or(|at| at.elapsed() > RESERVE_AGAIN) {
            self.make_reserve();
        }
    }

    fn made(&mut self, making: JoinHandle<io::Result<()>>) {
        let made =
            making.join().unwrap_or_else(|_| Err(io::Error::other("the thread that makes it panicked")));
        *self.shared.reserve.lock() = made.err().map(|e| e.to_string());
    }
}
