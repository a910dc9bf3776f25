//! Everything the cloud holds, and the small world it starts with.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    Baidu,
    accounts::{GatewayToken, Key, Role},
    bec::EdgeBlb,
    blb::Blb,
    calls::Tokens,
    cce::Cluster,
    ccr::{PersonalUsers, Registry},
    eip::Eip,
    iam::User,
    machines::Machine,
    metadata::Metadata,
    network::{RouteRule, Subnet, Vpc},
};
use crate::engine::{Leases, Table};

/// Access key of the account that is there from the start.
pub const ACCESS_KEY: &str = "ALTAKsimulatedaccesskey1";
/// Its secret.
pub const SECRET_KEY: &str = "simulated-secret-key-of-no-cloud-0000002";
/// The account's id.
pub const ACCOUNT: &str = "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0";
/// A VPC it has, 192.168.0.0/16.
pub const VPC: &str = "vpc-simulated001";
/// The VPC's subnet, 192.168.0.0/17, of type `BCC`.
pub const SUBNET: &str = "sbn-simulated001";
/// The VPC's route table.
pub const ROUTE_TABLE: &str = "rt-simulated001";

/// What is not established about the cloud, and can be set here.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Switches {
    /// A load balancer with an elastic IP cannot be deleted. Otherwise it can, and the elastic IP is free.
    pub refuse_deletion_of_bound_blb: bool,
}

/// Everything the cloud holds. Tables are public, so that tests can look at and alter whatever they like.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The region it is.
    pub region: String,
    /// The domain its hosts are in.
    pub domain: String,
    /// What is set about it.
    pub switches: Switches,
    /// Users of accounts.
    pub users: Table<User>,
    /// Access keys.
    pub keys: Table<Key>,
    /// Roles.
    pub roles: Table<Role>,
    /// Tokens for the gateway that signs.
    pub gateway_tokens: Table<GatewayToken>,
    /// VPCs.
    pub vpcs: Table<Vpc>,
    /// Subnets.
    pub subnets: Table<Subnet>,
    /// Rules of route tables.
    pub route_rules: Table<RouteRule>,
    /// Machines of all services.
    pub machines: Table<Machine>,
    /// Elastic IPs, by address.
    pub eips: Table<Eip>,
    /// BLBs and AppBLBs, at the edge, too.
    pub blbs: Table<Blb>,
    /// Load balancers of the edge's first version.
    pub edge_blbs: Table<EdgeBlb>,
    /// Clusters of both versions.
    pub clusters: Table<Cluster>,
    /// Instances of the enterprise registry.
    pub registries: Table<Registry>,
    /// Logins of the personal registry.
    pub personal_users: PersonalUsers,
    /// The machine whose metadata service this is.
    pub metadata: Metadata,
    /// What health checks of load balancers find about machines, where that is not whether they run: `Alive`, `Dead` or `Unknown`.
    #[serde(skip)]
    pub health: BTreeMap<(String, String), String>,
    #[serde(skip)]
    pub(super) tokens: Tokens,
    #[serde(skip)]
    pub(super) leases: Leases,
    #[serde(skip)]
    ids: u64,
}

impl State {
    /// The small world a cloud starts with: an account with a key, and a VPC with a subnet and a route table. Their ids are constants of
    /// this module.
    pub fn new(cloud: &Baidu) -> Self {
        let mut state = Self {
            region: cloud.region.clone(),
            domain: cloud.domain.clone(),
            switches: Switches::default(),
            users: Table::default(),
            keys: Table::default(),
            roles: Table::default(),
            gateway_tokens: Table::default(),
            vpcs: Table::default(),
            subnets: Table::default(),
            route_rules: Table::default(),
            machines: Table::default(),
            eips: Table::default(),
            blbs: Table::default(),
            edge_blbs: Table::default(),
            clusters: Table::default(),
            registries: Table::default(),
            personal_users: PersonalUsers::default(),
            metadata: Metadata::default(),
            health: BTreeMap::new(),
            tokens: Tokens::default(),
            leases: Leases::default(),
            ids: 0,
        };
        state.keys.insert(Timestamp::MIN, ACCESS_KEY, Key::permanent(ACCESS_KEY, SECRET_KEY, ACCOUNT));
        state.add_vpc(ACCOUNT, VPC, Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16), ROUTE_TABLE);
        let subnet = Subnet {
            subnet_id: SUBNET.to_owned(),
            account: ACCOUNT.to_owned(),
            name: "subnet-default".to_owned(),
            zone_name: format!("cn-{}-a", cloud.region),
            cidr: Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 17),
            ipv6_cidr: String::new(),
            vpc_id: VPC.to_owned(),
            subnet_type: "BCC".to_owned(),
            tags: Vec::new(),
            created: Timestamp::UNIX_EPOCH,
        };
        state.add_subnet(subnet).expect("the VPC was just made");
        state
    }

    /// A new id of the usual form, `lb-1a2b3c4d`; the same in each run.
    pub fn new_id(&mut self, prefix: &str) -> String {
        format!("{prefix}-{}", &self.new_hex_id()[..8])
    }

    /// A new id of 32 hexadecimal digits; the same in each run.
    pub fn new_hex_id(&mut self) -> String {
        self.ids += 1;
        hex::encode(&Sha256::digest(format!("baidu id {}", self.ids))[..16])
    }
}
