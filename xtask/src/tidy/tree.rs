//! What there is to look at: files, packages and their targets.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, MetadataCommand};

/// The tree under check.
pub(super) struct Tree {
    /// Where it is.
    pub(super) root: PathBuf,
    /// Every file that belongs to it, relative to the root, sorted.
    pub(super) files: Vec<String>,
    /// The workspace's packages, by name.
    pub(super) packages: Vec<Package>,
}

/// A package of the workspace.
#[derive(Clone, Debug)]
pub(super) struct Package {
    /// Its name.
    pub(super) name: String,
    /// Its folder, relative to the root.
    pub(super) dir: String,
    /// What its manifest depends on, of all kinds.
    pub(super) dependencies: Vec<Dependency>,
    /// Roots of its targets (library, binaries, tests, build script), relative to the tree's root.
    pub(super) targets: Vec<String>,
}

/// One line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    /// Name of the package depended on.
    pub(super) name: String,
    /// For tests only.
    pub(super) dev: bool,
}

impl Tree {
    /// Reads the tree around the workspace at `root`.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .other_options(vec!["--offline".to_owned()])
            .exec()
            .context("cargo metadata")?;
        let root = metadata.workspace_root.clone().into_std_path_buf();
        let mut packages = Vec::new();
        for package in metadata.packages {
            let dir = package.manifest_path.parent().context("a manifest is in a folder")?;
            packages.push(Package {
                name: package.name.to_string(),
                dir: relative(&root, dir.as_std_path())?,
                dependencies: package
                    .dependencies
                    .iter()
                    .map(|found| Dependency {
                        name: found.name.clone(),
                        dev: found.kind == DependencyKind::Development,
                    })
                    .collect(),
                targets: package
                    .targets
                    .iter()
                    .map(|target| relative(&root, target.src_path.as_std_path()))
                    .collect::<Result<_>>()?,
            });
        }
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        let files = files(&root)?;
        Ok(Self { root, files, packages })
    }

    /// The text of a file.
    pub(super) fn read(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.root.join(path)).with_context(|| path.to_owned())
    }

    /// The Rust files of a package: those in its folder that are not in the folder of another one.
    pub(super) fn rust_files<'a>(&'a self, package: &'a Package) -> impl Iterator<Item = &'a str> {
        let inner: Vec<&Package> = self
            .packages
            .iter()
            .filter(|other| is_inside(&other.dir, &package.dir) && other.dir != package.dir)
            .collect();
        let ours = move |file: &&str| is_inside(file, &package.dir) && !inner.iter().any(|p| is_inside(file, &p.dir));
        self.files.iter().map(String::as_str).filter(|file| has_extension(file, "rs")).filter(ours)
    }
}

/// Whether a path is a folder or in it.
pub(super) fn is_inside(path: &str, dir: &str) -> bool {
    path == dir || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

pub(super) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn relative(root: &Path, path: &Path) -> Result<String> {
    let path = path.strip_prefix(root).with_context(|| format!("{} is outside the workspace", path.display()))?;
    Ok(path.to_str().context("paths are UTF-8")?.to_owned())
}

/// What git tracks or would, or without git everything but build output.
fn files(root: &Path) -> Result<Vec<String>> {
    let git = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root)
        .output();
    let mut files = match git {
        Ok(output) if output.status.success() => {
            let listed = String::from_utf8(output.stdout).context("paths are UTF-8")?;
            // A file deleted but not yet committed is still listed.
            listed.split_terminator('\0').filter(|path| root.join(path).is_file()).map(str::to_owned).collect()
        }
        _ => {
            let mut found = Vec::new();
            walk(root, root, &mut found)?;
            found
        }
    };
    if files.is_empty() {
        bail!("{} has no files", root.display());
    }
    files.sort();
    files.dedup();
    Ok(files)
}

fn walk(root: &Path, dir: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name != "target" && name != ".git" {
            walk(root, &path, found)?;
        } else if path.is_file() {
            found.push(relative(root, &path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_holds_what_is_below_it_only() {
        assert!(is_inside("controller/core/src/lib.rs", "controller/core"));
        assert!(is_inside("controller/core", "controller"));
        assert!(!is_inside("controller-tools/src/lib.rs", "controller"));
        assert!(!is_inside("controller", "controller/core"));
    }

    #[test]
    fn without_git_the_files_are_found_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/target")).unwrap();
        fs::write(dir.path().join("a/b.rs"), "").unwrap();
        fs::write(dir.path().join("a/target/built.rs"), "").unwrap();
        let mut found = Vec::new();
        walk(dir.path(), dir.path(), &mut found).unwrap();
        assert_eq!(found, ["a/b.rs"]);
    }
}
