//! Where each service is.

use std::{collections::BTreeMap, fmt};

use cloud_rest::{Url, base_url};
use serde::Deserialize;

/// A service of the cloud that the daemon talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Virtual machines.
    Bcc,
    /// Bare metal.
    Bbc,
    /// VPC, subnets and routes, which live at BCC's address.
    Vpc,
    /// Load balancers: BLB and its variant for applications.
    Blb,
    /// Elastic IPs.
    Eip,
    /// Managed clusters.
    Cce,
    /// Image registries.
    Ccr,
    /// Machines and load balancers at the edge: one address for all regions.
    Bec,
    /// Temporary keys: one address for all regions.
    Sts,
    /// Users, roles, policies: one address for all regions.
    Iam,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 10] =
        [Self::Bcc, Self::Bbc, Self::Vpc, Self::Blb, Self::Eip, Self::Cce, Self::Ccr, Self::Bec, Self::Sts, Self::Iam];

    /// Its name in the configuration, in metrics, and as a family of rate limits.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bcc => "bcc",
            Self::Bbc => "bbc",
            Self::Vpc => "vpc",
            Self::Blb => "blb",
            Self::Eip => "eip",
            Self::Cce => "cce",
            Self::Ccr => "ccr",
            Self::Bec => "bec",
            Self::Sts => "sts",
            Self::Iam => "iam",
        }
    }

    /// The one with this name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name().eq_ignore_ascii_case(name))
    }

    /// The first label of its host name.
    fn host(self) -> &'static str {
        if self == Self::Vpc { Self::Bcc.name() } else { self.name() }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How base URLs are put together.
#[derive(Clone, Copy, Debug)]
pub struct Templates<'a> {
    /// For services: `https://{service}.{region}.baidubce.com`, or `{endpoint}/prefix`.
    pub service: &'a str,
    /// For services with an address of their own.
    pub own: &'a BTreeMap<Service, String>,
}

/// The base URL of each service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints(BTreeMap<Service, Url>);

impl Endpoints {
    /// Fills the templates. `overrides` come first. The error names the template.
    pub fn new(
        templates: &Templates<'_>,
        region: &str,
        endpoint: Option<&Url>,
        overrides: &BTreeMap<Service, Url>,
    ) -> Result<Self, String> {
        let mut urls = overrides.clone();
        for service in Service::ALL {
            if urls.contains_key(&service) {
                continue;
            }
            let template = templates.own.get(&service).map_or(templates.service, String::as_str);
            let text = template.replace("{service}", service.host()).replace("{region}", region);
            let url = match (text.strip_prefix("{endpoint}"), endpoint) {
                (None, _) => base_url(&text).map_err(|fault| format!("endpoint of {service}: `{text}` {fault}"))?,
                (Some(prefix), Some(endpoint)) => under(endpoint, prefix),
                (Some(_), None) => return Err("Endpoint is missing: it is this profile's base URL".to_owned()),
            };
            urls.insert(service, url);
        }
        Ok(Self(urls))
    }

    /// The base URL of a service.
    pub fn of(&self, service: Service) -> &Url {
        &self.0[&service]
    }
}

/// The URL with a prefix of paths on it, unless it has that already.
fn under(url: &Url, prefix: &str) -> Url {
    let mut url = url.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&if path.ends_with(prefix) { path } else { path + prefix });
    url
}

/// What may be said unencrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// The cloud's own hosts are asked over HTTPS instead, others are refused.
    Replaced,
    /// The installation has nothing else.
    Allowed,
}

/// Reads a base URL as [`base_url`] does, but takes what files of the Go provider hold, which asked over `http://`. The second of
/// the pair is what people should know about it.
pub fn read_url(text: &str, plain: Plain) -> Result<(Url, Option<String>), String> {
    let text = text.trim();
    let (Some(rest), Err(refused)) = (text.strip_prefix("http://"), base_url(text)) else {
        return base_url(text).map(|url| (url, None));
    };
    let mut url = base_url(&format!("https://{rest}"))?;
    if plain == Plain::Allowed {
        url.set_scheme("http").map_err(|()| refused)?;
        return Ok((url, Some("is not encrypted: everybody on the way can read and change what is said".to_owned())));
    }
    if url.host_str().is_some_and(|host| host.ends_with(".baidubce.com")) {
        return Ok((url, Some("is asked over https instead of http".to_owned())));
    }
    Err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(service: &str, endpoint: Option<&str>, overrides: &[(Service, &str)]) -> Result<Endpoints, String> {
        let own = BTreeMap::from([(Service::Sts, "https://sts.bj.baidubce.com".to_owned())]);
        let endpoint: Option<Url> = endpoint.map(|text| text.parse().unwrap());
        let overrides = overrides.iter().map(|(service, url)| (*service, url.parse().unwrap())).collect();
        Endpoints::new(&Templates { service, own: &own }, "gz", endpoint.as_ref(), &overrides)
    }

    #[test]
    fn services_are_found_by_region_and_can_be_overridden() {
        let found =
            endpoints("https://{service}.{region}.baidubce.com", None, &[(Service::Eip, "https://eip.test:8443/gate")]);
        let found = found.unwrap();
        for (service, url) in [
            (Service::Bcc, "https://bcc.gz.baidubce.com/"),
            (Service::Vpc, "https://bcc.gz.baidubce.com/"),
            (Service::Cce, "https://cce.gz.baidubce.com/"),
            (Service::Sts, "https://sts.bj.baidubce.com/"),
            (Service::Eip, "https://eip.test:8443/gate"),
        ] {
            assert_eq!(found.of(service).as_str(), url, "{service}");
        }
    }

    #[test]
    fn a_private_cloud_has_one_base_url_with_a_prefix() {
        for endpoint in ["http://cce.private.example:8693", "http://cce.private.example:8693/internal-api/"] {
            let found = endpoints("{endpoint}/internal-api", Some(endpoint), &[]).unwrap();
            assert_eq!(found.of(Service::Blb).as_str(), "http://cce.private.example:8693/internal-api");
        }
        assert!(endpoints("{endpoint}/internal-api", None, &[]).unwrap_err().contains("Endpoint is missing"));
    }

    #[test]
    fn addresses_of_the_go_provider_are_taken_and_encrypted_where_that_is_possible() {
        let check = |text: &str, plain, want: &str, told: bool| {
            let (url, warning) = read_url(text, plain).unwrap();
            assert_eq!((url.as_str(), warning.is_some()), (want, told), "{text}");
        };
        check("cce.bj.baidubce.com", Plain::Replaced, "https://cce.bj.baidubce.com/", false);
        check("http://cce.bj.baidubce.com", Plain::Replaced, "https://cce.bj.baidubce.com/", true);
        check("http://127.0.0.1:8080/x", Plain::Replaced, "http://127.0.0.1:8080/x", false);
        check("http://a.example:8693/x", Plain::Allowed, "http://a.example:8693/x", true);
        check("https://a.example", Plain::Allowed, "https://a.example/", false);
        assert!(read_url("http://a.example", Plain::Replaced).unwrap_err().contains("https"));
        read_url("http://u:p@a.example", Plain::Allowed).unwrap_err();
        read_url("ftp://a.example", Plain::Allowed).unwrap_err();
    }
}
