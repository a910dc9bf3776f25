//! A simulated cloud, and Services on it.

use std::{collections::HashMap, time::Duration};

use cloud_provider_api::v1::{self, load_balancer_state::Phase};
use provider_kit::{Error, Result, Tenant, load_balancers::Outcome};
use simulators::{
    engine::{Change, Effect, Rule, Running, Settings},
    huawei::{Huawei, NewServer, state},
};

use super::super::{Engine, Memory};
use crate::{
    cloud::{Cloud, PROJECT},
    config,
    endpoints::Service as Endpoint,
    options::LoadBalancerOptions,
};

/// The NAT gateway that is there.
pub(super) const GATEWAY: &str = "gateway-1";
/// More passes than any change takes.
const PASSES: usize = 60;

pub(super) const EIP: (&str, &str) =
    ("elb.eip-auto-create-option", r#"{"ip_type":"5_bgp","bandwidth_size":5,"share_type":"PER"}"#);

/// A cloud with three servers, and a daemon's memory.
pub(super) struct Rig {
    pub(super) sim: Running<Huawei>,
    pub(super) options: LoadBalancerOptions,
    /// Whose Services are worked on.
    pub(super) tenant: Tenant,
    cloud: Cloud,
    memory: Memory,
    profile: &'static str,
}

/// A Service, and what its controller keeps of it.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) uid: String,
    pub(super) name: String,
    pub(super) annotations: HashMap<String, String>,
    pub(super) spec: v1::LoadBalancerSpec,
    pub(super) members: v1::Members,
    pub(super) hash: String,
    pub(super) handle: String,
    /// An earlier ensure's answer may not have been kept.
    pub(super) attempted: bool,
    /// Addresses its status shows.
    pub(super) published: Vec<String>,
    /// What people call the cluster.
    pub(super) cluster_name: String,
}

impl Rig {
    pub(super) async fn start() -> Self {
        Self::start_at("public").await
    }

    /// Of an installation without ELB v3.
    pub(super) async fn without_v3() -> Self {
        let rig = Self::start_at("fusionstage").await;
        let absent = Effect::Refuse {
            status: 404,
            code: "APIGW.0101".to_owned(),
            message: "The API does not exist or has not been published in the environment".to_owned(),
            retry_after: None,
        };
        rig.sim.break_with(Rule::new(absent).service("elb").path("*/v3/*"));
        rig
    }

    async fn start_at(profile: &'static str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sim = Huawei::default().start(Settings::default()).await.unwrap();
        for number in 1..=3 {
            sim.edit(|cloud, _| cloud.add_server(NewServer::named(&format!("node-{number}")))).unwrap();
        }
        sim.seed(serde_json::json!({ "natGateways": [{ "id": GATEWAY }] })).unwrap();
        let cloud = cloud(&sim, profile);
        Self {
            sim,
            profile,
            options: LoadBalancerOptions::default(),
            tenant: Tenant::default(),
            cloud,
            memory: Memory::default(),
        }
    }

    /// The daemon begins anew and knows nothing.
    pub(super) fn restart(&mut self) {
        self.cloud = cloud(&self.sim, self.profile);
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
        let change = serde_json::json!({ "lagMs": u64::try_from(lag.as_millis()).unwrap() });
        self.sim.turn(serde_json::from_value(change).unwrap()).unwrap();
    }

    pub(super) fn slow(&self, what: &str, milliseconds: u64) {
        let change: Change = serde_json::from_value(serde_json::json!({ "delaysMs": { what: milliseconds } })).unwrap();
        self.sim.turn(change).unwrap();
    }

    pub(super) fn node(&self, number: u32) -> v1::NodeMember {
        self.node_called(&format!("node-{number}"))
    }

    pub(super) fn node_called(&self, name: &str) -> v1::NodeMember {
        let address = self.sim.look(|cloud| {
            let server = cloud.servers.iter().find(|server| server.name == name).expect("a server");
            cloud
                .ports
                .get(&server.ports[0])
                .and_then(simulators::huawei::network::Port::ipv4)
                .expect("an address")
                .to_string()
        });
        let address = v1::NodeAddress { r#type: v1::AddressType::InternalIp.into(), address };
        v1::NodeMember { node_name: name.to_owned(), addresses: vec![address], ..v1::NodeMember::default() }
    }

    pub(super) async fn service(&self, class: &str) -> Service {
        let mut annotations = HashMap::from([("kubernetes.io/elb.class".to_owned(), class.to_owned())]);
        if class == "dedicated" {
            annotations.insert("kubernetes.io/elb.availability-zones".to_owned(), "ap-southeast-1a".to_owned());
        }
        let mut spec = v1::LoadBalancerSpec { ports: vec![port(80, 30080)], ..v1::LoadBalancerSpec::default() };
        if class == "dnat" {
            annotations.insert("kubernetes.io/natgateway.id".to_owned(), GATEWAY.to_owned());
            spec.load_balancer_ip = self.users_address().await;
        }
        let nodes = (1..=2).map(|number| self.node(number)).collect();
        Service {
            uid: "u1".to_owned(),
            name: "web".to_owned(),
            annotations,
            spec,
            members: v1::Members { nodes, endpoints: Vec::new() },
            hash: "s1-m1".to_owned(),
            handle: String::new(),
            attempted: false,
            published: Vec::new(),
            cluster_name: "kubernetes".to_owned(),
        }
    }

    /// Address of a public address of the user's: the first, or a new one.
    pub(super) async fn users_address(&self) -> String {
        let there =
            || self.sim.look(|cloud| cloud.publicips.iter().next().map(|eip| eip.public_ip_address.to_string()));
        if there().is_none() {
            let body = serde_json::json!({
                "publicip": { "type": "5_bgp" },
                "bandwidth": { "name": "theirs", "size": 5, "share_type": "PER", "charge_mode": "traffic" },
            });
            let request = self.cloud.post(Endpoint::Vpc, "CreatePublicip", &["v1", PROJECT, "publicips"]);
            request.body(&body).run().await.unwrap();
        }
        there().expect("just made")
    }

    /// Makes something by hand. The project goes second in the path.
    pub(super) async fn make_by_hand(&self, path: &[&str], body: &serde_json::Value) {
        let path: Vec<&str> = [&path[..1], &[PROJECT], &path[1..]].concat();
        self.cloud.post(Endpoint::Elb, "CreateByHand", &path).body(body).run().await.unwrap();
    }

    /// All load balancers, as the daemon lists them.
    pub(super) async fn all(&self) -> Vec<crate::api::elb::LoadBalancer> {
        self.cloud.load_balancers().await.unwrap()
    }

    /// Makes something at the cloud as anybody may; `kind` is its name in request and answer.
    pub(super) async fn make(&self, path: &str, kind: &str, object: serde_json::Value) -> serde_json::Value {
        let path: Vec<&str> = path.split('/').map(|word| if word == "P" { PROJECT } else { word }).collect();
        let body = serde_json::json!({ kind: object });
        // Somebody else's calls: they do not count against the daemon's rate.
        let cloud = cloud(&self.sim, self.profile);
        let made = cloud.post(Endpoint::Elb, "Made", &path).body(&body).send::<serde_json::Value>().await;
        made.unwrap().value[kind].take()
    }

    /// A shared load balancer as the Go provider makes it for Service `web`, with one listener and this member.
    pub(super) async fn made_by_go(&self, cluster: &str, member: &str) -> String {
        let subnet = state::NEUTRON_SUBNET;
        let new = serde_json::json!({
            "name": format!("k8s_service_{cluster}_default_web"), "vip_subnet_id": subnet, "provider": "vlb",
            "description": format!("Created by the ELB service(default/web) of the k8s cluster({cluster})."),
        });
        let balancer = self.make("v2/P/elb/loadbalancers", "loadbalancer", new).await;
        self.listener_of_go(balancer["id"].as_str().unwrap(), member).await;
        balancer["id"].as_str().unwrap().to_owned()
    }

    /// A listener for port 80 of Service `web`, as the Go provider makes it.
    pub(super) async fn listener_of_go(&self, balancer: &str, member: &str) {
        let listener = serde_json::json!({
            "loadbalancer_id": balancer, "name": "web_TCP_80", "protocol": "TCP", "protocol_port": 80,
        });
        let listener = self.make("v3/P/elb/listeners", "listener", listener).await;
        let pool = serde_json::json!({
            "name": "sg_web_TCP_80", "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "listener_id": listener["id"],
        });
        let pool = self.make("v2/P/elb/pools", "pool", pool).await;
        let member = serde_json::json!({
            "address": member, "protocol_port": 30080, "subnet_id": state::NEUTRON_SUBNET,
        });
        let path = format!("v2/P/elb/pools/{}/members", pool["id"].as_str().unwrap());
        self.make(&path, "member", member).await;
    }

    /// Somebody's own load balancer.
    pub(super) async fn users_balancer(&self) -> String {
        let new = serde_json::json!({ "name": "theirs", "vip_subnet_id": state::NEUTRON_SUBNET, "provider": "vlb" });
        let made = self.make("v2/P/elb/loadbalancers", "loadbalancer", new).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// Address of a node, as its cloud has it.
    pub(super) fn address(&self, number: u32) -> String {
        self.node(number).addresses[0].address.clone()
    }

    async fn with<T>(&self, service: &Service, work: impl AsyncFnOnce(&Engine<'_>) -> T) -> T {
        let key = service.key();
        let Self { cloud, options, memory, tenant, .. } = self;
        let engine = Engine { cloud, options, memory, key: &key, tenant };
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
            let state = self.ensure_once(service).await;
            match self.take_in(service, state).await {
                Ok(ready) => return ready,
                Err(why) => last = why,
            }
        }
        panic!("never ready: {last}");
    }

    async fn take_in(
        &self,
        service: &mut Service,
        state: Result<v1::LoadBalancerState>,
    ) -> std::result::Result<v1::Ready, String> {
        let state = match state {
            Ok(state) => state,
            Err(error) => {
                self.pass(Duration::from_secs(2)).await;
                return Err(error.to_string());
            }
        };
        service.handle = state.handle;
        match state.phase.unwrap() {
            Phase::Ready(ready) => Ok(ready),
            Phase::InProgress(wait) => {
                self.pass(wait.poll_after.unwrap().try_into().unwrap()).await;
                Err(wait.message)
            }
        }
    }

    pub(super) async fn update_members(&self, service: &mut Service) -> Result<v1::LoadBalancerState, Error> {
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

    pub(super) async fn delete_once(&self, service: &Service) -> Result<Outcome> {
        self.with(service, async |engine| engine.delete(&service.annotations).await).await
    }

    pub(super) async fn delete(&self, service: &Service) {
        let mut last = String::new();
        for _ in 0..PASSES {
            match self.delete_once(service).await {
                Ok(Outcome::Deleted(_)) => return,
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

    pub(super) async fn plan(&self, service: &Service) -> Result<Vec<v1::PlanStep>> {
        let spec = service.spec();
        self.with(service, async |engine| engine.plan(&spec, Some(&service.members)).await).await
    }

    /// The calls that would make the cloud match, and those that would take all away.
    pub(super) async fn planned(&self, service: &Service) -> Vec<String> {
        self.plan(service).await.unwrap().into_iter().map(|step| step.action).collect()
    }

    pub(super) async fn planned_removal(&self, service: &Service) -> Vec<String> {
        let plan = self.with(service, async |engine| engine.plan_removal(&service.annotations).await).await;
        plan.unwrap().into_iter().map(|step| step.action).collect()
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
    pub(super) fn shape(&self) -> serde_json::Value {
        let shape = self.sim.look(|cloud| {
            let mut eips: Vec<bool> = cloud.publicips.iter().map(|eip| eip.port_id.is_some()).collect();
            eips.sort_unstable();
            serde_json::json!({
                "balancers": cloud.elb.tree(cloud, state::PROJECT),
                "strays": cloud.elb.strays(state::PROJECT),
                "rules": cloud.dnat_tree(state::PROJECT),
                "addresses": eips,
            })
        });
        without_ids(shape)
    }
}

/// The id of an address in a description tells only how it came about.
fn without_ids(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
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

fn cloud(sim: &Running<Huawei>, profile: &str) -> Cloud {
    let services = ["ecs", "elb", "vpc", "eip", "nat", "iam"];
    let endpoints: Vec<String> = services.iter().map(|service| format!("{service}={}", sim.http())).collect();
    let text = format!(
        "[Global]\nprofile={profile}\ncloud=example.test\nregion=ap-southeast-1\naccess-key={}\nsecret-key={}\nproject-id={}\n[Vpc]\nid={}\nsubnet-id={}\n[Endpoints]\n{}\n",
        state::ACCESS_KEY,
        state::SECRET_KEY,
        state::PROJECT,
        state::VPC,
        state::NEUTRON_SUBNET,
        endpoints.join("\n")
    );
    Cloud::new("test", config::parse(&text, &|_| None).unwrap().config).unwrap()
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

impl Service {
    pub(super) fn key(&self) -> v1::LoadBalancerKey {
        v1::LoadBalancerKey {
            cluster: Some(v1::Cluster { id: "c1".to_owned(), name: self.cluster_name.clone() }),
            service_namespace: "default".to_owned(),
            service_name: self.name.clone(),
            service_uid: self.uid.clone(),
            tenant: String::new(),
            handle: self.handle.clone(),
            attempted: self.attempted,
            published_addresses: self.published.clone(),
        }
    }

    fn spec(&self) -> v1::LoadBalancerSpec {
        v1::LoadBalancerSpec { annotations: self.annotations.clone(), ..self.spec.clone() }
    }

    pub(super) fn with(mut self, (key, value): (&str, &str)) -> Self {
        self.annotations.insert(format!("kubernetes.io/{key}"), value.to_owned());
        self
    }

    pub(super) fn change(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}
