//! Which calls make a load balancer what it should be. Pure: what is there and what is wanted in, steps out.

use std::sync::Arc;

use cloud_provider_api::v1;

use crate::cloud::{Attributes, Listener, LoadBalancer, MemberSet, Operation, Protocol};

/// What a load balancer should be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) listeners: Vec<Listener>,
    /// `None`: they stay as they are.
    pub(crate) attributes: Option<Attributes>,
    pub(crate) members: Arc<MemberSet>,
    pub(crate) spec_hash: String,
}

/// One mutating call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    CreateListener(Listener),
    ModifyListener(Listener),
    DeleteListener(Protocol, u16),
    SetAttributes(Attributes),
    SetMembers(Arc<MemberSet>),
    Tag(String),
}

/// The steps from what is there to what is wanted, in order.
///
/// The tag says that everything was done, so it goes first when anything changes and comes back last: whoever dies in
/// between leaves a load balancer that admits to being unfinished.
pub(crate) fn plan(there: &LoadBalancer, members: &Arc<MemberSet>, wanted: &Wanted) -> Vec<Step> {
    let mut steps = Vec::new();
    let surplus = |listener: &&Listener| {
        !wanted.listeners.iter().any(|other| (other.protocol, other.port) == (listener.protocol, listener.port))
    };
    for listener in there.listeners.iter().filter(surplus) {
        steps.push(Step::DeleteListener(listener.protocol, listener.port));
    }
    for listener in &wanted.listeners {
        match there.listener(listener.protocol, listener.port) {
            None => steps.push(Step::CreateListener(listener.clone())),
            Some(other) if other != listener => steps.push(Step::ModifyListener(listener.clone())),
            Some(_) => {}
        }
    }
    if let Some(attributes) = &wanted.attributes
        && there.attributes.as_ref() != Some(attributes)
    {
        steps.push(Step::SetAttributes(attributes.clone()));
    }
    // Shared sets are equal without a look at their thousands of members.
    if !Arc::ptr_eq(members, &wanted.members) && *members != wanted.members {
        steps.push(Step::SetMembers(Arc::clone(&wanted.members)));
    }
    if !steps.is_empty() && !there.spec_hash.is_empty() {
        steps.insert(0, Step::Tag(String::new()));
    }
    if !steps.is_empty() || there.spec_hash != wanted.spec_hash {
        steps.push(Step::Tag(wanted.spec_hash.clone()));
    }
    steps
}

impl Step {
    /// The call it is.
    pub(crate) const fn operation(&self) -> Operation {
        match self {
            Self::CreateListener(_) => Operation::CreateListener,
            Self::ModifyListener(_) => Operation::ModifyListener,
            Self::DeleteListener(..) => Operation::DeleteListener,
            Self::SetAttributes(_) => Operation::SetAttributes,
            Self::SetMembers(_) => Operation::SetMembers,
            Self::Tag(_) => Operation::TagLoadBalancer,
        }
    }

    /// For people.
    pub(crate) fn describe(&self, load_balancer: &str) -> v1::PlanStep {
        let on = |what: String| format!("{load_balancer}{what}");
        let (target, reason) = match self {
            Self::CreateListener(listener) | Self::ModifyListener(listener) => {
                let node_port =
                    listener.node_port.map_or_else(|| "pods".to_owned(), |port| format!("node port {port}"));
                (on(format!("/{}:{}", listener.protocol, listener.port)), format!("to lead to {node_port}"))
            }
            Self::DeleteListener(protocol, port) => {
                (on(format!("/{protocol}:{port}")), "the Service no longer has the port".to_owned())
            }
            Self::SetAttributes(_) => (on(String::new()), "source ranges, affinity or health check differ".to_owned()),
            Self::SetMembers(members) => (on(String::new()), format!("{} members are wanted", members.len())),
            Self::Tag(hash) if hash.is_empty() => (on(String::new()), "it is about to be changed".to_owned()),
            Self::Tag(_) => (on(String::new()), "all of the above is done".to_owned()),
        };
        v1::PlanStep { action: self.operation().to_string(), target, reason, waits: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{NodeTarget, Owner, Time};

    fn listener(port: u16) -> Listener {
        Listener { protocol: Protocol::Tcp, port, name: String::new(), node_port: Some(30_000 + port) }
    }

    fn members(nodes: &[&str]) -> Arc<MemberSet> {
        let node = |name: &&str| NodeTarget { node: (*name).into(), address: None, draining: false };
        Arc::new(MemberSet { nodes: nodes.iter().map(node).collect(), pods: Vec::new() })
    }

    fn wanted(ports: &[u16], nodes: &[&str]) -> Wanted {
        Wanted {
            listeners: ports.iter().copied().map(listener).collect(),
            attributes: Some(Attributes::default()),
            members: members(nodes),
            spec_hash: format!("{ports:?}{nodes:?}"),
        }
    }

    /// A load balancer that is all `wanted` says.
    fn done(wanted: &Wanted) -> LoadBalancer {
        LoadBalancer {
            id: "lb-1".to_owned(),
            name: String::new(),
            owner: Owner { tenant: String::new(), cluster: "c".to_owned(), service: "s".to_owned() },
            namespace: String::new(),
            service: String::new(),
            address: std::net::Ipv4Addr::LOCALHOST,
            created_at: Time(0),
            ready_at: Time(0),
            gone_at: None,
            listeners: wanted.listeners.clone(),
            attributes: wanted.attributes.clone(),
            members: 0,
            spec_hash: wanted.spec_hash.clone(),
            member_updates: 0,
            spec_updates: 0,
        }
    }

    fn check(from: &Wanted, to: &Wanted, want: &[Operation]) {
        let steps = plan(&done(from), &from.members, to);
        assert_eq!(steps.iter().map(Step::operation).collect::<Vec<_>>(), want, "{from:?} to {to:?}");
    }

    #[test]
    fn only_what_differs_is_changed_and_the_tag_frames_it() {
        use Operation::{CreateListener, DeleteListener, SetAttributes, SetMembers, TagLoadBalancer};
        let base = wanted(&[80], &["a"]);
        check(&base, &base, &[]);
        check(&base, &wanted(&[80], &["a", "b"]), &[TagLoadBalancer, SetMembers, TagLoadBalancer]);
        check(&base, &wanted(&[80, 81], &["a"]), &[TagLoadBalancer, CreateListener, TagLoadBalancer]);
        check(&base, &wanted(&[81], &["a"]), &[TagLoadBalancer, DeleteListener, CreateListener, TagLoadBalancer]);
        let closed = Attributes { source_ranges: vec!["10.0.0.0/8".to_owned()], ..Attributes::default() };
        let narrower = Wanted { attributes: Some(closed), ..base.clone() };
        check(&base, &narrower, &[TagLoadBalancer, SetAttributes, TagLoadBalancer]);
        check(&narrower, &Wanted { attributes: None, ..base.clone() }, &[]);
        check(&base, &Wanted { spec_hash: "other".to_owned(), ..base.clone() }, &[TagLoadBalancer]);
    }

    #[test]
    fn a_listener_that_leads_elsewhere_is_modified() {
        let base = wanted(&[80], &["a"]);
        let elsewhere = Listener { node_port: Some(31_000), ..listener(80) };
        let to = Wanted { listeners: vec![elsewhere], ..base.clone() };
        check(&base, &to, &[Operation::TagLoadBalancer, Operation::ModifyListener, Operation::TagLoadBalancer]);
    }

    #[test]
    fn a_fresh_load_balancer_is_tagged_once_everything_is_done() {
        let fresh = LoadBalancer {
            listeners: Vec::new(),
            attributes: None,
            spec_hash: String::new(),
            ..done(&wanted(&[], &[]))
        };
        let to = wanted(&[80, 443], &["a"]);
        let steps = plan(&fresh, &Arc::default(), &to);
        assert_eq!(steps.last(), Some(&Step::Tag(to.spec_hash.clone())));
        assert_eq!(steps.iter().filter(|step| matches!(step, Step::Tag(_))).count(), 1, "{steps:?}");
        assert_eq!(steps.len(), 5);
    }
}
