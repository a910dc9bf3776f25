//! Every name that other programs, dashboards and people rely on. Upstream's where upstream has one.

/// Taint the kubelet adds when it runs with an external cloud provider; matched by key alone.
pub const TAINT_UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";
/// Taint of a node whose machine is stopped; effect `NoSchedule`, no value.
pub const TAINT_SHUTDOWN: &str = "node.cloudprovider.kubernetes.io/shutdown";
/// Taint that lets Kubernetes detach the volumes of a node and move its pods away although its kubelet does not answer;
/// effect `NoExecute`. Matched by key alone, so the value is ours to choose.
pub const TAINT_OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// Value of [`TAINT_OUT_OF_SERVICE`] on a node that we tainted: one that a person tainted is left to that person.
pub const OUT_OF_SERVICE_VALUE: &str = "cloud-stopped";
/// Taint the cluster autoscaler puts on a node it is about to remove; matched by key alone.
pub const TAINT_TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";

/// Label that keeps a node out of every load balancer.
pub const LABEL_EXCLUDE_FROM_LB: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// Zone of a node.
pub const LABEL_ZONE: &str = "topology.kubernetes.io/zone";
/// Zone of a node, the deprecated spelling.
pub const LABEL_ZONE_BETA: &str = "failure-domain.beta.kubernetes.io/zone";
/// Region of a node.
pub const LABEL_REGION: &str = "topology.kubernetes.io/region";
/// Region of a node, the deprecated spelling.
pub const LABEL_REGION_BETA: &str = "failure-domain.beta.kubernetes.io/region";
/// Machine type of a node.
pub const LABEL_INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
/// Machine type of a node, the deprecated spelling.
pub const LABEL_INSTANCE_TYPE_BETA: &str = "beta.kubernetes.io/instance-type";

/// Annotation the kubelet writes with the IPs given by `--node-ip`.
pub const ANNOTATION_PROVIDED_NODE_IP: &str = "alpha.kubernetes.io/provided-node-ip";
/// Annotation form of `spec.loadBalancerSourceRanges`.
pub const ANNOTATION_SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
/// Where the provider's handle of a load balancer is kept on its Service. Ours, not upstream's.
pub const ANNOTATION_HANDLE: &str = "ccm.cloudprovider.io/load-balancer-handle";
/// Name of the provider that has the load balancer of this Service: written with the finalizer, before the cloud is asked
/// for anything. Tells our finalizer from that of another controller, since all of them use the same one, and keeps a
/// Service with its provider when the default changes. Ours, not upstream's.
pub const ANNOTATION_PROVIDER: &str = "ccm.cloudprovider.io/load-balancer-provider";
/// The tenant the load balancer of this Service was made for, where namespaces have tenants: a note of where to look once the
/// namespace has another one, never a claim to be that tenant. Ours, not upstream's.
pub const ANNOTATION_TENANT: &str = "ccm.cloudprovider.io/load-balancer-tenant";

/// Annotation of a Node with which a person lets a Node go that the removal lock holds back: value `true`. It waives the
/// limit on how many go at once and the need for a canary, never the proof that the machine is gone. Ours, not upstream's.
pub const ANNOTATION_ALLOW_REMOVAL: &str = "ccm.cloudprovider.io/allow-removal";

/// Field manager under which node labels, addresses and taints are written. Labels under it are kept up to date; labels
/// that somebody else wrote since are left to them. Ours, not upstream's.
pub const FIELD_MANAGER_NODE: &str = "ccm.cloudprovider.io/node";

/// Field manager under which Services are written. Ours, not upstream's.
pub const FIELD_MANAGER_SERVICE: &str = "ccm.cloudprovider.io/service";
/// Field manager under which the route controller writes Node conditions. Ours, not upstream's.
pub const FIELD_MANAGER_ROUTE: &str = "ccm.cloudprovider.io/route";

/// Prefix of the `loadBalancerClass` that always belongs to the provider whose name follows. Ours, not upstream's.
pub const CLASS_PREFIX: &str = "ccm.cloudprovider.io/";

/// Finalizer that keeps a Service until its load balancer is gone.
pub const FINALIZER_LB: &str = "service.kubernetes.io/load-balancer-cleanup";

/// Node condition that says whether pod traffic is routed to the node.
pub const CONDITION_NETWORK_UNAVAILABLE: &str = "NetworkUnavailable";

/// Node condition that says why a Node whose machine is gone is not removed; absent when nothing holds it back. Ours, not
/// upstream's.
pub const CONDITION_REMOVAL_BLOCKED: &str = "CloudRemovalBlocked";

/// Sources of Events, as upstream spells them.
pub mod event_source {
    /// Node initialisation.
    pub const NODE: &str = "cloud-node-controller";
    /// Node removal and the shutdown taint.
    pub const LIFECYCLE: &str = "cloud-node-lifecycle-controller";
    /// Load balancers.
    pub const SERVICE: &str = "service-controller";
    /// Routes; the underscore is upstream's.
    pub const ROUTE: &str = "route_controller";
    /// Leader election.
    pub const LEADER: &str = "cloud-controller-manager";
}
