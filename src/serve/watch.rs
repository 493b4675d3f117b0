//! When does the folder of rules change? Also when it is swapped for another as a whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::app::App;
use super::control::{self, Ask};
use super::log::{self, Level};

/// How long until a folder that could not be watched is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How long a folder that does not come to rest is waited for.
const SETTLE_MAX: Duration = Duration::from_secs(10);

/// Starts to watch, on a thread of its own that ends with the process.
pub(super) fn start(app: &Arc<App>) {
    let Some(folder) = app.control.folder.clone().filter(|_| app.config.reload.watch) else { return };
    let app = app.clone();
    // Watched before this returns, so that no change after it is missed.
    let mut watched = Watched::new(&folder);
    let spawned = std::thread::Builder::new().name("watch".into()).spawn(move || {
        loop {
            match watched {
                Ok(some) => {
                    some.wait(&app, &folder);
                    // Watched again before it is read: a change meanwhile is read next time. And set anew each
                    // time, since a swapped folder is another one.
                    watched = Watched::new(&folder);
                    // What went wrong is logged and counted there.
                    let _ = control::reload(&app, "watch", Ask::default());
                }
                Err(error) => {
                    log::event(Level::Warn, "watch", &[("detail", error.to_string().into())]);
                    std::thread::sleep(AGAIN);
                    watched = Watched::new(&folder);
                }
            }
        }
    });
    if let Err(error) = spawned {
        log::event(Level::Warn, "watch", &[("detail", error.to_string().into())]);
    }
}

/// A folder that tells of its changes.
struct Watched {
    told: mpsc::Receiver<notify::Result<Event>>,
    /// Tells as long as it lives.
    _watcher: RecommendedWatcher,
}

impl Watched {
    fn new(folder: &Path) -> notify::Result<Watched> {
        let (tell, told) = mpsc::channel();
        let mut watcher = RecommendedWatcher::new(tell, notify::Config::default())?;
        for (path, mode) in places(folder, &models(folder)) {
            watcher.watch(&path, mode)?;
        }
        Ok(Watched { told, _watcher: watcher })
    }

    /// Waits for a change, and lets it settle.
    fn wait(self, app: &App, folder: &Path) {
        let models = models(folder);
        let matters = |event: notify::Result<Event>| match event {
            // Reading the folder is no change of it.
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
            Ok(event) => {
                event.paths.is_empty() || event.paths.iter().any(|path| concerns(path, folder, &models))
            }
            Err(_) => true,
        };
        while self.told.recv().is_ok_and(|event| !matters(event)) {}
        let until = Instant::now() + SETTLE_MAX;
        while Instant::now() < until && self.told.recv_timeout(app.config.reload.settle.0).is_ok() {}
    }
}

/// The models beside a folder of rules.
fn models(folder: &Path) -> PathBuf {
    folder.join("..").join("models")
}

fn places(folder: &Path, models: &Path) -> Vec<(PathBuf, RecursiveMode)> {
    let mut places = vec![(folder.to_owned(), RecursiveMode::Recursive)];
    if let Some(parent) = parent(folder) {
        places.push((parent, RecursiveMode::NonRecursive));
    }
    if models.is_dir() {
        places.push((models.to_owned(), RecursiveMode::NonRecursive));
    }
    places
}

fn parent(folder: &Path) -> Option<PathBuf> {
    let parent = folder.parent()?;
    Some(if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() })
}

/// Whether a path that changed is the folder, in it, or beside it among the models.
fn concerns(path: &Path, folder: &Path, models: &Path) -> bool {
    path.starts_with(folder)
        || path.starts_with(models)
        || (path.file_name() == folder.file_name()
            && path.parent().is_some_and(|p| Some(p.to_owned()) == parent(folder)))
}
