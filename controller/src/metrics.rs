//! What the process measures about itself: upstream's metric names where upstream has one, so that dashboards and alerts
//! carry over, and our own for what is new.
//!
//! Every family is registered once, in [`Metrics::new`]. To measure something new, add a field to the group it belongs to.

mod families;
mod loops;
mod process;
mod rest_client;
mod text;
mod workqueue;

use prometheus_client::registry::Registry;

pub(crate) use self::families::Registrar;
use self::workqueue::QueueFamilies;
pub use self::{
    families::{CounterVec, FloatGauge, FloatGaugeVec, GaugeVec, HistogramVec},
    loops::{
        AppMetrics, EventMetrics, LifecycleMetrics, NodeMetrics, RouteMetrics, ServiceMetrics, SliMetrics,
        TenantMapMetrics,
    },
    rest_client::RestClientMetrics,
    workqueue::QueueMetrics,
};

/// Every metric of the process, and the registry that renders them.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    sli_registry: Registry,
    queues: QueueFamilies,
    /// cloud-node-controller.
    pub node: NodeMetrics,
    /// cloud-node-lifecycle-controller.
    pub lifecycle: LifecycleMetrics,
    /// service-controller.
    pub service: ServiceMetrics,
    /// route-controller.
    pub route: RouteMetrics,
    /// Calls to the provider daemons.
    pub provider: crate::provider::Metrics,
    /// Calls to the kube-apiserver.
    pub rest_client: RestClientMetrics,
    /// Leader election and which controllers run.
    pub app: AppMetrics,
    /// Health checks, shown on a page of their own.
    pub slis: SliMetrics,
    /// Events sent and dropped.
    pub events: EventMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All families, registered, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let to = &mut Registrar(&mut registry);
        let queues = QueueFamilies::register(to);
        let node = NodeMetrics::register(to);
        let lifecycle = LifecycleMetrics::register(to);
        let service = ServiceMetrics::register(to);
        let route = RouteMetrics::register(to);
        let provider = crate::provider::Metrics::register(to);
        let rest_client = RestClientMetrics::register(to);
        let app = AppMetrics::register(to);
        let events = EventMetrics::register(to);
        process::register(to);
        let mut sli_registry = Registry::default();
        let slis = SliMetrics::register(&mut Registrar(&mut sli_registry));
        Self {
            registry,
            sli_registry,
            queues,
            node,
            lifecycle,
            service,
            route,
            provider,
            rest_client,
            app,
            slis,
            events,
        }
    }

    /// The `workqueue_*` metrics of the queue with this name; the queue tells them what it does.
    pub fn workqueue(&self, name: &str) -> QueueMetrics {
        self.queues.of(name)
    }

    /// All metrics as `OpenMetrics` text.
    pub fn open_metrics_text(&self) -> String {
        self.queues.refresh();
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, &self.registry).expect("writing to a string does not fail");
        out
    }

    /// All metrics in the Prometheus text format 0.0.4, spelled as the Go client spells them.
    pub fn prometheus_text(&self) -> String {
        text::from_open_metrics(&self.open_metrics_text())
    }

    /// The health checks in the Prometheus text format.
    pub fn slis_text(&self) -> String {
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, &self.sli_registry)
            .expect("writing to a string does not fail");
        text::from_open_metrics(&out)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::queue::Observer as _;

    /// The names of `/metrics` that dashboards for the upstream cloud-controller-manager rely on.
    #[test]
    fn upstream_names_are_there() {
        let metrics = Metrics::new();
        let queue = metrics.workqueue("service");
        queue.added();
        queue.worked(Duration::from_millis(100));
        metrics.node.initial_sync_delay.observe(1.0);
        metrics.lifecycle.provider_calls.with(["instance_exists", "success"]).inc();
        metrics.route.sync_total.with(["success", "node_add"]).inc();
        metrics.rest_client.requests.with(["200", "GET", "h:1"]).inc();
        metrics.app.leader.with(["cloud-controller-manager"]).set(1);
        let text = metrics.prometheus_text();
        for line in [
            "# TYPE workqueue_adds_total counter",
            "workqueue_adds_total{name=\"service\"} 1",
            "workqueue_depth{name=\"service\"} 0",
            "# TYPE workqueue_work_duration_seconds histogram",
            "workqueue_work_duration_seconds_bucket{le=\"1e-08\",name=\"service\"} 0",
            "workqueue_work_duration_seconds_bucket{le=\"1\",name=\"service\"} 1",
            "node_controller_initial_node_sync_delay_seconds_bucket{le=\"1024\"} 1",
            "cloud_node_lifecycle_controller_cloud_provider_calls_total{operation=\"instance_exists\",result=\"success\"} 1",
            "# TYPE service_controller_loadbalancer_sync_total counter",
            "service_controller_loadbalancer_sync_total 0",
            "service_controller_nodesync_error_total 0",
            "route_controller_route_sync_total{outcome=\"success\",trigger=\"node_add\"} 1",
            "rest_client_requests_total{code=\"200\",method=\"GET\",host=\"h:1\"} 1",
            "leader_election_master_status{name=\"cloud-controller-manager\"} 1",
            "# TYPE kubernetes_build_info gauge",
            "# TYPE process_start_time_seconds gauge",
            "# TYPE process_resident_memory_bytes gauge",
        ] {
            assert!(text.lines().any(|have| have == line), "missing {line:?} in\n{text}");
        }
        assert!(!text.contains("# EOF") && !text.contains("# UNIT"), "{text}");
    }
}
