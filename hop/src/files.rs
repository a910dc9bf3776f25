//! Files that are read again when they change, for whatever reloads while the process runs.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

/// A file system without change notices (and a remount, after which they are lost) is covered by reading again this often.
const REREAD: Duration = Duration::from_mins(1);
/// Files that belong together rarely change in one instant; this long after the last change they are read.
const SETTLE: Duration = Duration::from_millis(250);

/// Keeps what was read from files up to date; ends when dropped.
#[must_use = "reloading ends when this is dropped"]
pub struct ReloadTask {
    task: JoinHandle<()>,
    _watcher: Option<RecommendedWatcher>,
}

impl ReloadTask {
    /// Calls `read` after each change of the files, and once a minute in case a change went unnoticed: whether anything is new is
    /// for `read` to find out. The folders are watched, not the files: mounted Secrets and `ConfigMaps` change by swapping a link
    /// beside them.
    pub fn start(what: &'static str, files: &[&Path], read: impl FnMut() + Send + 'static) -> Self {
        let changed = Arc::new(Notify::new());
        let watcher = match watch_directories(files, changed.clone()) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "no notice of changed {what}; read again every minute");
                None
            }
        };
        Self { task: tokio::spawn(follow(changed, read)), _watcher: watcher }
    }
}

impl Drop for ReloadTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn watch_directories(files: &[&Path], changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a file is an event too, and ours must not wake us again.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            changed.notify_one();
        }
    })?;
    let directories: BTreeSet<PathBuf> = files.iter().map(|path| directory_of(path)).collect();
    for directory in directories {
        watcher.watch(&directory, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

async fn follow(changed: Arc<Notify>, mut read: impl FnMut() + Send + 'static) {
    let mut reread = interval(REREAD);
    reread.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = changed.notified() => settle(&changed).await,
            _ = reread.tick() => {}
        }
        // Small local files do not block for long.
        read();
    }
}

/// Returns once nothing has changed for a moment, or soon enough in a directory that never rests.
async fn settle(changed: &Notify) {
    let calm = async { while timeout(SETTLE, changed.notified()).await.is_ok() {} };
    let _ = timeout(SETTLE * 8, calm).await;
}
