//! A look at everything before anything is changed: who comes in whose place, and what that means for the cluster.

use cloud_provider_api::v1;

use super::{
    order::Order,
    record::{Place, Record},
};
use crate::{
    Failure, Login, Provider,
    pull_secrets::{self, Account, Cluster, Plan, PullSecret, Wish, held_by},
};

/// Who comes in whose place, and what that means for the cluster.
pub struct Survey {
    pub(crate) registry: v1::Registry,
    /// The user to be replaced, as far as it is known yet.
    pub(crate) old_username: Option<String>,
    /// It is still there.
    pub(crate) old_is_there: bool,
    /// What the daemon will do. Empty: the user is there already.
    pub(crate) steps: Vec<String>,
    pub(crate) plan: Plan,
    /// A change to this name is on record.
    pub(crate) resumed: bool,
    /// Nothing is left of it.
    pub(crate) done: bool,
    pub(super) place: Place,
    pub(super) record: Option<Record>,
    /// Logins of the new user that are in use, or on record.
    pub(super) candidates: Vec<Login>,
}

impl Survey {
    /// Whether the change was made and finished before.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

/// Whether a user has the wanted name. Clouds put prefixes of their own in front: `robot$name`, `robot$namespace+name`.
fn is_named(username: &str, wanted: &str) -> bool {
    username == wanted || username.rsplit(['$', '+']).next() == Some(wanted)
}

/// What there is in the cluster.
pub(super) struct Sight {
    secrets: Vec<PullSecret>,
    accounts: Vec<Account>,
    namespaces: Vec<String>,
}

pub(super) async fn look(cluster: &Cluster, order: &Order) -> Result<Sight, Failure> {
    let secrets = cluster.pull_secrets(&order.scope).await?;
    let accounts = if order.accounts { cluster.accounts(&order.scope).await? } else { Vec::new() };
    let namespaces = match &order.secret {
        Some(_) => cluster.namespaces(&order.scope).await?,
        None => pull_secrets::namespaces_of(&secrets, &accounts),
    };
    Ok(Sight { secrets, accounts, namespaces })
}

pub(super) fn decide(sight: &Sight, order: &Order, hosts: &[String], old: Option<&str>, new: Option<&str>) -> Plan {
    let wish = Wish {
        hosts,
        old,
        new,
        ensure: order.secret.as_deref(),
        accounts: order.accounts,
        namespaces: &sight.namespaces,
        username: &order.username,
    };
    pull_secrets::plan(&sight.secrets, &sight.accounts, &wish)
}

/// Looks at everything and changes nothing. What cannot be done is refused here.
pub async fn survey(provider: &Provider, cluster: &Cluster, order: &Order) -> Result<Survey, Failure> {
    if order.replaces.is_none() && order.secret.is_none() {
        let message = "there is nothing to write: --replaces USER-ID rewrites the pull secrets of that user, --secret NAME makes one";
        return Err(Failure::usage(message));
    }
    let registry = provider.registry(&order.registry).await?;
    let users = provider.registry_users(&order.registry).await?;
    let place = Place::of(&order.state_namespace, &order.registry, &order.username);
    let record = place.read(cluster).await?;
    if let Some(record) = &record
        && record.replaces != order.replaces
    {
        let theirs =
            record.replaces.as_ref().map_or_else(|| "no --replaces".to_owned(), |id| format!("--replaces {id}"));
        let message = format!(
            "a change to user {:?} is under way with {theirs} ({}): finish that first",
            order.username,
            place.describe()
        );
        return Err(Failure::refused(message));
    }
    let old = order.replaces.as_ref().and_then(|id| users.iter().find(|user| user.id == *id));
    let new = users
        .iter()
        .find(|user| is_named(&user.username, &order.username) && Some(&user.id) != order.replaces.as_ref());
    let old_username = old.map(|user| user.username.clone()).or_else(|| record.as_ref()?.old_username.clone());
    let done = order.replaces.is_some() && old.is_none() && record.is_none() && new.is_some();
    if let Some(id) = &order.replaces
        && old_username.is_none()
        && !done
    {
        let known: Vec<String> = users.iter().map(|user| format!("{} ({})", user.id, user.username)).collect();
        let message = format!("registry {} has no user with id {id:?}; there are: {}", registry.id, known.join(", "));
        // A registry without users says itself why there is nobody to replace.
        let said = provider.replace_registry_user(&registry.id, &order.username, None, true).await;
        return Err(said.err().filter(|_| users.is_empty()).unwrap_or_else(|| Failure::refused(message)));
    }
    let sight = look(cluster, order).await?;
    let recorded = record.as_ref().and_then(|record| record.login.clone());
    let candidates = match (recorded, new) {
        (Some(login), _) => vec![login],
        (None, Some(_)) => in_use(&sight.secrets, &registry.hosts, &order.username),
        (None, None) => Vec::new(),
    };
    let mut steps = Vec::new();
    if candidates.is_empty() && !done {
        let answer =
            provider.replace_registry_user(&registry.id, &order.username, order.replaces.as_deref(), true).await?;
        steps = answer.steps;
        refuse_to_take_over(new, record.as_ref(), order)?;
    }
    let known = candidates.first().map(|login| login.username.as_str());
    let known = known.or_else(|| new.map(|user| user.username.as_str()));
    let plan = decide(&sight, order, &registry.hosts, old_username.as_deref(), known);
    Ok(Survey {
        old_is_there: old.is_some(),
        resumed: record.is_some(),
        registry,
        old_username,
        steps,
        plan,
        done,
        place,
        record,
        candidates,
    })
}

/// A user of the name that nothing here uses may be another cluster's: a new password would take it from there.
fn refuse_to_take_over(new: Option<&v1::RegistryUser>, record: Option<&Record>, order: &Order) -> Result<(), Failure> {
    let Some(user) = new.filter(|_| record.is_none() && !order.take_over) else {
        return Ok(());
    };
    let message = format!(
        "user {:?} (id {}) is there from an earlier change, and no pull secret in sight logs in with it. It may be in use elsewhere, and its \
         password can only be changed, not read: choose another --username, or --take-over if it is nobody's",
        user.username, user.id
    );
    Err(Failure::refused(message))
}

/// The logins of the new user that secrets hold, each once.
fn in_use(secrets: &[PullSecret], hosts: &[String], wanted: &str) -> Vec<Login> {
    let mut logins: Vec<Login> = Vec::new();
    for (_, login) in held_by(secrets, hosts, |username| is_named(username, wanted)) {
        if !logins.contains(&login) {
            logins.push(login);
        }
    }
    logins
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pull_secrets::Scope;

    #[test]
    fn names_are_known_behind_the_clouds_prefixes() {
        for (username, same) in [("ci", true), ("robot$ci", true), ("robot$team+ci", true), ("robot$ci2", false)] {
            assert_eq!(is_named(username, "ci"), same, "{username}");
        }
    }

    #[test]
    fn a_user_that_may_be_anothers_is_taken_over_only_when_asked_to() {
        let user = v1::RegistryUser { username: "robot$new".to_owned(), ours: true, ..v1::RegistryUser::default() };
        let order = |take_over| Order {
            registry: "r".to_owned(),
            username: "new".to_owned(),
            replaces: None,
            scope: Scope::All,
            secret: None,
            accounts: false,
            grace: Duration::ZERO,
            take_over,
            skip_verify: false,
            state_namespace: "n".to_owned(),
        };
        let record = Record {
            registry: "r".to_owned(),
            wanted: "new".to_owned(),
            replaces: None,
            old_username: None,
            user_id: None,
            rewritten_at: None,
            login: None,
        };
        for (new, record, take_over, allowed) in [
            (None, None, false, true),
            (Some(&user), None, false, false),
            (Some(&user), None, true, true),
            // This cluster began it: nothing got its password yet.
            (Some(&user), Some(&record), false, true),
        ] {
            assert_eq!(refuse_to_take_over(new, record, &order(take_over)).is_ok(), allowed, "{new:?} {take_over}");
        }
    }
}
