//! Elastic IPs.

use cloud_rest::Error;
use serde::{Deserialize, Serialize};

use super::{
    page::{ByMarker, Listed},
    text::{Tag, number, or_default},
};
use crate::{
    cloud::{BY_MARKER, Cloud},
    endpoints::Service,
};

/// An address as the cloud shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Eip {
    #[serde(rename = "eip")]
    pub(crate) ip: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    /// What it is bound to; empty: nothing.
    #[serde(deserialize_with = "or_default")]
    pub(crate) instance_id: String,
    #[serde(deserialize_with = "number")]
    pub(crate) bandwidth_in_mbps: u16,
    #[serde(deserialize_with = "or_default")]
    pub(crate) payment_timing: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) billing_method: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) tags: Vec<Tag>,
}

impl Eip {
    /// Paid in advance: it cannot be released before its time.
    pub(crate) fn is_prepaid(&self) -> bool {
        self.payment_timing.eq_ignore_ascii_case("Prepaid")
    }
}

impl Listed for Eip {
    fn id(&self) -> &str {
        &self.ip
    }
}

/// An address to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewEip {
    pub(crate) name: String,
    pub(crate) bandwidth_in_mbps: u16,
    pub(crate) billing: Billing,
    pub(crate) tags: Vec<Tag>,
}

/// How it is paid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "the cloud's names")]
pub(crate) struct Billing {
    pub(crate) payment_timing: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) billing_method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reservation: Option<Reservation>,
}

/// For how long it is paid in advance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reservation {
    pub(crate) reservation_length: u16,
    pub(crate) reservation_time_unit: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Binding<'a> {
    instance_type: &'static str,
    instance_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Size {
    new_bandwidth_in_mbps: u16,
}

#[derive(Deserialize)]
struct Made {
    eip: String,
}

impl Cloud {
    /// All addresses of the account.
    pub(crate) async fn eips(&self) -> Result<Vec<Eip>, Error> {
        let request = self.get(Service::Eip, "ListEips", &["v1", "eip"]);
        Ok(request.list::<ByMarker<Eip>>(BY_MARKER).await?.into_inner())
    }

    /// One, if the account has it.
    pub(crate) async fn eip(&self, ip: &str) -> Result<Option<Eip>, Error> {
        let request = self.get(Service::Eip, "ListEips", &["v1", "eip"]).query("eip", ip);
        match request.list::<ByMarker<Eip>>(BY_MARKER).await {
            Ok(found) => Ok(found.into_iter().find(|eip| eip.ip == ip)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes one; its address. The same for the same `purpose` is the same call to the cloud.
    pub(crate) async fn create_eip(&self, new: &NewEip, purpose: &[String]) -> Result<String, Error> {
        let made_from = super::parameters(new);
        let mut parts: Vec<&str> = purpose.iter().map(String::as_str).collect();
        parts.push(&made_from);
        let request = self.post(Service::Eip, "CreateEip", &["v1", "eip"]).client_token(&parts);
        Ok(request.body(new).send::<Made>().await?.value.eip)
    }

    /// Binds it to a load balancer.
    pub(crate) async fn bind_eip(&self, ip: &str, balancer: &str) -> Result<(), Error> {
        let request = self.put(Service::Eip, "BindEip", &["v1", "eip", ip]).action("bind").once();
        request.body(&Binding { instance_type: "BLB", instance_id: balancer }).run().await.map(drop)
    }

    /// Unbinds it. Success if there is none.
    pub(crate) async fn unbind_eip(&self, ip: &str) -> Result<(), Error> {
        super::gone(self.put(Service::Eip, "UnbindEip", &["v1", "eip", ip]).action("unbind").once().run().await)
    }

    /// Sets its bandwidth.
    pub(crate) async fn resize_eip(&self, ip: &str, mbps: u16) -> Result<(), Error> {
        let request = self.put(Service::Eip, "ResizeEip", &["v1", "eip", ip]).action("resize").once();
        request.body(&Size { new_bandwidth_in_mbps: mbps }).run().await.map(drop)
    }

    /// Releases it. Success if there is none.
    pub(crate) async fn release_eip(&self, ip: &str) -> Result<(), Error> {
        super::gone(self.delete(Service::Eip, "DeleteEip", &["v1", "eip", ip]).once().run().await)
    }
}
