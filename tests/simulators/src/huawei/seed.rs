//! What is put into the cloud from outside, and what its users do by other ways than the API.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    State,
    accounts::{Agency, User},
    cce::NewCluster,
    metadata::Metadata,
    nat::NewGateway,
    network::{Bandwidth, Ipv6Side, PublicIp, SecurityGroup},
    server::Server,
    state::{DOMAIN, NewPort, PROJECT, SECURITY_GROUP, SUBNET, VPC},
};

/// Objects to add. What is not given is made up or taken from the small world of [`State::new`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Seed {
    /// Accounts.
    pub accounts: Vec<NewAccount>,
    /// Users with passwords.
    pub users: Vec<NewUser>,
    /// Agencies.
    pub agencies: Vec<Agency>,
    /// Whose metadata are served.
    pub metadata: Option<Metadata>,
    /// VPCs.
    pub vpcs: Vec<NewVpc>,
    /// Subnets.
    pub subnets: Vec<NewSubnet>,
    /// Security groups.
    pub security_groups: Vec<NewSecurityGroup>,
    /// Bandwidths that several public addresses can share.
    pub bandwidths: Vec<NewBandwidth>,
    /// Servers.
    pub servers: Vec<NewServer>,
    /// Servers by the dozen.
    pub fleets: Vec<Fleet>,
    /// Public addresses that are bound to nothing.
    pub public_ips: Vec<NewPublicIp>,
    /// NAT gateways.
    pub nat_gateways: Vec<NewGateway>,
    /// CCE clusters.
    pub clusters: Vec<NewCluster>,
}

/// An account to add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewAccount {
    /// Its id.
    pub domain_id: String,
    /// Id of its project in the region.
    pub project_id: String,
    /// Its key.
    pub access_key: String,
    /// The key's secret.
    pub secret_key: String,
}

/// A user to add, of the account that is there from the start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: String,
}

/// A VPC to add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewVpc {
    /// Its id.
    pub id: String,
    /// Its range.
    pub cidr: String,
    /// The project it is in; absent: the one that is there from the start.
    #[serde(default)]
    pub project: Option<String>,
}

/// A subnet to add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewSubnet {
    /// Its id.
    pub id: String,
    /// Id of its Neutron IPv4 subnet.
    pub neutron_subnet_id: String,
    /// The VPC it is in; absent: the one that is there from the start.
    #[serde(default)]
    pub vpc_id: Option<String>,
    /// Its range.
    pub cidr: String,
    /// Range and Neutron subnet id of its IPv6 side, if it has one.
    #[serde(default)]
    pub ipv6: Option<(String, String)>,
}

/// A security group to add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSecurityGroup {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// A bandwidth to add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewBandwidth {
    /// Its id.
    pub id: String,
    /// Mbit/s.
    pub size: u32,
}

/// A public address to add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPublicIp {
    /// The address; absent: one that is free.
    #[serde(default)]
    pub address: Option<Ipv4Addr>,
}

/// A server to add.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NewServer {
    /// Its id; absent: made up.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its zone; absent: the region's first.
    pub zone: Option<String>,
    /// Its flavor; absent: `c6.large.2`.
    pub flavor: Option<String>,
    /// The subnet of its primary NIC; absent: the default one.
    pub subnet_id: Option<String>,
    /// Its address; absent: one that is free.
    pub address: Option<Ipv4Addr>,
    /// Whether it has an IPv6 address too.
    pub ipv6: bool,
    /// Further NICs, by subnet.
    pub more_subnets: Vec<String>,
    /// Its state; absent: `ACTIVE`.
    pub status: Option<String>,
    /// Tags, as `key=value`.
    pub tags: Vec<String>,
}

impl NewServer {
    /// A server of this name.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// Servers `{prefix}0`, `{prefix}1` and so on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fleet {
    /// What their names begin with.
    pub prefix: String,
    /// How many.
    pub count: usize,
    /// Their subnet; absent: the default one.
    #[serde(default)]
    pub subnet_id: Option<String>,
}

/// Ids of what was added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seeded {
    /// Servers, in the order they were given; fleets come last.
    pub servers: Vec<String>,
}

impl State {
    /// Adds objects.
    ///
    /// # Errors
    /// Says for people what cannot be added and why; what came before it is there.
    pub fn seed(&mut self, seed: Seed) -> Result<Seeded, String> {
        for account in seed.accounts {
            if self.keys.get(&account.access_key).is_some() || self.projects.get(&account.project_id).is_some() {
                return Err(format!("accounts: {} or {} is there already", account.access_key, account.project_id));
            }
            self.add_account(&account.domain_id, &account.project_id, &account.access_key, &account.secret_key);
        }
        for NewUser { name, password } in seed.users {
            let domain_name = format!("account-{DOMAIN}");
            let user = User { name: name.clone(), password, domain_id: DOMAIN.to_owned(), domain_name };
            self.users.insert(Timestamp::MIN, &name, user);
        }
        for agency in seed.agencies {
            self.agencies.insert(Timestamp::MIN, &format!("{}/{}", agency.domain_id, agency.name), agency.clone());
        }
        if let Some(metadata) = seed.metadata {
            self.metadata = metadata;
        }
        for vpc in seed.vpcs {
            self.seed_vpc(vpc)?;
        }
        for subnet in seed.subnets {
            self.seed_subnet(subnet)?;
        }
        for NewSecurityGroup { id, name } in seed.security_groups {
            let project_id = PROJECT.to_owned();
            let group = SecurityGroup { id: id.clone(), project_id, name, description: String::new() };
            self.security_groups.insert(Timestamp::MIN, &id, group);
        }
        for NewBandwidth { id, size } in seed.bandwidths {
            let (share_type, charge_mode) = ("WHOLE".to_owned(), "bandwidth".to_owned());
            let bandwidth = Bandwidth { id: id.clone(), name: id.clone(), size, share_type, charge_mode };
            self.bandwidths.insert(Timestamp::MIN, &id, bandwidth);
        }
        for NewPublicIp { address } in seed.public_ips {
            self.seed_public_ip(address)?;
        }
        for gateway in seed.nat_gateways {
            self.add_nat_gateway(gateway)?;
        }
        for cluster in seed.clusters {
            self.set_cluster(cluster);
        }
        let mut servers = Vec::new();
        for server in seed.servers {
            servers.push(self.add_server(server)?);
        }
        for fleet in seed.fleets {
            for number in 0..fleet.count {
                let name = format!("{}{number}", fleet.prefix);
                servers.push(
                    self.add_server(NewServer { subnet_id: fleet.subnet_id.clone(), ..NewServer::named(&name) })?,
                );
            }
        }
        Ok(Seeded { servers })
    }

    fn seed_vpc(&mut self, new: NewVpc) -> Result<(), String> {
        let project = new.project.unwrap_or_else(|| PROJECT.to_owned());
        let cidr = new.cidr.parse().map_err(|_| format!("vpcs: {} is no range", new.cidr))?;
        let table = self.new_id();
        self.add_vpc(Timestamp::MIN, &project, &new.id, &new.id, cidr, &table);
        Ok(())
    }

    fn seed_subnet(&mut self, new: NewSubnet) -> Result<(), String> {
        let vpc = new.vpc_id.unwrap_or_else(|| VPC.to_owned());
        if self.vpcs.get(&vpc).is_none() {
            return Err(format!("subnets: VPC {vpc} does not exist"));
        }
        let cidr = new.cidr.parse().map_err(|_| format!("subnets: {} is no range", new.cidr))?;
        let ipv6 = match new.ipv6 {
            None => None,
            Some((cidr, neutron_subnet_id)) => {
                let cidr = cidr.parse().map_err(|_| format!("subnets: {cidr} is no range"))?;
                Some(Ipv6Side { cidr, neutron_subnet_id })
            }
        };
        self.add_subnet(Timestamp::MIN, &vpc, &new.id, &new.neutron_subnet_id, &new.id, cidr, ipv6);
        Ok(())
    }

    fn seed_public_ip(&mut self, address: Option<Ipv4Addr>) -> Result<(), String> {
        let bandwidth = Bandwidth {
            id: self.new_id(),
            name: "bandwidth-seeded".to_owned(),
            size: 5,
            share_type: "PER".to_owned(),
            charge_mode: "traffic".to_owned(),
        };
        let publicip = PublicIp {
            id: String::new(),
            project_id: PROJECT.to_owned(),
            kind: "5_bgp".to_owned(),
            public_ip_address: Ipv4Addr::UNSPECIFIED,
            alias: String::new(),
            status: "DOWN".to_owned(),
            ready_at: Timestamp::MIN,
            port_id: None,
            bandwidth,
            enterprise_project_id: "0".to_owned(),
            tags: Vec::new(),
            create_time: Timestamp::UNIX_EPOCH,
        };
        self.add_publicip(Timestamp::MIN, publicip, address).map(drop)
    }

    /// Adds a server and answers its id.
    ///
    /// # Errors
    /// Says for people why not.
    pub fn add_server(&mut self, new: NewServer) -> Result<String, String> {
        let id = new.id.unwrap_or_else(|| self.new_id());
        if self.servers.get(&id).is_some() {
            return Err(format!("server {id} is there already"));
        }
        let zone = new.zone.unwrap_or_else(|| format!("{}a", self.region));
        let first = new.subnet_id.unwrap_or_else(|| SUBNET.to_owned());
        let subnet = self.subnets.get(&first).ok_or_else(|| format!("subnet {first} does not exist"))?;
        let (project_id, vpc_id) = (subnet.project_id.clone(), subnet.vpc_id.clone());
        let groups: Vec<_> =
            self.security_groups.get(SECURITY_GROUP).into_iter().map(|group| group.id.clone()).collect();
        let mut ports = Vec::new();
        for (at, subnet_id) in std::iter::once(&first).chain(&new.more_subnets).enumerate() {
            let port = NewPort {
                subnet_id,
                address: new.address.filter(|_| at == 0),
                ipv6: new.ipv6,
                device_id: &id,
                device_owner: &format!("compute:{zone}"),
                security_groups: groups.clone(),
                ..NewPort::default()
            };
            ports.push(self.add_port(Timestamp::MIN, port)?);
        }
        let made = Timestamp::UNIX_EPOCH;
        let server = Server {
            id: id.clone(),
            project_id,
            name: new.name,
            status: new.status.unwrap_or_else(|| "ACTIVE".to_owned()),
            zone,
            flavor: new.flavor.unwrap_or_else(|| "c6.large.2".to_owned()),
            vpc_id,
            ports,
            tags: new.tags,
            frozen: false,
            created: made,
            updated: made,
        };
        self.servers.insert(Timestamp::MIN, &id, server);
        Ok(id)
    }

    /// Takes a server away, as its owner would; its NICs go with it, its public address stays.
    pub fn delete_server(&mut self, now: Timestamp, id: &str) -> Option<Server> {
        let server = self.servers.remove(now, id)?;
        for port in &server.ports {
            self.remove_port(now, port);
        }
        Some(server)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerState {
    id: String,
    status: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rename {
    id: String,
    name: String,
}

fn read<T: for<'de> Deserialize<'de>>(with: Value) -> Result<T, String> {
    serde_json::from_value(with).map_err(|error| error.to_string())
}

/// The operations of the control endpoint.
pub(super) fn operate(state: &mut State, what: &str, with: Value, now: Timestamp) -> Result<Value, String> {
    let absent = |kind: &str, id: &str| format!("{kind} {id} does not exist");
    match what {
        "set-server-status" => {
            let ServerState { id, status } = read(with)?;
            let server = state.servers.change(now, &id).ok_or_else(|| absent("server", &id))?;
            (server.status, server.updated) = (status, now);
        }
        "rename-server" => {
            let Rename { id, name } = read(with)?;
            let server = state.servers.change(now, &id).ok_or_else(|| absent("server", &id))?;
            (server.name, server.updated) = (name, now);
        }
        "delete-server" => {
            let Id { id } = read(with)?;
            state.delete_server(now, &id).ok_or_else(|| absent("server", &id))?;
        }
        "set-loadbalancer-status" => {
            let ServerState { id, status } = read(with)?;
            let object = state.elb.load_balancers.change(now, &id).ok_or_else(|| absent("load balancer", &id))?;
            object.stuck = (status != "ACTIVE").then_some(status);
        }
        "set-cluster-phase" => {
            let ServerState { id, status } = read(with)?;
            state.clusters.change(now, &id).ok_or_else(|| absent("cluster", &id))?.phase = status;
        }
        "disable-key" | "enable-key" => {
            let Id { id } = read(with)?;
            let key = state.keys.change(now, &id).ok_or_else(|| absent("key", &id))?;
            key.disabled = what == "disable-key";
        }
        _ => {
            return Err(format!(
                "{what} is not one of set-server-status, rename-server, delete-server, set-loadbalancer-status, set-cluster-phase, disable-key, enable-key"
            ));
        }
    }
    Ok(json!({}))
}
