//! A simulated cloud, and Services on it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use cloud_provider_api::v1::{self, load_balancer_state::Phase};
use provider_kit::{Error, Result, Tenant, load_balancers::Outcome, rest::Traces};
use serde_json::{Value, json};
use simulators::{
    baidu::{Baidu, NewMachine, blb::Blb, machines, state},
    engine::{Running, Settings},
};

use super::super::{Engine, Memory, kinds};
use crate::{api::balancers::Kind, cloud::Cloud, config, plan::step::Step};

/// CCE's id of the cluster.
pub(super) const CCE: &str = "c-AbCd1234";
/// The profile of a cluster at the edge.
const EDGE: &str = "edge";
/// More passes than any change takes.
const PASSES: usize = 80;

/// A cloud with three machines, and a daemon's memory.
pub(super) struct Rig {
    pub(super) sim: Running<Baidu>,
    pub(super) patience: Duration,
    /// For whom the calls are made.
    pub(super) tenant: Tenant,
    profile: &'static str,
    cloud: Cloud,
    memory: Memory,
}

/// A Service, and what its controller keeps of it.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) cluster: String,
    pub(super) uid: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) annotations: HashMap<String, String>,
    pub(super) spec: v1::LoadBalancerSpec,
    pub(super) members: v1::Members,
    pub(super) hash: String,
    pub(super) handle: String,
    /// An earlier ensure's answer may not have been kept.
    pub(super) attempted: bool,
}

impl Rig {
    pub(super) async fn start() -> Self {
        Self::with_profile("public").await
    }

    /// A cloud where load balancers of a kind are made.
    pub(super) async fn of(kind: Kind) -> Self {
        Self::with_profile(if kind == Kind::Edge { EDGE } else { "public" }).await
    }

    pub(super) async fn with_profile(profile: &'static str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sim = Baidu::default().start(Settings::default()).await.unwrap();
        for number in 1..=3 {
            let kind = if profile == EDGE { machines::Kind::Bec } else { machines::Kind::Bcc };
            let id = Some(machine_id(profile, number));
            let machine = NewMachine { id, kind, ..NewMachine::named(&format!("node-{number}")) };
            sim.edit(|cloud, _| cloud.add_machine(machine)).unwrap();
        }
        let rig = Self {
            cloud: cloud(&sim, profile, &json!({})),
            memory: Memory::default(),
            sim,
            patience: Duration::ZERO,
            tenant: Tenant::default(),
            profile,
        };
        rig.slow(0);
        rig
    }

    /// The daemon begins anew and knows nothing.
    pub(super) fn restart(&mut self) {
        self.become_account(&json!({}));
    }

    /// The daemon works with another account profile: the same with these keys of the configuration besides.
    pub(super) fn become_account(&mut self, keys: &Value) {
        self.cloud = cloud(&self.sim, self.profile, keys);
        self.memory = Memory::default();
    }

    /// Time passes, for the cloud and for the daemon.
    pub(super) async fn pass(&self, time: Duration) {
        self.sim.advance(time);
        tokio::time::pause();
        tokio::time::advance(time).await;
        tokio::time::resume();
    }

    /// The cloud's lists are behind by this much.
    pub(super) fn lag(&self, lag: Duration) {
        self.turn(&json!({ "lagMs": u64::try_from(lag.as_millis()).unwrap() }));
    }

    /// Every creation and change takes so long, in which there is no other.
    pub(super) fn slow(&self, milliseconds: u64) {
        let delays: HashMap<&str, u64> =
            ["blb.create", "blb.change", "eip.create", "eip.change"].map(|what| (what, milliseconds)).into();
        self.turn(&json!({ "delaysMs": delays }));
    }

    fn turn(&self, change: &Value) {
        self.sim.turn(serde_json::from_value(change.clone()).unwrap()).unwrap();
    }

    pub(super) fn node(&self, number: u32) -> v1::NodeMember {
        let id = machine_id(self.profile, number);
        let (address, zone) = self.sim.look(|cloud| {
            let machine = cloud.machines.get(&id).expect("a machine");
            (machine.internal_ip.to_string(), machine.edge.as_ref().map(|edge| edge.region_id.clone()))
        });
        v1::NodeMember {
            node_name: address.clone(),
            provider_id: format!("cce://{id}"),
            addresses: vec![v1::NodeAddress { r#type: v1::AddressType::InternalIp.into(), address }],
            zone: zone.unwrap_or_default(),
            ..v1::NodeMember::default()
        }
    }

    pub(super) fn service(&self, kind: Kind) -> Service {
        let mut annotations = HashMap::new();
        if kind == Kind::App {
            annotations.insert(key("load-balancer-type"), "appblb".to_owned());
        }
        Service {
            cluster: "c1".to_owned(),
            uid: "7c5d1b9e-0000-4000-8000-00000000abcd".to_owned(),
            namespace: "default".to_owned(),
            name: "web".to_owned(),
            annotations,
            spec: v1::LoadBalancerSpec { ports: vec![port(80, 30080)], ..v1::LoadBalancerSpec::default() },
            members: v1::Members { nodes: (1..=2).map(|number| self.node(number)).collect(), endpoints: Vec::new() },
            hash: "s1-m1".to_owned(),
            handle: String::new(),
            attempted: false,
        }
    }

    /// An address of the user's.
    pub(super) fn users_address(&self) -> String {
        self.seed(&json!({ "eips": [{ "name": "theirs" }] }))["eips"][0].as_str().unwrap().to_owned()
    }

    pub(super) fn seed(&self, objects: &Value) -> Value {
        self.sim.seed(objects.clone()).unwrap()
    }

    /// A load balancer made by somebody else, by the API.
    pub(super) async fn users_balancer(&self, kind: Kind, name: &str, desc: &str) -> String {
        let new = crate::api::balancers::NewLoadBalancer {
            name: name.to_owned(),
            desc: desc.to_owned(),
            vpc_id: state::VPC.to_owned(),
            subnet_id: state::SUBNET.to_owned(),
            region_id: (kind == Kind::Edge).then(|| machines::Edge::default().region_id),
            ..crate::api::balancers::NewLoadBalancer::default()
        };
        self.cloud.create_load_balancer(kind, &new, &[name.to_owned()]).await.unwrap()
    }

    /// What makes calls, for tests that play somebody else.
    pub(super) fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    async fn with<T>(&self, service: &Service, work: impl AsyncFnOnce(&Engine<'_>) -> T) -> T {
        let key = service.key();
        let kinds = kinds(self.cloud.config());
        let tenant = Arc::new(self.tenant.clone());
        let engine = Engine {
            cloud: &self.cloud,
            memory: &self.memory,
            key: &key,
            kinds: &kinds,
            vpc: self.cloud.config().vpc_id.clone(),
            tenant: &tenant,
            patience: self.patience,
        };
        work(&engine).await
    }

    pub(super) async fn ensure_once(&self, service: &Service) -> Result<v1::LoadBalancerState> {
        let request = v1::EnsureLoadBalancerRequest {
            key: Some(service.key()),
            spec: Some(service.spec()),
            members: Some(service.members.clone()),
            spec_hash: service.hash.clone(),
        };
        self.with(service, async |engine| engine.ensure(&request).await).await
    }

    /// Ensures as a controller does, until it is ready; keeps the handle.
    pub(super) async fn ensure(&self, service: &mut Service) -> v1::Ready {
        let mut last = String::new();
        for _ in 0..PASSES {
            match self.ensure_once(service).await {
                Err(error) => {
                    self.pass(Duration::from_secs(2)).await;
                    last = error.to_string();
                }
                Ok(state) => {
                    service.handle = state.handle;
                    match state.phase.unwrap() {
                        Phase::Ready(ready) => return ready,
                        Phase::InProgress(wait) => {
                            self.pass(wait.poll_after.unwrap().try_into().unwrap()).await;
                            last = wait.message;
                        }
                    }
                }
            }
        }
        panic!("never ready: {last}");
    }

    pub(super) async fn update_members(&self, service: &Service) -> Result<v1::LoadBalancerState, Error> {
        let request = v1::UpdateLoadBalancerMembersRequest {
            key: Some(service.key()),
            ports: service.spec.ports.clone(),
            members: Some(service.members.clone()),
            spec_hash: service.hash.clone(),
            annotations: service.annotations.clone(),
        };
        self.with(service, async |engine| engine.update_members(&request).await).await
    }

    pub(super) async fn look(&self, service: &Service) -> Result<v1::LoadBalancerState> {
        self.with(service, async |engine| engine.look(&service.annotations).await).await
    }

    /// The hash that a look answers.
    pub(super) async fn looks_like(&self, service: &Service) -> String {
        match self.look(service).await.unwrap().phase.unwrap() {
            Phase::Ready(ready) => ready.spec_hash,
            Phase::InProgress(wait) => panic!("{wait:?}"),
        }
    }

    /// Changes the only load balancer behind everybody's back.
    fn tamper(&self, change: impl FnOnce(&mut Blb)) {
        self.sim.edit(|cloud, now| {
            let id = cloud.blbs.iter().next().expect("a load balancer").blb_id.clone();
            change(cloud.blbs.change(now, &id).expect("it is there"));
        });
    }

    /// Somebody takes a server away, of which nobody is told.
    pub(super) fn rob(&self) {
        self.tamper(|blb| {
            drop(blb.groups.iter_mut().map(|group| &mut group.backends).chain([&mut blb.backends]).find_map(Vec::pop));
        });
    }

    /// The description becomes another one.
    pub(super) fn describe(&self, change: impl FnOnce(&str) -> String) {
        self.tamper(|blb| blb.desc = change(&blb.desc));
    }

    pub(super) async fn delete_once(&self, service: &Service) -> Result<Outcome> {
        self.with(service, async |engine| engine.delete(&service.annotations).await).await
    }

    /// Deletes as a controller does; what people are told.
    pub(super) async fn delete(&self, service: &Service) -> Vec<&'static str> {
        let mut last = String::new();
        for _ in 0..PASSES {
            match self.delete_once(service).await {
                Ok(Outcome::Deleted(notes)) => return notes.iter().map(|note| note.reason).collect(),
                Ok(Outcome::Waiting(wait)) => {
                    self.pass(wait.poll_after.unwrap().try_into().unwrap()).await;
                    last = wait.message;
                }
                Err(error) => {
                    self.pass(Duration::from_secs(2)).await;
                    last = error.to_string();
                }
            }
        }
        panic!("never deleted: {last}");
    }

    pub(super) async fn plan(&self, service: &Service) -> Result<Vec<Step>> {
        let spec = service.spec();
        self.with(service, async |engine| engine.plan(&spec, Some(&service.members)).await).await
    }

    pub(super) async fn plan_removal(&self, service: &Service) -> Result<Vec<Step>> {
        self.with(service, async |engine| engine.plan_removal(&service.annotations).await).await
    }

    /// Names of the calls since `forget_calls`, and which of them change something.
    pub(super) fn calls(&self) -> (Vec<String>, Vec<String>) {
        let calls = self.sim.calls();
        let name = |mutating: bool| {
            calls.iter().filter(|call| call.mutating == mutating).map(|call| call.action.clone()).collect()
        };
        (name(false), name(true))
    }

    /// What the cloud has, without ids.
    pub(super) fn shape(&self) -> Value {
        without_ids(self.sim.look(|cloud| cloud.tree(state::ACCOUNT)))
    }

    /// How many load balancers and how many addresses outside there are.
    pub(super) fn count(&self) -> (usize, usize) {
        self.sim.look(|cloud| {
            let included = cloud.blbs.iter().filter(|blb| blb.public_address.is_some()).count();
            (cloud.blbs.iter().count(), cloud.eips.iter().count() + included)
        })
    }
}

fn machine_id(profile: &str, number: u32) -> String {
    if profile == EDGE { format!("vm-{number}") } else { format!("i-{number}") }
}

/// Which address it was tells only how it came about.
fn without_ids(value: Value) -> Value {
    match value {
        Value::String(text) => {
            let words = text.split(' ').map(|word| if word.starts_with("eip=") { "eip=?" } else { word });
            Value::String(words.collect::<Vec<_>>().join(" "))
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_ids).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (key, without_ids(value))).collect())
        }
        other => other,
    }
}

fn cloud(sim: &Running<Baidu>, profile: &str, keys: &Value) -> Cloud {
    let url = sim.http();
    let mut text = json!({
        "ClusterId": CCE, "Region": "bj", "VpcId": state::VPC, "Profile": profile,
        "AccessKeyID": state::ACCESS_KEY, "SecretAccessKey": state::SECRET_KEY,
    });
    if profile == "private" {
        text["Endpoint"] = json!(url);
    } else {
        text["Endpoints"] =
            json!({ "blb": url, "cce": url, "eip": url, "vpc": url, "bcc": url, "bec": url, "sts": url });
    }
    text.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let config = config::parse(&text.to_string(), &|_| None).unwrap().config;
    Cloud::new("test", config, None, &Traces::default()).unwrap()
}

pub(super) fn port(port: u32, node_port: u32) -> v1::ServicePort {
    v1::ServicePort {
        name: format!("p{port}"),
        protocol: v1::Protocol::Tcp.into(),
        port,
        node_port: Some(node_port),
        ..v1::ServicePort::default()
    }
}

pub(super) fn udp(number: u32, node_port: u32) -> v1::ServicePort {
    v1::ServicePort { protocol: v1::Protocol::Udp.into(), name: format!("u{number}"), ..port(number, node_port) }
}

fn key(name: &str) -> String {
    format!("service.beta.kubernetes.io/cce-{name}")
}

impl Service {
    pub(super) fn key(&self) -> v1::LoadBalancerKey {
        v1::LoadBalancerKey {
            cluster: Some(v1::Cluster { id: self.cluster.clone(), name: "kubernetes".to_owned() }),
            service_namespace: self.namespace.clone(),
            service_name: self.name.clone(),
            service_uid: self.uid.clone(),
            handle: self.handle.clone(),
            attempted: self.attempted,
            ..v1::LoadBalancerKey::default()
        }
    }

    fn spec(&self) -> v1::LoadBalancerSpec {
        v1::LoadBalancerSpec { annotations: self.annotations.clone(), ..self.spec.clone() }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.annotations.insert(key(name), value.to_owned());
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.annotations.remove(&key(name));
        self
    }

    pub(super) fn change(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}
