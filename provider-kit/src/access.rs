//! The allow-list: which callers a daemon serves, what each may call, for which clusters and tenants, and how fast.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use provider_hop::{PeerIdentity, tls::San};
use serde::Deserialize;

use crate::{
    caller::{Caller, Identity},
    class::Class,
    rate::{Bucket, Rate},
};

/// What an allowed caller may do.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) classes: BTreeSet<Class>,
    pub(crate) clusters: BTreeSet<String>,
    pub(crate) default_tenant: Tenant,
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) bucket: Option<Arc<Bucket>>,
}

/// A tenant: the name of an account profile, and its share of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tenant {
    /// Name of the account profile. Empty: the daemon's default.
    pub name: String,
    /// Most load balancers the tenant may have. `None`: only the cloud's quota limits it.
    pub max_load_balancers: Option<u32>,
}

/// Who is allowed. Everybody else is refused.
#[derive(Debug, Default)]
pub struct Access {
    rules: BTreeMap<Identity, Arc<Rule>>,
}

impl Access {
    /// Nobody.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// This process's own user may read and write.
    pub fn own_uid() -> Self {
        Self::nobody().allow_own_uid(None)
    }

    /// Lets this process's own user read and write.
    #[must_use]
    pub fn allow_own_uid(self, rate: Option<Rate>) -> Self {
        self.allow(Identity::Uid(rustix::process::geteuid().as_raw()), [Class::Read, Class::Write], rate)
    }

    /// Lets a caller call methods of these classes, in the default account profile. Adds to what it had.
    #[must_use]
    pub fn allow(mut self, identity: Identity, classes: impl IntoIterator<Item = Class>, rate: Option<Rate>) -> Self {
        let had = self.rules.remove(&identity);
        let classes = classes.into_iter().chain(had.iter().flat_map(|rule| rule.classes.iter().copied())).collect();
        let rule = Rule {
            classes,
            clusters: had.as_ref().map(|rule| rule.clusters.clone()).unwrap_or_default(),
            default_tenant: had.as_ref().map(|rule| rule.default_tenant.clone()).unwrap_or_default(),
            tenants: had.as_ref().map(|rule| rule.tenants.clone()).unwrap_or_default(),
            bucket: had.as_ref().and_then(|rule| rule.bucket.clone()).or_else(|| bucket(rate)),
        };
        self.rules.insert(identity, Arc::new(rule));
        self
    }

    /// Whether any caller with a certificate is allowed.
    pub(crate) fn allows_any_san(&self) -> bool {
        self.rules.keys().any(|identity| matches!(identity, Identity::San(_)))
    }

    /// The caller behind a peer, by the first of its names that is on the list.
    pub(crate) fn admit(&self, peer: &PeerIdentity) -> Option<Caller> {
        Identity::of(peer).into_iter().find_map(|identity| {
            let rule = self.rules.get(&identity)?.clone();
            Some(Caller { identity, rule })
        })
    }

    /// Adds the callers of an access file; `docs/daemon.md` shows its form. Every fault is reported, each with its place.
    pub fn add_file(self, path: &Path, default_rate: Option<Rate>) -> Result<Self, Vec<String>> {
        let at = |problem: String| vec![format!("access file {}: {problem}", path.display())];
        let text = std::fs::read_to_string(path).map_err(|error| at(error.to_string()))?;
        let file: File = serde_saphyr::from_str(&text).map_err(|error| at(error.to_string()))?;
        self.add(&file, default_rate).map_err(|faults| {
            faults.into_iter().map(|fault| format!("access file {}: {fault}", path.display())).collect()
        })
    }

    fn add(mut self, file: &File, default_rate: Option<Rate>) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        for (i, entry) in file.callers.iter().enumerate() {
            match entry.rule(&file.tenants, default_rate) {
                Ok((identity, rule)) => {
                    if self.rules.insert(identity.clone(), Arc::new(rule)).is_some() {
                        faults.push(format!("callers[{i}]: {identity} is allowed twice"));
                    }
                }
                Err(problems) => faults.extend(problems.into_iter().map(|problem| format!("callers[{i}]{problem}"))),
            }
        }
        if faults.is_empty() { Ok(self) } else { Err(faults) }
    }
}

fn bucket(rate: Option<Rate>) -> Option<Arc<Bucket>> {
    rate.map(|rate| Arc::new(Bucket::new(rate)))
}

/// The access file, YAML.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    callers: Vec<Entry>,
    #[serde(default)]
    tenants: BTreeMap<String, TenantEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    /// Either this or `uid`.
    san: Option<String>,
    uid: Option<u32>,
    /// `read`, `write`, `secret`. Absent: the first two.
    classes: Option<Vec<Class>>,
    /// Cluster ids the caller speaks for. Absent: any.
    #[serde(default)]
    clusters: BTreeSet<String>,
    /// The tenant meant when a request names none. Absent: the daemon's default profile.
    default_tenant: Option<String>,
    /// Tenants a request may name.
    #[serde(default)]
    tenants: Vec<String>,
    /// Absent: the daemon's `--caller-requests-per-second`.
    requests_per_second: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TenantEntry {
    max_load_balancers: Option<u32>,
}

impl Entry {
    fn rule(
        &self,
        known: &BTreeMap<String, TenantEntry>,
        default_rate: Option<Rate>,
    ) -> Result<(Identity, Rule), Vec<String>> {
        let mut faults = Vec::new();
        let identity = self.identity().map_err(|fault| faults.push(fault)).ok();
        let mut tenant = |name: &String| {
            if !known.contains_key(name) {
                faults.push(format!(": tenant {name:?} is not among the file's tenants"));
            }
            Tenant {
                name: name.clone(),
                max_load_balancers: known.get(name).and_then(|entry| entry.max_load_balancers),
            }
        };
        let tenants: Vec<Tenant> = self.tenants.iter().map(&mut tenant).collect();
        let default_tenant = self.default_tenant.as_ref().map(&mut tenant).unwrap_or_default();
        let rate = self.requests_per_second.map_or(default_rate, Rate::per_second);
        let classes = self.classes.clone().unwrap_or_else(|| vec![Class::Read, Class::Write]);
        match identity {
            Some(identity) if faults.is_empty() => Ok((
                identity,
                Rule {
                    classes: classes.into_iter().collect(),
                    clusters: self.clusters.clone(),
                    default_tenant,
                    tenants,
                    bucket: bucket(rate),
                },
            )),
            _ => Err(faults),
        }
    }

    fn identity(&self) -> Result<Identity, String> {
        match (&self.san, self.uid) {
            (Some(san), None) => san.parse::<San>().map(Identity::San).map_err(|error| format!(".san: {error}")),
            (None, Some(uid)) => Ok(Identity::Uid(uid)),
            _ => Err(": needs either san or uid".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use cloud_provider_api::{error::Reason, v1::Cluster};

    use super::*;

    const FILE: &str = "
callers:
  - san: spiffe://prod/ccm
    clusters: [prod]
    defaultTenant: shared
    tenants: [team-a, team-b]
    requestsPerSecond: 20
  - uid: 1000
    classes: [read, secret]
tenants:
  shared: {}
  team-a: { maxLoadBalancers: 10 }
  team-b: {}
";

    fn file(text: &str) -> Result<Access, Vec<String>> {
        Access::nobody().add(&serde_saphyr::from_str(text).unwrap(), None)
    }

    fn san(name: &str) -> PeerIdentity {
        PeerIdentity::San(vec![name.parse().unwrap()])
    }

    fn cluster(id: &str) -> Cluster {
        Cluster { id: id.to_owned(), name: "n".to_owned() }
    }

    #[test]
    fn a_caller_gets_its_clusters_and_tenants_and_no_others() {
        let access = file(FILE).unwrap();
        let caller = access.admit(&san("spiffe://prod/ccm")).unwrap();
        assert_eq!(caller.tenants(), ["team-a", "team-b"]);
        assert_eq!(caller.tenant("").unwrap().name, "shared");
        assert_eq!(caller.tenant("team-a").unwrap().max_load_balancers, Some(10));
        assert_eq!(caller.tenant("team-c").unwrap_err().reason(), Reason::TenantNotAllowed);
        assert_eq!(caller.tenant("shared").unwrap_err().reason(), Reason::TenantNotAllowed);
        caller.cluster(Some(&cluster("prod"))).unwrap();
        assert_eq!(caller.cluster(Some(&cluster("other"))).unwrap_err().reason(), Reason::TenantNotAllowed);
        for malformed in [None, Some(cluster("")), Some(cluster("UPPER")), Some(cluster(&"a".repeat(64)))] {
            assert_eq!(caller.cluster(malformed.as_ref()).unwrap_err().reason(), Reason::FieldInvalid);
        }
        assert!(!caller.rule.classes.contains(&Class::Secret));
    }

    #[test]
    fn any_of_a_certificates_names_lets_its_holder_in() {
        let access = file(FILE).unwrap();
        let both = PeerIdentity::San(vec!["x.example".parse().unwrap(), "spiffe://prod/ccm".parse().unwrap()]);
        assert_eq!(access.admit(&both).unwrap().to_string(), "san:spiffe://prod/ccm");
        assert!(access.admit(&san("spiffe://prod/ccm2")).is_none());
        assert!(access.admit(&PeerIdentity::San(Vec::new())).is_none());
        assert!(access.admit(&PeerIdentity::InsecureLoopback).is_none());
    }

    #[test]
    fn allowing_again_adds() {
        let identity = Identity::Uid(7);
        let access =
            Access::nobody().allow(identity.clone(), [Class::Read], None).allow(identity, [Class::Secret], None);
        let caller = access.admit(&PeerIdentity::Uid { uid: 7, gid: 7, pid: None }).unwrap();
        assert_eq!(caller.rule.classes, BTreeSet::from([Class::Read, Class::Secret]));
    }

    #[test]
    fn every_fault_of_a_file_is_reported() {
        let faults = file(
            "
callers:
  - san: '*.example'
    tenants: [nobody]
  - {}
  - uid: 1
  - uid: 1
",
        )
        .unwrap_err();
        let expected =
            ["callers[0].san", "tenant \"nobody\"", "callers[1]: needs either", "callers[3]: uid:1 is allowed twice"];
        assert_eq!(faults.len(), expected.len(), "{faults:?}");
        for part in expected {
            assert!(faults.iter().any(|fault| fault.contains(part)), "{part} not in {faults:?}");
        }
    }
}
