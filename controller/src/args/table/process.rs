//! Flags about the process as a whole.

use super::{Flag, Kind};

pub(super) const GENERIC: &[Flag] = &[
    Flag::new(
        "controllers",
        Kind::List,
        "*",
        "Control loops to run. '*' is all of them, 'foo' turns foo on, '-foo' turns it off; the first mention counts. All: \
         cloud-node-controller, cloud-node-lifecycle-controller, service-lb-controller, node-route-controller; or by alias \
         cloud-node, cloud-node-lifecycle, service, route.",
    ),
    Flag::new("cluster-name", Kind::Text, "kubernetes", "Name of the cluster, for people and for names in the cloud."),
    Flag::ours(
        "cluster-id",
        Kind::Text,
        "",
        "What tells this cluster's objects in the cloud from all others: 1-63 of a-z, 0-9 and '-', never to be changed. When \
         empty, the UID of namespace kube-system.",
    ),
    Flag::new(
        "leader-elect",
        Kind::Bool,
        "true",
        "Run the control loops only while holding the leader lease. Turn it off only when no second process can run.",
    ),
    Flag::new(
        "leader-elect-lease-duration",
        Kind::Duration,
        "15s",
        "How long a leader that is not heard of is waited for before another takes over.",
    ),
    Flag::new(
        "leader-elect-renew-deadline",
        Kind::Duration,
        "10s",
        "How long a leader tries to renew before it steps down. Must be shorter than the lease duration.",
    ),
    Flag::new("leader-elect-retry-period", Kind::Duration, "2s", "Time between two attempts to acquire or renew."),
    Flag::new(
        "leader-elect-resource-lock",
        Kind::Text,
        "leases",
        "Kind of the lock; only leases is supported, as upstream.",
    ),
    Flag::new("leader-elect-resource-name", Kind::Text, "cloud-controller-manager", "Name of the Lease."),
    Flag::new("leader-elect-resource-namespace", Kind::Text, "kube-system", "Namespace of the Lease."),
    Flag::new(
        "kube-api-qps",
        Kind::Float,
        "0",
        "Requests a second to the apiserver. 0 is as much as it bears: the number of requests under way at once adapts to how \
         fast it answers, and to what it says when it is too much.",
    )
    .upstream("20"),
    Flag::new("kube-api-burst", Kind::Int, "30", "Requests that may exceed --kube-api-qps at once. Only read with it."),
    Flag::new(
        "kube-api-content-type",
        Kind::Text,
        "application/json",
        "Content type of requests to the apiserver. JSON is spoken whatever it says.",
    )
    .upstream("application/vnd.kubernetes.protobuf")
    .no_effect("JSON is spoken; only the few fields that matter are kept, so the encoding costs little"),
    Flag::new("min-resync-period", Kind::Duration, "12h0m0s", "How often upstream's caches repeat what they hold.").no_effect(
        "the caches repeat nothing; --node-status-update-frequency, --load-balancer-audit-period and \
         --route-reconciliation-period say how often all is compared with the cloud",
    ),
    Flag::new(
        "controller-start-interval",
        Kind::Duration,
        "0s",
        "Time between the starts of two control loops, times a random number from 1 to 2.",
    ),
    Flag::ours(
        "drain-timeout",
        Kind::Duration,
        "25s",
        "How long work under way may take to end after SIGTERM. A second signal ends the process at once.",
    ),
    Flag::new("feature-gates", Kind::Switches, "", "Upstream's feature gates.").no_effect(
        "what upstream's gates turn on is always on here (watching Nodes for routes, releasing the lease) or not there \
         (webhooks)",
    ),
    Flag::new(
        "use-service-account-credentials",
        Kind::Bool,
        "false",
        "A service account of its own for each control loop.",
    )
    .no_effect("all loops use this process's identity, which needs the rights of all of them (deploy/rbac.yaml)"),
    Flag::new("external-cloud-volume-plugin", Kind::Text, "", "In-tree volumes of upstream's past.")
        .refused("volumes are the business of CSI drivers; upstream has dropped them from this program, too"),
    Flag::new("allow-untagged-cloud", Kind::Bool, "false", "Deprecated upstream.")
        .no_effect("what is ours in the cloud is always marked with the cluster's id"),
    Flag::new("node-sync-period", Kind::Duration, "0s", "Deprecated upstream.").no_effect("upstream does not read it, either"),
];

pub(super) const MIGRATION: &[Flag] = &[
    Flag::new(
        "enable-leader-migration",
        Kind::Bool,
        "false",
        "Run some control loops under a second lease, taken after the first, while they move between two components that both \
         could run them.",
    ),
    Flag::new(
        "leader-migration-config",
        Kind::File,
        "",
        "Upstream's LeaderMigrationConfiguration: the second lease, and which component runs which loops under it. A loop listed \
         for another component than cloud-controller-manager or * does not run here. When empty, \
         node-route-controller, service-lb-controller and cloud-node-lifecycle-controller run under lease \
         cloud-provider-extraction-migration.",
    ),
];

pub(super) const DEBUGGING: &[Flag] = &[
    Flag::new("profiling", Kind::Bool, "true", "Serve /debug/flags/v, where the log level is changed.")
        .partly("there is no /debug/pprof, the profiles of the Go runtime have no counterpart here"),
    Flag::new("contention-profiling", Kind::Bool, "false", "Profile lock contention in the Go runtime.")
        .no_effect("there is no Go runtime here"),
];

pub(super) const MISC: &[Flag] = &[
    Flag::new(
        "kubeconfig",
        Kind::File,
        "",
        "Kubeconfig with the apiserver's address and this process's credentials. When it and --master are empty, those of \
         the pod.",
    ),
    Flag::new("master", Kind::Text, "", "Address of the apiserver; overrides the one in the kubeconfig."),
];

pub(super) const GLOBAL: &[Flag] = &[
    Flag::new(
        "v",
        Kind::Int,
        "0",
        "How much is logged (also -v 4): 0-3 what happens, 4-5 how it was decided, 6 and more every detail.",
    ),
    Flag::new("vmodule", Kind::Text, "", "Log levels by source file.").no_effect("-v is for the process as a whole"),
    Flag::new("logging-format", Kind::Text, "text", "text, or json with one object a line. Always on standard error."),
    Flag::ours(
        "otlp-endpoint",
        Kind::Text,
        "",
        "Where OpenTelemetry traces go over gRPC: http://HOST:PORT of a collector, or https://HOST:PORT of one that the \
         system's CAs (or those in SSL_CERT_FILE) vouch for. When empty, what \
         OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT says; when these are, too, nowhere.",
    ),
    Flag::ours("trace-sampling-ratio", Kind::Float, "1", "Share of traces that are sent, from 0 to 1."),
    Flag::new("log-flush-frequency", Kind::Duration, "5s", "Longest time between two flushes of the log.")
        .no_effect("every line is written at once"),
    Flag::new("log-text-split-stream", Kind::Bool, "false", "Errors to standard error, the rest to standard output.")
        .no_effect("all goes to standard error"),
    Flag::new("log-text-info-buffer-size", Kind::Text, "0", "Buffer of --log-text-split-stream.")
        .no_effect("every line is written at once"),
];
