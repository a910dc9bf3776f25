//! Metrics of the four control loops, of leader election and of Events.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

use super::families::{CounterVec, GaugeVec, HistogramVec, Registrar, exponential};

/// cloud-node-controller.
#[derive(Clone, Debug)]
pub struct NodeMetrics {
    /// Seconds between a Node's creation and the removal of its uninitialized taint.
    pub taint_removal_delay: Histogram,
    /// Seconds between a Node's creation and the first attempt to initialise it.
    pub initial_sync_delay: Histogram,
    /// Nodes that still carry the uninitialized taint, by the reason of the last failed attempt. Ours.
    pub uninitialized: GaugeVec<1>,
    /// Writes to Nodes, by what was written and how it went. Ours.
    pub writes: CounterVec<2>,
}

/// cloud-node-lifecycle-controller.
#[derive(Clone, Debug)]
pub struct LifecycleMetrics {
    /// Seconds one pass over the nodes takes.
    pub monitor_duration: Histogram,
    /// Look-ups at the provider, by operation and result.
    pub provider_calls: CounterVec<2>,
    /// Nodes removed. Ours.
    pub removals: Counter,
    /// Nodes that would have been removed but for the removal lock, now, by provider and by the reason that holds them. Ours.
    pub removals_held: GaugeVec<2>,
    /// 1 while the breaker against mass removal is open, by provider. Ours.
    pub breaker_open: GaugeVec<1>,
}

/// service-controller.
#[derive(Clone, Debug)]
pub struct ServiceMetrics {
    /// Passes over one Service's load balancer.
    pub sync_total: Counter,
    /// Node changes that could not be brought to a load balancer.
    pub nodesync_error_total: Counter,
    /// Seconds until a node change reached all load balancers.
    pub nodesync_latency: Histogram,
    /// Seconds one update of a load balancer's members took.
    pub update_host_latency: Histogram,
    /// Load balancers of this cluster that no Service asks for, found by the orphan audit, by provider. Ours.
    pub orphans: GaugeVec<1>,
    /// The tenant map. Ours.
    pub tenant_map: TenantMapMetrics,
}

/// The map of namespaces to tenants.
#[derive(Clone, Debug, Default)]
pub struct TenantMapMetrics {
    /// How often a changed file was refused.
    pub refused: Counter,
    /// 1 while the file on disk is not the map in force.
    pub stale: Gauge,
}

/// route-controller.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    /// Passes, by outcome and trigger.
    pub sync_total: CounterVec<2>,
    /// Routes created and deleted, by operation and result. Ours.
    pub operations: CounterVec<2>,
}

/// Leader election and which controllers run.
#[derive(Clone, Debug)]
pub struct AppMetrics {
    /// 1 while this process holds the lease of this name.
    pub leader: GaugeVec<1>,
    /// Renewals that took the slow path (a read before the write), by lease.
    pub leader_slow_path: CounterVec<1>,
    /// 1 for each running controller, by name and manager.
    pub running: GaugeVec<2>,
    /// Requests to the admin server, by path and status code. Ours.
    pub admin_requests: CounterVec<2>,
    /// Seconds of delegated token and access reviews, by kind and result. Ours.
    pub reviews: HistogramVec<2>,
}

/// Health checks.
#[derive(Clone, Debug)]
pub struct SliMetrics {
    /// Results of health checks, by name, type and status.
    pub health_checks: CounterVec<3>,
    /// Last result of each health check, by name and type: 1 good, 0 bad.
    pub health_check: GaugeVec<2>,
}

/// Events.
#[derive(Clone, Debug)]
pub struct EventMetrics {
    /// Events written, by result `created`, `patched` or `error`. Ours.
    pub sent: CounterVec<1>,
    /// Events not written, by reason `spam`, `queue_full` or `gave_up`. Ours.
    pub discarded: CounterVec<1>,
}

impl NodeMetrics {
    pub(super) fn register(to: &mut Registrar<'_>) -> Self {
        let delay = exponential(1.0, 4.0, 6);
        Self {
            taint_removal_delay: to.histogram(
                "node_controller_cloud_provider_taint_removal_delay_seconds",
                "Number of seconds after node creation when NodeController removed the cloud-provider taint of a single node",
                &delay,
            ),
            initial_sync_delay: to.histogram(
                "node_controller_initial_node_sync_delay_seconds",
                "Number of seconds after node creation when NodeController finished the initial synchronization of a single node",
                &delay,
            ),
            uninitialized: to.gauges(
                "cloud_node_controller_uninitialized_nodes",
                "Nodes that still carry the uninitialized taint, by the reason of the last failed attempt",
                ["reason"],
            ),
            writes: to.counters(
                "cloud_node_controller_node_writes",
                "Writes to Nodes, by what was written and how it went",
                ["what", "result"],
            ),
        }
    }
}

impl LifecycleMetrics {
    pub(super) fn register(to: &mut Registrar<'_>) -> Self {
        Self {
            monitor_duration: to.histogram(
                "cloud_node_lifecycle_controller_monitor_nodes_duration_seconds",
                "Duration in seconds of one pass over the nodes",
                &exponential(0.001, 2.0, 15),
            ),
            provider_calls: to.counters(
                "cloud_node_lifecycle_controller_cloud_provider_calls",
                "Look-ups of nodes at the provider, by operation and result",
                ["operation", "result"],
            ),
            removals: to.counter("cloud_node_lifecycle_controller_node_removals", "Nodes removed"),
            removals_held: to.gauges(
                "cloud_node_lifecycle_controller_node_removals_held",
                "Nodes found absent that the removal lock keeps, by provider and reason",
                ["provider", "reason"],
            ),
            breaker_open: to.gauges(
                "cloud_node_lifecycle_controller_removal_breaker_open",
                "1 while the breaker against mass removal of nodes is open, by provider",
                ["provider"],
            ),
        }
    }
}

impl ServiceMetrics {
    pub(super) fn register(to: &mut Registrar<'_>) -> Self {
        let latency = exponential(1.0, 2.0, 15);
        Self {
            sync_total: to.counter(
                "service_controller_loadbalancer_sync",
                "A metric counting the amount of times any load balancer has been configured, as an effect of service/node changes on the cluster",
            ),
            nodesync_error_total: to.counter(
                "service_controller_nodesync_error",
                "A metric counting the amount of times any load balancer has been configured and errored, as an effect of node changes on the cluster",
            ),
            nodesync_latency: to.histogram(
                "service_controller_nodesync_latency_seconds",
                "A metric measuring the latency for nodesync which updates loadbalancer hosts on cluster node updates",
                &latency,
            ),
            update_host_latency: to.histogram(
                "service_controller_update_loadbalancer_host_latency_seconds",
                "A metric measuring the latency for updating each load balancer hosts",
                &latency,
            ),
            orphans: to.gauges(
                "service_controller_orphaned_loadbalancers",
                "Load balancers of this cluster that no Service asks for, by provider",
                ["provider"],
            ),
            tenant_map: TenantMapMetrics {
                refused: to.counter(
                    "service_controller_tenant_map_reload_failures",
                    "How often a changed tenant map was refused",
                ),
                stale: to
                    .gauges("service_controller_tenant_map_stale", "1 while the tenant map on disk is not the one in force", [])
                    .with([]),
            },
        }
    }
}

impl RouteMetrics {
    pub(super) fn register(to: &mut Registrar<'_>) -> Self {
        Self {
            sync_total: to.counters(
                "route_controller_route_sync",
                "A metric counting the amount of times routes have been synced with the cloud provider",
                ["outcome", "trigger"],
            ),
            operations: to.counters(
                "route_controller_route_operations",
                "Routes created and deleted, by operation and result",
                ["operation", "result"],
            ),
        }
    }
}

impl AppMetrics {
    pub(super) fn register(to: &mut Registrar<'_>) -> Self {
        Self {
            leader: to.gauges(
                "leader_election_master_status",
                "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. 'name' is the string used to identify the lease",
                ["name"],
            ),
            leader_slow_path: to.counters(
                "leader_election_slowpath",
                "Total number of slow path exercised in renewing leader leases. 'name' is the string used to identify the lease",
                ["name"],
            ),
            running: to.gauges(
                "running_managed_controllers",
                "Indicates where instances of a controller are currently running",
                ["name", "manager"],
            ),
            admin_requests: to.counters(
                "cloud_controller_manager_admin_requests",
                "Requests to the admin server, by path and status code",
                ["path", "code"],
            ),
            reviews: to.histograms(
                "cloud_controller_manager_reviews_duration_seconds",
                "Duration of delegated token and access reviews, by kind and result",
                ["kind", "result"],
                &exponential(0.001, 2.0, 14),
            ),
        }
    }
}

impl SliMetrics {
    pub(super) fn register(to: &mut Registrar<'_>) -> Self {
        Self {
            health_checks: to.counters(
                "kubernetes_healthchecks",
                "This metric records the results of all healthcheck",
                ["name", "type", "status"],
            ),
            health_check: to.gauges(
                "kubernetes_healthcheck",
                "This metric records the result of a single healthcheck",
                ["name", "type"],
            ),
        }
    }
}

impl EventMetrics {
    pub(super) fn register(to: &mut Registrar<'_>) -> Self {
        Self {
            sent: to.counters("cloud_controller_manager_events_sent", "Events written, by result", ["result"]),
            discarded: to.counters(
                "cloud_controller_manager_events_discarded",
                "Events not written, by reason",
                ["reason"],
            ),
        }
    }
}
