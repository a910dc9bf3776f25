//! The steps of a change, in the only order that is safe, each of which may be the last one that was made.

use std::time::{Duration, SystemTime};

use cloud_rest::Secret;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::{
    order::{Order, Stage, Watcher},
    record::Record,
    survey::{Survey, decide, look, survey},
};
use crate::{
    Failure, Kind, Login, Provider, Registry, Verdict,
    pull_secrets::{self, Change, Cluster},
};

/// How long a registry may take to know a user that was just made.
const SETTLE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_secs(2);
/// How often the secrets are looked at again: others may be made while these are rewritten.
const ROUNDS: u32 = 5;

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the cloud calls the new user.
    pub username: String,
    /// Until when the old user stays. `None`: something is left to do before.
    pub grace_ends: Option<SystemTime>,
    /// What needs a person.
    pub blocked: Vec<pull_secrets::Blocked>,
}

impl Survey {
    /// Makes the change, or what is left of it.
    pub async fn carry_out(
        &mut self,
        provider: &Provider,
        cluster: &Cluster,
        order: &Order,
        watcher: &mut dyn Watcher,
    ) -> Result<Outcome, Failure> {
        let mut record = match self.record.clone() {
            Some(record) => record,
            None => self.begin(cluster, order, watcher).await?,
        };
        let registry = if order.skip_verify { None } else { Some(Registry::new()?) };
        let login = self.login(provider, cluster, order, registry.as_ref(), &mut record, watcher).await?;
        let hosts = self.registry.hosts.clone();
        let change = Change { hosts: &hosts, old: self.old_username.as_deref(), login: &login };
        let (changed, blocked) = rewrite(cluster, order, change, watcher).await?;
        let is_over = blocked.is_empty();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        // What had to be rewritten only now was in use until now: the grace begins anew.
        let rewritten_at = is_over.then(|| record.rewritten_at.filter(|_| !changed).unwrap_or(now));
        if rewritten_at != record.rewritten_at {
            watcher.stage(&Stage::NoteRewritten)?;
            record.rewritten_at = rewritten_at;
            self.place.write(cluster, &record).await?;
        }
        let outcome = Outcome { username: login.username, grace_ends: record.grace_ends(order.grace), blocked };
        self.record = Some(record);
        Ok(outcome)
    }

    async fn begin(&mut self, cluster: &Cluster, order: &Order, watcher: &mut dyn Watcher) -> Result<Record, Failure> {
        let record = Record {
            registry: order.registry.clone(),
            wanted: order.username.clone(),
            replaces: order.replaces.clone(),
            old_username: self.old_username.clone(),
            user_id: None,
            rewritten_at: None,
            login: None,
        };
        watcher.stage(&Stage::Record(self.place.describe()))?;
        self.place.begin(cluster, &record).await?;
        Ok(record)
    }

    /// A login of the new user that works: the one on record or in use, or else a new one.
    async fn login(
        &mut self,
        provider: &Provider,
        cluster: &Cluster,
        order: &Order,
        registry: Option<&Registry>,
        record: &mut Record,
        watcher: &mut dyn Watcher,
    ) -> Result<Login, Failure> {
        let hosts = self.registry.hosts.clone();
        let mut usable = None;
        for candidate in &self.candidates {
            let verdict = verdict(registry, &hosts, candidate, SETTLE, watcher).await?;
            match verdict {
                Verdict::Bad(_) => {}
                Verdict::Good | Verdict::Unknown(_) => {
                    usable = Some(candidate.clone());
                    break;
                }
            }
        }
        if let Some(login) = usable {
            if record.login.as_ref() != Some(&login) {
                watcher.stage(&Stage::KeepLogin)?;
                record.login = Some(login.clone());
                self.place.write(cluster, record).await?;
            }
            return Ok(login);
        }
        // None there was, or none that works: so nothing can lose by a new password.
        watcher.stage(&Stage::MakeUser(order.username.clone()))?;
        let answer =
            provider.replace_registry_user(&order.registry, &order.username, order.replaces.as_deref(), false).await?;
        let (user, credential) = answer
            .user
            .zip(answer.credential)
            .ok_or_else(|| Failure::failed("the daemon answered no user or no login: that is a defect of it"))?;
        let login = Login { username: credential.username, password: Secret::new(credential.password) };
        watcher.stage(&Stage::KeepLogin)?;
        record.user_id = Some(user.id);
        record.login = Some(login.clone());
        self.place.write(cluster, record).await?;
        match verdict(registry, &hosts, &login, SETTLE, watcher).await? {
            Verdict::Good => {}
            Verdict::Unknown(why) => watcher.note(&format!("the login was not tried: {why}")),
            Verdict::Bad(why) => {
                let message = format!(
                    "the new user {:?} cannot log in: {why}. No secret was changed; look at it in the cloud's console, then run the command \
                     again",
                    login.username
                );
                return Err(Failure::refused(message));
            }
        }
        Ok(login)
    }

    /// Ends the old user, once its grace is over and nothing uses it any more.
    pub async fn finish(
        &mut self,
        provider: &Provider,
        cluster: &Cluster,
        order: &Order,
        outcome: &Outcome,
        watcher: &mut dyn Watcher,
    ) -> Result<(), Failure> {
        let Some(ends) = outcome.grace_ends.filter(|_| outcome.blocked.is_empty()) else {
            return Err(Failure::new(Kind::Unfinished, "secrets with the old login are left: the old user stays"));
        };
        if SystemTime::now() < ends {
            let message =
                format!("the old user stays until {}: run the command again with --finish after that", moment(ends));
            return Err(Failure::new(Kind::Unfinished, message));
        }
        let mut refused = None;
        if let Some(old) = order.replaces.as_ref().filter(|_| self.old_is_there) {
            let name = self.old_username.clone().unwrap_or_default();
            watcher.stage(&Stage::Revoke(format!("{name:?} (id {old})")))?;
            match provider.revoke_registry_user(&order.registry, old).await {
                Ok(()) => {}
                // That will be no different later: the change itself is over all the same.
                Err(failure) if failure.kind() == Kind::Refused => refused = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        watcher.stage(&Stage::EndRecord(self.place.describe()))?;
        self.place.end(cluster).await?;
        match refused {
            None => Ok(()),
            Some(failure) => {
                Err(Failure::refused(format!("the change is made, but the old user was not revoked: {failure}")))
            }
        }
    }
}

/// Ends the change that is on record. The same as [`Survey::finish`], after making sure that nothing is left.
pub async fn finish(
    provider: &Provider,
    cluster: &Cluster,
    order: &Order,
    watcher: &mut dyn Watcher,
) -> Result<(), Failure> {
    let mut survey = survey(provider, cluster, order).await?;
    if survey.done {
        return Ok(());
    }
    let outcome = survey.carry_out(provider, cluster, order, watcher).await?;
    survey.finish(provider, cluster, order, &outcome, watcher).await
}

/// For people, to the minute.
pub(crate) fn moment(time: SystemTime) -> String {
    Timestamp::try_from(time)
        .map_or_else(|_| "an unknown time".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// Rewrites secrets until none is left that has to be. Whether any was, and what needs a person.
async fn rewrite(
    cluster: &Cluster,
    order: &Order,
    change: Change<'_>,
    watcher: &mut dyn Watcher,
) -> Result<(bool, Vec<pull_secrets::Blocked>), Failure> {
    let mut changed = false;
    for _ in 0..ROUNDS {
        let sight = look(cluster, order).await?;
        let plan = decide(&sight, order, change.hosts, change.old, Some(&change.login.username));
        if plan.is_empty() {
            return Ok((changed, plan.blocked));
        }
        changed = true;
        for successor in &plan.successors {
            watcher.stage(&Stage::Make(format!("{}/{}", successor.namespace, successor.name)))?;
            cluster.make(successor, change).await?;
        }
        for rewrite in &plan.rewrites {
            watcher.stage(&Stage::Rewrite(format!("{}/{}", rewrite.namespace, rewrite.name)))?;
            cluster.rewrite(rewrite, change).await?;
        }
        for wanted in &plan.uses {
            watcher.stage(&Stage::Use(format!("{}/{}", wanted.namespace, wanted.account)))?;
            cluster.use_secrets(wanted).await?;
        }
    }
    let message = "secrets with the old login come back as fast as they are rewritten: something else manages them and has to be \
                   changed first. The old user stays";
    Err(Failure::new(Kind::Unfinished, message))
}

/// What the registry says of a login at all its hosts: bad at one is bad. For as long as `within` it is asked again.
async fn verdict(
    registry: Option<&Registry>,
    hosts: &[String],
    login: &Login,
    within: Duration,
    watcher: &mut dyn Watcher,
) -> Result<Verdict, Failure> {
    let Some(registry) = registry else {
        return Ok(Verdict::Unknown("--skip-verify was given".to_owned()));
    };
    watcher.stage(&Stage::Verify(hosts.to_vec()))?;
    let start = Instant::now();
    loop {
        let mut whole = Verdict::Unknown("the registry names no host".to_owned());
        for host in hosts {
            match registry.ask(host, login).await {
                Verdict::Bad(why) => {
                    whole = Verdict::Bad(format!("{host}: {why}"));
                    break;
                }
                Verdict::Good => whole = Verdict::Good,
                Verdict::Unknown(why) if whole != Verdict::Good => whole = Verdict::Unknown(format!("{host}: {why}")),
                Verdict::Unknown(_) => {}
            }
        }
        if !matches!(whole, Verdict::Bad(_)) || start.elapsed() + POLL > within {
            return Ok(whole);
        }
        sleep(POLL).await;
    }
}
