//! The file itself: locked as kubectl locks it, written beside and moved into place, for its owner's eyes only.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::Document;
use crate::Failure;

/// How long another writer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);
/// Most symbolic links that are followed.
const LINKS: usize = 40;

/// The file kubectl would write: the first of `KUBECONFIG`, or `~/.kube/config`.
pub fn default_path() -> Result<PathBuf, Failure> {
    let listed = std::env::var_os("KUBECONFIG")
        .and_then(|list| std::env::split_paths(&list).find(|path| !path.as_os_str().is_empty()));
    let home = || {
        std::env::var_os("HOME").filter(|home| !home.is_empty()).map(|home| PathBuf::from(home).join(".kube/config"))
    };
    listed.or_else(home).ok_or_else(|| Failure::usage("there is no home folder: name the file with --kubeconfig"))
}

/// Changes a file, or makes it. Nobody ever sees half of it, and what the change refuses leaves it as it was.
pub fn update<T>(path: &Path, change: impl FnOnce(&mut Document) -> Result<T, Failure>) -> Result<T, Failure> {
    let target = follow(path)?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(folder)?;
    // Beside the name it is known by, as kubectl does; and beside the file itself, which may have several names.
    let _named = Lock::take(path)?;
    let _itself = if target == path { None } else { Some(Lock::take(&target)?) };
    let text = match fs::read_to_string(&target) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(fault(&target, &error)),
    };
    let about = |failure: Failure| Failure::new(failure.kind(), format!("{}: {failure}", target.display()));
    let before = Document::parse(&text).map_err(about)?;
    let mut document = before.clone();
    let outcome = change(&mut document).map_err(about)?;
    if document != before || is_open(&target) {
        replace(&target, folder, &document.render().map_err(about)?)?;
    }
    Ok(outcome)
}

/// Whether others than its owner can read it.
fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

fn replace(target: &Path, folder: &Path, text: &str) -> Result<(), Failure> {
    let broken = |error: std::io::Error| fault(target, &error);
    // Mode 0600 from its first moment.
    let mut file = tempfile::Builder::new().prefix(".cpctl-").tempfile_in(folder).map_err(broken)?;
    file.write_all(text.as_bytes()).map_err(broken)?;
    if let Ok(before) = fs::metadata(target) {
        keep_owner(file.as_file(), &before).map_err(broken)?;
    }
    file.as_file().sync_all().map_err(broken)?;
    file.persist(target).map_err(|error| broken(error.error))?;
    // The move itself has to last as well.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(broken)
}

/// Root that writes a user's file leaves it theirs.
fn keep_owner(file: &File, before: &fs::Metadata) -> std::io::Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) == (before.uid(), before.gid()) {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(before.uid()), Some(before.gid()))
}

/// The file at the end of symbolic links, which need not exist yet: the links stay.
fn follow(path: &Path) -> Result<PathBuf, Failure> {
    let mut target = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&target) {
            Ok(next) => target = target.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(Failure::refused(format!("{}: its symbolic links lead nowhere", path.display())))
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    if folder.is_dir() {
        return Ok(());
    }
    let made = fs::DirBuilder::new().recursive(true).create(folder);
    made.map_err(|error| fault(folder, &error))
}

fn fault(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

/// The lock file of kubectl and all that is built with its library: whoever made it may write.
struct Lock(PathBuf);

impl Lock {
    fn take(path: &Path) -> Result<Self, Failure> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let start = Instant::now();
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&lock) {
                Ok(_) => return Ok(Self(lock)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && start.elapsed() < PATIENCE => {
                    std::thread::sleep(POLL);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    let message = format!(
                        "{}: another program is writing the file, or one was killed while it did. If none is running, remove the lock file",
                        lock.display()
                    );
                    return Err(Failure::new(crate::Kind::TryAgain, message));
                }
                Err(error) => return Err(fault(&lock, &error)),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::kubeconfig::{Entry, Origin};

    fn put(path: &Path, name: &str) -> Result<(), Failure> {
        update(path, |file| {
            let entry = Entry {
                name: name.to_owned(),
                origin: Origin { provider: "mock".to_owned(), cluster: name.to_owned() },
                cluster: Map::from_iter([("server".to_owned(), json!("https://c"))]),
                user: Map::from_iter([("token".to_owned(), json!("t"))]),
            };
            file.merge(entry, false, false).map(drop)
        })
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_and_an_old_one_are_their_owners_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/config");
        put(&path, "a").unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        put(&path, "a").unwrap();
        assert_eq!(mode(&path), 0o600, "even where nothing else changed");
        let left: Vec<_> =
            fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["config"], "no lock and no half file is left");
    }

    #[test]
    fn a_link_stays_one_and_its_file_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        std::os::unix::fs::symlink("real/config", at("first")).unwrap();
        std::os::unix::fs::symlink(at("first"), at("second")).unwrap();
        put(&at("second"), "a").unwrap();
        assert!(at("first").is_symlink() && at("second").is_symlink());
        assert!(fs::read_to_string(at("real/config")).unwrap().contains("https://c"));
        std::os::unix::fs::symlink("circle", at("circle")).unwrap();
        assert!(put(&at("circle"), "a").unwrap_err().to_string().contains("lead nowhere"));
    }

    #[test]
    fn what_is_refused_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        for text in ["kind: Pod\n", "not a kubeconfig", "users: [{name: a, user: {}}]\n"] {
            fs::write(&path, text).unwrap();
            let failure = put(&path, "a").unwrap_err().to_string();
            assert!(failure.starts_with(&path.display().to_string()), "{failure}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn writers_at_the_same_time_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || (0..3).for_each(|n| put(path, &format!("c-{writer}-{n}")).unwrap()));
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        let missing: Vec<String> = (0..4)
            .flat_map(|writer| (0..3).map(move |n| format!("c-{writer}-{n}")))
            .filter(|name| !text.contains(name))
            .collect();
        assert_eq!(missing, Vec::<String>::new());
    }
}
