//! Public addresses and the ports they are bound to, whoever binds them.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use jiff::Timestamp;

use super::{State, network::PublicIp};

/// Where public addresses are taken from, one range after the other.
const POOLS: [(Ipv4Addr, u8); 2] = [(Ipv4Addr::new(203, 0, 113, 0), 24), (Ipv4Addr::new(198, 18, 0, 0), 15)];
/// The kind of device that a load balancer's port belongs to.
pub const LOAD_BALANCER: &str = "neutron:LOADBALANCERV2";

impl State {
    /// Adds a public address, unbound, with an address that is free or the one wanted, and answers its id.
    ///
    /// # Errors
    /// Says for people why not.
    pub fn add_publicip(&mut self, now: Timestamp, new: PublicIp, wanted: Option<Ipv4Addr>) -> Result<String, String> {
        let used: std::collections::HashSet<_> =
            self.publicips.iter().map(|publicip| publicip.public_ip_address).collect();
        let mut free = POOLS
            .iter()
            .filter_map(|(start, length)| Ipv4Net::new(*start, *length).ok())
            .flat_map(|pool| pool.hosts())
            .filter(|address| !used.contains(address));
        let address = match wanted {
            Some(address) if used.contains(&address) => return Err(format!("{address} is in use already")),
            Some(address) => address,
            None => free.next().ok_or("no public address is free")?,
        };
        let id = self.new_id();
        self.publicips.insert(now, &id, PublicIp { id: id.clone(), public_ip_address: address, ..new });
        Ok(id)
    }

    /// Binds a public address to a port; both are there and free.
    pub fn bind(&mut self, now: Timestamp, publicip: &str, port: &str) {
        let Some(bound) = self.ports.change(now, port) else { return };
        bound.publicip_id = Some(publicip.to_owned());
        let status = if bound.device_owner == LOAD_BALANCER { "ELB" } else { "ACTIVE" };
        if let Some(publicip) = self.publicips.change(now, publicip) {
            publicip.port_id = Some(port.to_owned());
            status.clone_into(&mut publicip.status);
        }
    }

    /// Takes a public address off the port it is bound to, if it is to one.
    pub fn unbind(&mut self, now: Timestamp, publicip: &str) {
        let Some(port) = self.publicips.get(publicip).and_then(|publicip| publicip.port_id.clone()) else { return };
        if let Some(port) = self.ports.change(now, &port) {
            port.publicip_id = None;
        }
        if let Some(publicip) = self.publicips.change(now, publicip) {
            publicip.port_id = None;
            "DOWN".clone_into(&mut publicip.status);
        }
    }

    /// Public addresses that the cloud is done with making are what they are bound to.
    pub(super) fn settle_publicips(&mut self, now: Timestamp) {
        let pending = self.publicips.iter().filter(|publicip| publicip.status == "PENDING_CREATE");
        let due: Vec<_> =
            pending.filter(|publicip| publicip.ready_at <= now).map(|publicip| publicip.id.clone()).collect();
        for id in due {
            let port = self.publicips.get(&id).and_then(|publicip| publicip.port_id.clone());
            match port {
                Some(port) => self.bind(now, &id, &port),
                None => {
                    if let Some(publicip) = self.publicips.change(now, &id) {
                        "DOWN".clone_into(&mut publicip.status);
                    }
                }
            }
        }
    }
}
