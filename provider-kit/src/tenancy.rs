//! Tenants: whose account is used, what may be asked for in it, and which objects of the cloud may be touched.
//!
//! Everything here is decided from what an administrator wrote in the access file and from what the cloud says of an object. What a
//! Service says (an annotation, an address, a status, a handle) only names an object; it never proves whose the object is.

mod limits;
mod named;
mod quota;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::collections::{BTreeMap, BTreeSet};

pub use self::{
    limits::Limits,
    named::Named,
    quota::{Counted, Have, Quotas},
};

/// Key of the tag that says which tenant an object of the cloud belongs to, where objects have tags.
pub const TENANT_TAG: &str = "k8s-tenant";

/// A tenant: the account profile it uses and what it may do there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tenant {
    /// Its name. Empty: the caller named none and has none, so that nothing limits it.
    pub name: String,
    /// Name of the account profile. Empty: the daemon's own.
    pub account: String,
    /// Others use the account profile, too: that an object is in the account does not make it this tenant's.
    pub shares_account: bool,
    /// Most load balancers. `None`: only the cloud's quota limits them.
    pub max_load_balancers: Option<u32>,
    /// Most public addresses allocated for the tenant. `None`: only the cloud's quota limits them.
    pub max_public_addresses: Option<u32>,
    /// Most bandwidth of one public address, in Mbit/s. `None`: only the cloud limits it.
    pub max_bandwidth: Option<u32>,
    /// Kinds of load balancers, in the provider's words. Empty: all.
    pub classes: BTreeSet<String>,
    /// VPCs load balancers may be in, by id. Empty: all.
    pub vpcs: BTreeSet<String>,
    /// Subnets load balancers may be in, by id. Empty: all.
    pub subnets: BTreeSet<String>,
    /// Ways of paying, in the provider's words. Empty: all.
    pub billing: BTreeSet<String>,
    /// Tags of what is made for the tenant, where the cloud has tags: who pays, say.
    pub tags: BTreeMap<String, String>,
    /// Objects of the cloud that Services of the tenant may name: ids, and public addresses.
    pub uses: BTreeSet<String>,
    /// What `uses` gives to others in the same account.
    pub reserved: BTreeSet<String>,
    /// Its share of the calls to the cloud.
    pub share: Share,
}

/// A tenant's share of the calls to its account's cloud. Without one it gets what the others leave, and as much as any of them when
/// all want some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Most calls a second of each kind (a service's reads, or its writes).
    pub calls_per_second: Option<u32>,
    /// Most Services worked on at once.
    pub concurrent_writes: Option<u32>,
}

impl Tenant {
    /// The tag that marks what is made for this tenant; `None` without a name.
    pub fn mark(&self) -> Option<(&'static str, &str)> {
        (!self.name.is_empty()).then_some((TENANT_TAG, self.name.as_str()))
    }

    /// Whether what names the tenant `said` can be its: what was made before anybody told tenants apart names none, and is its Service's.
    pub fn is_named(&self, said: Option<&str>) -> bool {
        said.is_none_or(|tenant| tenant == self.name)
    }

    /// The tenant an object's tags name.
    pub fn of_tags<'t>(tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> Option<&'t str> {
        tags.into_iter().find(|(key, _)| *key == TENANT_TAG).map(|(_, value)| value)
    }
}
