//! Subnets of a VPC.

use cloud_rest::Error;
use serde::Deserialize;

use super::{
    page::{ByMarker, Listed},
    text::{count_or_none, or_default},
};
use crate::{
    cloud::{BY_MARKER, Cloud},
    endpoints::Service,
};

/// A subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Subnet {
    #[serde(rename = "subnetId")]
    pub(crate) id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) vpc_id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) cidr: String,
    #[serde(rename = "subnetType", deserialize_with = "or_default")]
    pub(crate) kind: String,
    /// Addresses left. `None`: the cloud does not say.
    #[serde(rename = "availableIp", deserialize_with = "count_or_none")]
    pub(crate) available: Option<u64>,
}

impl Listed for Subnet {
    fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Deserialize)]
struct Detail {
    subnet: Subnet,
}

impl Cloud {
    /// All subnets of a VPC.
    pub(crate) async fn subnets(&self, vpc: &str) -> Result<Vec<Subnet>, Error> {
        let request = self.get(Service::Vpc, "ListSubnets", &["v1", "subnet"]).query("vpcId", vpc);
        Ok(request.list::<ByMarker<Subnet>>(BY_MARKER).await?.into_inner())
    }

    /// One.
    pub(crate) async fn subnet(&self, id: &str) -> Result<Subnet, Error> {
        Ok(self.get(Service::Vpc, "DescribeSubnet", &["v1", "subnet", id]).send::<Detail>().await?.value.subnet)
    }
}
