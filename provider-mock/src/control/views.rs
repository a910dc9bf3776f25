//! What the control endpoint shows.

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde::Serialize;

use crate::{
    MockProvider,
    cloud::{Attributes, Listener, LoadBalancer, Machine, NodeTarget, Operation, PodTarget, Route, Time},
    traffic::PortFault,
};

/// Everything there is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StateView {
    provider: String,
    epoch: String,
    now: Time,
    instances: Vec<MachineView>,
    load_balancers: Vec<LoadBalancerView>,
    routes: Vec<Route>,
}

impl StateView {
    pub(super) fn of(provider: &MockProvider, members: bool) -> Self {
        Self {
            provider: provider.cloud().scenario().provider.name.clone(),
            epoch: provider.epoch(),
            now: provider.cloud().now(),
            instances: MachineView::all(provider),
            load_balancers: LoadBalancerView::all(provider, members),
            routes: provider.cloud().routes(),
        }
    }
}

/// A machine.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MachineView {
    provider_id: String,
    #[serde(flatten)]
    machine: Machine,
}

impl MachineView {
    pub(super) fn of(provider: &MockProvider, machine: Machine) -> Self {
        let scenario = provider.cloud().scenario();
        Self { provider_id: format!("{}://{}", scenario.provider.schemes()[0], machine.id), machine }
    }

    pub(super) fn all(provider: &MockProvider) -> Vec<Self> {
        provider.cloud().machines().into_iter().map(|machine| Self::of(provider, machine)).collect()
    }
}

/// How far a load balancer is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Phase {
    Provisioning,
    Active,
    Deleting,
}

/// A load balancer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LoadBalancerView {
    id: String,
    name: String,
    /// `namespace/name`.
    service: String,
    service_uid: String,
    cluster: String,
    tenant: String,
    phase: Phase,
    address: Ipv4Addr,
    ports: Vec<u16>,
    listeners: Vec<Listener>,
    attributes: Option<Attributes>,
    member_count: usize,
    members: Vec<NodeTarget>,
    pods: Vec<PodTarget>,
    spec_hash: String,
    /// Changes of listeners, attributes or members, in all.
    updates: u64,
    member_updates: u64,
    spec_updates: u64,
    port_faults: Vec<PortFault>,
    created_at: Time,
}

impl LoadBalancerView {
    pub(super) fn of(provider: &MockProvider, object: LoadBalancer, with_members: bool) -> Self {
        let cloud = provider.cloud();
        let now = cloud.now();
        let members = cloud.members(object.members);
        let phase = match object.gone_at {
            Some(_) => Phase::Deleting,
            None if object.is_provisioning(now) => Phase::Provisioning,
            None => Phase::Active,
        };
        Self {
            phase,
            port_faults: cloud.port_faults(&object.id),
            service: object.service_key(),
            service_uid: object.owner.service,
            cluster: object.owner.cluster,
            tenant: object.owner.tenant,
            ports: object.listeners.iter().map(|listener| listener.port).collect(),
            member_count: members.len(),
            members: if with_members { members.nodes.clone() } else { Vec::new() },
            pods: if with_members { members.pods.clone() } else { Vec::new() },
            updates: object.member_updates + object.spec_updates,
            id: object.id,
            name: object.name,
            address: object.address,
            listeners: object.listeners,
            attributes: object.attributes,
            spec_hash: object.spec_hash,
            member_updates: object.member_updates,
            spec_updates: object.spec_updates,
            created_at: object.created_at,
        }
    }

    pub(super) fn all(provider: &MockProvider, with_members: bool) -> Vec<Self> {
        provider.cloud().load_balancers().into_iter().map(|object| Self::of(provider, object, with_members)).collect()
    }
}

/// Counts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallsView {
    methods: BTreeMap<&'static str, MethodView>,
    /// Calls of the cloud behind the daemon.
    cloud: BTreeMap<Operation, u64>,
}

/// Counts of a method.
#[derive(Serialize)]
struct MethodView {
    total: u64,
    codes: BTreeMap<&'static str, u64>,
}

impl CallsView {
    pub(super) fn of(provider: &MockProvider) -> Self {
        let view = |codes: BTreeMap<&'static str, u64>| MethodView { total: codes.values().sum(), codes };
        Self {
            methods: provider.calls().into_iter().map(|(method, codes)| (method, view(codes))).collect(),
            cloud: provider.cloud().operations(),
        }
    }
}
