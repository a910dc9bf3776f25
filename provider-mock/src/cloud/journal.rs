//! The file that keeps the cloud over the death of the process: a snapshot, then a line for every mutation, written before
//! the call is answered. What the kernel has taken survives a SIGKILL; a power cut is out of scope, so nothing is synced.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::world::{Mutation, Snapshot, World};

/// How long a predecessor that is being killed may hold the file.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Why a state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("state file {path}: {action}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error("state file {path}: in use by another process; give each provider-mock a --state of its own")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A line in the middle is not one of ours.
    #[error(
        "state file {path}, line {line}: {source}; it is not a state file of this version: move it away to start anew"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum WrittenLine<'a> {
    Snapshot(&'a Snapshot),
    Mutation(&'a Mutation),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Snapshot(Snapshot),
    Mutation(Mutation),
}

/// An open state file.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Lines that are not in the file yet.
    pending: Vec<u8>,
    /// Held for as long as the file is in use.
    _lock: File,
}

impl Journal {
    /// Reads the world from the file, or an empty one if there is none, and starts the file anew with a snapshot of it.
    pub(crate) fn open(path: &Path) -> Result<(World, Self), JournalError> {
        let io = |action| move |source| JournalError::Io { path: path.to_owned(), action, source };
        let lock = lock(path)?;
        let world = read(path)?;
        // A whole new file in place of the old one: a kill in between leaves one of the two.
        let fresh = sibling(path, ".new");
        let mut writer = BufWriter::new(File::create(&fresh).map_err(io("create the new file"))?);
        write_line(&mut writer, &WrittenLine::Snapshot(&world.snapshot())).map_err(io("write the new file"))?;
        writer.flush().map_err(io("write the new file"))?;
        fs::rename(&fresh, path).map_err(io("put the new file in place"))?;
        let file = OpenOptions::new().append(true).open(path).map_err(io("open"))?;
        Ok((world, Self { path: path.to_owned(), file, pending: Vec::new(), _lock: lock }))
    }

    /// Notes a mutation. It is in the file after [`flush`](Self::flush).
    pub(crate) fn push(&mut self, mutation: &Mutation) {
        write_line(&mut self.pending, &WrittenLine::Mutation(mutation)).expect("a Vec takes any line");
    }

    /// Hands what was noted to the kernel.
    pub(crate) fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        // One write call: a kill leaves whole lines and at most one torn one.
        if let Err(error) = self.file.write_all(&self.pending) {
            tracing::error!(path = %self.path.display(), %error, "the state file takes no more: the cloud will not survive the process");
        }
        self.pending.clear();
    }
}

fn read(path: &Path) -> Result<World, JournalError> {
    let io = |action| move |source| JournalError::Io { path: path.to_owned(), action, source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(World::default()),
        Err(error) => return Err(io("open")(error)),
    };
    let mut reader = BufReader::new(file);
    let mut world = World::default();
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        reader.read_until(b'\n', &mut text).map_err(io("read"))?;
        // The last line has no end when the process died in the middle of writing it: its call was never answered.
        if text.last() != Some(&b'\n') {
            break;
        }
        match serde_json::from_slice(&text) {
            Ok(Line::Snapshot(snapshot)) => world = World::restore(snapshot),
            Ok(Line::Mutation(mutation)) => world.apply(mutation),
            Err(source) => return Err(JournalError::Damaged { path: path.to_owned(), line, source }),
        }
    }
    Ok(world)
}

fn lock(path: &Path) -> Result<File, JournalError> {
    let io = |source| JournalError::Io { path: path.to_owned(), action: "lock", source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(sibling(path, ".lock")).map_err(io)?;
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::WouldBlock) => return Err(JournalError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
    }
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn write_line(writer: &mut impl Write, line: &WrittenLine<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *writer, line)?;
    writer.write_all(b"\n")
}
