//! Finding the binaries, or having them built.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::compile;

/// The version of Kubernetes that is built when no binaries are found.
pub const KUBERNETES_VERSION: &str = "v1.37.1";

const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// One program of a control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// The store.
    Etcd,
    /// The API.
    Apiserver,
    /// The controllers that belong to no cloud.
    ControllerManager,
}

impl Binary {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Etcd, Self::Apiserver, Self::ControllerManager];

    /// The file's name.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Apiserver => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
        }
    }
}

/// A folder that holds the binaries that were asked for.
#[derive(Clone, Debug)]
pub struct Assets {
    folder: PathBuf,
}

impl Assets {
    /// Finds the binaries, and builds those that are nowhere to be found. Building takes minutes; it shows progress.
    pub async fn find_or_build(wanted: &[Binary]) -> Result<Self> {
        let wanted = wanted.to_vec();
        tokio::task::spawn_blocking(move || match locate(&wanted, |key| std::env::var_os(key))? {
            Located::Complete(folder) => Ok(Self { folder }),
            Located::Incomplete(folder) => {
                compile::build(&folder, &wanted)?;
                Ok(Self { folder })
            }
        })
        .await?
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of a binary that was asked for.
    pub fn path(&self, binary: Binary) -> PathBuf {
        self.folder.join(binary.file_name())
    }
}

/// Where built binaries are kept.
pub fn cache_folder() -> Result<PathBuf> {
    cache_folder_in(&|key| std::env::var_os(key))
}

fn cache_folder_in(variable: &impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let set = |key| variable(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = set("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| Some(set("HOME")?.join(".cache")))
        .with_context(|| {
            format!(
                "there is no place to keep the control plane's binaries: set HOME or XDG_CACHE_HOME, or set \
                 {ASSETS_VARIABLE} to a folder that holds them"
            )
        })?;
    Ok(caches.join("cloud-controller-manager/control-plane").join(KUBERNETES_VERSION))
}

#[derive(Debug, PartialEq, Eq)]
enum Located {
    Complete(PathBuf),
    /// The cache folder, and something is missing in it.
    Incomplete(PathBuf),
}

fn locate(wanted: &[Binary], variable: impl Fn(&str) -> Option<OsString>) -> Result<Located> {
    if let Some(folder) = variable(ASSETS_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from) {
        let missing = missing(&folder, wanted);
        ensure!(
            missing.is_empty(),
            "{ASSETS_VARIABLE} is set to {}, which lacks {}: put it there, or unset the variable to have {KUBERNETES_VERSION} \
             built into a cache",
            folder.display(),
            missing.join(", ")
        );
        return Ok(Located::Complete(folder));
    }
    let folder = cache_folder_in(&variable)?;
    Ok(if missing(&folder, wanted).is_empty() { Located::Complete(folder) } else { Located::Incomplete(folder) })
}

/// The names of the wanted binaries that the folder lacks.
pub(crate) fn missing(folder: &Path, wanted: &[Binary]) -> Vec<&'static str> {
    wanted.iter().map(|binary| binary.file_name()).filter(|name| !folder.join(name).is_file()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |key| set.iter().find(|(name, _)| *name == key).map(|(_, value)| OsString::from(value))
    }

    fn folder_with(binaries: &[Binary]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for binary in binaries {
            std::fs::write(folder.path().join(binary.file_name()), "").expect("written");
        }
        folder
    }

    const BOTH: [Binary; 2] = [Binary::Etcd, Binary::Apiserver];

    #[test]
    fn the_variable_wins_over_the_cache() {
        let folder = folder_with(&BOTH);
        let path = folder.path().to_str().expect("text");
        let located = locate(&BOTH, variables(&[("KUBEBUILDER_ASSETS", path), ("HOME", "/home/u")])).expect("located");
        assert_eq!(located, Located::Complete(folder.path().into()));
    }

    #[test]
    fn a_variable_that_names_an_incomplete_folder_is_refused_and_the_missing_file_named() {
        let folder = folder_with(&BOTH);
        let path = folder.path().to_str().expect("text");
        let error = locate(&Binary::ALL, variables(&[("KUBEBUILDER_ASSETS", path)])).unwrap_err().to_string();
        assert!(error.contains("lacks kube-controller-manager") && error.contains("KUBEBUILDER_ASSETS"), "{error}");
    }

    #[test]
    fn the_cache_is_complete_when_every_wanted_binary_is_there() {
        let caches = tempfile::tempdir().expect("a folder");
        let set = [("XDG_CACHE_HOME", caches.path().to_str().expect("text"))];
        let folder = caches.path().join("cloud-controller-manager/control-plane/v1.37.1");
        assert_eq!(locate(&BOTH, variables(&set)).expect("located"), Located::Incomplete(folder.clone()));
        std::fs::create_dir_all(&folder).expect("made");
        std::fs::write(folder.join("etcd"), "").expect("written");
        assert_eq!(locate(&BOTH, variables(&set)).expect("located"), Located::Incomplete(folder.clone()));
        std::fs::write(folder.join("kube-apiserver"), "").expect("written");
        assert_eq!(locate(&BOTH, variables(&set)).expect("located"), Located::Complete(folder));
    }

    #[test]
    fn the_cache_is_below_home_unless_said_otherwise() {
        let folder = |set: &[(&str, &str)]| cache_folder_in(&variables(set)).map_err(|error| error.to_string());
        let below = |root: &str| Ok(PathBuf::from(root).join("cloud-controller-manager/control-plane/v1.37.1"));
        assert_eq!(folder(&[("HOME", "/home/u")]), below("/home/u/.cache"));
        assert_eq!(folder(&[("HOME", "/home/u"), ("XDG_CACHE_HOME", "/c")]), below("/c"));
        assert_eq!(folder(&[("HOME", "/home/u"), ("XDG_CACHE_HOME", "relative")]), below("/home/u/.cache"));
        assert!(folder(&[]).unwrap_err().contains("KUBEBUILDER_ASSETS"));
    }
}
