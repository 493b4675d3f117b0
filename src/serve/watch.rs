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
    let spawned = std::thread::Builder::new().name("watch".into()).spawn(move || {
        loop {
            if let Err(error) = watch(&app, &folder) {
                log::event(Level::Warn, "watch", &[("detail", error.to_string().into())]);
                std::thread::sleep(AGAIN);
            }
        }
    });
    if let Err(error) = spawned {
        log::event(Level::Warn, "watch", &[("detail", error.to_string().into())]);
    }
}

/// Waits for a change, lets it settle, takes it. The watches are set anew each time: a swapped folder is
/// another one.
fn watch(app: &Arc<App>, folder: &Path) -> notify::Result<()> {
    let (tell, told) = mpsc::channel();
    let mut watcher = RecommendedWatcher::new(tell, notify::Config::default())?;
    let models = folder.join("..").join("models");
    for (path, mode) in places(folder, &models) {
        watcher.watch(&path, mode)?;
    }
    let matters = |event: notify::Result<Event>| match event {
        // Reading the folder is no change of it.
        Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
        Ok(event) => event.paths.is_empty() || event.paths.iter().any(|path| concerns(path, folder, &models)),
        Err(_) => true,
    };
    loop {
        let Ok(event) = told.recv() else { return Ok(()) };
        if matters(event) {
            break;
        }
    }
    let until = Instant::now() + SETTLE_MAX;
    while Instant::now() < until && told.recv_timeout(app.config.reload.settle.0).is_ok() {}
    drop(watcher);
    // What went wrong is logged and counted there.
    let _ = control::reload(app, "watch", Ask::default());
    Ok(())
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
