//! Services to plan for.

use std::collections::HashMap;

use cloud_provider_api::v1;

use super::{
    super::{
        Refusal,
        balancer::plan,
        owner::Owner,
        removal,
        step::{Made, Step},
        wanted::{Place, Surroundings, Wanted},
    },
    cloud::World,
};
use crate::{annotations::Settings, api::subnets::Subnet, config::Features, options::LoadBalancerOptions};

/// A Service in the making.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) owner: Owner,
    pub(super) annotations: HashMap<String, String>,
    pub(super) spec: v1::LoadBalancerSpec,
    pub(super) members: v1::Members,
}

pub(super) const SHARED: &[(&str, &str)] = &[("class", "shared")];
pub(super) const DEDICATED: &[(&str, &str)] = &[("class", "dedicated"), ("availability-zones", "az1")];
pub(super) const EIP: (&str, &str) =
    ("eip-auto-create-option", r#"{"ip_type":"5_bgp","bandwidth_size":5,"share_type":"PER"}"#);

pub(super) fn owner(uid: &str) -> Owner {
    Owner {
        cluster: "c1".to_owned(),
        cluster_name: "kubernetes".to_owned(),
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
        addresses: vec![v1::NodeAddress {
            r#type: v1::AddressType::InternalIp.into(),
            address: format!("192.168.{}.{}", number / 250, number % 250 + 2),
        }],
        ..v1::NodeMember::default()
    }
}

impl Service {
    pub(super) fn new(annotations: &[(&str, &str)]) -> Self {
        Self {
            owner: owner("u1"),
            annotations: HashMap::new(),
            spec: v1::LoadBalancerSpec { ports: vec![port(v1::Protocol::Tcp, 80, 30080)], ..Default::default() },
            members: v1::Members { nodes: (1..=3).map(node).collect(), endpoints: Vec::new() },
        }
        .with(annotations)
    }

    pub(super) fn with(mut self, annotations: &[(&str, &str)]) -> Self {
        for (key, value) in annotations {
            self.annotations.insert(format!("kubernetes.io/elb.{key}"), (*value).to_owned());
        }
        self
    }

    pub(super) fn without(mut self, key: &str) -> Self {
        self.annotations.remove(&format!("kubernetes.io/elb.{key}"));
        self
    }

    pub(super) fn change(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn wanted(&self) -> Result<Wanted, Refusal> {
        let settings = Settings::read(&self.annotations, &LoadBalancerOptions::default()).expect("good annotations");
        let subnet = Subnet {
            id: "net-1".to_owned(),
            vpc_id: "vpc-1".to_owned(),
            cidr: "192.168.0.0/16".to_owned(),
            neutron_subnet_id: "subnet-1".to_owned(),
            neutron_network_id: "net-1".to_owned(),
            cidr_v6: "2001:db8::/64".to_owned(),
            ipv6_enable: true,
        };
        let place = Place::new(&[subnet], Some("vpc-1"), Some("subnet-1"));
        let around = Surroundings {
            settings: &settings,
            place: &place,
            business_name: "",
            enterprise_project: None,
            features: &Features::default(),
        };
        Wanted::read(self.owner.clone(), &self.spec, Some(&self.members), &around)
    }

    pub(super) fn plan(&self, world: &World) -> Result<Vec<Step>, Refusal> {
        let wanted = self.wanted()?;
        plan(&wanted, &world.see(&self.owner, wanted.dedicated, wanted.existing.as_deref()), Some("h1"))
    }

    pub(super) fn removal(&self, world: &World) -> Result<Vec<Step>, Refusal> {
        let wanted = self.wanted()?;
        let seen = world.see(&self.owner, wanted.dedicated, wanted.existing.as_deref());
        removal::plan(&self.owner, &seen, wanted.keep_eip)
    }

    /// Carries the plan out, and shows that nothing is left to do.
    pub(super) fn ensure(&self, world: &mut World) -> Vec<&'static str> {
        let steps = self.plan(world).unwrap();
        carry_out(&steps, world);
        let rest = self.plan(world).unwrap();
        assert!(rest.is_empty(), "something is left to do: {rest:#?}");
        names(&steps)
    }

    pub(super) fn delete(&self, world: &mut World) -> Vec<&'static str> {
        let steps = self.removal(world).unwrap();
        carry_out(&steps, world);
        let rest = self.removal(world).unwrap();
        assert!(rest.is_empty(), "something is left to delete: {rest:#?}");
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
