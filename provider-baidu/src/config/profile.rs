//! Kinds of installations, as data: where services are, and what is missing.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use crate::endpoints::Service;

/// One kind of installation. A site's own can be given as a file of this form, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is, for people.
    #[serde(default)]
    pub about: String,
    /// Base URL of services: `{service}` and `{region}` are filled in. One that begins with `{endpoint}` is under the key `Endpoint`.
    pub service: String,
    /// Base URLs of services that have one of their own.
    #[serde(default = "own")]
    pub own: BTreeMap<Service, String>,
    /// Where the gateway that signs is, `{region}` filled in. `None`: there is none.
    #[serde(default)]
    pub gateway: Option<String>,
    /// Whether `http://` is taken for the base URL.
    #[serde(default)]
    pub plain_http: bool,
    /// What the installation has.
    #[serde(default)]
    pub features: Features,
}

/// Addresses that are the same for all regions.
fn own() -> BTreeMap<Service, String> {
    [
        (Service::Sts, "https://sts.bj.baidubce.com"),
        (Service::Iam, "https://iam.bj.baidubce.com"),
        (Service::Bec, "https://bec.baidubce.com"),
    ]
    .map(|(service, url)| (service, url.to_owned()))
    .into()
}

/// What an installation has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Features {
    /// Nodes may be BCC machines.
    pub bcc: bool,
    /// Nodes may be BBC machines.
    pub bbc: bool,
    /// Nodes may be BEC machines.
    pub bec: bool,
    /// Nodes may be machines that the cloud knows nothing of.
    pub own_machines: bool,
    /// Routes in the VPC's route table.
    pub routes: bool,
    /// Elastic IPs.
    pub eips: bool,
    /// Load balancers with an address outside.
    pub public_load_balancers: bool,
    /// Roles: of machines, through the metadata service, and to be assumed, through STS.
    pub roles: bool,
    /// The image registry CCR.
    pub registries: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            bcc: true,
            bbc: true,
            bec: false,
            own_machines: false,
            routes: true,
            eips: true,
            public_load_balancers: true,
            roles: true,
            registries: true,
        }
    }
}

static BUILT_IN: LazyLock<BTreeMap<String, Profile>> =
    LazyLock::new(|| serde_json::from_str(include_str!("profiles.json")).expect("a test reads it"));

impl Profile {
    /// The profile used when none is named.
    pub const DEFAULT: &str = "public";

    /// A built-in one.
    pub fn named(name: &str) -> Option<&'static Self> {
        BUILT_IN.get(name)
    }

    /// All built-in ones with their names.
    pub fn all() -> impl Iterator<Item = (&'static str, &'static Self)> {
        BUILT_IN.iter().map(|(name, profile)| (name.as_str(), profile))
    }

    /// Whether everything is at one base URL.
    pub fn has_one_base(&self) -> bool {
        self.service.starts_with("{endpoint}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_ones_can_be_read_and_the_default_is_among_them() {
        let names: Vec<&str> = Profile::all().map(|(name, _)| name).collect();
        assert_eq!(names, ["cloud-edge", "cnap", "edge", "gateway", "private", "public"]);
        assert_eq!(Profile::named(Profile::DEFAULT).unwrap().features, Features::default());
        assert!(Profile::named("private").unwrap().has_one_base());
        assert!(!Profile::named("edge").unwrap().features.routes);
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        serde_json::from_str::<Profile>(r#"{"service":"https://{service}.a","featurs":{}}"#).unwrap_err();
    }
}
