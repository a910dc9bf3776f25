//! Building the binaries from the published Go modules, once per machine.

use std::fs::{File, TryLockError};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::assets::{Binary, KUBERNETES_VERSION, missing};
use crate::modules::KubernetesModule;
use crate::progress::Progress;

/// Where Go is looked for: on the path, and where its own installer puts it.
const GO: [&str; 2] = ["go", "/usr/local/go/bin/go"];

/// Puts the wanted binaries into the cache folder. One process builds, the others wait for it.
pub(crate) fn build(cache: &Path, wanted: &[Binary]) -> Result<()> {
    let room = cache.parent().context("the cache folder has a parent")?;
    std::fs::create_dir_all(cache).with_context(|| format!("make the folder {}", cache.display()))?;
    let mut progress = Progress::new("control-plane");
    let _lock = lock(&room.join(format!("{KUBERNETES_VERSION}.lock")), &mut progress)?;

    // The process that held the lock may have built what is missing here.
    let absent = missing(cache, wanted);
    if absent.is_empty() {
        return Ok(());
    }
    let go = Go::find(&GO, cache, &absent)?;
    progress.say(&format!("building {} into {}; this is done once", absent.join(", "), cache.display()));
    // Beside the cache folder, so that the rename stays on one file system.
    let work = tempfile::Builder::new().prefix(".build-").tempdir_in(room)?;
    go.write_module(work.path(), &mut progress)?;
    for binary in wanted.iter().filter(|binary| absent.contains(&binary.file_name())) {
        go.build(*binary, work.path(), &mut progress)?;
        std::fs::rename(work.path().join(binary.file_name()), cache.join(binary.file_name()))?;
        progress.say(&format!("{} is built", binary.file_name()));
    }
    Ok(())
}

/// Held until the file is closed; the kernel lets go of it even if we are killed.
fn lock(path: &Path, progress: &mut Progress) -> Result<File> {
    let file = File::create(path).with_context(|| format!("open the lock {}", path.display()))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => progress.update("another process is building the control plane; waiting"),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", path.display()));
            }
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[derive(Debug)]
struct Go {
    program: PathBuf,
}

impl Go {
    fn find(candidates: &[&str], cache: &Path, absent: &[&str]) -> Result<Self> {
        let runs = |program: &&&str| {
            Command::new(program).arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
        };
        let found = candidates.iter().find(runs).with_context(|| {
            format!(
                "{} for the control plane {} not in {}, and there is no `go` to build from source with: install Go \
                 (https://go.dev/dl) and put it on the PATH, or set KUBEBUILDER_ASSETS to a folder with the binaries, such \
                 as an unpacked archive of https://github.com/kubernetes-sigs/controller-tools/releases",
                absent.join(" and "),
                if absent.len() == 1 { "is" } else { "are" },
                cache.display()
            )
        })?;
        Ok(Self { program: found.into() })
    }

    fn command(&self, work: &Path) -> Command {
        let mut command = Command::new(&self.program);
        // The result must not depend on a workspace around the cache or on a C compiler.
        command.current_dir(work).env("GOWORK", "off").env("CGO_ENABLED", "0").stdin(Stdio::null());
        command
    }

    /// Writes the `go.mod` that everything is built in.
    fn write_module(&self, work: &Path, progress: &mut Progress) -> Result<()> {
        let module = format!("k8s.io/kubernetes@{KUBERNETES_VERSION}");
        let mut download = self.command(work);
        download.args(["mod", "download", "-json", &module]);
        let answer = run(download, work, |_| progress.update(&format!("downloading {module}")))?;
        let answer: serde_json::Value = serde_json::from_str(&answer).context("the answer of go mod download")?;
        let published = answer["GoMod"].as_str().context("go mod download names no go.mod")?;
        let published = std::fs::read_to_string(published).with_context(|| format!("read {published}"))?;
        let go_mod = KubernetesModule::parse(&published)?.go_mod(KUBERNETES_VERSION)?;
        std::fs::write(work.join("go.mod"), go_mod)?;
        Ok(())
    }

    fn build(&self, binary: Binary, work: &Path, progress: &mut Progress) -> Result<()> {
        let package = package(binary);
        let mut list = self.command(work);
        list.args(["list", "-mod=mod", "-deps", package]);
        let mut downloaded = 0;
        let packages = run(list, work, |line| {
            downloaded += usize::from(line.starts_with("go: downloading "));
            progress.update(&format!("{package}: {downloaded} modules downloaded"));
        })?;
        let total = packages.lines().count();

        let mut build = self.command(work);
        build.args(["build", "-mod=mod", "-trimpath", "-buildvcs=false", "-v"]).args([
            &format!("-ldflags={}", linker_flags(binary)),
            "-o",
            binary.file_name(),
            package,
        ]);
        let mut compiled = 0;
        progress.update(&format!("{package}: compiling at most {total} packages"));
        run(build, work, |line| {
            // With -v the compiler names each package that it compiles, and nothing else has no spaces.
            compiled += usize::from(!line.contains(' '));
            progress.update(&format!("{package}: {compiled} of at most {total} packages compiled"));
        })?;
        Ok(())
    }
}

/// Runs a command, hands over each line of its standard error, and answers its standard output.
fn run(mut command: Command, work: &Path, mut on_line: impl FnMut(&str)) -> Result<String> {
    let output = work.join("stdout");
    let mut child = command
        .stdout(File::create(&output)?)
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("run {}", command.get_program().display()))?;
    let mut said = Vec::new();
    for line in BufReader::new(child.stderr.take().context("standard error is piped")?).lines() {
        let line = line?;
        on_line(&line);
        said.push(line);
    }
    if !child.wait()?.success() {
        let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
        bail!("go {} failed; it said:\n{}", args.join(" "), said[said.len().saturating_sub(30)..].join("\n"));
    }
    Ok(std::fs::read_to_string(output)?)
}

const fn package(binary: Binary) -> &'static str {
    match binary {
        Binary::Etcd => "go.etcd.io/etcd/server/v3",
        Binary::Apiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
        Binary::ControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
    }
}

/// Without the version stamps that upstream's scripts set, the programs call themselves v0.0.0-master and refuse the
/// feature gates of their own version.
fn linker_flags(binary: Binary) -> String {
    if binary == Binary::Etcd {
        return "-s -w".to_owned();
    }
    let mut parts = KUBERNETES_VERSION.trim_start_matches('v').split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let stamps = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].map(|package| {
        format!(
            "-X {package}.gitVersion={KUBERNETES_VERSION} -X {package}.gitMajor={major} -X {package}.gitMinor={minor} \
             -X {package}.gitTreeState=clean"
        )
    });
    format!("-s -w {}", stamps.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_go_the_error_says_what_to_install_or_set() {
        let error = Go::find(&["/nonexistent/go"], Path::new("/cache"), &["etcd", "kube-apiserver"]).unwrap_err();
        let error = error.to_string();
        for part in ["etcd and kube-apiserver", "are not in /cache", "install Go", "KUBEBUILDER_ASSETS"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn the_lock_is_released_with_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        let held = lock(&path, &mut Progress::new("control-plane")).expect("locked");
        assert!(matches!(File::create(&path).expect("opened").try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        lock(&path, &mut Progress::new("control-plane")).expect("locked again");
    }

    #[test]
    fn a_failing_command_is_reported_with_what_it_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("sh");
        command.args(["-c", "echo one >&2; echo two >&2; exit 1"]);
        let mut lines = Vec::new();
        let error = run(command, folder.path(), |line| lines.push(line.to_owned())).unwrap_err().to_string();
        assert!(error.ends_with("one\ntwo"), "{error}");
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn kubernetes_is_stamped_with_its_version_and_etcd_is_not() {
        assert_eq!(linker_flags(Binary::Etcd), "-s -w");
        let flags = linker_flags(Binary::Apiserver);
        assert!(flags.contains("-X k8s.io/component-base/version.gitVersion=v1.37.1"), "{flags}");
        assert!(flags.contains("-X k8s.io/component-base/version.gitMinor=37"), "{flags}");
    }
}
