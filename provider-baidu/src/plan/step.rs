//! One call, with its reason. Ids of what an earlier step makes are placeholders, which nothing of the cloud's can look like.

use std::collections::BTreeMap;

use cloud_provider_api::v1;

use super::PortKey;
use crate::api::{
    balancers::{
        Backend, Check, GroupMember, GroupPort, Kind, ListenerChange, NewListener, NewLoadBalancer, NewPolicy,
    },
    eip::NewEip,
};

/// Stands for the load balancer to be made.
pub(crate) const NEW_BALANCER: &str = "(new load balancer)";
/// Stands for the address to be made.
pub(crate) const NEW_EIP: &str = "(new address)";

/// Stands for a group to be made.
pub(crate) fn new_group(name: &str) -> String {
    format!("(new group {name})")
}

/// One mutating call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The call.
    pub(crate) action: Action,
    /// What it acts on, for people.
    pub(crate) target: String,
    /// Why.
    pub(crate) reason: String,
}

/// Which load balancer: its kind and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) kind: Kind,
    pub(crate) id: String,
}

/// A call and all it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Makes a load balancer. The last is what it is for, in its token.
    CreateLoadBalancer(Kind, NewLoadBalancer, Vec<String>),
    /// Names and describes a load balancer anew.
    UpdateLoadBalancer(At, String, String),
    /// Deletes a load balancer with all that hangs on it.
    DeleteLoadBalancer(At),
    CreateListener(At, PortKey, NewListener),
    UpdateListener(At, PortKey, ListenerChange),
    DeleteListeners(At, Vec<PortKey>),
    /// BLB's servers.
    AddBackends(At, Vec<Backend>),
    UpdateBackends(At, Vec<Backend>),
    RemoveBackends(At, Vec<String>),
    /// Name, description, members.
    CreateGroup(At, String, String, Vec<GroupMember>),
    /// Group, name, description.
    UpdateGroup(At, String, String, String),
    DeleteGroup(At, String),
    CreateGroupPort(At, String, GroupPort),
    /// Group, port.
    UpdateGroupPort(At, String, String, Check),
    DeleteGroupPorts(At, String, Vec<String>),
    AddGroupMembers(At, String, Vec<GroupMember>),
    UpdateGroupMembers(At, String, Vec<GroupMember>),
    RemoveGroupMembers(At, String, Vec<String>),
    CreatePolicy(At, PortKey, NewPolicy),
    DeletePolicies(At, PortKey, Vec<String>),
    /// Makes an address. The last is what it is for, in its token.
    CreateEip(NewEip, Vec<String>),
    /// Address, load balancer.
    BindEip(String, String),
    UnbindEip(String),
    ResizeEip(String, u16),
    ReleaseEip(String),
}

impl Action {
    /// The cloud's name of the call.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::CreateLoadBalancer(..) => "CreateLoadBalancer",
            Self::UpdateLoadBalancer(..) => "UpdateLoadBalancer",
            Self::DeleteLoadBalancer(_) => "DeleteLoadBalancer",
            Self::CreateListener(_, key, _) if key.udp => "CreateUDPListener",
            Self::CreateListener(..) => "CreateTCPListener",
            Self::UpdateListener(_, key, _) if key.udp => "UpdateUDPListener",
            Self::UpdateListener(..) => "UpdateTCPListener",
            Self::DeleteListeners(..) => "DeleteListeners",
            Self::AddBackends(..) => "AddBackendServers",
            Self::UpdateBackends(..) => "UpdateBackendServers",
            Self::RemoveBackends(..) => "RemoveBackendServers",
            Self::CreateGroup(..) => "CreateGroup",
            Self::UpdateGroup(..) => "UpdateGroup",
            Self::DeleteGroup(..) => "DeleteGroup",
            Self::CreateGroupPort(..) => "CreateGroupPort",
            Self::UpdateGroupPort(..) => "UpdateGroupPort",
            Self::DeleteGroupPorts(..) => "DeleteGroupPorts",
            Self::AddGroupMembers(..) => "AddGroupMembers",
            Self::UpdateGroupMembers(..) => "UpdateGroupMembers",
            Self::RemoveGroupMembers(..) => "RemoveGroupMembers",
            Self::CreatePolicy(..) => "CreatePolicies",
            Self::DeletePolicies(..) => "DeletePolicies",
            Self::CreateEip(..) => "CreateEip",
            Self::BindEip(..) => "BindEip",
            Self::UnbindEip(_) => "UnbindEip",
            Self::ResizeEip(..) => "ResizeEip",
            Self::ReleaseEip(_) => "DeleteEip",
        }
    }

    /// Puts ids in the places of placeholders.
    #[must_use]
    pub(crate) fn with(mut self, made: &Made) -> Self {
        match &mut self {
            Self::CreateLoadBalancer(..)
            | Self::CreateEip(..)
            | Self::UnbindEip(_)
            | Self::ResizeEip(..)
            | Self::ReleaseEip(_) => {}
            Self::UpdateLoadBalancer(at, _, desc) => {
                made.fill(&mut at.id);
                made.fill(desc);
            }
            Self::BindEip(ip, balancer) => {
                made.fill(ip);
                made.fill(balancer);
            }
            Self::CreatePolicy(at, _, new) => {
                made.fill(&mut at.id);
                made.fill(&mut new.group);
            }
            Self::UpdateGroup(at, group, ..)
            | Self::DeleteGroup(at, group)
            | Self::CreateGroupPort(at, group, _)
            | Self::UpdateGroupPort(at, group, ..)
            | Self::DeleteGroupPorts(at, group, _)
            | Self::AddGroupMembers(at, group, _)
            | Self::UpdateGroupMembers(at, group, _)
            | Self::RemoveGroupMembers(at, group, _) => {
                made.fill(&mut at.id);
                made.fill(group);
            }
            Self::DeleteLoadBalancer(at)
            | Self::CreateListener(at, ..)
            | Self::UpdateListener(at, ..)
            | Self::DeleteListeners(at, _)
            | Self::AddBackends(at, _)
            | Self::UpdateBackends(at, _)
            | Self::RemoveBackends(at, _)
            | Self::CreateGroup(at, ..)
            | Self::DeletePolicies(at, ..) => made.fill(&mut at.id),
        }
        self
    }
}

impl Step {
    pub(crate) fn new(action: Action, target: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { action, target: target.into(), reason: reason.into() }
    }

    /// For `PlanLoadBalancer`. Every change of a load balancer or address takes the cloud a moment.
    pub(crate) fn describe(&self) -> v1::PlanStep {
        v1::PlanStep {
            action: self.action.name().to_owned(),
            target: self.target.clone(),
            reason: self.reason.clone(),
            waits: true,
        }
    }
}

/// The ids of what was made so far, by placeholder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Made(BTreeMap<String, String>);

impl Made {
    /// Something was made.
    pub(crate) fn put(&mut self, placeholder: impl Into<String>, id: impl Into<String>) {
        self.0.insert(placeholder.into(), id.into());
    }

    /// What was made in this place.
    pub(crate) fn get(&self, placeholder: &str) -> Option<&str> {
        self.0.get(placeholder).map(String::as_str)
    }

    fn fill(&self, text: &mut String) {
        if !text.contains('(') {
            return;
        }
        for (placeholder, id) in &self.0 {
            if text.contains(placeholder) {
                *text = text.replace(placeholder, id);
            }
        }
    }
}
