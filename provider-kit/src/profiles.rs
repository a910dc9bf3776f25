//! Account profiles: the daemon's own, whose name is empty, and those that an access file gives to callers and tenants.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use cloud_provider_api::error::Reason;

use crate::{
    caller::Caller,
    error::{Error, Result},
    tenancy::Tenant,
};

/// One thing for each account profile: its configuration, its clients.
#[derive(Clone, Debug)]
pub struct Profiles<A> {
    default: Arc<A>,
    named: BTreeMap<String, Arc<A>>,
}

impl Profiles<PathBuf> {
    /// The files of `--cloud-config` and of each `--account=NAME=FILE`.
    pub fn of_flags(default: &Path, named: &[String], faults: &mut Vec<String>) -> Self {
        let mut files = BTreeMap::new();
        for account in named {
            match account.split_once('=') {
                Some(("default", _)) => faults.push(
                    "--account: \"default\" is what access files call the profile of --cloud-config; choose another name".to_owned(),
                ),
                Some((name, _)) if files.contains_key(name) => {
                    faults.push(format!("--account: {name:?} is there twice"));
                }
                Some((name, file)) if is_name(name) && !file.is_empty() => {
                    files.insert(name.to_owned(), Arc::new(PathBuf::from(file)));
                }
                _ => faults.push(format!("--account: {account:?} is not NAME=FILE with a name of a-z, 0-9 and -")),
            }
        }
        Self { default: Arc::new(default.to_owned()), named: files }
    }
}

impl<A> Profiles<A> {
    /// One profile and no other.
    pub fn only(default: A) -> Self {
        Self { default: Arc::new(default), named: BTreeMap::new() }
    }

    /// Makes something for each profile, by its name. `None` if that failed for any: all are tried, so that all faults are found.
    pub fn try_map<B>(&self, mut make: impl FnMut(&str, &A) -> Option<B>) -> Option<Profiles<B>> {
        let default = make("", &self.default);
        let results: Vec<_> = self.named.iter().map(|(name, one)| (name.clone(), make(name, one))).collect();
        let mut named = BTreeMap::new();
        for (name, one) in results {
            named.insert(name, Arc::new(one?));
        }
        Some(Profiles { default: Arc::new(default?), named })
    }

    /// The daemon's own.
    pub fn default(&self) -> &Arc<A> {
        &self.default
    }

    /// The one with a name.
    pub fn named(&self, name: &str) -> Option<&Arc<A>> {
        self.named.get(name)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<A>> {
        std::iter::once(&self.default).chain(self.named.values())
    }

    /// The one a tenant uses. That the caller may use it is checked already.
    pub fn of(&self, tenant: &Tenant) -> Result<&Arc<A>> {
        if tenant.account.is_empty() {
            return Ok(&self.default);
        }
        self.named.get(&tenant.account).ok_or_else(|| {
            let Tenant { name, account, .. } = tenant;
            let message = format!(
                "tenant {name:?} uses account profile {account:?}, which the daemon does not have: start it with \
                 --account={account}=FILE, or give the tenant another account in the access file"
            );
            Error::new(Reason::TenantNotAllowed, message)
        })
    }

    /// Those a caller may use: its own first, then the ones it may name. Names without a profile are left out.
    pub fn for_caller(&self, caller: &Caller) -> Result<Vec<&Arc<A>>> {
        let mut profiles = vec![self.of(caller.tenant("")?)?];
        for name in caller.tenants() {
            if let Ok(profile) = self.of(caller.tenant(&name)?)
                && !profiles.iter().any(|known| Arc::ptr_eq(known, profile))
            {
                profiles.push(profile);
            }
        }
        Ok(profiles)
    }
}

/// Whether a profile, or a tenant, may be called so.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_flag_is_told_and_the_others_count() {
        let flags = ["a=/etc/a", "a=/etc/b", "B c=x", "d=", "e"].map(str::to_owned);
        let mut faults = Vec::new();
        let files = Profiles::of_flags(Path::new("/etc/default"), &flags, &mut faults);
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert_eq!(files.named("a").unwrap().as_path(), Path::new("/etc/a"));
        assert_eq!(files.all().count(), 2);
    }

    #[test]
    fn all_are_tried_before_any_fault_counts() {
        let files = Profiles::of_flags(Path::new("x"), &["a=y".to_owned(), "b=z".to_owned()], &mut Vec::new());
        let mut tried = Vec::new();
        let made = files.try_map(|name, _| {
            tried.push(name.to_owned());
            (name != "a").then_some(())
        });
        assert!(made.is_none());
        assert_eq!(tried, ["", "a", "b"]);
        assert!(files.try_map(|_, _| Some(())).is_some());
    }

    #[test]
    fn a_tenant_without_a_profile_is_refused_with_the_flag_to_set() {
        let profiles = Profiles::only(7);
        assert_eq!(**profiles.of(&Tenant::default()).unwrap(), 7);
        let tenant = Tenant { name: "a".to_owned(), account: "team-a".to_owned(), ..Tenant::default() };
        let error = profiles.of(&tenant).unwrap_err();
        assert!(error.message().contains("--account=team-a=FILE"), "{}", error.message());
    }
}
