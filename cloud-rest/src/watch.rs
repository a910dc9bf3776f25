//! Notice of changed files: told when their content differs, not when they are merely touched.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

/// A file system without change notices (and a remount, after which they are lost) is covered by looking again this often.
const LOOK: Duration = Duration::from_secs(10);
/// Files that belong together rarely change in one instant; this long after the last change they are read.
const SETTLE: Duration = Duration::from_millis(250);

/// Calls back when files have changed; ends when dropped.
#[must_use = "watching ends when this is dropped"]
#[derive(Debug)]
pub struct Watch {
    task: JoinHandle<()>,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches files and folders, for changes from now on. The folders that hold the files are watched, not the files: mounted
    /// Secrets change by swapping a link beside them. `changed` runs once at a time.
    pub fn start<F: Future<Output = ()> + Send>(
        paths: &[PathBuf],
        mut changed: impl FnMut() -> F + Send + 'static,
    ) -> Self {
        let notice = Arc::new(Notify::new());
        let watcher = match watcher(paths, notice.clone()) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "no notice of changed files; they are read again every {LOOK:?}");
                None
            }
        };
        let paths = paths.to_vec();
        let mut content = digest(&paths);
        let task = tokio::spawn(async move {
            let mut look = interval_at(Instant::now() + LOOK, LOOK);
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = notice.notified() => settle(&notice).await,
                    _ = look.tick() => {}
                }
                let now = digest(&paths);
                if now != content {
                    content = now;
                    changed().await;
                }
            }
        });
        Self { task, _watcher: watcher }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What tells one content from another; the content itself, which may be secret, is not kept.
fn digest(paths: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            let files: BTreeSet<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
            for file in files {
                (&file, std::fs::read(&file).ok()).hash(&mut hasher);
            }
        } else {
            (path, std::fs::read(path).ok()).hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn watcher(paths: &[PathBuf], notice: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a file is an event too, and ours must not wake us again.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            notice.notify_one();
        }
    })?;
    let folders: BTreeSet<&Path> = paths.iter().map(|path| folder_of(path)).collect();
    for folder in folders {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn folder_of(path: &Path) -> &Path {
    if path.is_dir() {
        return path;
    }
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Returns once nothing has changed for a moment, or soon enough in a folder that never rests.
async fn settle(notice: &Notify) {
    let calm = async { while timeout(SETTLE, notice.notified()).await.is_ok() {} };
    let _ = timeout(SETTLE * 8, calm).await;
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tokio::sync::mpsc;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(8);

    fn watch(path: &Path) -> (Watch, mpsc::UnboundedReceiver<()>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let watch = Watch::start(&[path.to_owned()], move || {
            let _ = sender.send(());
            std::future::ready(())
        });
        (watch, receiver)
    }

    #[tokio::test]
    async fn a_changed_file_is_noticed_within_seconds() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("cloud-config");
        std::fs::write(&file, "a").unwrap();
        let (_watch, mut noticed) = watch(&file);
        std::fs::write(&file, "b").unwrap();
        timeout(LIMIT, noticed.recv()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_written_as_it_was_is_no_news() {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::write(folder.path().join("key"), "a").unwrap();
        let (_watch, mut noticed) = watch(folder.path());
        std::fs::write(folder.path().join("key"), "a").unwrap();
        timeout(SETTLE * 4, noticed.recv()).await.unwrap_err();
        std::fs::write(folder.path().join("key"), "b").unwrap();
        timeout(LIMIT, noticed.recv()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_mounted_secret_that_is_swapped_is_noticed() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        for version in ["v1", "v2"] {
            std::fs::create_dir(path(version)).unwrap();
            std::fs::write(path(version).join("key"), version).unwrap();
        }
        symlink("v1", path("..data")).unwrap();
        symlink("..data/key", path("key")).unwrap();
        let (_watch, mut noticed) = watch(&path("key"));
        symlink("v2", path("..new")).unwrap();
        std::fs::rename(path("..new"), path("..data")).unwrap();
        timeout(LIMIT, noticed.recv()).await.unwrap().unwrap();
        assert_eq!(std::fs::read_to_string(path("key")).unwrap(), "v2");
    }
}
