//! Child processes that cannot be left behind.
//!
//! A child is run by a small shell that watches a pipe from us: when the pipe closes, for whatever reason (drop, exit,
//! panic, `SIGKILL`), the shell kills the child, reaps it and ends. Linux' parent-death signal would need `unsafe` code
//! and looks at threads, not processes.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::watch;

const SUPERVISE: &str = include_str!("supervise.sh");

/// What to run, and where its output goes.
#[derive(Clone, Debug)]
pub struct Launch {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    log: PathBuf,
    orphaned: Option<PathBuf>,
}

impl Launch {
    /// `program` with both its output streams appended to the file `log`.
    pub fn new(program: impl AsRef<OsStr>, log: impl Into<PathBuf>) -> Self {
        Self { program: program.as_ref().into(), args: Vec::new(), env: Vec::new(), log: log.into(), orphaned: None }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().into()));
        self
    }

    /// Sets a variable on top of the inherited environment.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().into(), value.as_ref().into()));
        self
    }

    /// A folder to remove if we vanish without having stopped the process.
    #[must_use]
    pub fn remove_if_orphaned(mut self, folder: impl Into<PathBuf>) -> Self {
        self.orphaned = Some(folder.into());
        self
    }

    /// Lets it run as another user, with the group of the same number and no others; only root can do that. The program
    /// goes along as a copy beside the log, as the other user may not enter the folder it was built in.
    pub fn run_as(mut self, user: u32) -> Result<Self> {
        let copy = self.log.with_extension("program");
        std::fs::copy(&self.program, &copy).with_context(|| format!("copy {} for user {user}", copy.display()))?;
        let id = user.to_string();
        let setpriv = ["--reuid", &id, "--regid", &id, "--clear-groups", "--"].map(OsString::from);
        let arguments = std::mem::take(&mut self.args);
        self.args = setpriv.into_iter().chain([copy.into_os_string()]).chain(arguments).collect();
        self.program = "setpriv".into();
        Ok(self)
    }

    /// The file the output goes to.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Starts the process.
    pub fn spawn(self) -> Result<Process> {
        let name = Path::new(&self.program).file_name().unwrap_or(&self.program).to_string_lossy().into_owned();
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("open the log {} of {name}", self.log.display()))?;
        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISE, "supervise"])
            .arg(&self.log)
            .arg(self.orphaned.as_deref().unwrap_or(Path::new("")))
            .arg(&self.program)
            .args(&self.args)
            .envs(self.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // An interrupt typed at the terminal is for the owner, who stops things in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("run sh to start {name}"))?;
        let control = supervisor.stdin.take().context("the supervisor's input")?;
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().context("the supervisor's output")?).read_line(&mut line)?;
        let pid = line.trim().parse().with_context(|| format!("start {name}: no process id in {line:?}"))?;

        let (ended, exit) = watch::channel(None);
        let reaper = std::thread::spawn(move || {
            let exit = supervisor.wait().map_or(Exit::Code(-1), Exit::from);
            ended.send_replace(Some(exit));
        });
        Ok(Process { name, pid, log: self.log, control: Mutex::new(control), exit, reaper: Some(reaper) })
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// Whether the status is zero.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            // A shell reports a signal of its child as 128 plus the number.
            (Some(code), _) if code > 128 => Self::Signal(code - 128),
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// The signals that are sent to children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Asks to end.
    Term,
    /// Ends at once.
    Kill,
    /// Freezes.
    Stop,
    /// Thaws.
    Continue,
    /// Asks to read the configuration again, by convention.
    Hangup,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
            Self::Hangup => "HUP",
        }
    }
}

/// A running, or ended, child process. Dropping it kills it and waits until it is gone.
pub struct Process {
    name: String,
    pid: u32,
    log: PathBuf,
    control: Mutex<ChildStdin>,
    exit: watch::Receiver<Option<Exit>>,
    reaper: Option<JoinHandle<()>>,
}

impl Process {
    /// The file name of the program.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, for looking at `/proc`. For signals there is [`signal`](Self::signal), which cannot hit another.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal; does nothing if the process has ended.
    pub fn signal(&self, signal: Signal) {
        let mut control = self.control.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The pipe breaks when the process, and with it its supervisor, has ended.
        let _ = writeln!(control, "{}", signal.name());
    }

    /// How it ended; `None` while it runs.
    pub fn exited(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Waits for its end.
    pub async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        // The sender lives until it has sent, so this cannot fail.
        exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit).unwrap_or(Exit::Code(-1))
    }

    /// Asks it to end, and kills it after `grace`.
    ///
    /// # Errors
    /// If it had to be killed.
    pub async fn stop(&self, grace: Duration) -> Result<Exit> {
        self.signal(Signal::Term);
        let ended = tokio::time::timeout(grace, self.wait()).await;
        if let Ok(exit) = ended {
            return Ok(exit);
        }
        self.kill().await;
        anyhow::bail!(
            "{} did not end within {grace:?} of SIGTERM; its log ends with:\n{}",
            self.name,
            self.log_tail(20)
        )
    }

    /// Kills it and waits for its end.
    pub async fn kill(&self) -> Exit {
        self.signal(Signal::Kill);
        self.wait().await
    }

    /// The file its output goes to.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Everything it has printed so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines it has printed.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let skipped = log.lines().count().saturating_sub(lines);
        log.lines().skip(skipped).collect::<Vec<_>>().join("\n")
    }

    /// Fails, with the end of its log, if it has ended.
    pub fn ensure_running(&self) -> Result<(), Ended> {
        match self.exited() {
            None => Ok(()),
            Some(exit) => Err(Ended { name: self.name.clone(), exit, said: self.log_tail(20) }),
        }
    }
}

/// A process has ended that should not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The file name of the program.
    pub name: String,
    /// How it ended.
    pub exit: Exit,
    /// The end of its log.
    pub said: String,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ended with {}; its log ends with:\n{}", self.name, self.exit, self.said)
    }
}

impl std::error::Error for Ended {}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process").field("name", &self.name).field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::Kill);
        if let Some(reaper) = self.reaper.take() {
            let _ = reaper.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (tempfile::TempDir, Process) {
        let dir = tempfile::tempdir().expect("a folder");
        let process = Launch::new("sh", dir.path().join("log")).args(["-c", script]).spawn().expect("spawned");
        (dir, process)
    }

    fn alive(pid: u32) -> bool {
        Path::new("/proc").join(pid.to_string()).exists()
    }

    #[tokio::test]
    async fn reports_the_exit_status_and_the_output_of_both_streams() {
        let (_dir, process) = shell("echo out; echo err >&2; exit 3");
        assert_eq!(process.wait().await, Exit::Code(3));
        assert_eq!(process.log(), "out\nerr\n");
        assert!(process.ensure_running().unwrap_err().to_string().contains("exit status 3"));
    }

    #[tokio::test]
    async fn a_missing_program_is_reported_in_the_log() {
        let dir = tempfile::tempdir().expect("a folder");
        let process = Launch::new("/nonexistent/program", dir.path().join("log")).spawn().expect("the shell starts");
        assert_eq!(process.wait().await, Exit::Code(127));
        assert!(process.log().contains("/nonexistent/program"), "{}", process.log());
    }

    #[tokio::test]
    async fn stop_lets_the_process_end_by_itself() {
        let (_dir, process) = shell("trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.01; done");
        while !process.log().contains("ready") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(process.stop(Duration::from_secs(20)).await.expect("ended"), Exit::Code(5));
        assert!(process.log().contains("bye"));
    }

    #[tokio::test]
    async fn stop_kills_a_process_that_ignores_it_and_says_so() {
        let (_dir, process) = shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
        while !process.log().contains("ready") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let error = process.stop(Duration::from_millis(50)).await.unwrap_err();
        assert!(error.to_string().contains("did not end within 50ms"), "{error}");
        assert_eq!(process.exited(), Some(Exit::Signal(9)));
    }

    #[tokio::test]
    async fn dropping_kills_and_reaps_even_a_frozen_process() {
        let (_dir, process) = shell("exec sleep 1000");
        process.signal(Signal::Stop);
        let pid = process.pid();
        assert!(alive(pid));
        drop(process);
        assert!(!alive(pid));
    }

    #[tokio::test]
    async fn signals_after_the_end_go_nowhere() {
        let (_dir, process) = shell("exit 0");
        assert!(process.wait().await.success());
        process.signal(Signal::Term);
        assert_eq!(process.kill().await, Exit::Code(0));
    }

    #[test]
    fn when_the_owner_vanishes_the_process_is_killed_and_the_folder_removed() {
        let dir = tempfile::tempdir().expect("a folder");
        let orphaned = dir.path().join("data");
        std::fs::create_dir(&orphaned).expect("a folder");
        let mut supervisor = Command::new("sh")
            .args(["-c", SUPERVISE, "supervise"])
            .args([dir.path().join("log"), orphaned.clone()])
            .args(["sleep", "1000"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let pid = line.trim().parse().expect("a process id");
        assert!(alive(pid));
        // What the kernel does with the pipes of a process that is killed.
        drop(supervisor.stdin.take());
        assert_eq!(Exit::from(supervisor.wait().expect("waited")), Exit::Signal(9));
        assert!(!alive(pid));
        assert!(!orphaned.exists());
    }
}
