//! `workqueue_*`, as client-go names them.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

use super::families::{CounterVec, FloatGauge, FloatGaugeVec, GaugeVec, HistogramVec, Registrar, exponential};

/// The metrics of one work queue.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    /// Keys waiting to be handled.
    pub depth: Gauge,
    /// Keys added, re-additions of waiting keys left out.
    pub adds: Counter,
    /// Keys put back because handling them failed.
    pub retries: Counter,
    /// Seconds a key waited before it was handled.
    pub queue_duration: Histogram,
    /// Seconds the handling of a key took.
    pub work_duration: Histogram,
    /// Seconds that keys now being handled have been so, all together.
    pub unfinished: FloatGauge,
    /// Seconds that the longest of the keys now being handled has been so.
    pub longest: FloatGauge,
}

#[derive(Clone, Debug)]
pub(super) struct QueueFamilies {
    depth: GaugeVec<1>,
    adds: CounterVec<1>,
    retries: CounterVec<1>,
    queue_duration: HistogramVec<1>,
    work_duration: HistogramVec<1>,
    unfinished: FloatGaugeVec<1>,
    longest: FloatGaugeVec<1>,
}

impl QueueFamilies {
    pub(super) fn register(to: &mut Registrar<'_>) -> Self {
        let seconds = exponential(1e-8, 10.0, 10);
        Self {
            depth: to.gauges("workqueue_depth", "Current depth of workqueue", ["name"]),
            adds: to.counters("workqueue_adds", "Total number of adds handled by workqueue", ["name"]),
            retries: to.counters("workqueue_retries", "Total number of retries handled by workqueue", ["name"]),
            queue_duration: to.histograms(
                "workqueue_queue_duration_seconds",
                "How long in seconds an item stays in workqueue before being requested",
                ["name"],
                &seconds,
            ),
            work_duration: to.histograms(
                "workqueue_work_duration_seconds",
                "How long in seconds processing an item from workqueue takes",
                ["name"],
                &seconds,
            ),
            unfinished: to.float_gauges(
                "workqueue_unfinished_work_seconds",
                "How many seconds of work has been done that is in progress and has not been observed by work_duration",
                ["name"],
            ),
            longest: to.float_gauges(
                "workqueue_longest_running_processor_seconds",
                "How many seconds has the longest running processor for workqueue been running",
                ["name"],
            ),
        }
    }

    pub(super) fn of(&self, name: &str) -> QueueMetrics {
        QueueMetrics {
            depth: self.depth.with([name]),
            adds: self.adds.with([name]),
            retries: self.retries.with([name]),
            queue_duration: self.queue_duration.with([name]),
            work_duration: self.work_duration.with([name]),
            unfinished: self.unfinished.with([name]),
            longest: self.longest.with([name]),
        }
    }
}
