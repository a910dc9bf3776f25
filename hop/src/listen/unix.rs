//! Unix sockets: who may reach the file, who is behind a connection, and whose leftovers may be removed.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use tokio::net::{UnixListener, UnixStream};

use crate::PeerIdentity;

/// Mode of a directory made for a socket: the owner and the group may enter.
const DIRECTORY_MODE: u32 = 0o750;

/// Who may open the socket's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Permission bits of the socket. 0660 by default.
    pub mode: u32,
    /// Group of the socket, and of the directory if it has to be made. `None`: as the system gives it.
    pub gid: Option<u32>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { mode: 0o660, gid: None }
    }
}

/// Why a Unix socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says it")]
pub enum SocketError {
    #[error("socket {}: another process already listens there", path.display())]
    InUse { path: PathBuf },
    #[error("{} is there and is no socket; it is left alone, remove it or choose another path", path.display())]
    NotASocket { path: PathBuf },
    #[error("socket {}: cannot {step}: {source}", path.display())]
    Io { path: PathBuf, step: &'static str, source: io::Error },
}

/// The file of a listening socket. Removed when dropped; the lock goes with it.
pub(super) struct BoundSocket {
    path: PathBuf,
    inode: u64,
    _lock: File,
}

/// Binds at `path`. The order closes the races: the lock keeps a second daemon out, and the socket gets its mode and
/// group under a private name before it becomes reachable under its own.
pub(super) fn bind(path: &Path, options: &SocketOptions) -> Result<(UnixListener, BoundSocket), SocketError> {
    let failed = |step| move |source| SocketError::Io { path: path.to_owned(), step, source };
    make_directory(path, options).map_err(failed("make its directory"))?;
    let lock = lock(path)?;
    clear(path)?;
    let private = private_name(path);
    let _ = fs::remove_file(&private);
    let listener = UnixListener::bind(&private).map_err(failed("bind it"))?;
    let inode = publish(&private, path, options).map_err(|source| {
        let _ = fs::remove_file(&private);
        failed("set its mode and group")(source)
    })?;
    Ok((listener, BoundSocket { path: path.to_owned(), inode, _lock: lock }))
}

fn make_directory(path: &Path, options: &SocketOptions) -> io::Result<()> {
    let Some(directory) = path.parent().filter(|parent| *parent != Path::new("")) else { return Ok(()) };
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
    // The process's umask may have taken bits away.
    fs::set_permissions(directory, Permissions::from_mode(DIRECTORY_MODE))?;
    options.gid.map_or(Ok(()), |gid| chown(directory, None, Some(gid)))
}

/// One daemon per socket, also while it starts. The lock file lies beside the socket and stays: in a pod nothing outside
/// the shared directory can be written, and removing a lock file opens a race.
fn lock(path: &Path) -> Result<File, SocketError> {
    let failed = |source| SocketError::Io { path: path.to_owned(), step: "lock it", source };
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SocketError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Removes a socket nobody listens on. The lock is not enough to know: a daemon without one may be there.
fn clear(path: &Path) -> Result<(), SocketError> {
    use std::os::unix::fs::FileTypeExt;
    let failed = |step| move |source| SocketError::Io { path: path.to_owned(), step, source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at it")(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket { path: path.to_owned() }),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(path = %path.display(), "removing the socket of a process that is gone");
            fs::remove_file(path).map_err(failed("remove the stale one"))
        }
        Ok(_) => Err(SocketError::InUse { path: path.to_owned() }),
        // A full queue, a missing right: somebody may well be there.
        Err(error) => Err(failed("find out whether somebody listens on it")(error)),
    }
}

/// Short, for it has to fit where the real name does; unique among processes and within this one.
fn private_name(path: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    path.with_file_name(format!(".{:x}.{:x}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn publish(private: &Path, path: &Path, options: &SocketOptions) -> io::Result<u64> {
    if let Some(gid) = options.gid {
        chown(private, None, Some(gid))?;
    }
    fs::set_permissions(private, Permissions::from_mode(options.mode))?;
    let inode = fs::symlink_metadata(private)?.ino();
    fs::rename(private, path)?;
    Ok(inode)
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        // Not one that somebody else has put in its place.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Who the kernel says is at the other end: for a client the process that began to listen, for a server the one that
/// connected.
pub(crate) fn peer_of(stream: &UnixStream) -> io::Result<PeerIdentity> {
    let credentials = stream.peer_cred()?;
    Ok(PeerIdentity::Uid { uid: credentials.uid(), gid: credentials.gid(), pid: credentials.pid() })
}
