//! What is put into the cloud from outside.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    State,
    accounts::{Acl, Key, Role},
    bec,
    calls::Tag,
    cce::NewCluster,
    ccr::NewRegistry,
    eip::{Eip, Phase},
    iam::User,
    machines::{Edge, Kind, Machine},
    metadata::Metadata,
    network::{RouteRule, Subnet},
    state::{ACCOUNT, ROUTE_TABLE, SUBNET, Switches, VPC},
};

/// Objects to add. What is not given is made up or taken from the small world of [`State::new`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Seed {
    /// What is set about the cloud.
    pub switches: Option<Switches>,
    /// Access keys; one of an account that has none yet makes the account.
    pub keys: Vec<NewKey>,
    /// Users of accounts.
    pub users: Vec<User>,
    /// Roles.
    pub roles: Vec<Role>,
    /// Tokens for the gateway that signs.
    pub gateway_tokens: Vec<NewGatewayToken>,
    /// VPCs.
    pub vpcs: Vec<NewVpc>,
    /// Subnets.
    pub subnets: Vec<NewSubnet>,
    /// Machines.
    pub machines: Vec<NewMachine>,
    /// Machines by the dozen.
    pub fleets: Vec<Fleet>,
    /// Elastic IPs that are bound to nothing.
    pub eips: Vec<NewEip>,
    /// Rules of route tables.
    pub route_rules: Vec<NewRouteRule>,
    /// CCE clusters.
    pub clusters: Vec<NewCluster>,
    /// Instances of the enterprise registry.
    pub registries: Vec<NewRegistry>,
    /// Whose metadata are served.
    pub metadata: Option<Metadata>,
}

/// A key to add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewKey {
    /// What the caller names.
    pub access_key: String,
    /// What it signs with.
    pub secret_key: String,
    /// Its account; absent: the one that is there from the start.
    pub account: Option<String>,
    /// The user of the account it is of.
    pub user: Option<String>,
    /// What it is good for; absent: everything.
    pub acl: Option<Acl>,
}

/// A token to add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewGatewayToken {
    /// The cluster it is of.
    pub cluster: String,
    /// The account the gateway signs for; absent: the one that is there from the start.
    pub account: Option<String>,
    /// For how long it is good; absent: a day.
    pub seconds: Option<u64>,
}

/// A VPC to add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewVpc {
    /// Its id.
    pub id: String,
    /// Its range.
    pub cidr: String,
    /// Its account; absent: the one that is there from the start.
    pub account: Option<String>,
    /// Its route table; absent: made up.
    pub route_table_id: Option<String>,
}

/// A subnet to add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewSubnet {
    /// Its id.
    pub id: String,
    /// Its name; absent: made up.
    pub name: Option<String>,
    /// Its range.
    pub cidr: String,
    /// The VPC it is in; absent: the one that is there from the start.
    pub vpc_id: Option<String>,
    /// Its zone; absent: the region's first.
    pub zone_name: Option<String>,
    /// Its type; absent: `BCC`.
    pub subnet_type: Option<String>,
}

/// A machine to add.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NewMachine {
    /// Its id; absent: made up.
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// What it calls itself; absent: its name.
    pub hostname: Option<String>,
    /// The service it is of; absent: BCC.
    pub kind: Kind,
    /// Its state; absent: it runs.
    pub status: Option<String>,
    /// Its zone; absent: its subnet's.
    pub zone_name: Option<String>,
    /// Its kind of machine; absent: `bcc.g5.c4m16` and the like.
    pub spec: Option<String>,
    /// Its subnet; absent: the default one. At the edge there is none.
    pub subnet_id: Option<String>,
    /// Its address; absent: one that is free.
    pub address: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// Further addresses on its card.
    pub pod_ips: Vec<Ipv4Addr>,
    /// Its graphics card.
    pub gpu_card: Option<String>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// The role its metadata service gives it.
    pub role_name: Option<String>,
    /// Its account, when it is at the edge; absent: the one that is there from the start. Elsewhere it is the subnet's.
    pub account: Option<String>,
    /// Where at the edge it is; absent: in Hangzhou, when it is there.
    pub edge: Option<Edge>,
}

impl NewMachine {
    /// A virtual machine of this name.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// Machines `{prefix}0`, `{prefix}1` and so on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fleet {
    /// What their names begin with.
    pub prefix: String,
    /// How many.
    pub count: usize,
    /// The service they are of.
    #[serde(default)]
    pub kind: Kind,
}

/// An elastic IP to add.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct NewEip {
    /// The address; absent: one that is free.
    pub address: Option<Ipv4Addr>,
    /// Its name.
    pub name: String,
    /// Its account; absent: the one that is there from the start.
    pub account: Option<String>,
    /// Until when it is paid for, in seconds from the start of 1970; absent: it is paid for afterwards.
    pub prepaid_until: Option<i64>,
}

/// A rule to add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewRouteRule {
    /// The table; absent: that of the VPC that is there from the start.
    pub route_table_id: Option<String>,
    /// Where that is from; absent: anywhere.
    pub source_address: Option<String>,
    /// Where it leads.
    pub destination_address: String,
    /// Whom it is handed to.
    pub nexthop_id: String,
    /// Kind of that; absent: `custom`.
    pub nexthop_type: Option<String>,
    /// For people.
    #[serde(default)]
    pub description: String,
}

/// Ids of what was added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seeded {
    /// Machines, in the order they were given; fleets come last.
    pub machines: Vec<String>,
    /// Elastic IPs.
    pub eips: Vec<Ipv4Addr>,
    /// Tokens for the gateway.
    pub gateway_tokens: Vec<String>,
    /// Rules of route tables.
    pub route_rules: Vec<String>,
}

pub(super) fn own(account: Option<String>) -> String {
    account.unwrap_or_else(|| ACCOUNT.to_owned())
}

impl State {
    /// Adds objects.
    ///
    /// # Errors
    /// Says for people what cannot be added and why; what came before it is there.
    pub fn seed(&mut self, seed: Seed) -> Result<Seeded, String> {
        let mut seeded = Seeded::default();
        self.switches = seed.switches.unwrap_or(self.switches);
        for NewKey { access_key, secret_key, account, user, acl } in seed.keys {
            if self.keys.get(&access_key).is_some() {
                return Err(format!("keys: {access_key} is there already"));
            }
            let key = Key {
                user,
                acls: acl.into_iter().collect(),
                ..Key::permanent(&access_key, &secret_key, &own(account))
            };
            self.keys.insert(Timestamp::MIN, &access_key, key);
        }
        for user in seed.users {
            self.users.insert(Timestamp::MIN, &user.id.clone(), user);
        }
        for role in seed.roles {
            self.roles.insert(Timestamp::MIN, &format!("{}/{}", role.account, role.name), role);
        }
        for NewGatewayToken { cluster, account, seconds } in seed.gateway_tokens {
            // The seed knows no time: what is not limited is good for ever.
            let lifetime = seconds.map_or(Duration::MAX, Duration::from_secs);
            let token = self.new_gateway_token(&cluster, &own(account), lifetime, Timestamp::now());
            seeded.gateway_tokens.push(token.token);
        }
        for vpc in seed.vpcs {
            let cidr = vpc.cidr.parse().map_err(|_| format!("vpcs: {} is no range", vpc.cidr))?;
            let table = vpc.route_table_id.unwrap_or_else(|| self.new_id("rt"));
            self.add_vpc(&own(vpc.account), &vpc.id, cidr, &table);
        }
        for subnet in seed.subnets {
            self.seed_subnet(subnet).map_err(|error| format!("subnets: {error}"))?;
        }
        for eip in seed.eips {
            seeded.eips.push(self.seed_eip(eip).map_err(|error| format!("eips: {error}"))?);
        }
        for machine in seed.machines {
            seeded.machines.push(self.add_machine(machine).map_err(|error| format!("machines: {error}"))?);
        }
        for Fleet { prefix, count, kind } in seed.fleets {
            for number in 0..count {
                let new = NewMachine { kind, ..NewMachine::named(&format!("{prefix}{number}")) };
                seeded.machines.push(self.add_machine(new).map_err(|error| format!("fleets: {error}"))?);
            }
        }
        for rule in seed.route_rules {
            seeded.route_rules.push(self.seed_route_rule(rule));
        }
        for cluster in seed.clusters {
            self.set_cluster(cluster);
        }
        for registry in seed.registries {
            self.add_registry(registry);
        }
        self.metadata = seed.metadata.unwrap_or_else(|| self.metadata.clone());
        Ok(seeded)
    }

    fn seed_subnet(&mut self, new: NewSubnet) -> Result<(), String> {
        let vpc_id = new.vpc_id.unwrap_or_else(|| VPC.to_owned());
        let vpc = self.vpcs.get(&vpc_id).ok_or_else(|| format!("VPC {vpc_id} does not exist"))?;
        let subnet = Subnet {
            name: new.name.unwrap_or_else(|| format!("name-of-{}", new.id)),
            subnet_id: new.id,
            account: vpc.account.clone(),
            zone_name: new.zone_name.unwrap_or_else(|| format!("cn-{}-a", self.region)),
            cidr: new.cidr.parse().map_err(|_| format!("{} is no range", new.cidr))?,
            ipv6_cidr: String::new(),
            vpc_id,
            subnet_type: new.subnet_type.unwrap_or_else(|| "BCC".to_owned()),
            tags: Vec::new(),
            created: Timestamp::UNIX_EPOCH,
        };
        self.add_subnet(subnet)
    }

    fn seed_eip(&mut self, new: NewEip) -> Result<Ipv4Addr, String> {
        let expires = new.prepaid_until.map(|seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX));
        let eip = Eip {
            eip: Ipv4Addr::UNSPECIFIED,
            eip_id: String::new(),
            account: own(new.account),
            name: new.name,
            bandwidth_in_mbps: 100,
            payment_timing: if expires.is_some() { "Prepaid" } else { "Postpaid" }.to_owned(),
            billing_method: if expires.is_some() { "" } else { "ByTraffic" }.to_owned(),
            expires,
            bound: None,
            phase: Phase::Settled,
            due: Timestamp::MIN,
            stuck: None,
            recycled: None,
            route_type: "BGP".to_owned(),
            delete_protect: false,
            tags: Vec::new(),
            created: Timestamp::UNIX_EPOCH,
        };
        self.add_eip(Timestamp::MIN, eip, new.address)
    }

    fn seed_route_rule(&mut self, new: NewRouteRule) -> String {
        let table = new.route_table_id.unwrap_or_else(|| ROUTE_TABLE.to_owned());
        let vpc = self.vpcs.iter().find(|vpc| vpc.route_table_id == table);
        let rule = RouteRule {
            route_rule_id: String::new(),
            account: vpc.map_or_else(|| ACCOUNT.to_owned(), |vpc| vpc.account.clone()),
            route_table_id: table,
            source_address: new.source_address.unwrap_or_else(|| "0.0.0.0/0".to_owned()),
            destination_address: new.destination_address,
            nexthop_id: new.nexthop_id,
            nexthop_type: new.nexthop_type.unwrap_or_else(|| "custom".to_owned()),
            description: new.description,
            path_type: "normal".to_owned(),
        };
        self.add_route_rule(Timestamp::MIN, rule)
    }

    /// Adds a machine and answers its id.
    ///
    /// # Errors
    /// Says for people why not.
    pub fn add_machine(&mut self, new: NewMachine) -> Result<String, String> {
        let (prefix, spec, status) = match new.kind {
            Kind::Bcc => ("i", "bcc.g5.c4m16", "Running"),
            Kind::Bbc => ("i", "BBC-G4-02", "Running"),
            Kind::Bec => ("vm", "bec.g3.c4m8", "RUNNING"),
        };
        let id = new.id.unwrap_or_else(|| self.new_id(prefix));
        if self.machines.get(&id).is_some() {
            return Err(format!("{id} is there already"));
        }
        let uuid = self.new_hex_id();
        let mut machine = Machine {
            uuid,
            account: own(new.account),
            kind: new.kind,
            hostname: new.hostname.unwrap_or_else(|| new.name.clone()),
            name: new.name,
            status: new.status.unwrap_or_else(|| status.to_owned()),
            zone_name: new.zone_name.clone().unwrap_or_default(),
            spec: new.spec.unwrap_or_else(|| spec.to_owned()),
            vpc_id: String::new(),
            subnet_id: String::new(),
            internal_ip: Ipv4Addr::UNSPECIFIED,
            ipv6: new.ipv6,
            pod_ips: new.pod_ips,
            gpu_card: new.gpu_card,
            tags: new.tags,
            role_name: new.role_name,
            edge: None,
            created: Timestamp::UNIX_EPOCH,
            id,
        };
        if new.kind == Kind::Bec {
            let edge = new.edge.unwrap_or_default();
            machine.zone_name.clone_from(&edge.region_id);
            let range = ipnet::Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 16);
            machine.internal_ip = self.leases.take(bec::INSIDE, range, new.address)?;
            bec::INSIDE.clone_into(&mut machine.subnet_id);
            machine.edge = Some(edge);
        } else {
            let subnet_id = new.subnet_id.unwrap_or_else(|| SUBNET.to_owned());
            let subnet = self.subnets.get(&subnet_id).ok_or_else(|| format!("subnet {subnet_id} does not exist"))?;
            machine.account.clone_from(&subnet.account);
            machine.vpc_id.clone_from(&subnet.vpc_id);
            machine.zone_name = new.zone_name.unwrap_or_else(|| subnet.zone_name.clone());
            machine.internal_ip = self.lease(&subnet_id, new.address)?;
            machine.subnet_id = subnet_id;
        }
        let id = machine.id.clone();
        self.machines.insert(Timestamp::MIN, &id, machine);
        Ok(id)
    }
}
