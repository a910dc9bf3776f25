//! `workqueue_*`, as client-go names them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};
use tokio::time::Instant;

use super::families::{CounterVec, FloatGauge, FloatGaugeVec, GaugeVec, HistogramVec, Registrar, exponential};
use crate::queue::Observer;

/// The metrics of one work queue.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    depth: Arc<Depth>,
    adds: Counter,
    retries: Counter,
    queue_duration: Histogram,
    work_duration: Histogram,
    unfinished: FloatGauge,
    longest: FloatGauge,
    /// When each piece of work under way began.
    running: Arc<Mutex<Vec<Instant>>>,
}

/// What one queue adds to the depth that is shown under its name. Queues that share a name, one for each provider, add up.
#[derive(Debug)]
struct Depth {
    shown: Gauge,
    own: AtomicI64,
}

impl Depth {
    fn set(&self, due: i64) {
        self.shown.inc_by(due - self.own.swap(due, Ordering::Relaxed));
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Observer for QueueMetrics {
    fn depth(&self, due: usize) {
        self.depth.set(i64::try_from(due).unwrap_or(i64::MAX));
    }

    fn added(&self) {
        self.adds.inc();
    }

    fn retried(&self) {
        self.retries.inc();
    }

    fn waited(&self, time: Duration) {
        self.queue_duration.observe(time.as_secs_f64());
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
    }

    fn worked(&self, time: Duration) {
        self.work_duration.observe(time.as_secs_f64());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // The piece that ended is the one that began nearest to `time` ago.
        let off = |began: &Instant| began.elapsed().abs_diff(time);
        if let Some(at) = (0..running.len()).min_by_key(|at| off(&running[*at])) {
            running.swap_remove(at);
        }
    }
}

impl QueueMetrics {
    /// Brings the values that grow with time alone up to date.
    fn refresh(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let ages = running.iter().map(Instant::elapsed);
        self.unfinished.set(ages.clone().sum::<Duration>().as_secs_f64());
        self.longest.set(ages.max().unwrap_or_default().as_secs_f64());
    }
}

#[derive(Debug)]
pub(super) struct QueueFamilies {
    depth: GaugeVec<1>,
    adds: CounterVec<1>,
    retries: CounterVec<1>,
    queue_duration: HistogramVec<1>,
    work_duration: HistogramVec<1>,
    unfinished: FloatGaugeVec<1>,
    longest: FloatGaugeVec<1>,
    made: Mutex<BTreeMap<String, QueueMetrics>>,
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
            made: Mutex::default(),
        }
    }

    /// For one queue of this name.
    pub(super) fn of(&self, name: &str) -> QueueMetrics {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = made.entry(name.to_owned()).or_insert_with(|| self.make(name)).clone();
        QueueMetrics { depth: self.depth(name), ..shared }
    }

    fn depth(&self, name: &str) -> Arc<Depth> {
        Arc::new(Depth { shown: self.depth.with([name]), own: AtomicI64::new(0) })
    }

    pub(super) fn refresh(&self) {
        for queue in self.made.lock().unwrap_or_else(PoisonError::into_inner).values() {
            queue.refresh();
        }
    }

    fn make(&self, name: &str) -> QueueMetrics {
        QueueMetrics {
            depth: self.depth(name),
            adds: self.adds.with([name]),
            retries: self.retries.with([name]),
            queue_duration: self.queue_duration.with([name]),
            work_duration: self.work_duration.with([name]),
            unfinished: self.unfinished.with([name]),
            longest: self.longest.with([name]),
            running: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn queues_of_one_name_add_up() {
        let metrics = Metrics::new();
        let (one, other) = (metrics.workqueue("service"), metrics.workqueue("service"));
        let shown = || {
            let text = metrics.prometheus_text();
            let line = text.lines().find(|line| line.starts_with("workqueue_depth{name=\"service\"}")).expect("shown");
            line.rsplit(' ').next().expect("a value").to_owned()
        };
        one.depth(3);
        other.clone().depth(4);
        assert_eq!(shown(), "7");
        other.depth(1);
        assert_eq!(shown(), "4");
        drop(one);
        assert_eq!(shown(), "1", "a queue that is gone holds nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn work_under_way_grows_older_until_it_ends() {
        let metrics = Metrics::new();
        let queue = metrics.workqueue("node");
        let gauges = || {
            metrics.prometheus_text();
            (queue.unfinished.get(), queue.longest.get())
        };
        queue.waited(Duration::ZERO);
        tokio::time::advance(Duration::from_secs(5)).await;
        metrics.workqueue("node").waited(Duration::ZERO);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(gauges(), (9.0, 7.0), "one runs for 7 s, the other for 2 s");
        queue.worked(Duration::from_secs(7));
        assert_eq!(gauges(), (2.0, 2.0));
        queue.worked(Duration::from_secs(2));
        assert_eq!(gauges(), (0.0, 0.0));
    }
}
