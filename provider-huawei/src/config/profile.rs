//! Kinds of installations, as data: where services are, how requests are signed, and what is missing.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

/// One kind of installation. A site's own can be given as a file of this form, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is, for people.
    #[serde(default)]
    pub about: String,
    /// The default of the key `cloud`. `None`: it has to be given.
    #[serde(default)]
    pub cloud: Option<String>,
    /// Base URL of a region's services: `{service}`, `{region}` and `{cloud}` are filled in.
    pub service: String,
    /// Base URL of IAM, likewise.
    pub iam: String,
    /// How requests are signed.
    #[serde(default)]
    pub signature: Signature,
    /// Whether `Host` is part of what is signed.
    #[serde(default)]
    pub sign_host: bool,
    /// What the installation has.
    #[serde(default)]
    pub features: Features,
}

/// An algorithm of signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signature {
    /// SDK-HMAC-SHA256.
    #[default]
    Sdk,
    /// V11-HMAC-SHA256, with a key derived for a day, region and service.
    V11,
}

/// What an installation has. The public cloud has everything.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Features {
    /// ELB v3: dedicated load balancers, and IP groups.
    pub dedicated_load_balancers: bool,
    /// ELB v2.
    pub shared_load_balancers: bool,
    /// Elastic IPs.
    pub eips: bool,
    /// EIP types such as `5_bgp`; without, a type is the name of an external network.
    pub shared_eip_types: bool,
    /// Enterprise projects.
    pub enterprise_projects: bool,
    /// IPv6.
    pub ipv6: bool,
    /// The field `admin_state_up` of load balancers.
    pub admin_state: bool,
    /// Roles of machines, and temporary keys for them from the metadata service.
    pub agencies: bool,
    /// Tokens of the metadata service.
    pub metadata_token: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            dedicated_load_balancers: true,
            shared_load_balancers: true,
            eips: true,
            shared_eip_types: true,
            enterprise_projects: true,
            ipv6: true,
            admin_state: true,
            agencies: true,
            metadata_token: true,
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_ones_can_be_read_and_the_default_is_among_them() {
        assert!(Profile::all().count() >= 4);
        let public = Profile::named(Profile::DEFAULT).unwrap();
        assert_eq!(public.cloud.as_deref(), Some("myhuaweicloud.com"));
        assert_eq!(public.features, Features::default());
        assert!(!Profile::named("fusionstage").unwrap().features.dedicated_load_balancers);
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let text = r#"{"service":"https://{service}.a","iam":"https://iam.a","featurs":{}}"#;
        serde_json::from_str::<Profile>(text).unwrap_err();
    }
}
