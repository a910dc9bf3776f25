//! Folders for data that nobody will miss.

use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

/// What a control plane may come to need.
const ENOUGH_BYTES: u64 = 1 << 30;

/// A private folder (mode 0700), removed on drop. It is in memory where there is room, since etcd is only as fast as its disk.
pub fn scratch_folder(prefix: &str) -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    let shared_memory = Path::new("/dev/shm");
    if roomy(shared_memory)
        && let Ok(folder) = builder.tempdir_in(shared_memory)
    {
        return Ok(folder);
    }
    builder.tempdir().context("make a temporary folder")
}

fn roomy(folder: &Path) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) >= ENOUGH_BYTES)
}
