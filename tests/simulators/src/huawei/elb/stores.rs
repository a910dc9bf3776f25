//! The network of load balancers: the cloud's own stores.

use std::net::{IpAddr, Ipv4Addr};

use serde::Deserialize;

use super::{
    At, Bound, Fields, Network, Nic, Plug, Subnet,
    fields::read,
    refusals::{check_one_of, check_range, conflict, invalid, missing, over_quota},
};
use crate::{
    engine::Problem,
    huawei::{State, network, publicips::LOAD_BALANCER, state::NewPort},
};

fn subnet(known: &network::Subnet) -> Subnet {
    Subnet {
        id: known.neutron_subnet_id.clone(),
        network_id: known.id.clone(),
        vpc_id: known.vpc_id.clone(),
        cidr: known.cidr.into(),
        cidr_v6: known.ipv6.as_ref().map(|v6| v6.cidr.into()),
    }
}

/// The `publicip` of a load balancer to be made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPublicIp {
    ip_version: Option<u8>,
    network_type: String,
    bandwidth: NewBandwidth,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewBandwidth {
    id: Option<String>,
    name: Option<String>,
    size: Option<u32>,
    charge_mode: Option<String>,
    share_type: Option<String>,
}

impl NewPublicIp {
    fn check(&self) -> Result<(), Problem> {
        let NewBandwidth { id, name, size, charge_mode, share_type } = &self.bandwidth;
        if self.ip_version.is_some_and(|version| version != 4) {
            return Err(invalid("publicip.ip_version", "only 4 can be allocated"));
        }
        if !self.network_type.starts_with("5_") {
            return Err(invalid("publicip.network_type", format!("there is no line '{}'", self.network_type)));
        }
        check_range("publicip.bandwidth.size", *size, 1, 2000)?;
        if let Some(mode) = charge_mode {
            check_one_of("publicip.bandwidth.charge_mode", mode, &["bandwidth", "traffic"])?;
        }
        if let Some(kind) = share_type {
            check_one_of("publicip.bandwidth.share_type", kind, &["PER", "WHOLE"])?;
        }
        if id.is_none() && (name.is_none() || size.is_none() || share_type.as_deref() != Some("PER")) {
            return Err(invalid(
                "publicip.bandwidth",
                "it needs name, size and share_type PER, or the id of a shared one",
            ));
        }
        Ok(())
    }
}

impl Network for State {
    fn has_vpc(&self, at: &At, id: &str) -> bool {
        self.vpcs.get(id).is_some_and(|vpc| vpc.project_id == at.project)
    }

    fn subnet(&self, at: &At, id: &str) -> Option<Subnet> {
        self.subnet_of(id).filter(|known| known.project_id == at.project).map(subnet)
    }

    fn network(&self, at: &At, id: &str) -> Option<Subnet> {
        self.subnets.get(id).filter(|known| known.project_id == at.project).map(subnet)
    }

    fn plug(
        &mut self,
        at: &At,
        owner: &str,
        subnet: &Subnet,
        v6: bool,
        address: Option<IpAddr>,
    ) -> Result<Plug, Problem> {
        let wanted = address.and_then(|address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        let name = format!("loadbalancer-{owner}");
        let port = NewPort {
            name: &name,
            subnet_id: &subnet.network_id,
            address: wanted,
            ipv6: v6,
            device_id: owner,
            device_owner: LOAD_BALANCER,
            security_groups: Vec::new(),
        };
        let port_id = self.add_port(at.now, port).map_err(conflict)?;
        let fixed =
            self.ports.get(&port_id).and_then(|port| port.fixed_ips.iter().find(|ip| ip.ip_address.is_ipv6() == v6));
        let address = fixed.map(|fixed| fixed.ip_address).ok_or_else(|| conflict("the subnet has no free address"))?;
        Ok(Plug { port_id, address })
    }

    fn unplug(&mut self, at: &At, port_id: &str) {
        self.remove_port(at.now, port_id);
    }

    fn bound_to(&self, port_id: &str) -> Vec<Bound> {
        let eip = self.ports.get(port_id).and_then(|port| self.publicips.get(port.publicip_id.as_deref()?));
        let bound = eip.map(|eip| Bound { id: eip.id.clone(), address: eip.public_ip_address.to_string(), version: 4 });
        bound.into_iter().collect()
    }

    fn nic(&self, at: &At, vpc_id: &str, address: IpAddr) -> Option<Nic> {
        let has = |port: &&network::Port| {
            port.vpc_id == vpc_id
                && port.project_id == at.project
                && port.fixed_ips.iter().any(|fixed| fixed.ip_address == address)
        };
        let port = self.ports.iter().find(has)?;
        let server = self.servers.get(&port.device_id)?;
        Some(Nic { server: server.id.clone(), primary: server.ports.first() == Some(&port.id) })
    }

    fn attach(&mut self, at: &At, eip_id: &str, port_id: &str) -> Result<(), Problem> {
        let eip = self.publicips.get(eip_id).filter(|eip| eip.project_id == at.project);
        let eip = eip.ok_or_else(|| missing("publicip", eip_id))?;
        let in_use = eip.port_id.is_some() || self.has_dnat_rule(eip_id) || eip.status == "PENDING_CREATE";
        if in_use || self.ports.get(port_id).is_none_or(|port| port.publicip_id.is_some()) {
            return Err(conflict(format!("publicip {eip_id} or port {port_id} is bound already, or not ready.")));
        }
        State::bind(self, at.now, eip_id, port_id);
        Ok(())
    }

    fn allocate(&mut self, at: &At, publicip: &Fields) -> Result<String, Problem> {
        let wanted: NewPublicIp = read(publicip.clone())?;
        wanted.check()?;
        let own = self.publicips.iter().filter(|known| known.project_id == at.project).count();
        if own >= at.public_ips {
            return Err(over_quota("publicip", at.public_ips));
        }
        let NewBandwidth { id, name, size, charge_mode, .. } = wanted.bandwidth;
        let bandwidth = match id {
            Some(id) => self.bandwidths.get(&id).cloned().ok_or_else(|| missing("bandwidth", &id))?,
            None => network::Bandwidth {
                id: self.new_id(),
                name: name.unwrap_or_default(),
                size: size.unwrap_or(1),
                share_type: "PER".to_owned(),
                charge_mode: charge_mode.unwrap_or_else(|| "bandwidth".to_owned()),
            },
        };
        let new = network::PublicIp {
            id: String::new(),
            project_id: at.project.clone(),
            kind: wanted.network_type,
            public_ip_address: Ipv4Addr::UNSPECIFIED,
            alias: String::new(),
            status: "DOWN".to_owned(),
            ready_at: at.now,
            port_id: None,
            bandwidth,
            enterprise_project_id: "0".to_owned(),
            tags: Vec::new(),
            create_time: at.now,
        };
        self.add_publicip(at.now, new, None).map_err(conflict)
    }

    fn release(&mut self, at: &At, eip_id: &str) -> Result<(), Problem> {
        self.publicips.remove(at.now, eip_id).map(|_| ()).ok_or_else(|| missing("publicip", eip_id))
    }
}
