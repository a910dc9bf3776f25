//! What has to become of a cluster's pull secrets and of the ServiceAccounts that use them: decided here, from what there is.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::{DockerConfig, Format};
use crate::Login;

/// A pull secret.
#[derive(Clone)]
pub struct PullSecret {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its form.
    pub format: Format,
    /// Nobody can change its content.
    pub immutable: bool,
    /// What it holds. `None`: nothing that can be read.
    pub config: Option<DockerConfig>,
    /// Who else may write it back: an owner, a tool that manages it. Empty: nobody known.
    pub managed_by: String,
    /// The immutable secret whose place it takes.
    pub successor_of: Option<String>,
}

/// A ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Names of the secrets it pulls with, in order.
    pub pull_secrets: Vec<String>,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    /// The registry's hosts.
    pub hosts: &'a [String],
    /// The user whose logins are to be replaced. `None`: nobody's.
    pub old: Option<&'a str>,
    /// The user in whose place they are put, as the cloud calls it; `None`: not known before it is made.
    pub new: Option<&'a str>,
    /// A secret that shall be in each namespace.
    pub ensure: Option<&'a str>,
    /// Whether ServiceAccounts may be changed.
    pub accounts: bool,
    /// The namespaces, for `ensure`.
    pub namespaces: &'a [String],
    /// Makes the names of successors its own.
    pub username: &'a str,
}

/// A secret that is changed in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its form.
    pub format: Format,
    /// It gets the login for every host, instead of only in the place of the old one.
    pub ensure: bool,
    /// Who may write it back.
    pub managed_by: String,
}

/// A secret that is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Successor {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The immutable secret it takes the place of, with all its other logins. `None`: it is wanted for itself.
    pub of: Option<String>,
}

/// A ServiceAccount that shall pull with a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub account: String,
    /// The secrets it pulls with from then on, in order.
    pub pull_secrets: Vec<String>,
}

/// A secret with the old login that stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why, and what to do.
    pub why: String,
}

/// All that has to be done in the cluster, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Secrets that are made.
    pub successors: Vec<Successor>,
    /// Secrets that are changed.
    pub rewrites: Vec<Rewrite>,
    /// ServiceAccounts that are changed.
    pub uses: Vec<Use>,
    /// What needs a person.
    pub blocked: Vec<Blocked>,
}

impl Plan {
    /// Nothing has to be done.
    pub fn is_empty(&self) -> bool {
        self.successors.is_empty() && self.rewrites.is_empty() && self.uses.is_empty()
    }
}

/// The logins of a user for these hosts that secrets hold.
pub(crate) fn held_by<'s>(
    secrets: &'s [PullSecret],
    hosts: &'s [String],
    is: impl Fn(&str) -> bool + 's,
) -> impl Iterator<Item = (&'s PullSecret, Login)> {
    secrets.iter().filter_map(move |secret| {
        let login = secret.config.as_ref()?.login_for(hosts)?;
        is(&login.username).then_some((secret, login))
    })
}

/// Name of the secret that takes the place of an immutable one: always the same for a user, so that a second run finds it.
pub(crate) fn successor_name(name: &str, username: &str) -> String {
    let hash = hex::encode(&Sha256::digest(username.as_bytes())[..4]);
    // Names of Secrets have at most 253 bytes, and may not end in a dot or dash before ours.
    let stem = name.get(..name.len().min(253 - 9)).unwrap_or(name).trim_end_matches(['.', '-']);
    format!("{stem}-{hash}")
}

/// Decides.
pub fn plan(secrets: &[PullSecret], accounts: &[Account], wish: &Wish<'_>) -> Plan {
    let mut plan = Plan::default();
    let is_old = |secret: &PullSecret| {
        let holds = |old| secret.config.as_ref().is_some_and(|config| config.holds(wish.hosts, old));
        wish.old.is_some_and(holds)
    };
    for secret in secrets.iter().filter(|secret| is_old(secret)) {
        if secret.immutable {
            replace_immutable(secret, secrets, accounts, wish, &mut plan);
        } else {
            plan.rewrites.push(rewrite(secret, false));
        }
    }
    if let Some(name) = wish.ensure {
        for namespace in wish.namespaces {
            ensure(namespace, name, secrets, accounts, wish, &mut plan);
        }
    }
    plan
}

fn rewrite(secret: &PullSecret, ensure: bool) -> Rewrite {
    Rewrite {
        namespace: secret.namespace.clone(),
        name: secret.name.clone(),
        format: secret.format,
        ensure,
        managed_by: secret.managed_by.clone(),
    }
}

fn find<'s>(secrets: &'s [PullSecret], namespace: &str, name: &str) -> Option<&'s PullSecret> {
    secrets.iter().find(|secret| secret.namespace == namespace && secret.name == name)
}

/// Another secret takes its place, where ServiceAccounts may be told so.
fn replace_immutable(
    secret: &PullSecret,
    secrets: &[PullSecret],
    accounts: &[Account],
    wish: &Wish<'_>,
    plan: &mut Plan,
) {
    let name = successor_name(&secret.name, wish.username);
    let PullSecret { namespace, .. } = secret;
    let users: Vec<&Account> = accounts
        .iter()
        .filter(|account| account.namespace == *namespace && account.pull_secrets.contains(&secret.name))
        .collect();
    let unled: Vec<&&Account> = users.iter().filter(|account| !account.pull_secrets.contains(&name)).collect();
    if !wish.accounts {
        let why = "it is immutable: give --service-accounts to have another secret made in its place and used by the \
                   ServiceAccounts that use it, or delete it and make it anew";
        plan.blocked.push(Blocked { namespace: namespace.clone(), name: secret.name.clone(), why: why.to_owned() });
        return;
    }
    match find(secrets, namespace, &name) {
        None => {
            let of = Some(secret.name.clone());
            plan.successors.push(Successor { namespace: namespace.clone(), name: name.clone(), of });
        }
        Some(known) if known.successor_of.as_ref() != Some(&secret.name) => {
            let why =
                format!("it is immutable, and secret {name:?}, which would take its place, is another's: rename that");
            plan.blocked.push(Blocked { namespace: namespace.clone(), name: secret.name.clone(), why });
            return;
        }
        // It is there from an earlier run, perhaps with a login that is good no longer.
        Some(known) => {
            let holds = |new| known.config.as_ref().is_some_and(|config| config.holds(wish.hosts, new));
            if !wish.new.is_some_and(holds) {
                plan.rewrites.push(rewrite(known, true));
            }
        }
    }
    for account in unled {
        // Before the old one: a kubelet tries them in order, and the old one stops to work one day.
        let at = account.pull_secrets.iter().position(|used| *used == secret.name).unwrap_or_default();
        let mut pull_secrets = account.pull_secrets.clone();
        pull_secrets.insert(at, name.clone());
        use_secret(account, pull_secrets, plan);
    }
}

fn use_secret(account: &Account, pull_secrets: Vec<String>, plan: &mut Plan) {
    let same = |one: &&mut Use| one.namespace == account.namespace && one.account == account.name;
    if let Some(before) = plan.uses.iter_mut().find(same) {
        // Two changes of one ServiceAccount become one.
        let added: Vec<String> = pull_secrets.into_iter().filter(|name| !before.pull_secrets.contains(name)).collect();
        before.pull_secrets.splice(0..0, added);
        return;
    }
    plan.uses.push(Use { namespace: account.namespace.clone(), account: account.name.clone(), pull_secrets });
}

/// Sees to a secret of one name in one namespace.
fn ensure(namespace: &str, name: &str, secrets: &[PullSecret], accounts: &[Account], wish: &Wish<'_>, plan: &mut Plan) {
    let planned = plan.rewrites.iter_mut().find(|rewrite| rewrite.namespace == namespace && rewrite.name == name);
    match (find(secrets, namespace, name), planned) {
        (_, Some(rewrite)) => rewrite.ensure = true,
        (None, None) => {
            plan.successors.push(Successor { namespace: namespace.to_owned(), name: name.to_owned(), of: None });
        }
        (Some(secret), None) => {
            let complete = |new: &str| {
                let held = secret.config.as_ref().map(DockerConfig::held).unwrap_or_default();
                wish.hosts.iter().all(|host| {
                    held.iter().any(|one| {
                        one.host.eq_ignore_ascii_case(host)
                            && one.login.as_ref().is_some_and(|login| login.username == new)
                    })
                })
            };
            if !wish.new.is_some_and(complete) {
                if secret.immutable || secret.config.is_none() {
                    let what = if secret.immutable { "it is immutable" } else { "what it holds cannot be read" };
                    let why = format!("{what}: delete it, or choose another --secret");
                    plan.blocked.push(Blocked { namespace: namespace.to_owned(), name: name.to_owned(), why });
                    return;
                }
                plan.rewrites.push(rewrite(secret, true));
            }
        }
    }
    let default = accounts.iter().find(|account| account.namespace == namespace && account.name == "default");
    if let Some(account) =
        default.filter(|account| wish.accounts && !account.pull_secrets.iter().any(|used| used == name))
    {
        let pull_secrets = std::iter::once(name.to_owned()).chain(account.pull_secrets.iter().cloned()).collect();
        use_secret(account, pull_secrets, plan);
    }
}

/// Namespaces that secrets and ServiceAccounts are in.
pub(crate) fn namespaces_of(secrets: &[PullSecret], accounts: &[Account]) -> Vec<String> {
    let all = secrets.iter().map(|secret| &secret.namespace).chain(accounts.iter().map(|account| &account.namespace));
    all.cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OLD: &str = "robot$old";
    const NEW: &str = "robot$new";

    fn secret(namespace: &str, name: &str, username: &str) -> PullSecret {
        let auths = json!({"auths": {"r.example": {"username": username, "password": "p"}, "x.example": {"username": OLD, "password": "p"}}});
        PullSecret {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            format: Format::DockerConfigJson,
            immutable: false,
            config: DockerConfig::parse(Format::DockerConfigJson, auths.to_string().as_bytes()),
            managed_by: String::new(),
            successor_of: None,
        }
    }

    fn frozen(namespace: &str, name: &str, username: &str) -> PullSecret {
        PullSecret { immutable: true, ..secret(namespace, name, username) }
    }

    fn account(namespace: &str, name: &str, pull_secrets: &[&str]) -> Account {
        let pull_secrets = pull_secrets.iter().map(|&name| name.to_owned()).collect();
        Account { namespace: namespace.to_owned(), name: name.to_owned(), pull_secrets }
    }

    /// One line for each thing to be done.
    fn lines(plan: &Plan) -> Vec<String> {
        let successors =
            plan.successors.iter().map(|one| format!("make {}/{} of {:?}", one.namespace, one.name, one.of));
        let rewrites = plan.rewrites.iter().map(|one| {
            let how = if one.ensure { "ensure" } else { "rewrite" };
            format!("{how} {}/{}", one.namespace, one.name)
        });
        let uses = plan.uses.iter().map(|one| format!("use {}/{} {:?}", one.namespace, one.account, one.pull_secrets));
        let blocked = plan.blocked.iter().map(|one| format!("blocked {}/{}", one.namespace, one.name));
        successors.chain(rewrites).chain(uses).chain(blocked).collect()
    }

    #[track_caller]
    fn check(
        secrets: &[PullSecret],
        accounts: &[Account],
        ensure: Option<&str>,
        with_accounts: bool,
        expected: &[&str],
    ) {
        let hosts = ["r.example".to_owned()];
        let namespaces = ["a".to_owned(), "b".to_owned()];
        let wish = Wish {
            hosts: &hosts,
            old: Some(OLD),
            new: Some(NEW),
            ensure,
            accounts: with_accounts,
            namespaces: &namespaces,
            username: "new",
        };
        assert_eq!(lines(&plan(secrets, accounts, &wish)), expected);
    }

    #[test]
    fn secrets_with_the_old_login_are_rewritten_and_no_others() {
        let secrets = [
            secret("a", "one", OLD),
            secret("a", "theirs", "robot$other"),
            secret("b", "done", NEW),
            PullSecret { config: None, ..secret("b", "unreadable", OLD) },
            secret("b", "two", OLD),
        ];
        check(&secrets, &[], None, false, &["rewrite a/one", "rewrite b/two"]);
    }

    #[test]
    fn an_immutable_secret_needs_leave_and_gets_a_successor() {
        let frozen_one = frozen("a", "one", OLD);
        let next = successor_name("one", "new");
        let users =
            [account("a", "default", &["x", "one"]), account("a", "other", &["x"]), account("b", "default", &["one"])];
        check(std::slice::from_ref(&frozen_one), &users, None, false, &["blocked a/one"]);
        let made = format!("make a/{next} of Some(\"one\")");
        let used = format!("use a/default [\"x\", \"{next}\", \"one\"]");
        check(std::slice::from_ref(&frozen_one), &users, None, true, &[&made, &used]);

        // The second run, interrupted after the first step, and after the last.
        let successor = PullSecret { successor_of: Some("one".to_owned()), ..secret("a", &next, NEW) };
        check(&[frozen_one.clone(), successor.clone()], &users, None, true, &[&used]);
        let led = [account("a", "default", &["x", &next, "one"])];
        check(&[frozen_one.clone(), successor], &led, None, true, &[]);

        let stale = PullSecret { successor_of: Some("one".to_owned()), ..secret("a", &next, "robot$before") };
        check(&[frozen_one.clone(), stale], &led, None, true, &[&format!("ensure a/{next}")]);
        check(&[frozen_one, secret("a", &next, "robot$other")], &users, None, true, &["blocked a/one"]);
    }

    #[test]
    fn a_named_secret_is_in_every_namespace_and_default_pulls_with_it() {
        let secrets = [secret("a", "pull", OLD), secret("b", "pull", NEW)];
        let accounts = [account("a", "default", &[]), account("b", "default", &["pull"]), account("b", "other", &[])];
        check(&secrets, &accounts, Some("pull"), true, &["ensure a/pull", "use a/default [\"pull\"]"]);
        check(&secrets[1..], &accounts, Some("pull"), false, &["make a/pull of None"]);
        check(&[frozen("a", "pull", "robot$other"), secrets[1].clone()], &[], Some("pull"), true, &["blocked a/pull"]);
    }

    #[test]
    fn two_changes_of_one_account_are_one() {
        let secrets = [frozen("a", "one", OLD), secret("b", "pull", NEW)];
        let next = successor_name("one", "new");
        let expected = [
            format!("make a/{next} of Some(\"one\")"),
            "make a/pull of None".to_owned(),
            format!("use a/default [\"pull\", \"{next}\", \"one\"]"),
        ];
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check(&secrets, &[account("a", "default", &["one"])], Some("pull"), true, &expected);
    }

    #[test]
    fn successors_have_names_a_secret_can_have() {
        let long = "x".repeat(253);
        for name in ["one", "one.", long.as_str()] {
            let next = successor_name(name, "new");
            assert!(next.len() <= 253 && !next.contains(".-") && next != name, "{next}");
            assert_eq!(next, successor_name(name, "new"));
            assert_ne!(next, successor_name(name, "newer"));
        }
    }
}
