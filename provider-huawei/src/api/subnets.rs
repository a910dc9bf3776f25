//! Subnets of the VPC (VPC v1).

use cloud_rest::{
    Error,
    paging::{Page, Parts, Style},
};
use serde::Deserialize;

use super::nothing::or_default;
use crate::{
    cloud::{Cloud, PROJECT},
    endpoints::Service,
};

/// A subnet.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct Subnet {
    /// Its id, which is the network's id.
    pub id: String,
    /// Its VPC.
    #[serde(deserialize_with = "or_default")]
    pub vpc_id: String,
    /// IPv4 range.
    #[serde(deserialize_with = "or_default")]
    pub cidr: String,
    /// What load balancers call the IPv4 subnet.
    #[serde(deserialize_with = "or_default")]
    pub neutron_subnet_id: String,
    /// What load balancers call an IPv6 subnet.
    #[serde(deserialize_with = "or_default")]
    pub neutron_network_id: String,
    /// IPv6 range. Empty: none.
    #[serde(deserialize_with = "or_default")]
    pub cidr_v6: String,
    /// It has IPv6.
    #[serde(deserialize_with = "or_default")]
    pub ipv6_enable: bool,
}

#[derive(Deserialize)]
struct Subnets {
    subnets: Vec<Subnet>,
}

impl Page for Subnets {
    type Item = Subnet;

    fn split(self) -> Parts<Subnet> {
        Parts { items: self.subnets, next: None, total: None }
    }

    fn id(item: &Subnet) -> &str {
        &item.id
    }
}

impl Cloud {
    /// The subnets of a VPC, or all.
    pub async fn subnets(&self, vpc: Option<&str>) -> Result<Vec<Subnet>, Error> {
        let request = self.get(Service::Vpc, "ListSubnets", &["v1", PROJECT, "subnets"]).query_if("vpc_id", vpc);
        let style = Style::LastId { marker: "marker", size: "limit", limit: 1000 };
        Ok(request.list::<Subnets>(style).await?.into_inner())
    }
}
