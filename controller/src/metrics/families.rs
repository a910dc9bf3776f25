//! Families of metrics whose label names are fixed once and whose values are given in order.

use std::sync::{Arc, atomic::AtomicU64};

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::{Metric, Registry},
};

type Labels<const N: usize> = [(&'static str, String); N];

/// A gauge of seconds, shares and the like.
pub type FloatGauge = Gauge<f64, AtomicU64>;

/// Counters told apart by `N` labels.
pub type CounterVec<const N: usize> = Vec<Counter, N>;
/// Gauges told apart by `N` labels.
pub type GaugeVec<const N: usize> = Vec<Gauge, N>;
/// Gauges of fractions told apart by `N` labels.
pub type FloatGaugeVec<const N: usize> = Vec<FloatGauge, N>;
/// Histograms told apart by `N` labels.
pub type HistogramVec<const N: usize> = Vec<Histogram, N>;

/// Metrics of one name, told apart by the values of `N` labels.
#[derive(Clone, Debug)]
pub struct Vec<M, const N: usize> {
    names: [&'static str; N],
    family: Family<Labels<N>, M, Make<M>>,
}

struct Make<M>(Arc<dyn Fn() -> M + Send + Sync>);

impl<M> Clone for Make<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M> std::fmt::Debug for Make<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Make")
    }
}

impl<M> MetricConstructor<M> for Make<M> {
    fn new_metric(&self) -> M {
        (self.0)()
    }
}

impl<M: Clone, const N: usize> Vec<M, N> {
    /// The metric with these label values, in the order of the names; made at zero when it is the first use.
    pub fn with(&self, values: [&str; N]) -> M {
        self.family.get_or_create_owned(&self.labels(values))
    }

    /// Forgets the metric with these label values, so that what is gone is not reported for ever.
    pub fn remove(&self, values: [&str; N]) {
        self.family.remove(&self.labels(values));
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.family.clear();
    }

    fn labels(&self, values: [&str; N]) -> Labels<N> {
        std::array::from_fn(|i| (self.names[i], values[i].to_owned()))
    }
}

/// Makes metrics and registers them in the same breath.
pub(crate) struct Registrar<'a>(pub(super) &'a mut Registry);

impl Registrar<'_> {
    /// Registers `metric` and gives it back. `name` is without the `_total` of a counter.
    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    fn vec<M, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        names: [&'static str; N],
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Vec<M, N>
    where
        Family<Labels<N>, M, Make<M>>: Metric,
    {
        let family = Family::new_with_constructor(Make(Arc::new(make)));
        self.0.register(name, help, family.clone());
        Vec { names, family }
    }

    /// A counter; `name` is without `_total`.
    pub(crate) fn counter(&mut self, name: &str, help: &str) -> Counter {
        self.add(name, help, Counter::default())
    }

    /// A gauge of fractions.
    pub(crate) fn float_gauge(&mut self, name: &str, help: &str) -> FloatGauge {
        self.add(name, help, FloatGauge::default())
    }

    /// A histogram with these upper bounds.
    pub(crate) fn histogram(&mut self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        self.add(name, help, Histogram::new(buckets.iter().copied()))
    }

    /// Counters with labels; `name` is without `_total`.
    pub(crate) fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&'static str; N],
    ) -> CounterVec<N> {
        self.vec(name, help, labels, Counter::default)
    }

    /// Gauges with labels.
    pub(crate) fn gauges<const N: usize>(&mut self, name: &str, help: &str, labels: [&'static str; N]) -> GaugeVec<N> {
        self.vec(name, help, labels, Gauge::default)
    }

    /// Gauges of fractions with labels.
    pub(crate) fn float_gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&'static str; N],
    ) -> FloatGaugeVec<N> {
        self.vec(name, help, labels, FloatGauge::default)
    }

    /// Histograms with labels and these upper bounds.
    pub(crate) fn histograms<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&'static str; N],
        buckets: &[f64],
    ) -> HistogramVec<N> {
        let buckets = buckets.to_vec();
        self.vec(name, help, labels, move || Histogram::new(buckets.iter().copied()))
    }
}

/// `start · factor^i` for `i` below `length`: upstream's exponential buckets.
pub(crate) fn exponential(start: f64, factor: f64, length: u16) -> std::vec::Vec<f64> {
    prometheus_client::metrics::histogram::exponential_buckets(start, factor, length).collect()
}
