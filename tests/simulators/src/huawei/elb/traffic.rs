//! What load balancers carry: each TCP listener at each address of its load balancer.

use std::{net::IpAddr, net::SocketAddr, time::Duration};

use ipnet::IpNet;
use jiff::Timestamp;

use super::{Elb, Listener, LoadBalancer, Monitor, Pool, rules};
use crate::engine::{Frontend, Probe, Sources, by_weight};

impl Elb {
    /// Frontends of all load balancers that work. `public` names the public addresses of a port.
    ///
    /// Listeners of HTTP are carried as TCP; those that end TLS, and those over UDP, are not carried.
    pub fn frontends(&self, public: impl Fn(&str) -> Vec<IpAddr>) -> Vec<Frontend> {
        let mut frontends = Vec::new();
        for listener in self.listeners.iter().filter(|listener| is_carried(listener)) {
            let Some(owner) = self.load_balancers.get(listener.load_balancer()).filter(|owner| works(owner)) else {
                continue;
            };
            let pool = listener.fields.default_pool_id.as_ref().and_then(|id| self.pools.get(id));
            let mut addresses: Vec<_> = owner.fields.vip_address.into_iter().collect();
            addresses.extend(owner.ipv6_vip_address.iter().filter_map(|address| address.parse::<IpAddr>().ok()));
            addresses.extend(owner.ports().flat_map(&public));
            for address in addresses {
                frontends.push(Frontend {
                    address,
                    port: listener.fields.protocol_port,
                    members: pool.map(|pool| self.takers(pool)).unwrap_or_default(),
                    sources: self.sources(listener),
                    probe: pool.and_then(|pool| self.monitor_of(&pool.id)).and_then(probe),
                    affinity: pool.and_then(affinity),
                });
            }
        }
        frontends
    }

    /// Members that take new connections, as often as their weights say.
    fn takers(&self, pool: &Pool) -> Vec<SocketAddr> {
        let members = self.members_of(&pool.id).filter(|member| {
            let open = member.fields.admin_state_up && member.fields.protocol_port > 0;
            open && member.fields.weight > 0 && self.operating_status(member) != "OFFLINE"
        });
        let members: Vec<_> = members
            .map(|member| (SocketAddr::new(member.fields.address, member.fields.protocol_port), member.fields.weight))
            .collect();
        by_weight(&members)
    }

    fn sources(&self, listener: &Listener) -> Sources {
        if let Some(list) = self.whitelists.iter().find(|list| list.fields.listener_id == listener.id)
            && list.fields.enable_whitelist
        {
            return Sources::Only(ranges(list.fields.whitelist.split(',')));
        }
        let Some(group) = listener.fields.ipgroup.as_ref().filter(|group| group.enable_ipgroup) else {
            return Sources::All;
        };
        let entries = self.ip_groups.get(&group.ipgroup_id).map(|group| &group.fields.ip_list[..]).unwrap_or_default();
        let ranges = ranges(entries.iter().map(|entry| &entry.ip[..]));
        if group.kind == "white" { Sources::Only(ranges) } else { Sources::Not(ranges) }
    }
}

fn is_carried(listener: &Listener) -> bool {
    let protocol = &listener.fields.protocol;
    listener.fields.admin_state_up
        && listener.fields.protocol_port > 0
        && !rules::over_udp(protocol)
        && !rules::ends_tls(protocol)
}

fn works(owner: &LoadBalancer) -> bool {
    owner.fields.admin_state_up && owner.provisioning_status(Timestamp::MAX) == "ACTIVE"
}

fn probe(monitor: &Monitor) -> Option<Probe> {
    let fields = &monitor.fields;
    fields
        .admin_state_up
        .then(|| Probe { port: fields.monitor_port, path: fields.url_path.clone().filter(|_| fields.kind == "HTTP") })
}

fn affinity(pool: &Pool) -> Option<Duration> {
    let persistence = pool.fields.session_persistence.as_ref().filter(|persistence| persistence.kind == "SOURCE_IP")?;
    Some(Duration::from_secs(60 * u64::from(persistence.persistence_timeout.unwrap_or(1))))
}

/// Entries as ranges.
fn ranges<'a>(entries: impl Iterator<Item = &'a str>) -> Vec<IpNet> {
    let mut ranges = Vec::new();
    for entry in entries.map(str::trim) {
        match entry.split_once('-') {
            Some((first, last)) => ranges.extend(between(first.trim(), last.trim())),
            None => {
                ranges.extend(entry.parse::<IpNet>().ok().or_else(|| entry.parse::<IpAddr>().ok().map(IpNet::from)));
            }
        }
    }
    ranges
}

fn between(first: &str, last: &str) -> Vec<IpNet> {
    match (first.parse(), last.parse()) {
        (Ok(IpAddr::V4(first)), Ok(IpAddr::V4(last))) => {
            ipnet::Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect()
        }
        (Ok(IpAddr::V6(first)), Ok(IpAddr::V6(last))) => {
            ipnet::Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect()
        }
        _ => Vec::new(),
    }
}
