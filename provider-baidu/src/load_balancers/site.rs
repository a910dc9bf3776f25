//! Where a load balancer is made.

use std::{collections::BTreeMap, net::IpAddr};

use cloud_provider_api::{error::Reason, v1};
use provider_kit::{Error, Result};

use super::engine::Engine;
use crate::{
    PROVIDER, annotations,
    api::balancers::Kind,
    fault,
    plan::{balancer::Site, place, wanted::Wanted},
};

impl Engine<'_> {
    /// `former`: the one before it, which is gone.
    pub(super) async fn site(&self, wanted: &Wanted, members: Option<&v1::Members>, former: String) -> Result<Site> {
        let config = self.cloud.config();
        if wanted.kind == Kind::Edge {
            let subnet = wanted.subnet.clone().or_else(|| config.subnet_ids.first().cloned()).unwrap_or_default();
            let vpc = config.vpc_id.clone().unwrap_or_default();
            return Ok(Site { vpc, subnet, region: Some(Self::edge_region(members)?), former });
        }
        if let Some(id) = &wanted.subnet {
            let subnet = self.cloud.subnet(id).await.map_err(|error| {
                if error.is_not_found() {
                    let problem = format!("{id}: there is no such subnet");
                    let field = format!("annotations[{}]", annotations::SUBNET);
                    return Error::cloud(PROVIDER, Reason::ReferenceMissing, problem.clone()).violation(field, problem);
                }
                fault::of(&error)
            })?;
            place::check_named(&subnet).map_err(|refusal| refusal.into_error(PROVIDER))?;
            let vpc = Some(subnet.vpc_id).filter(|vpc| !vpc.is_empty()).or_else(|| self.vpc());
            return Ok(Site { vpc: vpc.unwrap_or_default(), subnet: id.clone(), region: None, former });
        }
        let vpc = self.vpc().ok_or_else(|| {
            let message = "the VPC is not known: set VpcId of the configuration (else it is that of the first node that is looked at)";
            Error::cloud(PROVIDER, Reason::ReferenceMissing, message)
        })?;
        let subnets = self.memory.subnets(self.cloud, &vpc).await.map_err(|error| fault::of(&error))?;
        let nodes = members.map_or(&[][..], |members| &members.nodes);
        let addresses: Vec<IpAddr> = nodes
            .iter()
            .flat_map(|node| &node.addresses)
            .filter(|address| address.r#type() == v1::AddressType::InternalIp)
            .filter_map(|address| address.address.parse().ok())
            .collect();
        let mut preferred = config.subnet_ids.clone();
        if preferred.is_empty() {
            let cluster = self.memory.cluster(self.cloud).await;
            preferred.extend(cluster.map(|cluster| cluster.balancer_subnet.clone()));
        }
        let chosen = place::choose(&subnets, &preferred, &addresses, &self.tenant.subnets);
        let subnet = chosen.map_err(|refusal| refusal.into_error(PROVIDER))?.id.clone();
        Ok(Site { vpc, subnet, region: None, former })
    }

    /// The VPC: the account's, unless the tenant has to have another.
    fn vpc(&self) -> Option<String> {
        let allowed = &self.tenant.vpcs;
        let of_account = self.vpc.clone().filter(|vpc| allowed.is_empty() || allowed.contains(vpc));
        of_account.or_else(|| allowed.first().cloned())
    }

    /// The place of most of the members.
    fn edge_region(members: Option<&v1::Members>) -> Result<String> {
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for node in members.iter().flat_map(|members| &members.nodes).filter(|node| !node.zone.is_empty()) {
            *places.entry(&node.zone).or_default() += 1;
        }
        places.into_iter().max_by_key(|(_, nodes)| *nodes).map(|(place, _)| place.to_owned()).ok_or_else(|| {
            let message = "no node says where it is (topology.kubernetes.io/zone), so nobody knows where at the edge the load \
                           balancer is to be made";
            Error::cloud(PROVIDER, Reason::ReferenceMissing, message)
        })
    }
}
