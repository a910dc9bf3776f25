//! What was issued is kept until shortly before it ends: a client asks at each start, and an issue is a call to the cloud. Files are for
//! their owner's eyes only, and only one process asks the daemon at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Status;
use crate::Failure;

/// A credential whose end is not known, or far away, is asked for again after this time.
const LONGEST: Duration = Duration::from_hours(1);
/// It is renewed this long before its end, or a tenth of its life, whichever is shorter.
const EARLY: Duration = Duration::from_mins(5);

/// What was asked for: the same question has the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// How the daemon is reached, and as whom.
    pub provider: &'a [String],
    /// The cloud's id of the cluster.
    pub cluster: &'a str,
    /// The endpoint, or empty.
    pub endpoint: &'a str,
    /// The wanted lifetime.
    pub lifetime: Option<Duration>,
}

impl Question<'_> {
    /// Name of its file. The parts are told apart: `a`, `bc` is not `ab`, `c`.
    fn key(&self) -> String {
        let lifetime = self.lifetime.map_or_else(String::new, |lifetime| lifetime.as_secs().to_string());
        let parts = self.provider.iter().map(String::as_str).chain(["", self.cluster, self.endpoint, &lifetime]);
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hex::encode(&hash.finalize()[..16])
    }
}

/// A credential and when it ends. Its `Debug` would show keys, so it has none.
#[derive(Clone, Deserialize, Serialize)]
pub struct Kept {
    /// The credential.
    pub status: Status,
    /// Unix seconds.
    issued_at: u64,
    /// Unix seconds.
    ends_at: u64,
}

impl Kept {
    /// Issued now, with the end the daemon told.
    pub fn new(status: Status, now: SystemTime, ends: Option<SystemTime>, lifetime: Option<Duration>) -> Self {
        // A lifetime that was asked for is taken at its word; a key for years is asked for again all the same.
        let longest = now + lifetime.unwrap_or(LONGEST);
        let ends = ends.map_or(longest, |ends| if lifetime.is_some() { ends } else { ends.min(longest) });
        Self { status, issued_at: seconds(now), ends_at: seconds(ends) }
    }

    /// When a client has to ask again.
    pub fn ends(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.ends_at)
    }

    /// Whether it is good for a while yet.
    fn is_fresh(&self, now: SystemTime) -> bool {
        let life = self.ends_at.saturating_sub(self.issued_at);
        let early = EARLY.as_secs().min(life / 10);
        // From the future: the clock was set back, and the end cannot be trusted.
        seconds(now) >= self.issued_at && seconds(now) + early < self.ends_at
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A folder of kept credentials.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// Whoever holds it may ask the daemon.
#[must_use = "others ask as soon as it is dropped"]
pub struct Turn {
    _file: File,
}

impl Cache {
    /// In this folder, which need not exist.
    pub fn of(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// This user's: `$XDG_CACHE_HOME/cpctl` or `~/.cache/cpctl`. `None`: there is no such place.
    pub fn of_user() -> Option<Self> {
        let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
        Some(Self::of(base.join("cpctl")))
    }

    /// Waits until nobody else is asking the same.
    pub fn turn(&self, question: &Question<'_>) -> Result<Turn, Failure> {
        self.prepare()?;
        let path = self.folder.join(format!("{}.lock", question.key()));
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|error| self.fault(&error))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| self.fault(&error.into()))?;
        Ok(Turn { _file: file })
    }

    /// What was kept, if it is good for a while yet. What cannot be used is as if it were not there.
    pub fn get(&self, question: &Question<'_>, now: SystemTime) -> Option<Kept> {
        let path = self.folder.join(question.key());
        let metadata = fs::symlink_metadata(&path).ok()?;
        // Somebody else's, or one that others could read, is not taken.
        let own = metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw();
        if !own || metadata.permissions().mode() & 0o077 != 0 {
            return None;
        }
        let kept: Kept = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        kept.is_fresh(now).then_some(kept)
    }

    /// Keeps it in the place of what was there.
    pub fn put(&self, question: &Question<'_>, kept: &Kept) -> Result<(), Failure> {
        self.prepare()?;
        let write = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.folder)?;
            file.write_all(&serde_json::to_vec(kept)?)?;
            file.persist(self.folder.join(question.key())).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| self.fault(&error))
    }

    fn prepare(&self) -> Result<(), Failure> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &io::Error) -> Failure {
        Failure::failed(format!("{}: {error}; --no-cache keeps nothing", self.folder.display()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn at(seconds: u64) -> SystemTime {
        NOW + Duration::from_secs(seconds)
    }

    fn status() -> Status {
        serde_json::from_value(json!({"token": "marker"})).unwrap()
    }

    const QUESTION: Question<'static> = Question { provider: &[], cluster: "c-1", endpoint: "vpc", lifetime: None };

    #[test]
    fn what_is_kept_is_used_until_shortly_before_its_end() {
        let day = Duration::from_hours(24);
        for (ends, lifetime, fresh_until, stale_from) in [
            // An hour, renewed five minutes early.
            (Some(at(3_600)), Some(Duration::from_hours(1)), 3_299, 3_300),
            // Ten minutes, renewed a tenth early.
            (Some(at(600)), Some(Duration::from_mins(10)), 539, 540),
            // Years, or unknown: asked for again within the hour.
            (Some(at(300_000_000)), None, 3_299, 3_300),
            (None, None, 3_299, 3_300),
            // A lifetime that was asked for is taken at its word.
            (Some(at(86_400)), Some(day), 86_099, 86_100),
            (Some(at(60)), None, 53, 54),
        ] {
            let kept = Kept::new(status(), NOW, ends, lifetime);
            assert!(kept.is_fresh(at(fresh_until)), "{ends:?} at {fresh_until}");
            assert!(!kept.is_fresh(at(stale_from)), "{ends:?} at {stale_from}");
        }
        assert!(!Kept::new(status(), at(100), None, None).is_fresh(at(50)), "the clock was set back");
    }

    #[test]
    fn files_are_their_owners_only_and_others_are_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::of(folder.path().join("cpctl"));
        let kept = Kept::new(status(), NOW, None, None);
        assert!(cache.get(&QUESTION, NOW).is_none());
        cache.put(&QUESTION, &kept).unwrap();
        assert!(cache.get(&QUESTION, NOW).unwrap().status == status());
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let file = cache.folder.join(QUESTION.key());
        assert_eq!((mode(&cache.folder), mode(&file)), (0o700, 0o600));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(cache.get(&QUESTION, NOW).is_none(), "others could have read it");
        fs::write(&file, "{}").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(cache.get(&QUESTION, NOW).is_none(), "it cannot be read");
    }

    #[test]
    fn other_questions_have_other_files() {
        let provider = ["--provider=unix:/p".to_owned()];
        let others = [
            Question { cluster: "c-2", ..QUESTION },
            Question { endpoint: "", ..QUESTION },
            Question { lifetime: Some(Duration::from_secs(60)), ..QUESTION },
            Question { provider: &provider, ..QUESTION },
            Question { cluster: "c-1v", endpoint: "pc", ..QUESTION },
        ];
        let mut keys: Vec<String> = others.iter().chain([&QUESTION]).map(Question::key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), others.len() + 1);
    }

    #[test]
    fn one_at_a_time_has_its_turn() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::of(folder.path().to_owned());
        let turn = cache.turn(&QUESTION).unwrap();
        let path = folder.path().join(format!("{}.lock", QUESTION.key()));
        let other = File::open(path).unwrap();
        assert!(flock(&other, FlockOperation::NonBlockingLockExclusive).is_err());
        drop(turn);
        flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
    }
}
