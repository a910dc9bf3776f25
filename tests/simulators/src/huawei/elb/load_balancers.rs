//! Load balancers.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    At, Elb, Fields, Network, Subnet,
    fields::{patch, read, show, take, yes},
    network::show_bound,
    refusals::{check_one_of, check_text, conflict, invalid, missing},
};
use crate::{
    engine::{Problem, later},
    huawei::tags::{self, Tag},
};

/// What v3 can change of a load balancer.
const CHANGEABLE: &[&str] = &[
    "name",
    "description",
    "admin_state_up",
    "vip_subnet_cidr_id",
    "vip_address",
    "ipv6_vip_virsubnet_id",
    "ipv6_bandwidth",
    "l4_flavor_id",
    "l7_flavor_id",
    "ip_target_enable",
    "elb_virsubnet_ids",
    "deletion_protection_enable",
    "waf_failure_action",
    "autoscaling",
];

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoadBalancer {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project: String,
    /// Dedicated; else shared.
    pub guaranteed: bool,
    /// Port of the IPv4 address.
    pub vip_port_id: Option<String>,
    /// Port of the IPv6 address.
    pub ipv6_vip_port_id: Option<String>,
    /// The IPv6 address.
    pub ipv6_vip_address: Option<String>,
    /// It is being made until then.
    pub ready_at: Timestamp,
    /// A provisioning status that a test has put it in.
    pub stuck: Option<String>,
    /// The rest, in the API's words.
    pub fields: LoadBalancerFields,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

/// Fields of a load balancer that are read back as they were written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadBalancerFields {
    /// Its name, which need not be unique.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// `vlb`.
    #[serde(default = "vlb")]
    pub provider: String,
    /// It works.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// Its VPC.
    pub vpc_id: Option<String>,
    /// Subnet of the IPv4 address.
    pub vip_subnet_cidr_id: Option<String>,
    /// The IPv4 address.
    pub vip_address: Option<IpAddr>,
    /// Network of the IPv6 address.
    pub ipv6_vip_virsubnet_id: Option<String>,
    /// Bandwidth of the IPv6 address.
    pub ipv6_bandwidth: Option<Reference>,
    /// Its zones.
    #[serde(default)]
    pub availability_zone_list: Vec<String>,
    /// Flavor for TCP and UDP.
    pub l4_flavor_id: Option<String>,
    /// Flavor for HTTP.
    pub l7_flavor_id: Option<String>,
    /// Networks it reaches members from.
    #[serde(default)]
    pub elb_virsubnet_ids: Vec<String>,
    /// Members may be given by address alone.
    #[serde(default)]
    pub ip_target_enable: bool,
    /// It cannot be deleted.
    #[serde(default)]
    pub deletion_protection_enable: bool,
    /// What happens when the firewall fails.
    pub waf_failure_action: Option<String>,
    /// Elastic flavor.
    pub autoscaling: Option<Autoscaling>,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// Its enterprise project.
    #[serde(default = "default_enterprise_project")]
    pub enterprise_project_id: String,
}

/// A reference to something by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Its id.
    pub id: String,
}

/// Elastic flavor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Autoscaling {
    /// It is on.
    pub enable: bool,
    /// The least flavor.
    pub min_l7_flavor_id: Option<String>,
}

fn vlb() -> String {
    "vlb".to_owned()
}

fn default_enterprise_project() -> String {
    "0".to_owned()
}

impl LoadBalancer {
    /// Its provisioning status at a moment.
    pub fn provisioning_status(&self, now: Timestamp) -> &str {
        match &self.stuck {
            Some(status) => status,
            None if now < self.ready_at => "PENDING_CREATE",
            None => "ACTIVE",
        }
    }

    /// Its ports.
    pub fn ports(&self) -> impl Iterator<Item = &str> {
        self.vip_port_id.iter().chain(&self.ipv6_vip_port_id).map(String::as_str)
    }
}

impl Elb {
    /// Makes a dedicated load balancer and binds its public address.
    pub fn create_dedicated(&mut self, net: &mut dyn Network, at: &At, mut body: Fields) -> Result<String, Problem> {
        if take::<bool>(&mut body, "guaranteed")? == Some(false) {
            return Err(invalid("guaranteed", "shared load balancers cannot be created through this API"));
        }
        if body.get("enterprise_project_id").is_some_and(|id| id == "" || id == "0") {
            return Err(invalid("enterprise_project_id", "it must be neither empty nor \"0\""));
        }
        let eips: Vec<String> = take(&mut body, "publicip_ids")?.unwrap_or_default();
        let publicip: Option<Fields> = take(&mut body, "publicip")?;
        let mut fields: LoadBalancerFields = read(body)?;
        if fields.availability_zone_list.is_empty() {
            return Err(invalid("availability_zone_list", "it is empty"));
        }
        if let Some(zone) = fields.availability_zone_list.iter().find(|zone| !self.zones.contains(*zone)) {
            return Err(invalid("availability_zone_list", format!("there is no zone {zone}")));
        }
        self.fill_flavors(&mut fields)?;
        let (id, eip) = (self.create(net, at, fields, true)?, eips.first());
        let bound =
            bind_new(net, at, self.load_balancers.get(&id).and_then(|made| made.vip_port_id.clone()), eip, publicip);
        if let Err(problem) = bound {
            self.drop_load_balancer(net, at, &id);
            return Err(problem);
        }
        Ok(id)
    }

    /// Makes a shared load balancer; it is being made for a while.
    pub fn create_shared(&mut self, net: &mut dyn Network, at: &At, body: Fields) -> Result<String, Problem> {
        let fields: LoadBalancerFields = read(body)?;
        if fields.vip_subnet_cidr_id.is_none() {
            return Err(invalid("vip_subnet_id", "it is missing"));
        }
        self.create(net, at, fields, false)
    }

    fn create(
        &mut self,
        net: &mut dyn Network,
        at: &At,
        mut fields: LoadBalancerFields,
        guaranteed: bool,
    ) -> Result<String, Problem> {
        check(&fields)?;
        self.room_for(at, "loadbalancer", 1)?;
        let place = place(net, at, &fields)?;
        fields.vpc_id = Some(place.vpc_id.clone());
        let id = self.new_id();
        let v4 = place.v4.map(|subnet| net.plug(at, &id, &subnet, false, fields.vip_address)).transpose()?;
        let v6 = match place.v6.map(|subnet| net.plug(at, &id, &subnet, true, None)).transpose() {
            Ok(v6) => v6,
            Err(problem) => {
                if let Some(plug) = &v4 {
                    net.unplug(at, &plug.port_id);
                }
                return Err(problem);
            }
        };
        fields.vip_address = v4.as_ref().map(|plug| plug.address);
        let ready_at = if guaranteed { at.now } else { later(at.now, at.creation) };
        let made = LoadBalancer {
            id: id.clone(),
            project: at.project.clone(),
            guaranteed,
            vip_port_id: v4.map(|plug| plug.port_id),
            ipv6_vip_address: v6.as_ref().map(|plug| plug.address.to_string()),
            ipv6_vip_port_id: v6.map(|plug| plug.port_id),
            ready_at,
            stuck: None,
            fields,
            created_at: at.now,
            updated_at: at.now,
        };
        self.load_balancers.insert(at.now, &id, made);
        Ok(id)
    }

    /// Changes a load balancer.
    pub fn update_load_balancer(
        &mut self,
        net: &mut dyn Network,
        at: &At,
        id: &str,
        change: Fields,
    ) -> Result<(), Problem> {
        let old = self.load_balancer(at, id)?.clone();
        let mut fields = patch(&old.fields, change, CHANGEABLE)?;
        self.settled(at, id)?;
        check(&fields)?;
        if old.fields.ip_target_enable && !fields.ip_target_enable {
            return Err(invalid("ip_target_enable", "it cannot be switched off"));
        }
        if fields.ip_target_enable && !old.guaranteed {
            return Err(invalid("ip_target_enable", "shared load balancers do not have it"));
        }
        self.check_flavors(&fields)?;
        let (mut vip_port_id, mut v6_port, mut v6_address) =
            (old.vip_port_id.clone(), old.ipv6_vip_port_id.clone(), old.ipv6_vip_address.clone());
        if (&fields.vip_subnet_cidr_id, fields.vip_address) != (&old.fields.vip_subnet_cidr_id, old.fields.vip_address)
        {
            if fields.vip_subnet_cidr_id != old.fields.vip_subnet_cidr_id
                && fields.vip_address == old.fields.vip_address
            {
                fields.vip_address = None;
            }
            let place = place(net, at, &fields)?;
            let plug = place.v4.map(|subnet| net.plug(at, id, &subnet, false, fields.vip_address)).transpose()?;
            if let Some(port) = &vip_port_id {
                net.unplug(at, port);
            }
            fields.vip_address = plug.as_ref().map(|plug| plug.address);
            vip_port_id = plug.map(|plug| plug.port_id);
        }
        if fields.ipv6_vip_virsubnet_id != old.fields.ipv6_vip_virsubnet_id {
            let place = place(net, at, &fields)?;
            let plug = place.v6.map(|subnet| net.plug(at, id, &subnet, true, None)).transpose()?;
            if let Some(port) = &v6_port {
                net.unplug(at, port);
            }
            v6_address = plug.as_ref().map(|plug| plug.address.to_string());
            v6_port = plug.map(|plug| plug.port_id);
        }
        if let Some(object) = self.load_balancers.change(at.now, id) {
            object.fields = fields;
            object.vip_port_id = vip_port_id;
            object.ipv6_vip_port_id = v6_port;
            object.ipv6_vip_address = v6_address;
            object.updated_at = at.now;
        }
        Ok(())
    }

    /// Deletes a load balancer that has neither listeners nor pools. A public address stays, unbound.
    pub fn delete_load_balancer(&mut self, net: &mut dyn Network, at: &At, id: &str) -> Result<(), Problem> {
        self.deletable(at, id)?;
        if self.listeners_of(id).next().is_some() {
            return Err(conflict(format!("Load balancer {id} still has listeners.")));
        }
        if self.pools_of(id).next().is_some() {
            return Err(conflict(format!("Load balancer {id} still has pools.")));
        }
        self.drop_load_balancer(net, at, id);
        Ok(())
    }

    /// Deletes a load balancer with all that belongs to it. A public address stays, unbound.
    pub fn force_delete_load_balancer(&mut self, net: &mut dyn Network, at: &At, id: &str) -> Result<(), Problem> {
        self.deletable(at, id)?;
        self.drop_children(at, id, true);
        self.drop_load_balancer(net, at, id);
        Ok(())
    }

    /// Deletes a load balancer with its listeners; its pools when `pools` says so, its public address when `public_ip` does.
    pub fn cascade_load_balancer(
        &mut self,
        net: &mut dyn Network,
        at: &At,
        id: &str,
        pools: bool,
        public_ip: bool,
    ) -> Result<(), Problem> {
        let object = self.load_balancer(at, id)?;
        if !object.guaranteed && !pools {
            return Err(invalid("unbounded_pool", "for a shared load balancer it can only be true"));
        }
        let ports: Vec<_> = object.ports().map(str::to_owned).collect();
        self.deletable(at, id)?;
        let eips: Vec<_> = ports.iter().flat_map(|port| net.bound_to(port)).collect();
        self.drop_children(at, id, pools);
        self.drop_load_balancer(net, at, id);
        for eip in eips.iter().filter(|_| public_ip) {
            net.release(at, &eip.id)?;
        }
        Ok(())
    }

    fn deletable(&self, at: &At, id: &str) -> Result<(), Problem> {
        let object = self.load_balancer(at, id)?;
        // One that failed can only be deleted.
        if object.provisioning_status(at.now) != "ERROR" {
            self.settled(at, id)?;
        }
        if object.fields.deletion_protection_enable {
            return Err(conflict(format!("Deletion protection of load balancer {id} is on.")));
        }
        Ok(())
    }

    fn drop_children(&mut self, at: &At, id: &str, with_pools: bool) {
        let listeners: Vec<_> = self.listeners_of(id).map(|listener| listener.id.clone()).collect();
        for listener in listeners {
            self.drop_listener(at, &listener);
        }
        let pools: Vec<_> = self.pools_of(id).map(|pool| pool.id.clone()).collect();
        for pool in pools {
            if with_pools {
                self.drop_pool(at, &pool);
            } else if let Some(pool) = self.pools.change(at.now, &pool) {
                pool.load_balancer = None;
            }
        }
    }

    fn drop_load_balancer(&mut self, net: &mut dyn Network, at: &At, id: &str) {
        if let Some(object) = self.load_balancers.remove(at.now, id) {
            object.ports().for_each(|port| net.unplug(at, port));
        }
    }

    /// Adds tags to a load balancer, or takes them off by their keys.
    pub fn tag_load_balancer(&mut self, at: &At, id: &str, tags: &[Tag], add: bool) -> Result<(), Problem> {
        let mut now = self.load_balancer(at, id)?.fields.tags.clone();
        now.retain(|old| tags.iter().all(|tag| tag.key != old.key));
        if add {
            now.extend_from_slice(tags);
            check_tags(&now)?;
        }
        if let Some(object) = self.load_balancers.change(at.now, id) {
            object.fields.tags = now;
        }
        Ok(())
    }

    fn fill_flavors(&self, fields: &mut LoadBalancerFields) -> Result<(), Problem> {
        if fields.l4_flavor_id.is_none() && fields.l7_flavor_id.is_none() {
            let first = |kind| self.flavors.iter().find(|flavor| flavor.kind == kind).map(|flavor| flavor.id.clone());
            (fields.l4_flavor_id, fields.l7_flavor_id) = (first("L4"), first("L7"));
        }
        self.check_flavors(fields)
    }

    fn check_flavors(&self, fields: &LoadBalancerFields) -> Result<(), Problem> {
        for (kind, id) in [("L4", &fields.l4_flavor_id), ("L7", &fields.l7_flavor_id)] {
            let Some(id) = id else { continue };
            let flavor = self.flavors.iter().find(|flavor| flavor.id == *id).ok_or_else(|| missing("flavor", id))?;
            if flavor.kind != kind {
                return Err(invalid("flavor", format!("{id} is not of type {kind}")));
            }
        }
        Ok(())
    }

    /// A load balancer as v3 shows it.
    pub fn show_load_balancer(&self, net: &dyn Network, at: &At, object: &LoadBalancer) -> Fields {
        let mut view = show(&object.fields);
        let bound: Vec<_> = object.ports().flat_map(|port| net.bound_to(port)).collect();
        let status = object.provisioning_status(at.now);
        let ids = |ids: Vec<&str>| ids.into_iter().map(|id| json!({ "id": id })).collect::<Value>();
        let (id, fields) = (&object.id, &object.fields);
        for (name, value) in [
            ("id", json!(id)),
            ("project_id", json!(object.project)),
            ("guaranteed", json!(object.guaranteed)),
            ("vip_port_id", json!(object.vip_port_id)),
            ("ipv6_vip_address", json!(object.ipv6_vip_address)),
            ("ipv6_vip_port_id", json!(object.ipv6_vip_port_id)),
            ("provisioning_status", json!(status)),
            ("operating_status", json!(operating_status(status, fields.admin_state_up))),
            ("elb_virsubnet_type", json!(if object.ipv6_vip_port_id.is_some() { "dualstack" } else { "ipv4" })),
            ("eips", show_bound(&bound, "eip_id", "eip_address")),
            ("publicips", show_bound(&bound, "publicip_id", "publicip_address")),
            ("listeners", ids(self.listeners_of(id).map(|listener| listener.id.as_str()).collect())),
            ("pools", ids(self.pools_of(id).map(|pool| pool.id.as_str()).collect())),
            ("billing_info", json!("")),
            ("created_at", json!(time(object.created_at))),
            ("updated_at", json!(time(object.updated_at))),
        ] {
            view.insert(name.to_owned(), value);
        }
        view
    }
}

fn operating_status(provisioning: &str, up: bool) -> &'static str {
    match (provisioning, up) {
        ("ACTIVE", true) => "ONLINE",
        ("ACTIVE", false) => "FROZEN",
        _ => "OFFLINE",
    }
}

/// Times as v3 writes them.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Binds the first of the given public addresses, or a new one.
fn bind_new(
    net: &mut dyn Network,
    at: &At,
    port: Option<String>,
    eip: Option<&String>,
    publicip: Option<Fields>,
) -> Result<(), Problem> {
    let (eip, new) = match (eip, publicip) {
        (Some(eip), _) => (eip.clone(), false),
        (None, Some(publicip)) => (net.allocate(at, &publicip)?, true),
        (None, None) => return Ok(()),
    };
    let port = port.ok_or_else(|| invalid("publicip", "it needs an IPv4 virtual address"));
    let bound = port.and_then(|port| net.attach(at, &eip, &port));
    if bound.is_err() && new {
        net.release(at, &eip)?;
    }
    bound
}

struct Place {
    vpc_id: String,
    v4: Option<Subnet>,
    v6: Option<Subnet>,
}

/// Where a load balancer is to be: all its subnets are of one VPC.
fn place(net: &dyn Network, at: &At, fields: &LoadBalancerFields) -> Result<Place, Problem> {
    let find = |id: &Option<String>, look: &dyn Fn(&str) -> Option<Subnet>| match id {
        Some(id) => look(id).map(Some).ok_or_else(|| missing("subnet", id)),
        None => Ok(None),
    };
    let v4 = find(&fields.vip_subnet_cidr_id, &|id| net.subnet(at, id))?;
    let v6 = find(&fields.ipv6_vip_virsubnet_id, &|id| net.network(at, id))?;
    for network in &fields.elb_virsubnet_ids {
        net.network(at, network).ok_or_else(|| missing("subnet", network))?;
    }
    if let Some(id) = fields.vpc_id.as_deref().filter(|id| !net.has_vpc(at, id)) {
        return Err(missing("vpc", id));
    }
    let vpcs = v4.iter().chain(&v6).map(|subnet| &subnet.vpc_id).chain(&fields.vpc_id);
    let mut vpcs: Vec<_> = vpcs.cloned().collect();
    vpcs.dedup();
    let [vpc_id] = &vpcs[..] else {
        let why = if vpcs.is_empty() {
            "one of them, vpc_id or ipv6_vip_virsubnet_id is needed"
        } else {
            "not all of one VPC"
        };
        return Err(invalid("vip_subnet_cidr_id", why));
    };
    match (&v4, fields.vip_address) {
        (None, Some(_)) => return Err(invalid("vip_address", "it needs vip_subnet_cidr_id")),
        (Some(subnet), Some(address)) if !subnet.cidr.contains(&address) => {
            return Err(invalid("vip_address", format!("{address} is not in {}", subnet.cidr)));
        }
        _ => {}
    }
    if let Some(subnet) = v6.as_ref().filter(|subnet| subnet.cidr_v6.is_none()) {
        return Err(invalid("ipv6_vip_virsubnet_id", format!("network {} has no IPv6", subnet.network_id)));
    }
    Ok(Place { vpc_id: vpc_id.clone(), v4, v6 })
}

fn check(fields: &LoadBalancerFields) -> Result<(), Problem> {
    check_text("name", &fields.name)?;
    check_text("description", &fields.description)?;
    check_one_of("provider", &fields.provider, &["vlb"])?;
    if let Some(action) = &fields.waf_failure_action {
        check_one_of("waf_failure_action", action, &["discard", "forward"])?;
    }
    check_tags(&fields.tags)
}

/// That an object may have such tags.
pub(super) fn check_tags(tags: &[Tag]) -> Result<(), Problem> {
    tags::fault(tags).map_or(Ok(()), |fault| Err(invalid("tags", fault)))
}
