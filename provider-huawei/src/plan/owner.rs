//! Whose an object is, as the cloud's own record tells: marks in descriptions and tags, and names made from cluster id and
//! Service UID.

use cloud_provider_api::v1;
use provider_kit::{Tenant, tenancy::TENANT_TAG};
use sha2::{Digest as _, Sha256};

use super::PortKey;
use crate::api::elb::Tag;

/// Longest name and description, in characters.
const LONGEST: usize = 255;
/// Longest value of a tag.
const LONGEST_TAG: usize = 43;
/// How short names begin.
const SHORT: &str = "k8s-";
/// Characters of a digest.
const DIGEST: usize = 32;
/// Longest name of a tenant in the name of a public address, which has 64 characters.
const LONGEST_TENANT: usize = 64 - SHORT.len() - DIGEST - 1;
const TAG_CLUSTER: &str = "k8s-cluster-id";
const TAG_SERVICE: &str = "k8s-service-uid";
const TENANT_WORD: &str = "tenant=";

/// The Service that owns things.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Id of the cluster.
    pub cluster: String,
    /// Its name, for people and for the Go provider's names.
    pub cluster_name: String,
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// UID of the Service.
    pub uid: String,
    /// Name of its tenant. Empty: of none.
    pub tenant: String,
    /// Further tags of what is made for it.
    pub extra_tags: Vec<(String, String)>,
}

/// What an object's record says about its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This Service's.
    Ours,
    /// Another's, by its mark.
    Other(String),
    /// It says nothing.
    Unmarked,
}

impl Owner {
    /// Of a request's key.
    pub fn of(key: &v1::LoadBalancerKey) -> Self {
        let cluster = key.cluster.clone().unwrap_or_default();
        Self {
            cluster: cluster.id,
            cluster_name: cluster.name,
            namespace: key.service_namespace.clone(),
            service: key.service_name.clone(),
            uid: key.service_uid.clone(),
            ..Self::default()
        }
    }

    /// The same, of this tenant.
    #[must_use]
    pub fn of_tenant(self, tenant: &Tenant) -> Self {
        let extra_tags = tenant.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        Self { tenant: tenant.name.clone(), extra_tags, ..self }
    }

    /// The mark in descriptions.
    pub fn mark(&self) -> String {
        format!("k8s:{}/{}", self.cluster, self.uid)
    }

    /// Cluster id and Service UID in 32 characters, for names that have little room.
    pub fn digest(&self) -> String {
        hex::encode(&Sha256::digest(format!("{}/{}", self.cluster, self.uid))[..16])
    }

    /// Name of the load balancer.
    pub fn balancer_name(&self) -> String {
        cut(format!("k8s_{}_{}_{}", self.namespace, self.service, self.digest()))
    }

    /// The name the Go provider gave it. `business` replaces the cluster's name.
    pub fn go_balancer_name(&self, business: &str) -> String {
        let cluster = if business.is_empty() { &self.cluster_name } else { business };
        cut(format!("k8s_service_{cluster}_{}_{}", self.namespace, self.service))
    }

    /// Name of a listener.
    pub fn listener_name(&self, key: PortKey) -> String {
        cut(format!("{}_{}_{}", self.service, key.transport(), key.port))
    }

    /// Whether the Go provider named a listener of this Service like this: with Kubernetes' protocol or the cloud's.
    pub fn is_go_listener_name(&self, name: &str, elb_protocol: &str, key: PortKey) -> bool {
        [elb_protocol, key.transport(), "TERMINATED_HTTPS"]
            .iter()
            .any(|protocol| name == cut(format!("{}_{protocol}_{}", self.service, key.port)))
    }

    /// Name of a pool.
    pub fn pool_name(&self, key: PortKey) -> String {
        cut(format!("pl_{}", self.listener_name(key)))
    }

    /// Name of what has little room and no description: IP groups, public addresses and bandwidths.
    pub fn short_name(&self) -> String {
        format!("{SHORT}{}", self.digest())
    }

    /// Name of a public address and of its bandwidth. It may outlive the load balancer it was allocated for, so it tells the tenant, too.
    pub fn address_name(&self) -> String {
        let name = self.short_name();
        if self.tenant.is_empty() { name } else { format!("{name}-{}", short_tenant(&self.tenant)) }
    }

    /// Whether a public address of this name was allocated for this Service.
    pub fn is_of_address(&self, mark: AddressMark<'_>) -> bool {
        mark.digest == self.digest() && (mark.tenant.is_empty() || mark.is_of(&self.tenant))
    }

    /// The name of the bandwidth of a public address the Go provider allocated.
    pub fn go_bandwidth_name(&self) -> String {
        format!("{}_{}", self.namespace, self.service)
    }

    /// Tags of the load balancer.
    pub fn tags(&self) -> Vec<Tag> {
        let tag = |key: &str, value: &str| Tag::Pair { key: key.to_owned(), value: tag_value(value) };
        let mut tags = vec![tag(TAG_CLUSTER, &self.cluster), tag(TAG_SERVICE, &self.uid)];
        if !self.tenant.is_empty() {
            tags.push(tag(TENANT_TAG, &self.tenant));
        }
        tags.extend(self.extra_tags.iter().map(|(key, value)| tag(key, value)));
        tags
    }

    /// Whether a load balancer lacks a tag of the tenant's that says who pays: a shared one is made without tags.
    pub fn lacks_tags(&self, tags: &[Tag]) -> bool {
        let has = |(key, value): &(String, String)| {
            let value = tag_value(value);
            tags.iter().any(|tag| tag.pair() == (key.as_str(), value.as_str()))
        };
        !self.extra_tags.iter().all(has)
    }

    /// The word that says whose tenant's things are, in descriptions.
    pub(super) fn tenant_word(&self) -> Option<String> {
        (!self.tenant.is_empty()).then(|| format!("{TENANT_WORD}{}", self.tenant))
    }

    /// What was made before anybody told tenants apart says nothing of them, and is its Service's.
    fn is_tenants(&self, said: Option<&str>) -> bool {
        said.is_none_or(|tenant| tenant == self.tenant)
    }

    /// The description of a listener, pool or IP group.
    pub fn description(&self, key: Option<PortKey>) -> String {
        let port = key.map(|key| format!(" port={key}")).unwrap_or_default();
        let tenant = self.tenant_word().map(|word| format!(" {word}")).unwrap_or_default();
        cut(format!("{}{tenant}{port} svc={}/{}", self.mark(), self.namespace, self.service))
    }

    /// Whose it is by its description.
    pub fn claim(&self, description: &str) -> Claim {
        match mark_of(description) {
            Some(mark) if mark == self.mark() && self.is_tenants(tenant_of(description)) => Claim::Ours,
            Some(mark) => Claim::Other(mark.to_owned()),
            None => Claim::Unmarked,
        }
    }

    /// Whose a load balancer is: by tags and description, else by the name.
    pub fn claim_balancer(&self, name: &str, description: &str, tags: &[Tag]) -> Claim {
        let tag = |wanted: &str| tags.iter().map(Tag::pair).find(|(key, _)| *key == wanted).map(|(_, value)| value);
        if let (Some(cluster), Some(uid)) = (tag(TAG_CLUSTER), tag(TAG_SERVICE)) {
            let ours = cluster == tag_value(&self.cluster) && uid == tag_value(&self.uid);
            return if ours && self.is_tenants(tag(TENANT_TAG)) && self.is_tenants(tenant_of(description)) {
                Claim::Ours
            } else {
                Claim::Other(format!("k8s:{cluster}/{uid}"))
            };
        }
        match self.claim(description) {
            Claim::Unmarked if name == self.balancer_name() => Claim::Ours,
            claim => claim,
        }
    }
}

/// What the name of a public address of ours says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressMark<'a> {
    /// [`Owner::digest`] of the Service it was allocated for.
    pub digest: &'a str,
    tenant: &'a str,
}

impl<'a> AddressMark<'a> {
    /// `None`: it is no name that we give.
    pub fn read(name: &'a str) -> Option<Self> {
        let (digest, tenant) = name.strip_prefix(SHORT)?.split_at_checked(DIGEST)?;
        let tenant = if tenant.is_empty() { tenant } else { tenant.strip_prefix('-')? };
        digest.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(Self { digest, tenant })
    }

    /// Whether it names this tenant; the empty one when it names none.
    pub fn is_of(&self, tenant: &str) -> bool {
        self.tenant == short_tenant(tenant)
    }
}

/// A tenant's name in the little room that the digest leaves.
fn short_tenant(name: &str) -> String {
    if name.len() <= LONGEST_TENANT {
        name.to_owned()
    } else {
        hex::encode(&Sha256::digest(name)[..LONGEST_TENANT / 2])
    }
}

/// The mark a description begins with.
pub fn mark_of(description: &str) -> Option<&str> {
    let first = description.split(' ').next()?;
    first.starts_with("k8s:").then_some(first)
}

/// The port a description names.
pub fn port_of(description: &str) -> Option<PortKey> {
    field_of(description, "port=").and_then(PortKey::parse)
}

/// A field of a description of ours.
pub fn field_of<'a>(description: &'a str, field: &str) -> Option<&'a str> {
    mark_of(description)?;
    description.split(' ').find_map(|word| word.strip_prefix(field))
}

/// The tenant a description of ours names.
pub fn tenant_of(description: &str) -> Option<&str> {
    field_of(description, TENANT_WORD)
}

/// The owner a load balancer's description names, for listings: cluster id, UID, tenant, namespace and name. Namespace and name may
/// be missing or cut.
pub fn owner_of(description: &str) -> Option<Owner> {
    let (cluster, uid) = mark_of(description)?.strip_prefix("k8s:")?.split_once('/')?;
    let (namespace, service) = field_of(description, "svc=").and_then(|svc| svc.split_once('/')).unwrap_or_default();
    Some(Owner {
        cluster: cluster.to_owned(),
        uid: uid.to_owned(),
        namespace: namespace.to_owned(),
        service: service.to_owned(),
        tenant: tenant_of(description).unwrap_or_default().to_owned(),
        ..Owner::default()
    })
}

fn tag_value(value: &str) -> String {
    if value.len() <= LONGEST_TAG { value.to_owned() } else { hex::encode(&Sha256::digest(value)[..16]) }
}

/// At most what the cloud takes, between characters.
pub(super) fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}
