//! Where each service is.

use std::{collections::BTreeMap, fmt};

use cloud_rest::Url;
pub use cloud_rest::base_url;
use serde::Deserialize;

/// A service of the cloud that the daemon talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Elastic Cloud Server, Nova's API included.
    Ecs,
    /// Elastic Load Balance, shared (v2) and dedicated (v3).
    Elb,
    /// Virtual Private Cloud; carries EIP v1 and Neutron as well.
    Vpc,
    /// Elastic IP v3.
    Eip,
    /// NAT gateway.
    Nat,
    /// Identity and Access Management: one for all regions.
    Iam,
    /// Cloud Container Engine.
    Cce,
    /// Software Repository for Container.
    Swr,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 8] = [Self::Ecs, Self::Elb, Self::Vpc, Self::Eip, Self::Nat, Self::Iam, Self::Cce, Self::Swr];

    /// Its name in the configuration, in metrics, and as a family of rate limits.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Elb => "elb",
            Self::Vpc => "vpc",
            Self::Eip => "eip",
            Self::Nat => "nat",
            Self::Iam => "iam",
            Self::Cce => "cce",
            Self::Swr => "swr",
        }
    }

    /// The first label of its host name.
    pub fn host(self) -> &'static str {
        match self {
            Self::Swr => "swr-api",
            other => other.name(),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The base URL of each service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints(BTreeMap<Service, Url>);

impl Endpoints {
    /// Fills the templates: `{service}`, `{region}`, `{cloud}`. `overrides` come first. The error names the template.
    pub fn new(
        templates: &Templates<'_>,
        region: &str,
        cloud: &str,
        overrides: &BTreeMap<Service, Url>,
    ) -> Result<Self, String> {
        let mut urls = overrides.clone();
        for service in Service::ALL {
            if urls.contains_key(&service) {
                continue;
            }
            let template = if service == Service::Iam { templates.iam } else { templates.service };
            let text =
                template.replace("{service}", service.host()).replace("{region}", region).replace("{cloud}", cloud);
            let url = base_url(&text).map_err(|fault| format!("endpoint of {service}: `{text}` {fault}"))?;
            urls.insert(service, url);
        }
        Ok(Self(urls))
    }

    /// The base URL of a service.
    pub fn of(&self, service: Service) -> &Url {
        &self.0[&service]
    }
}

/// How base URLs are put together.
#[derive(Clone, Copy, Debug)]
pub struct Templates<'a> {
    /// For services of a region: `https://{service}.{region}.{cloud}`.
    pub service: &'a str,
    /// For IAM: `https://iam.{cloud}`.
    pub iam: &'a str,
}

/// IAM's base URL out of an `auth-url`, which by custom ends in the version: `https://iam.example.com:443/v3/`.
pub fn without_version(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/v3").or_else(|| path.strip_suffix("/v3.0")).unwrap_or(path).to_owned();
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: Templates<'_> =
        Templates { service: "https://{service}.{region}.{cloud}", iam: "https://iam.{cloud}" };

    #[test]
    fn endpoints_are_the_ones_of_today_and_can_be_overridden() {
        let overrides = BTreeMap::from([(Service::Nat, base_url("nat.example.test/gate").unwrap())]);
        let endpoints = Endpoints::new(&PUBLIC, "eu-west-101", "example.test:8443", &overrides).unwrap();
        let url = |service| endpoints.of(service).to_string();
        assert_eq!(url(Service::Ecs), "https://ecs.eu-west-101.example.test:8443/");
        assert_eq!(url(Service::Swr), "https://swr-api.eu-west-101.example.test:8443/");
        assert_eq!(url(Service::Iam), "https://iam.example.test:8443/");
        assert_eq!(url(Service::Nat), "https://nat.example.test/gate");
    }

    #[test]
    fn an_auth_url_loses_its_version() {
        for (text, want) in [
            ("https://iam.a.test:443/v3/", "https://iam.a.test/"),
            ("https://iam.a.test:8443/v3", "https://iam.a.test:8443/"),
            ("https://a.test/identity/v3", "https://a.test/identity"),
            ("https://a.test", "https://a.test/"),
        ] {
            assert_eq!(without_version(base_url(text).unwrap()).as_str(), want);
        }
    }
}
