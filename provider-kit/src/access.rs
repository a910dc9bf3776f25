//! The allow-list: which callers a daemon serves, what each may call, for which clusters and tenants, and how fast.

mod file;
mod live;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use provider_hop::PeerIdentity;

pub use self::live::AccessSource;
pub(crate) use self::live::{AccessStatus, LiveAccess};
use crate::{
    caller::{Caller, Identity},
    class::Class,
    rate::{Bucket, Rate},
    tenancy::Tenant,
};

/// What an allowed caller may do.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) classes: BTreeSet<Class>,
    pub(crate) clusters: BTreeSet<String>,
    pub(crate) default_tenant: Arc<Tenant>,
    pub(crate) tenants: Vec<Arc<Tenant>>,
    pub(crate) bucket: Option<Arc<Bucket>>,
}

/// Who is allowed. Everybody else is refused.
#[derive(Debug, Default)]
pub struct Access {
    rules: BTreeMap<Identity, Arc<Rule>>,
    /// The tenant of those who name none and have none of their own.
    nameless: Arc<Tenant>,
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
        let nameless = || Arc::clone(&self.nameless);
        let rule = Rule {
            classes,
            clusters: had.as_ref().map(|rule| rule.clusters.clone()).unwrap_or_default(),
            default_tenant: had.as_ref().map_or_else(nameless, |rule| Arc::clone(&rule.default_tenant)),
            tenants: had.as_ref().map(|rule| rule.tenants.clone()).unwrap_or_default(),
            bucket: had.as_ref().and_then(|rule| rule.bucket.clone()).or_else(|| bucket(rate)),
        };
        self.rules.insert(identity, Arc::new(rule));
        self
    }

    /// Lets these in besides, and this process's own user.
    pub(crate) fn allow_besides(self, others: &[(Identity, Vec<Class>)], rate: Option<Rate>) -> Self {
        let own = self.allow_own_uid(rate);
        others
            .iter()
            .fold(own, |access, (identity, classes)| access.allow(identity.clone(), classes.iter().copied(), rate))
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
        self.add_text(&text, default_rate).map_err(|faults| faults.into_iter().flat_map(at).collect())
    }

    fn add_text(self, text: &str, default_rate: Option<Rate>) -> Result<Self, Vec<String>> {
        file::add(self, text, default_rate)
    }

    /// Whoever was admitted at the same rate before goes on with what is left of it: a new file is no new allowance.
    fn inherit(&mut self, before: &Self) {
        for (identity, rule) in &mut self.rules {
            let Some(old) = before.rules.get(identity).and_then(|rule| rule.bucket.as_ref()) else { continue };
            let Some(rule) = Arc::get_mut(rule) else { continue };
            if rule.bucket.as_ref().is_some_and(|bucket| bucket.is_as_fast_as(old)) {
                rule.bucket = Some(Arc::clone(old));
            }
        }
    }
}

fn bucket(rate: Option<Rate>) -> Option<Arc<Bucket>> {
    rate.map(|rate| Arc::new(Bucket::new(rate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowing_again_adds() {
        let identity = Identity::Uid(7);
        let access =
            Access::nobody().allow(identity.clone(), [Class::Read], None).allow(identity, [Class::Secret], None);
        let caller = access.admit(&PeerIdentity::Uid { uid: 7, gid: 7, pid: None }).unwrap();
        assert_eq!(caller.rule.classes, BTreeSet::from([Class::Read, Class::Secret]));
    }

    #[test]
    fn a_new_list_is_no_new_allowance() {
        let access = |rate| Access::nobody().allow(Identity::Uid(7), [Class::Read], Rate::per_second(rate));
        let caller = |access: &Access| access.admit(&PeerIdentity::Uid { uid: 7, gid: 7, pid: None }).unwrap();
        let now = tokio::time::Instant::now();
        let old = access(1);
        let take = |access: &Access| caller(access).rule.bucket.as_ref().unwrap().take(now).is_ok();
        while take(&old) {}
        for (rate, allowed) in [(1, false), (2, true)] {
            let mut new = access(rate);
            new.inherit(&old);
            assert_eq!(take(&new), allowed, "{rate} a second");
        }
    }
}
