//! The process itself: `process_*` as every Prometheus client names them, and `kubernetes_build_info`.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

use super::families::Registrar;
use crate::version;

pub(super) fn register(to: &mut Registrar<'_>) {
    let build = to.gauges(
        "kubernetes_build_info",
        "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running",
        [
            "major", "minor", "git_version", "git_commit", "git_tree_state", "build_date", "go_version", "compiler",
            "platform",
        ],
    );
    let info = version::info();
    build
        .with([info.major, info.minor, info.git_version, info.git_commit, "", "", "", info.compiler, &info.platform])
        .set(1);
    let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
    to.0.register_collector(Box::new(Process { started }));
}

#[derive(Debug)]
struct Process {
    /// Seconds since the Unix epoch.
    started: f64,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        gauge(
            &mut encoder,
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds",
            self.started,
        )?;
        if let Some(bytes) = status_kib("VmRSS:") {
            gauge(&mut encoder, "process_resident_memory_bytes", "Resident memory size in bytes", bytes * 1024.0)?;
        }
        if let Some(bytes) = status_kib("VmSize:") {
            gauge(&mut encoder, "process_virtual_memory_bytes", "Virtual memory size in bytes", bytes * 1024.0)?;
        }
        if let Some(count) = open_fds() {
            gauge(&mut encoder, "process_open_fds", "Number of open file descriptors", count)?;
        }
        let cpu = ConstCounter::new(cpu_seconds());
        let to = encoder.encode_descriptor(
            "process_cpu_seconds",
            "Total user and system CPU time spent in seconds.",
            None,
            cpu.metric_type(),
        )?;
        cpu.encode(to)
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> Result<(), std::fmt::Error> {
    let metric = ConstGauge::new(value);
    metric.encode(encoder.encode_descriptor(name, &format!("{help}."), None, metric.metric_type())?)
}

/// A line of `/proc/self/status`, in KiB; `None` where there is no such file.
fn status_kib(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

fn open_fds() -> Option<f64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    Some(f64::from(u32::try_from(count).ok()?))
}

fn cpu_seconds() -> f64 {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    std::time::Duration::try_from(spent).map_or(0.0, |d| d.as_secs_f64())
}
