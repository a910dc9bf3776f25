//! One call, with its reason. Ids of what an earlier step makes are placeholders, which nothing of the cloud's can look like.

use cloud_provider_api::v1;

use super::PortKey;
use crate::api::{
    eip,
    elb::{
        ListenerChange, LoadBalancerChange, MemberChange, MemberRef, MonitorChange, NewIpGroup, NewListener,
        NewLoadBalancer, NewMember, NewMonitor, NewPool, NewSharedLoadBalancer, PoolChange, Tag,
    },
    nat::{NewRule, RuleChange},
};

/// Stands for the load balancer to be made.
pub const NEW_BALANCER: &str = "(new load balancer)";
/// Stands for its port.
pub const NEW_PORT: &str = "(port of the new load balancer)";
/// Stands for the IP group to be made.
pub const NEW_IP_GROUP: &str = "(new IP group)";
/// Stands for the public address to be allocated.
pub const NEW_EIP: &str = "(new address)";

/// Stands for a pool to be made.
pub fn new_pool(key: PortKey) -> String {
    format!("(new pool {key})")
}

/// Stands for a listener to be made.
pub fn new_listener(key: PortKey) -> String {
    format!("(new listener {key})")
}

/// One mutating call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The call.
    pub action: Action,
    /// What it acts on, for people.
    pub target: String,
    /// Why.
    pub reason: String,
    /// The cloud may have to be waited for afterwards.
    pub waits: bool,
}

/// A call and all it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Makes a shared load balancer (v2).
    CreateSharedLoadBalancer(NewSharedLoadBalancer),
    /// Makes a dedicated load balancer.
    CreateLoadBalancer(NewLoadBalancer),
    /// Changes a load balancer.
    UpdateLoadBalancer(String, LoadBalancerChange),
    /// Puts tags on a load balancer.
    TagLoadBalancer(String, Vec<Tag>),
    /// Deletes a load balancer with all that hangs on it; a public address is only unbound.
    DeleteLoadBalancerForce(String),
    /// Makes an IP group.
    CreateIpGroup(NewIpGroup),
    /// Sets the entries of an IP group.
    UpdateIpGroup(String, NewIpGroup),
    /// Deletes an IP group.
    DeleteIpGroup(String),
    /// Makes a pool.
    CreatePool(PortKey, NewPool),
    /// Changes a pool.
    UpdatePool(String, PoolChange),
    /// Deletes a pool with its members and monitor.
    DeletePoolCascade(String),
    /// Adds members to a pool.
    BatchCreateMembers(String, Vec<NewMember>),
    /// Sets weights.
    BatchUpdateMembers(String, Vec<MemberChange>),
    /// Takes members out of a pool.
    BatchDeleteMembers(String, Vec<MemberRef>),
    /// Makes a health monitor.
    CreateHealthMonitor(NewMonitor),
    /// Changes a health monitor.
    UpdateHealthMonitor(String, MonitorChange),
    /// Deletes a health monitor.
    DeleteHealthMonitor(String),
    /// Makes a listener.
    CreateListener(PortKey, NewListener),
    /// Changes a listener.
    UpdateListener(String, ListenerChange),
    /// Deletes a listener with its pool.
    DeleteListenerForce(String),
    /// Allocates a public address and binds it.
    CreatePublicip(eip::NewPublicIp),
    /// Binds a public address to a port.
    BindPublicip(String, String),
    /// Unbinds a public address.
    UnbindPublicip(String),
    /// Names a public address.
    NamePublicip(String, String),
    /// Puts tags on a public address.
    TagPublicip(String, Vec<Tag>),
    /// Releases a public address.
    DeletePublicip(String),
    /// Makes DNAT rules.
    BatchCreateDnatRules(Vec<NewRule>),
    /// Changes a DNAT rule.
    UpdateDnatRule(String, RuleChange),
    /// Deletes a DNAT rule of a gateway.
    DeleteDnatRule(String, String),
}

impl Action {
    /// The cloud's name of the call.
    pub fn name(&self) -> &'static str {
        match self {
            // v2 spells it so.
            Self::CreateSharedLoadBalancer(_) => "CreateLoadbalancer",
            Self::CreateLoadBalancer(_) => "CreateLoadBalancer",
            Self::UpdateLoadBalancer(..) => "UpdateLoadBalancer",
            Self::TagLoadBalancer(..) => "BatchCreateLoadBalancerTags",
            Self::DeleteLoadBalancerForce(_) => "DeleteLoadBalancerForce",
            Self::CreateIpGroup(_) => "CreateIpGroup",
            Self::UpdateIpGroup(..) => "UpdateIpGroup",
            Self::DeleteIpGroup(_) => "DeleteIpGroup",
            Self::CreatePool(..) => "CreatePool",
            Self::UpdatePool(..) => "UpdatePool",
            Self::DeletePoolCascade(_) => "DeletePoolCascade",
            Self::BatchCreateMembers(..) => "BatchCreateMembers",
            Self::BatchUpdateMembers(..) => "BatchUpdateMembers",
            Self::BatchDeleteMembers(..) => "BatchDeleteMembers",
            Self::CreateHealthMonitor(_) => "CreateHealthMonitor",
            Self::UpdateHealthMonitor(..) => "UpdateHealthMonitor",
            Self::DeleteHealthMonitor(_) => "DeleteHealthMonitor",
            Self::CreateListener(..) => "CreateListener",
            Self::UpdateListener(..) => "UpdateListener",
            Self::DeleteListenerForce(_) => "DeleteListenerForce",
            Self::CreatePublicip(_) => "CreatePublicip",
            Self::BindPublicip(..) | Self::UnbindPublicip(_) | Self::NamePublicip(..) => "UpdatePublicip",
            Self::TagPublicip(..) => "BatchCreatePublicipTags",
            Self::DeletePublicip(_) => "DeletePublicip",
            Self::BatchCreateDnatRules(_) => "BatchCreateNatGatewayDnatRules",
            Self::UpdateDnatRule(..) => "UpdateNatGatewayDnatRule",
            Self::DeleteDnatRule(..) => "DeleteNatGatewayDnatRule",
        }
    }
}

impl Step {
    /// A step after which the next can follow at once.
    pub fn new(action: Action, target: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { action, target: target.into(), reason: reason.into(), waits: false }
    }

    /// The cloud has to be waited for after it.
    #[must_use]
    pub fn waiting(mut self) -> Self {
        self.waits = true;
        self
    }

    /// For `PlanLoadBalancer`.
    pub fn describe(&self) -> v1::PlanStep {
        v1::PlanStep {
            action: self.action.name().to_owned(),
            target: self.target.clone(),
            reason: self.reason.clone(),
            waits: self.waits,
        }
    }
}

/// The ids of what was made so far, by placeholder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made(std::collections::BTreeMap<String, String>);

impl Made {
    /// Something was made.
    pub fn put(&mut self, placeholder: impl Into<String>, id: impl Into<String>) {
        self.0.insert(placeholder.into(), id.into());
    }

    /// What was made in this place.
    pub fn get(&self, placeholder: &str) -> Option<&str> {
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

impl Action {
    /// Puts ids in the places of placeholders.
    #[must_use]
    pub fn with(mut self, made: &Made) -> Self {
        match &mut self {
            Self::UpdateLoadBalancer(id, change) => {
                made.fill(id);
                change.description.as_mut().into_iter().for_each(|text| made.fill(text));
            }
            Self::TagLoadBalancer(id, _) | Self::TagPublicip(id, _) => made.fill(id),
            Self::CreatePool(_, new) => made.fill(&mut new.loadbalancer_id),
            Self::BatchCreateMembers(pool, _)
            | Self::BatchUpdateMembers(pool, _)
            | Self::BatchDeleteMembers(pool, _) => {
                made.fill(pool);
            }
            Self::CreateHealthMonitor(new) => made.fill(&mut new.pool_id),
            Self::CreateListener(_, new) => {
                made.fill(&mut new.loadbalancer_id);
                made.fill(&mut new.default_pool_id);
                new.settings.ipgroup.as_mut().into_iter().for_each(|group| made.fill(&mut group.ipgroup_id));
            }
            Self::UpdateListener(id, change) => {
                made.fill(id);
                change.new_default_pool_id.as_mut().into_iter().for_each(|pool| made.fill(pool));
                change.ipgroup.as_mut().into_iter().for_each(|group| made.fill(&mut group.ipgroup_id));
            }
            Self::CreatePublicip(new) => made.fill(&mut new.publicip.port_id),
            Self::BindPublicip(_, port) => made.fill(port),
            _ => {}
        }
        self
    }
}
