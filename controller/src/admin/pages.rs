//! `/configz`, `/statusz` and `/flagz`: what the process was told and what it is.

use std::fmt::Write as _;

use controller_core::{
    controllers_flag::{Controller, canonical},
    go_duration::GoDuration,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

use crate::{args::Flags, config::Config, metrics::Metrics, version};

const WARNING: &str = "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees \
                       and is for debugging purposes only.";

/// `/flagz`: every flag as it stands.
pub(super) fn flagz(flags: &Flags) -> String {
    let mut out = format!("\ncloud-controller-manager flags\n{WARNING}\n\n");
    for flag in flags.echo() {
        let _ = writeln!(out, "{}", flag.trim_start_matches('-'));
    }
    out
}

/// `/statusz`: the build, since when it runs, what it serves.
pub(super) fn statusz(started: Instant, started_unix: u64, paths: &[&str]) -> String {
    let build = version::info();
    let at = i64::try_from(started_unix).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    format!(
        "\ncloud-controller-manager statusz\n{WARNING}\n\nStarted: {}\nUp: {}\nBinary version: {}\nCommit: {}\nPlatform: \
         {}\n\nPaths: {}\n",
        at.map_or_else(String::new, |at| at.to_string()),
        GoDuration(Duration::from_secs(started.elapsed().as_secs())),
        build.git_version,
        build.git_commit,
        build.platform,
        paths.join(" "),
    )
}

fn go(duration: Duration) -> String {
    GoDuration(duration).to_string()
}

/// `/configz`: upstream's configuration object, field by field, and ours beside it.
pub(super) fn configz(config: &Config, flags: &Flags) -> Value {
    let controllers: Vec<_> = flags.value("controllers").list().iter().map(|entry| canonical(entry)).collect();
    json!({
        "cloudcontrollermanager.config.k8s.io": {
            "kind": "CloudControllerManagerConfiguration",
            "apiVersion": "cloudcontrollermanager.config.k8s.io/v1alpha1",
            "Generic": generic(config, flags, &controllers),
            "KubeCloudShared": kube_cloud_shared(config, flags),
            "NodeController": {"ConcurrentNodeSyncs": config.node.workers,
                "ConcurrentNodeStatusUpdates": config.node.status_workers},
            "NodeLifecycleController": {"ConcurrentNodeLifecycleSyncs": config.lifecycle.workers},
            "ServiceController": {"ConcurrentServiceSyncs": config.service.workers},
            "NodeStatusUpdateFrequency": go(config.node.status_update_frequency),
            "Webhook": {"Webhooks": []},
        },
        "cloudprovider": ours(config),
    })
}

fn generic(config: &Config, flags: &Flags, controllers: &[String]) -> Value {
    let election = config.leader_election.clone().unwrap_or_default();
    json!({
        "Port": config.admin.as_ref().map_or(0, |admin| admin.port),
        "Address": config.admin.as_ref().map_or_else(String::new, |admin| admin.address.to_string()),
        "MinResyncPeriod": flags.value("min-resync-period").to_string(),
        "ClientConnection": {
            "Kubeconfig": config.kube.kubeconfig.as_ref().map_or_else(String::new, |path| path.display().to_string()),
            "AcceptContentTypes": "",
            "ContentType": "application/json",
            "QPS": config.kube.qps.unwrap_or(0.0),
            "Burst": config.kube.burst,
        },
        "ControllerStartInterval": go(config.controller_start_interval),
        "LeaderElection": {
            "LeaderElect": config.leader_election.is_some(),
            "LeaseDuration": go(election.timing.lease_duration),
            "RenewDeadline": go(election.timing.renew_deadline),
            "RetryPeriod": go(election.timing.retry_period),
            "ResourceLock": "leases",
            "ResourceName": election.name,
            "ResourceNamespace": election.namespace,
        },
        "Controllers": controllers,
        "Debugging": {"EnableProfiling": flags.value("profiling").bool(), "EnableContentionProfiling": false},
        "LeaderMigrationEnabled": election.migration.is_some(),
    })
}

fn kube_cloud_shared(config: &Config, flags: &Flags) -> Value {
    let cidrs: Vec<_> = config.route.cluster_cidrs.iter().map(ToString::to_string).collect();
    json!({
        "CloudProvider": {"Name": flags.value("cloud-provider").text(), "CloudConfigFile": ""},
        "ExternalCloudVolumePlugin": "",
        "UseServiceAccountCredentials": false,
        "AllowUntaggedCloud": false,
        "RouteReconciliationPeriod": go(config.route.period),
        "NodeMonitorPeriod": go(config.lifecycle.monitor_period),
        "ClusterName": config.cluster_name,
        "ClusterCIDR": cidrs.join(","),
        "AllocateNodeCIDRs": flags.value("allocate-node-cidrs").bool(),
        "CIDRAllocatorType": flags.value("cidr-allocator-type").text(),
        "ConfigureCloudRoutes": flags.value("configure-cloud-routes").bool(),
        "NodeSyncPeriod": "0s",
    })
}

fn ours(config: &Config) -> Value {
    let removal = &config.lifecycle.removal;
    json!({
        "providers": config.provider.endpoints,
        "defaultProvider": config.provider.default_provider,
        "loadBalancerClasses": config.provider.load_balancer_classes,
        "clusterID": config.cluster_id,
        "controllers": config.controllers.iter().map(|controller: &Controller| controller.name()).collect::<Vec<_>>(),
        "loadBalancerAuditPeriod": go(config.service.audit_period),
        "drainTimeout": go(config.drain_timeout),
        "nodeRemoval": {
            "notReadyGrace": go(removal.not_ready_grace),
            "minNodeAge": go(removal.min_node_age),
            "confirmInterval": go(removal.confirm_interval),
            "maxAnswerAge": go(removal.max_answer_age),
            "authHold": go(removal.auth_hold),
            "window": go(removal.window),
            "maxPercent": removal.max_percent,
        },
    })
}

/// `/metrics/slis`: the health checks as metrics.
pub(super) fn record_checks(metrics: &Metrics, probe: &str, outcomes: &[(String, Result<(), String>)]) {
    for (name, outcome) in outcomes {
        let (status, value) = if outcome.is_ok() { ("success", 1) } else { ("error", 0) };
        metrics.slis.health_checks.with([name, probe, status]).inc();
        metrics.slis.health_check.with([name, probe]).set(value);
    }
}
