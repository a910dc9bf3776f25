//! Services to plan for.

use std::collections::HashMap;

use cloud_provider_api::v1;

use super::{
    super::{
        Refusal,
        balancer::{Plan, Site, plan},
        owner::{Hints, Owner},
        removal,
        step::{Made, Step},
        wanted::{Surroundings, Wanted},
    },
    cloud::World,
};
use crate::{annotations::Settings, api::balancers::Kind};

/// A Service in the making.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) owner: Owner,
    pub(super) kind: Kind,
    pub(super) annotations: HashMap<String, String>,
    pub(super) spec: v1::LoadBalancerSpec,
    pub(super) members: v1::Members,
    /// Load balancers that the handle names.
    pub(super) former: Vec<String>,
    /// The load balancer that was ours and is gone.
    pub(super) gone: String,
    pub(super) public: bool,
}

pub(super) fn owner(uid: &str) -> Owner {
    Owner {
        cluster: "c1".to_owned(),
        cce: "c-AbCd1234".to_owned(),
        namespace: "default".to_owned(),
        service: "web".to_owned(),
        uid: uid.to_owned(),
        ..Owner::default()
    }
}

pub(super) fn port(protocol: v1::Protocol, port: u32, node_port: u32) -> v1::ServicePort {
    v1::ServicePort {
        name: format!("p{port}"),
        protocol: protocol.into(),
        port,
        node_port: Some(node_port),
        ..v1::ServicePort::default()
    }
}

pub(super) fn node(number: u32) -> v1::NodeMember {
    v1::NodeMember {
        node_name: format!("node-{number}"),
        provider_id: format!("cce://i-{number}"),
        addresses: vec![v1::NodeAddress {
            r#type: v1::AddressType::InternalIp.into(),
            address: format!("192.168.{}.{}", number / 250, number % 250 + 2),
        }],
        ..v1::NodeMember::default()
    }
}

impl Service {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            owner: owner("u1"),
            kind,
            annotations: HashMap::new(),
            spec: v1::LoadBalancerSpec { ports: vec![port(v1::Protocol::Tcp, 80, 30080)], ..Default::default() },
            members: v1::Members { nodes: (1..=3).map(node).collect(), endpoints: Vec::new() },
            former: Vec::new(),
            gone: String::new(),
            public: true,
        }
    }

    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(format!("service.beta.kubernetes.io/cce-{key}"), value.to_owned());
        self
    }

    pub(super) fn without(mut self, key: &str) -> Self {
        self.annotations.remove(&format!("service.beta.kubernetes.io/cce-{key}"));
        self
    }

    pub(super) fn change(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn wanted(&self) -> Result<Wanted, Refusal> {
        let settings = Settings::read(&self.annotations).expect("good annotations");
        let around = Surroundings { settings: &settings, kind: self.kind, kinds: &Kind::ALL, public: self.public };
        let owner =
            Owner { eip_name: settings.eip.name.clone(), added_eip: settings.added_eip.clone(), ..self.owner.clone() };
        Wanted::read(owner, &self.spec, Some(&self.members), &around)
    }

    pub(super) fn plan_as(&self, world: &World, hash: Option<&str>) -> Result<Plan, Refusal> {
        let wanted = self.wanted()?;
        let hints = Hints { added: wanted.added.as_deref(), name: wanted.name.as_deref() };
        let named = wanted.named.as_ref().map(|named| named.id.as_str());
        let seen = world.see(&wanted.owner, &hints, named, &self.former);
        let site = Site {
            vpc: "vpc-1".to_owned(),
            subnet: "sbn-1".to_owned(),
            region: (self.kind == Kind::Edge).then(|| "cn-hangzhou-cm".to_owned()),
            former: self.gone.clone(),
        };
        plan(&wanted, &seen, Some(&site), hash)
    }

    pub(super) fn plan(&self, world: &World) -> Result<Vec<Step>, Refusal> {
        self.plan_as(world, Some("h1")).map(|plan| plan.steps)
    }

    pub(super) fn removal_as(&self, world: &World) -> Result<Plan, Refusal> {
        let settings = Settings::lenient(&self.annotations);
        let owner =
            Owner { eip_name: settings.eip.name.clone(), added_eip: settings.added_eip.clone(), ..self.owner.clone() };
        let hints = Hints { added: settings.added_id.as_deref(), name: settings.name.as_deref() };
        let named = settings.exist_id.as_deref().or(settings.id.as_deref());
        removal::plan(&owner, &world.see(&owner, &hints, named, &self.former), settings.reserve)
    }

    pub(super) fn removal(&self, world: &World) -> Result<Vec<Step>, Refusal> {
        self.removal_as(world).map(|plan| plan.steps)
    }

    /// Carries the plan out, and shows that nothing is left to do.
    pub(super) fn ensure(&self, world: &mut World) -> Vec<&'static str> {
        let shown = self.plan_as(world, None).unwrap().steps;
        let steps = self.plan(world).unwrap();
        let without_record = |steps: &[Step]| {
            let mut names = names(steps);
            if matches!(names.last(), Some(&("UpdateLoadBalancer" | "UpdateGroup"))) {
                names.pop();
            }
            names
        };
        assert_eq!(without_record(&shown), without_record(&steps), "what is shown is what is done");
        carry_out(&steps, world);
        let rest = self.plan(world).unwrap();
        assert!(rest.is_empty(), "something is left to do: {rest:#?} in {world:#?}");
        names(&steps)
    }

    pub(super) fn delete(&self, world: &mut World) -> Vec<&'static str> {
        let steps = self.removal(world).unwrap();
        carry_out(&steps, world);
        let rest = self.removal(world).unwrap();
        assert!(rest.is_empty(), "something is left to delete: {rest:#?} in {world:#?}");
        names(&steps)
    }
}

pub(super) fn carry_out(steps: &[Step], world: &mut World) {
    let mut made = Made::default();
    for step in steps {
        world.apply(step, &mut made);
    }
}

pub(super) fn names(steps: &[Step]) -> Vec<&'static str> {
    steps.iter().map(|step| step.action.name()).collect()
}
