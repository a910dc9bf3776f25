//! What people read about a load balancer in the Events of its Service. Reasons and texts are upstream's: alerts and test
//! suites match on them.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    fault::{Code, Fault, Origin},
    node_set::NodeSet,
    provider::Notice,
    tenancy::Obstacle,
    view::Service,
};

use super::{
    record::Work,
    wanted::{InvalidService, Wanted},
};

/// Throttling is nobody's fault and passes; after this long a person should know.
const THROTTLED_TOO_LONG: Duration = Duration::from_secs(300);
/// Faults on the way to the cloud are told from this many in a row on.
const IN_A_ROW: u32 = 3;
/// Most node names in one text.
const NODE_NAMES: usize = 20;

fn normal(reason: &str, message: impl Into<String>) -> Notice {
    Notice { warning: false, reason: reason.to_owned(), message: message.into() }
}

fn warning(reason: &str, message: impl Into<String>) -> Notice {
    Notice { warning: true, reason: reason.to_owned(), message: message.into() }
}

pub(super) fn ensuring() -> Notice {
    normal("EnsuringLoadBalancer", "Ensuring load balancer")
}

pub(super) fn ensured() -> Notice {
    normal("EnsuredLoadBalancer", "Ensured load balancer")
}

pub(super) fn updated(wanted: &Wanted) -> Notice {
    if wanted.has_members() {
        normal("UpdatedLoadBalancer", "Updated load balancer with new hosts")
    } else {
        no_nodes()
    }
}

pub(super) fn no_nodes() -> Notice {
    warning("UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer")
}

pub(super) fn deleting() -> Notice {
    normal("DeletingLoadBalancer", "Deleting load balancer")
}

pub(super) fn deleted() -> Notice {
    normal("DeletedLoadBalancer", "Deleted load balancer")
}

pub(super) fn invalid(problem: &InvalidService) -> Notice {
    warning("SyncLoadBalancerFailed", format!("Error syncing load balancer: {problem}"))
}

/// A Service is being deleted and holds a finalizer that may be ours or another controller's.
pub(super) fn unclear_finalizer() -> Notice {
    let text = "Error syncing load balancer: the finalizer service.kubernetes.io/load-balancer-cleanup was not put here by \
                this controller, and the cloud has no load balancer of this Service; if no other controller removes it, \
                remove it by hand";
    warning("SyncLoadBalancerFailed", text)
}

/// The provider that has the load balancer is not configured.
pub fn provider_missing(name: &str) -> Notice {
    let text = format!(
        "Error syncing load balancer: it belongs to provider {name:?}, which no --provider of this controller is; add \
         that provider, or remove the annotation {} once the load balancer is gone",
        crate::names::ANNOTATION_PROVIDER
    );
    warning("SyncLoadBalancerFailed", text)
}

/// Nothing is made for the Service of a namespace without a tenant, or whose tenant is another one by now.
pub(super) fn obstacle(service: &Service, tenant: &str, obstacle: &Obstacle) -> Notice {
    let namespace = &service.namespace;
    let text = match obstacle {
        Obstacle::Unmapped => format!(
            "namespace {namespace:?} has no tenant, and only tenants may have load balancers here; an administrator adds it to the \
             tenant map of the cloud controller"
        ),
        Obstacle::Moved { now } => {
            let now = now.as_deref().map_or_else(|| "no tenant".to_owned(), |now| format!("tenant {now:?}"));
            format!(
                "its load balancer was made for tenant {tenant:?}, and namespace {namespace:?} has {now} now. The load balancer stays \
                 where it is and follows the nodes, but the Service's other changes are not carried out: delete the Service and make \
                 it anew, or have an administrator give the namespace back to tenant {tenant:?} in the tenant map"
            )
        }
        Obstacle::Unserved => format!(
            "annotation {} says that its load balancer was made for tenant {tenant:?}, which is neither that of namespace \
             {namespace:?} nor one the provider serves this controller; an administrator allows it in the daemon's access file \
             until the load balancer is gone, or removes the annotation if it is not true",
            crate::names::ANNOTATION_TENANT
        ),
    };
    warning("SyncLoadBalancerFailed", format!("Error syncing load balancer: {text}"))
}

/// The Kubernetes write that keeps the outcome failed.
pub fn write_failed(what: &str, error: impl std::fmt::Display) -> Notice {
    warning("SyncLoadBalancerFailed", format!("Error syncing load balancer: failed to {what}: {error}"))
}

/// What a failure is told as, if a person has to know of it.
///
/// `failures` counts those in a row, this one included; `failing_for` is the time since the first of them.
pub(super) fn failed(
    work: Work,
    fault: &Fault,
    nodes: Option<&NodeSet>,
    failures: u32,
    failing_for: Duration,
) -> Option<Notice> {
    if !is_news(fault, failures, failing_for) {
        return None;
    }
    Some(match work {
        Work::UpdateMembers => warning(
            "UpdateLoadBalancerFailed",
            format!("Error updating load balancer with new hosts {}, error: {fault}", node_names(nodes)),
        ),
        Work::Look | Work::Ensure => warning(
            "SyncLoadBalancerFailed",
            format!("Error syncing load balancer: failed to ensure load balancer: {fault}"),
        ),
        Work::Delete { service_gone: false } => warning(
            "SyncLoadBalancerFailed",
            format!("Error syncing load balancer: failed to delete load balancer: {fault}"),
        ),
        Work::Delete { service_gone: true } => {
            warning("DeleteLoadBalancerFailed", format!("Error deleting load balancer: {fault}"))
        }
    })
}

fn is_news(fault: &Fault, failures: u32, failing_for: Duration) -> bool {
    if fault.is_away() {
        return false;
    }
    if fault.is_throttle() {
        return failing_for >= THROTTLED_TOO_LONG;
    }
    match fault.code {
        Code::Cancelled | Code::Aborted => false,
        Code::Unknown | Code::DeadlineExceeded | Code::Unavailable => {
            failures >= IN_A_ROW || fault.origin == Origin::Distrust
        }
        _ => true,
    }
}

fn node_names(nodes: Option<&NodeSet>) -> String {
    let names: BTreeSet<&str> =
        nodes.iter().flat_map(|set| set.members.iter().map(|member| member.node_name.as_str())).collect();
    let shown: Vec<&str> = names.iter().copied().take(NODE_NAMES).collect();
    format!("[{}] [node names limited, total number of nodes: {}]", shown.join(" "), names.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{node_set, provider::NodeMember};

    fn told(fault: &Fault, failures: u32, failing_for: u64) -> bool {
        failed(Work::Ensure, fault, None, failures, Duration::from_secs(failing_for)).is_some()
    }

    #[test]
    fn passing_faults_are_told_when_they_do_not_pass() {
        let cloud = |code| Fault::new(code, Origin::Cloud, "p", "m");
        for (case, fault, failures, failing_for, expected) in [
            ("a wrong field, at once", cloud(Code::InvalidArgument), 1, 0, true),
            ("credentials, at once", cloud(Code::Unauthenticated), 1, 0, true),
            ("one timeout", cloud(Code::DeadlineExceeded), 1, 0, false),
            ("the third timeout", cloud(Code::DeadlineExceeded), 3, 20, true),
            ("throttled", cloud(Code::ResourceExhausted), 9, 299, false),
            ("throttled for long", cloud(Code::ResourceExhausted), 9, 300, true),
            ("quota, at once", Fault { quota: true, ..cloud(Code::ResourceExhausted) }, 1, 0, true),
            ("another call is running", cloud(Code::Aborted), 9, 900, false),
            ("a broken answer, at once", Fault { origin: Origin::Distrust, ..cloud(Code::Unknown) }, 1, 0, true),
            (
                "the provider is away",
                Fault::new(Code::Unavailable, Origin::Provider, "p", "m").with_reason(crate::fault::reason::AWAY),
                9,
                900,
                false,
            ),
        ] {
            assert_eq!(told(&fault, failures, failing_for), expected, "{case}");
        }
    }

    #[test]
    fn a_failed_update_names_twenty_nodes_at_most() {
        let members = (0..25)
            .map(|n| NodeMember {
                node_name: format!("node{n:02}"),
                provider_id: String::new(),
                addresses: vec![],
                zone: String::new(),
                draining: false,
            })
            .collect();
        let nodes = node_set::NodeSet { members, digest: String::new() };
        let fault = Fault::new(Code::InvalidArgument, Origin::Cloud, "p", "no");
        let notice = failed(Work::UpdateMembers, &fault, Some(&nodes), 1, Duration::ZERO).expect("told");
        assert_eq!(notice.reason, "UpdateLoadBalancerFailed");
        assert!(notice.message.contains("node19] [node names limited, total number of nodes: 25], error: provider p"));
        assert!(!notice.message.contains("node20"));
    }
}
