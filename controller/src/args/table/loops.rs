//! Flags of the control loops.

use super::{Flag, Kind};

pub(super) const NODE: &[Flag] = &[
    Flag::new(
        "concurrent-node-syncs",
        Kind::Int,
        "",
        "Nodes initialised at once, at least 1. When not given, as many as the apiserver bears.",
    )
    .upstream("1"),
    Flag::new(
        "concurrent-node-status-updates",
        Kind::Int,
        "0",
        "Nodes whose addresses and labels are refreshed at once. 0 is as many as --concurrent-node-syncs.",
    ),
    Flag::new(
        "node-status-update-frequency",
        Kind::Duration,
        "5m0s",
        "How often addresses and labels of every Node are compared with the cloud.",
    ),
    Flag::ours(
        "node-adopt-untainted",
        Kind::Bool,
        "false",
        "Initialise Nodes, too, that were registered without the uninitialized taint and have no providerID.",
    ),
];

pub(super) const LIFECYCLE: &[Flag] = &[
    Flag::new(
        "concurrent-node-lifecycle-syncs",
        Kind::Int,
        "",
        "Nodes examined at once, at least 1. When not given, as many as needed: their look-ups go out in batches.",
    )
    .upstream("1"),
    Flag::new("node-monitor-period", Kind::Duration, "5s", "How often Nodes that are not Ready are examined."),
    Flag::ours(
        "node-out-of-service-after",
        Kind::Duration,
        "0s",
        "How long a machine must have been stopped until its Node gets the taint node.kubernetes.io/out-of-service, so that its \
         volumes are let go. 0s is never.",
    ),
    Flag::ours(
        "node-removal-not-ready-grace",
        Kind::Duration,
        "30s",
        "How long a Node must not have been Ready before it is removed.",
    ),
    Flag::ours("node-removal-min-node-age", Kind::Duration, "1m0s", "How old a Node must be to be removed."),
    Flag::ours(
        "node-removal-confirm-interval",
        Kind::Duration,
        "1m0s",
        "Time between the two answers that a Node's machine is gone, both of which are needed to remove the Node.",
    ),
    Flag::ours(
        "node-removal-max-answer-age",
        Kind::Duration,
        "30s",
        "An answer older than this does not count for removal. Must cover the difference between this clock and the daemon's.",
    ),
    Flag::ours(
        "node-removal-auth-hold",
        Kind::Duration,
        "10m0s",
        "No Node is removed for this long after the cloud has refused the daemon's credentials.",
    ),
    Flag::ours("node-removal-window", Kind::Duration, "10m0s", "Time over which removals are counted."),
    Flag::ours(
        "node-removal-max-percent",
        Kind::Int,
        "10",
        "Share of a provider's Nodes, 0-100 %, that may be removed in a window; at least three while these are fewer than half, \
         and at least one, but none at 0. When more want to go, none goes until fewer do, the window has moved on, or a person \
         says so.",
    ),
];

pub(super) const SERVICE: &[Flag] = &[
    Flag::new(
        "concurrent-service-syncs",
        Kind::Int,
        "",
        "Services worked on at once, at least 1. When not given, as many as the apiserver and the providers bear.",
    )
    .upstream("1"),
    Flag::ours(
        "load-balancer-audit-period",
        Kind::Duration,
        "30m0s",
        "How often every load balancer is compared with its Service, and the cloud searched for ones that no Service asks for. \
         The latter are reported, never deleted.",
    ),
];

pub(super) const ROUTE: &[Flag] = &[
    Flag::new(
        "allocate-node-cidrs",
        Kind::Bool,
        "false",
        "Nodes get pod networks from the cluster's range. Without it no routes are kept.",
    ),
    Flag::new("configure-cloud-routes", Kind::Bool, "true", "Keep routes to the Nodes' pod networks in the cloud."),
    Flag::new(
        "cluster-cidr",
        Kind::List,
        "",
        "Range of the pods, or one of each family. Routes outside are left alone.",
    ),
    Flag::new(
        "route-reconciliation-period",
        Kind::Duration,
        "5m0s",
        "How often the cloud's routes are compared with the Nodes. Changes of Nodes are acted on at once, whatever it says.",
    )
    .upstream("10s"),
    Flag::new("cidr-allocator-type", Kind::Text, "RangeAllocator", "How upstream gives networks to Nodes.")
        .no_effect("networks are given to Nodes by kube-controller-manager or the CNI, not by this program"),
];
