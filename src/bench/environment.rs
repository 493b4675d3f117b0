//! What did it run on? The machine, the build, and how often the machine itself stood still.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::measure::{Latency, nanos};

/// How long the probe asks to sleep.
const PROBE: Duration = Duration::from_millis(1);

/// The machine and the build; what the system doesn't tell is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Environment {
    pub(crate) cpu: Option<String>,
    pub(crate) cores: usize,
    /// Whether the machine is a guest of another.
    pub(crate) virtual_machine: Option<bool>,
    pub(crate) system: String,
    pub(crate) kernel: Option<String>,
    pub(crate) clock: Option<String>,
    /// Load average of the minute before.
    pub(crate) load_before: Option<String>,
    pub(crate) version: String,
    /// `release`, or `debug`, whose figures say nothing.
    pub(crate) build: String,
}

impl Environment {
    pub(super) fn here() -> Environment {
        let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let processor = read("/proc/cpuinfo");
        let of = |name: &str| {
            let line = processor.as_ref()?.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        Environment {
            cpu: of("model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            virtual_machine: of("flags").map(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            kernel: read("/proc/sys/kernel/osrelease"),
            clock: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            load_before: read("/proc/loadavg").and_then(|load| Some(load.split(' ').next()?.to_owned())),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        }
    }
}

/// Sleeps for a millisecond again and again until `done`, and tells by how much it overslept each time.
pub(super) fn hiccups(done: &AtomicBool) -> Latency {
    let mut overslept = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("bounds in order");
    while !done.load(Ordering::Relaxed) {
        let before = Instant::now();
        std::thread::sleep(PROBE);
        overslept.saturating_record(nanos(before.elapsed().saturating_sub(PROBE)).max(1));
    }
    Latency::of(&overslept)
}

/// Nanoseconds that this thread has been on a processor, where the system tells.
pub(super) fn thread_nanos() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split(' ').next()?.parse().ok()
}
