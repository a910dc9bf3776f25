//! NAT gateways and their DNAT rules.

mod http;
mod rules;

use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) use self::http::service;
pub use self::rules::{Protocol, Rule, RuleFields, RuleTree};
use super::{State, state::SUBNET};
use crate::engine::{Frontend, Sources, Table};

/// The delay a rule is made or changed with, as the knobs name it.
pub(super) const CHANGE: &str = "dnat_rule.change";

/// A NAT gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gateway {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project_id: String,
    /// Its name.
    pub name: String,
    /// Its VPC.
    pub router_id: String,
    /// Its network.
    pub internal_network_id: String,
    /// `1` to `4`.
    pub spec: String,
    /// `ACTIVE` and others.
    pub status: String,
    /// Most DNAT rules it can have.
    pub dnat_rules_limit: usize,
    /// When it was made.
    pub created_at: Timestamp,
}

/// All objects of the service.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Nat {
    /// Gateways.
    pub gateways: Table<Gateway>,
    /// DNAT rules.
    pub rules: Table<Rule>,
    #[serde(skip)]
    ids: u64,
}

/// A gateway to add.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewGateway {
    /// Its id.
    pub id: String,
    /// Its network; absent: the default subnet's.
    pub subnet_id: Option<String>,
}

impl State {
    /// Adds a gateway, as its owner would.
    ///
    /// # Errors
    /// Says for people why not.
    pub fn add_nat_gateway(&mut self, new: NewGateway) -> Result<(), String> {
        let subnet_id = new.subnet_id.as_deref().unwrap_or(SUBNET);
        let subnet = self.subnets.get(subnet_id).ok_or_else(|| format!("subnet {subnet_id} does not exist"))?;
        let gateway = Gateway {
            name: format!("nat-{}", new.id),
            id: new.id,
            project_id: subnet.project_id.clone(),
            router_id: subnet.vpc_id.clone(),
            internal_network_id: subnet.id.clone(),
            spec: "1".to_owned(),
            status: "ACTIVE".to_owned(),
            dnat_rules_limit: 200,
            created_at: Timestamp::UNIX_EPOCH,
        };
        if self.nat.gateways.get(&gateway.id).is_some() {
            return Err(format!("NAT gateway {} is there already", gateway.id));
        }
        self.nat.gateways.insert(Timestamp::MIN, &gateway.id.clone(), gateway);
        Ok(())
    }

    /// What DNAT rules carry.
    pub(super) fn dnat_frontends(&self) -> Vec<Frontend> {
        let carried = self.nat.rules.iter().filter_map(|Rule { fields, .. }| {
            let eip = self.publicips.get(&fields.floating_ip_id)?;
            let member = self.internal_address(fields).filter(|_| fields.protocol == Protocol::Tcp)?;
            Some(Frontend {
                address: eip.public_ip_address.into(),
                port: fields.external_service_port,
                members: vec![SocketAddr::new(member, fields.internal_service_port)],
                sources: Sources::All,
                probe: None,
                affinity: None,
            })
        });
        carried.collect()
    }
}
