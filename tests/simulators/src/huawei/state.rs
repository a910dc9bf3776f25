//! Everything the cloud holds, and the small world it starts with.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    Huawei,
    accounts::{Agency, Key, Project, Token, User},
    cce::Clusters,
    elb::Elb,
    metadata::Metadata,
    nat::Nat,
    network::{
        Bandwidth, FixedIp, Ipv6Side, Port, PublicIp, Route, RouteTable, SecurityGroup, SecurityGroupRule, Subnet, Vpc,
    },
    server::Server,
};
use crate::engine::{Leases, Table};

/// Access key of the account that is there from the start.
pub const ACCESS_KEY: &str = "HWSIMULATEDACCESSKEY";
/// Its secret.
pub const SECRET_KEY: &str = "simulated-secret-key-of-no-cloud-0000001";
/// The account's id.
pub const DOMAIN: &str = "d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0";
/// Its project in the region.
pub const PROJECT: &str = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";
/// A VPC it has there, 192.168.0.0/16.
pub const VPC: &str = "0b876fcb-0000-4000-8000-0000000000aa";
/// The VPC's subnet, 192.168.0.0/17: the id that VPC calls it by, which is its Neutron network's.
pub const SUBNET: &str = "5b5b5b5b-0000-4000-8000-0000000000bb";
/// The same subnet's IPv4 subnet id, which ELB calls it by.
pub const NEUTRON_SUBNET: &str = "d2aa75cc-0000-4000-8000-0000000000cc";
/// The security group that servers get.
pub const SECURITY_GROUP: &str = "48288809-0000-4000-8000-0000000000dd";
/// The VPC's default route table.
pub const ROUTE_TABLE: &str = "3c3c3c3c-0000-4000-8000-0000000000ee";

/// Everything the cloud holds. Tables are public, so that tests can look at and alter whatever they like.
#[derive(Debug, Serialize)]
pub struct State {
    /// The region it is.
    pub region: String,
    /// The domain its hosts are in.
    pub domain: String,
    /// Projects of all accounts.
    pub projects: Table<Project>,
    /// Users with passwords, by name.
    pub users: Table<User>,
    /// Access keys.
    pub keys: Table<Key>,
    /// Tokens given out.
    pub tokens: Table<Token>,
    /// Agencies, by granting account and name.
    pub agencies: Table<Agency>,
    /// The server whose metadata service this is.
    pub metadata: Metadata,
    /// VPCs.
    pub vpcs: Table<Vpc>,
    /// Subnets.
    pub subnets: Table<Subnet>,
    /// Ports.
    pub ports: Table<Port>,
    /// Security groups.
    pub security_groups: Table<SecurityGroup>,
    /// Their rules.
    pub security_group_rules: Table<SecurityGroupRule>,
    /// Route tables.
    pub route_tables: Table<RouteTable>,
    /// Public addresses.
    pub publicips: Table<PublicIp>,
    /// Bandwidths that several public addresses share.
    pub bandwidths: Table<Bandwidth>,
    /// Servers.
    pub servers: Table<Server>,
    /// Load balancers and what belongs to them.
    pub elb: Elb,
    /// NAT gateways and their rules.
    pub nat: Nat,
    /// Clusters.
    pub clusters: Clusters,
    /// Addresses in use, by subnet.
    #[serde(skip)]
    leases: Leases,
    #[serde(skip)]
    ids: u64,
}

/// What a port is made from.
#[derive(Clone, Debug, Default)]
pub struct NewPort<'a> {
    /// Its name.
    pub name: &'a str,
    /// The subnet it is in.
    pub subnet_id: &'a str,
    /// Its IPv4 address; absent: one that is free.
    pub address: Option<Ipv4Addr>,
    /// Whether it has an IPv6 address too.
    pub ipv6: bool,
    /// Id of what it belongs to.
    pub device_id: &'a str,
    /// Kind of what it belongs to.
    pub device_owner: &'a str,
    /// Its security groups.
    pub security_groups: Vec<String>,
}

impl State {
    /// The small world a cloud starts with: an account with a key, its project in the region, and there a VPC with a subnet,
    /// a security group and a route table. Their ids are constants of this module.
    pub fn new(cloud: &Huawei) -> Self {
        let mut state = Self {
            region: cloud.region.clone(),
            domain: cloud.domain.clone(),
            projects: Table::default(),
            users: Table::default(),
            keys: Table::default(),
            tokens: Table::default(),
            agencies: Table::default(),
            metadata: Metadata::default(),
            vpcs: Table::default(),
            subnets: Table::default(),
            ports: Table::default(),
            security_groups: Table::default(),
            security_group_rules: Table::default(),
            route_tables: Table::default(),
            publicips: Table::default(),
            bandwidths: Table::default(),
            servers: Table::default(),
            elb: Elb::in_region(&cloud.region),
            nat: Nat::default(),
            clusters: Clusters::default(),
            leases: Leases::default(),
            ids: 0,
        };
        state.add_account(DOMAIN, PROJECT, ACCESS_KEY, SECRET_KEY);
        let always = Timestamp::MIN;
        let cidr = Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16);
        state.add_vpc(always, PROJECT, VPC, "vpc-default", cidr, ROUTE_TABLE);
        state.security_groups.insert(
            always,
            SECURITY_GROUP,
            SecurityGroup {
                id: SECURITY_GROUP.to_owned(),
                project_id: PROJECT.to_owned(),
                name: "default".to_owned(),
                description: String::new(),
            },
        );
        let cidr = Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 17);
        state.add_subnet(always, VPC, SUBNET, NEUTRON_SUBNET, "subnet-default", cidr, None);
        state
    }

    /// Adds an account: a key and a project in the region.
    ///
    /// # Panics
    /// When the key or the project is there already.
    pub fn add_account(&mut self, domain_id: &str, project_id: &str, access_key: &str, secret_key: &str) {
        self.keys.insert(Timestamp::MIN, access_key, Key::permanent(access_key, secret_key, domain_id));
        let project = Project {
            id: project_id.to_owned(),
            name: self.region.clone(),
            domain_id: domain_id.to_owned(),
            region: self.region.clone(),
        };
        self.projects.insert(Timestamp::MIN, project_id, project);
    }

    /// Adds a VPC with its default route table.
    pub(super) fn add_vpc(
        &mut self,
        now: Timestamp,
        project_id: &str,
        id: &str,
        name: &str,
        cidr: Ipv4Net,
        route_table_id: &str,
    ) {
        let vpc = Vpc { id: id.to_owned(), project_id: project_id.to_owned(), name: name.to_owned(), cidr };
        self.vpcs.insert(now, id, vpc);
        let made = now.max(Timestamp::UNIX_EPOCH);
        let table = RouteTable {
            id: route_table_id.to_owned(),
            project_id: project_id.to_owned(),
            name: format!("rtb-{name}"),
            vpc_id: id.to_owned(),
            default: true,
            description: String::new(),
            subnets: Vec::new(),
            routes: Vec::new(),
            created_at: made,
            updated_at: made,
        };
        self.route_tables.insert(now, route_table_id, table);
    }

    /// Adds a subnet to a VPC that is there; it goes by the VPC's default route table.
    #[allow(clippy::too_many_arguments, reason = "they are what a subnet is")]
    pub(super) fn add_subnet(
        &mut self,
        now: Timestamp,
        vpc_id: &str,
        id: &str,
        neutron_subnet_id: &str,
        name: &str,
        cidr: Ipv4Net,
        ipv6: Option<Ipv6Side>,
    ) {
        let Some(vpc) = self.vpcs.get(vpc_id) else { return };
        let gateway_ip = cidr.hosts().next().unwrap_or(cidr.addr());
        let subnet = Subnet {
            id: id.to_owned(),
            project_id: vpc.project_id.clone(),
            name: name.to_owned(),
            vpc_id: vpc_id.to_owned(),
            cidr,
            gateway_ip,
            neutron_subnet_id: neutron_subnet_id.to_owned(),
            ipv6,
        };
        // The first of its addresses is free.
        let _ = self.leases.take(id, cidr, Some(gateway_ip));
        self.subnets.insert(now, id, subnet);
        let default = self.route_tables.iter().find(|table| table.vpc_id == vpc_id && table.default);
        if let Some(table) = default.map(|table| table.id.clone())
            && let Some(table) = self.route_tables.change(now, &table)
        {
            table.subnets.push(id.to_owned());
            let local = |destination: String| Route {
                kind: "local".to_owned(),
                destination,
                nexthop: "-".to_owned(),
                description: "Default route".to_owned(),
            };
            table.routes.push(local(cidr.to_string()));
        }
    }

    /// A new id of the usual form; the same in each run.
    pub fn new_id(&mut self) -> String {
        let id = self.new_hex_id();
        // Version 4, variant 1, as generated ids are.
        format!("{}-{}-4{}-8{}-{}", &id[..8], &id[8..12], &id[13..16], &id[17..20], &id[20..])
    }

    /// A new id of 32 hexadecimal digits; the same in each run.
    pub fn new_hex_id(&mut self) -> String {
        self.ids += 1;
        hex::encode(&Sha256::digest(format!("id {}", self.ids))[..16])
    }

    /// The subnet of a Neutron subnet id, IPv4 or IPv6.
    pub fn subnet_of(&self, neutron_subnet_id: &str) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| {
            let ipv6 = subnet.ipv6.as_ref().is_some_and(|ipv6| ipv6.neutron_subnet_id == neutron_subnet_id);
            subnet.neutron_subnet_id == neutron_subnet_id || ipv6
        })
    }

    /// Makes a port.
    ///
    /// # Errors
    /// Says for people why not: no such subnet, no such address in it, taken, or none free.
    pub fn add_port(&mut self, now: Timestamp, new: NewPort<'_>) -> Result<String, String> {
        let subnet =
            self.subnets.get(new.subnet_id).ok_or_else(|| format!("subnet {} does not exist", new.subnet_id))?;
        let subnet = subnet.clone();
        let address = self.leases.take(&subnet.id, subnet.cidr, new.address)?;
        let mut fixed_ips = vec![FixedIp { subnet_id: subnet.neutron_subnet_id.clone(), ip_address: address.into() }];
        if let Some(ipv6) = subnet.ipv6.as_ref().filter(|_| new.ipv6) {
            // The same host part on both sides, which is free when the IPv4 one was.
            let host = u128::from(address.to_bits() - subnet.cidr.network().to_bits());
            let ip_address = std::net::Ipv6Addr::from_bits(ipv6.cidr.network().to_bits() + host);
            fixed_ips.push(FixedIp { subnet_id: ipv6.neutron_subnet_id.clone(), ip_address: ip_address.into() });
        }
        let id = self.new_id();
        let [a, b, c, d] = address.octets();
        let port = Port {
            id: id.clone(),
            project_id: subnet.project_id,
            name: new.name.to_owned(),
            network_id: subnet.id,
            vpc_id: subnet.vpc_id,
            mac_address: format!("fa:16:{a:02x}:{b:02x}:{c:02x}:{d:02x}"),
            fixed_ips,
            device_id: new.device_id.to_owned(),
            device_owner: new.device_owner.to_owned(),
            status: if new.device_id.is_empty() { "DOWN" } else { "ACTIVE" }.to_owned(),
            security_groups: new.security_groups,
            allowed_address_pairs: Vec::new(),
            publicip_id: None,
        };
        self.ports.insert(now, &id, port);
        Ok(id)
    }

    /// Takes a port away; a public address bound to it is left unbound.
    pub fn remove_port(&mut self, now: Timestamp, id: &str) {
        let Some(port) = self.ports.remove(now, id) else { return };
        if let Some(address) = port.ipv4() {
            self.leases.give_back(&port.network_id, address);
        }
        if let Some(publicip) = port.publicip_id
            && let Some(publicip) = self.publicips.change(now, &publicip)
        {
            publicip.port_id = None;
            "DOWN".clone_into(&mut publicip.status);
        }
    }

    /// Addresses of a subnet in use.
    pub(super) fn leased(&self, subnet: &str) -> usize {
        self.leases.in_use(subnet)
    }
}
