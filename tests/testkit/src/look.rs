//! What the cluster shows, and what is missing in it: every probe's error is the sentence shown while waiting.

use std::net::IpAddr;

use crate::services;
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Node, Service};

/// Taint of a node that the controller has not yet seen to.
pub const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";
/// Taint of a node whose machine is stopped.
pub const SHUTDOWN: &str = "node.cloudprovider.kubernetes.io/shutdown";
const LABELS: [&str; 3] =
    ["topology.kubernetes.io/region", "topology.kubernetes.io/zone", "node.kubernetes.io/instance-type"];

/// A node that the controller has initialised.
pub struct Initialized {
    /// `spec.providerID`.
    pub provider_id: String,
    /// Its first InternalIP.
    pub internal_ip: IpAddr,
    /// Region, zone and type of machine.
    pub labels: [String; 3],
}

/// Whether a node has everything that the cloud knows of it, and no longer the taint.
pub fn initialized(node: &Node) -> Result<Initialized> {
    let spec = node.spec.as_ref().context("no spec")?;
    let provider_id = spec.provider_id.clone().context("no providerID yet")?;
    let internal_ip = internal_ip(node).context("no InternalIP yet")?;
    let labels = node.metadata.labels.as_ref().context("no labels")?;
    let label = |key: &str| labels.get(key).cloned().with_context(|| format!("no label {key} yet"));
    let labels = [label(LABELS[0])?, label(LABELS[1])?, label(LABELS[2])?];
    ensure!(!has_taint(node, UNINITIALIZED), "still tainted as uninitialized");
    Ok(Initialized { provider_id, internal_ip, labels })
}

/// Whether the node says that its machine is stopped, or not.
pub fn shut_down(node: &Node, expected: bool) -> Result<()> {
    let tainted = has_taint(node, SHUTDOWN);
    ensure!(tainted == expected, if tainted { "still tainted as shut down" } else { "not tainted as shut down yet" });
    Ok(())
}

/// Whether the node's pods can be reached.
pub fn network_available(node: &Node) -> Result<()> {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let condition = conditions.iter().find(|condition| condition.type_ == "NetworkUnavailable");
    let status = condition.context("no condition NetworkUnavailable yet")?.status.as_str();
    ensure!(status == "False", "NetworkUnavailable is {status}");
    Ok(())
}

/// The address of a Service's load balancer.
pub fn address(service: &Service) -> Result<IpAddr> {
    services::ingress_ips(service).first().copied().context("no address in the Service's status yet")
}

/// The first InternalIP of a node.
pub fn internal_ip(node: &Node) -> Option<IpAddr> {
    let addresses = node.status.as_ref()?.addresses.as_ref()?;
    addresses.iter().find(|address| address.type_ == "InternalIP")?.address.parse().ok()
}

/// Whether a node has a taint of this key.
pub fn has_taint(node: &Node, key: &str) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    taints.iter().any(|taint| taint.key == key)
}
