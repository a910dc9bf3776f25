//! Public addresses (EIP v1, on the host of the VPC service).

use cloud_rest::{
    Error,
    paging::{Page, Parts, Style},
};
use serde::{Deserialize, Serialize};

use super::{
    elb::{Bandwidth, Tag, TagsBody},
    gone_is_done,
    nothing::or_default,
};
use crate::{
    cloud::{Cloud, PROJECT},
    endpoints::Service,
};

/// Public addresses in one page of a list.
const PAGE: u32 = 2000;

/// A public address.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub struct PublicIp {
    /// Its id.
    pub id: String,
    /// The address.
    #[serde(deserialize_with = "or_default")]
    pub public_ip_address: String,
    /// `DOWN` (not bound), `ACTIVE`, `ELB` and more.
    #[serde(deserialize_with = "or_default")]
    pub status: String,
    /// The port it is bound to. Empty: none.
    #[serde(deserialize_with = "or_default")]
    pub port_id: String,
    /// Name given by the user.
    #[serde(deserialize_with = "or_default")]
    pub alias: String,
    /// Name of its bandwidth.
    #[serde(deserialize_with = "or_default")]
    pub bandwidth_name: String,
}

/// A public address to allocate.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct NewPublicIp {
    /// The address itself.
    pub publicip: NewAddress,
    /// Its bandwidth.
    pub bandwidth: Bandwidth,
    /// Who pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enterprise_project_id: Option<String>,
}

/// The address of [`NewPublicIp`].
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct NewAddress {
    /// Line: `5_bgp`.
    #[serde(rename = "type")]
    pub line: String,
    /// A name.
    pub alias: String,
    /// The port it is bound to in the same call.
    pub port_id: String,
}

#[derive(Deserialize)]
struct One {
    publicip: PublicIp,
}

#[derive(Deserialize)]
struct Many {
    publicips: Vec<PublicIp>,
}

impl Page for Many {
    type Item = PublicIp;

    fn split(self) -> Parts<PublicIp> {
        Parts { items: self.publicips, next: None, total: None }
    }

    fn id(item: &PublicIp) -> &str {
        &item.id
    }
}

#[derive(Serialize)]
struct Naming<'a> {
    publicip: NewName<'a>,
}

#[derive(Serialize)]
struct NewName<'a> {
    alias: &'a str,
}

#[derive(Deserialize)]
struct Tags {
    tags: Vec<Tag>,
}

#[derive(Serialize)]
struct Binding<'a> {
    publicip: BindingPort<'a>,
}

#[derive(Serialize)]
struct BindingPort<'a> {
    port_id: &'a str,
}

impl Cloud {
    /// One public address. The error says so when it is not there.
    pub async fn public_ip(&self, id: &str) -> Result<PublicIp, Error> {
        let request = self.get(Service::Vpc, "ShowPublicip", &["v1", PROJECT, "publicips", id]);
        Ok(request.send::<One>().await?.value.publicip)
    }

    /// The public addresses with this address.
    pub async fn public_ips_at(&self, address: &str) -> Result<Vec<PublicIp>, Error> {
        let request = self.get(Service::Vpc, "ListPublicips", &["v1", PROJECT, "publicips"]);
        let style = Style::LastId { marker: "marker", size: "limit", limit: 100 };
        Ok(request.query("public_ip_address", address).list::<Many>(style).await?.into_inner())
    }

    /// All public addresses.
    pub async fn public_ips(&self) -> Result<Vec<PublicIp>, Error> {
        let request = self.get(Service::Vpc, "ListPublicips", &["v1", PROJECT, "publicips"]);
        Ok(request.list::<Many>(Style::LastId { marker: "marker", size: "limit", limit: PAGE }).await?.into_inner())
    }

    /// Tags of a public address.
    pub async fn public_ip_tags(&self, id: &str) -> Result<Vec<Tag>, Error> {
        let request = self.get(Service::Vpc, "ShowPublicipTags", &["v2.0", PROJECT, "publicips", id, "tags"]);
        Ok(request.send::<Tags>().await?.value.tags)
    }

    /// Puts tags on a public address; those it has keep their place.
    pub async fn tag_public_ip(&self, id: &str, tags: &[Tag]) -> Result<(), Error> {
        let path = ["v2.0", PROJECT, "publicips", id, "tags", "action"];
        let request = self.post(Service::Vpc, "BatchCreatePublicipTags", &path);
        request.body(&TagsBody::create(tags)).run().await.map(drop)
    }

    /// Names a public address.
    pub async fn name_public_ip(&self, id: &str, alias: &str) -> Result<(), Error> {
        let request = self.put(Service::Vpc, "UpdatePublicip", &["v1", PROJECT, "publicips", id]);
        request.body(&Naming { publicip: NewName { alias } }).run().await.map(drop)
    }

    /// Allocates a public address and binds it.
    pub async fn create_public_ip(&self, new: &NewPublicIp) -> Result<PublicIp, Error> {
        let request = self.post(Service::Vpc, "CreatePublicip", &["v1", PROJECT, "publicips"]);
        Ok(request.body(new).send::<One>().await?.value.publicip)
    }

    /// Binds a public address to a port; an empty one unbinds it.
    pub async fn bind_public_ip(&self, id: &str, port_id: &str) -> Result<(), Error> {
        let request = self.put(Service::Vpc, "UpdatePublicip", &["v1", PROJECT, "publicips", id]);
        request.body(&Binding { publicip: BindingPort { port_id } }).run().await.map(drop)
    }

    /// Releases a public address.
    pub async fn delete_public_ip(&self, id: &str) -> Result<(), Error> {
        let request = self.delete(Service::Vpc, "DeletePublicip", &["v1", PROJECT, "publicips", id]);
        gone_is_done(request.run().await.map(drop))
    }
}
