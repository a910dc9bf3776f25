//! The next step for one Service.

use std::{sync::Arc, time::Duration};

use crate::{
    names::ANNOTATION_HANDLE,
    provider::Notice,
    tenancy::{Obstacle, Standing, noted_tenant},
    time::Timestamp,
    view::Service,
};

use super::{
    announce,
    ownership::{Owner, has_finalizer, marked_provider, needs_cleanup, wants_load_balancer},
    record::{Record, Report, Target, Work},
    wanted::{InvalidService, Wanted},
};

/// What is put back although somebody keeps taking it away is put back no more often than this: no endless fights.
pub const RESTORE_PAUSE: Duration = Duration::from_secs(30);

/// All that is seen of one Service.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The Service; `None`: it is gone.
    pub service: Option<&'a Arc<Service>>,
    /// Whose it is. Not read when it is gone.
    pub owner: Owner<'a>,
    /// Which tenant's it is. Not read when it is gone.
    pub standing: &'a Standing,
    /// What it wants of its provider. Only read while it wants a load balancer and is ours.
    pub wanted: Option<Result<&'a Wanted, &'a InvalidService>>,
    /// What is remembered.
    pub record: &'a Record,
    /// Epoch of the provider's daemon.
    pub epoch: &'a str,
    /// The provider can compare the cloud with what is wanted without changing it.
    pub compares: bool,
    /// Now.
    pub now: Timestamp,
    /// The time after which the cloud is looked at again although nothing changed.
    pub audit: Duration,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to do; with a time, look again then.
    Rest(Option<Duration>),
    /// Not decidable before every provider has said its name.
    AwaitOwner,
    /// Write finalizer and mark, dropping the handle of another provider.
    Claim {
        /// The provider that is to have it.
        provider: String,
        /// The tenant whose it is to be.
        tenant: String,
        /// No finalizer was there before.
        anew: bool,
    },
    /// Call the provider of the Service.
    Call(Work),
    /// Ask the provider what an ensure would do now.
    Compare,
    /// Write status and handle.
    Report(Report),
    /// Remove a load balancer.
    Delete(Target),
    /// Take finalizer, status and our annotations off the Service.
    Release,
    /// Take only our annotations off a Service that is another controller's now.
    Disclaim,
    /// The Service is gone and so is its load balancer.
    Forget,
    /// Tell why nothing can be done, and wait for a change.
    Refuse(Notice),
    /// Tell why not everything can be done.
    Warn(Notice),
}

/// The next step. Applying it changes the Service or the record, so that the step after it is another one.
pub fn decide(scene: &Scene<'_>) -> Step {
    let step = undisturbed(scene);
    match (&step, &scene.record.flight) {
        (Step::Delete(_), Some(flight)) if flight.hash.is_none() && scene.now < flight.until => {
            Step::Rest(Some(flight.until.since(scene.now)))
        }
        _ => step,
    }
}

fn undisturbed(scene: &Scene<'_>) -> Step {
    let record = scene.record;
    let Some(service) = scene.service else {
        return record.claim.clone().map_or(Step::Forget, Step::Delete);
    };
    match scene.owner {
        Owner::Waiting => Step::AwaitOwner,
        Owner::Foreign => foreign(service, record),
        Owner::Provider(name) => match &record.claim {
            // Another object of this name, or the same one at another provider: the old load balancer goes first.
            Some(claim) if claim.service.uid != service.uid || claim.provider != name => Step::Delete(claim.clone()),
            _ if needs_cleanup(service) => clean_up(scene, service, name),
            _ if wants_load_balancer(service) && !service.deleting => keep(scene, service, name),
            // Somebody took our finalizer away from a Service that no longer wants or keeps its load balancer.
            Some(claim) => Step::Delete(claim.clone()),
            None => Step::Rest(None),
        },
    }
}

/// A Service of another controller. Its finalizer and status are not ours, whatever they look like. Only when its class
/// changed before our eyes is there something of ours to take away.
fn foreign(service: &Service, record: &Record) -> Step {
    match &record.claim {
        Some(claim)
            if claim.service.uid != service.uid || claim.service.load_balancer_class != service.load_balancer_class =>
        {
            Step::Delete(claim.clone())
        }
        None if record.gone.as_ref() == Some(&service.uid) && marked_provider(service).is_some() => Step::Disclaim,
        _ => Step::Rest(None),
    }
}

/// A Service that holds the finalizer and has no right to a load balancer any more. The provider is always asked to remove
/// it, whatever a look would find: half of a load balancer does not show.
///
/// Where the Service's note of its tenant and the map differ, both tenants are asked: the note may be made up, and each finds
/// only what carries this Service's UID.
fn clean_up(scene: &Scene<'_>, service: &Arc<Service>, provider: &str) -> Step {
    let (record, standing) = (scene.record, scene.standing);
    let gone = record.gone.as_ref() == Some(&service.uid);
    let hint = record.tenant_hint(service).unwrap_or(&standing.tenant);
    let mut asked = [Some(hint), standing.also.as_deref()].into_iter().flatten();
    let left = asked.find(|tenant| !record.is_gone_for(&service.uid, tenant));
    let Some(tenant) = left.filter(|_| !(gone && record.gone_surely)) else { return Step::Release };
    if let Some(obstacle @ Obstacle::Unserved) = &standing.obstacle {
        return Step::Refuse(announce::obstacle(service, &standing.tenant, obstacle));
    }
    let delete = || {
        let (provider, tenant) = (provider.to_owned(), tenant.to_owned());
        Step::Delete(Target { provider, tenant, service: Arc::clone(service) })
    };
    let ours = record.claim.is_some() || marked_provider(service).is_some() || wants_load_balancer(service);
    if ours {
        return delete();
    }
    // Changing the type drops the class, so the finalizer may be of a controller whose class this Service had. What the
    // cloud has under our key is ours; else the finalizer is left to whoever put it there.
    match record.exists {
        None => Step::Call(Work::Look),
        Some(true) => delete(),
        Some(false) if service.deleting => Step::Refuse(announce::unclear_finalizer()),
        Some(false) => Step::Rest(None),
    }
}

/// A Service that wants a load balancer of ours.
fn keep(scene: &Scene<'_>, service: &Arc<Service>, provider: &str) -> Step {
    let (record, now) = (scene.record, scene.now);
    let marked = marked_provider(service);
    let left = record.gone.as_ref() == Some(&service.uid);
    if let Some(other) = marked.filter(|marked| *marked != provider && !left) {
        let tenant = noted_tenant(service).unwrap_or_default().to_owned();
        return Step::Delete(Target { provider: other.to_owned(), tenant, service: Arc::clone(service) });
    }
    let standing = scene.standing;
    if let Some(obstacle @ (Obstacle::Unmapped | Obstacle::Unserved)) = &standing.obstacle {
        return Step::Refuse(announce::obstacle(service, &standing.tenant, obstacle));
    }
    let wanted = match scene.wanted {
        Some(Ok(wanted)) => wanted,
        Some(Err(problem)) => return Step::Refuse(announce::invalid(problem)),
        None => return Step::AwaitOwner,
    };
    let tenant = match &standing.obstacle {
        // Nothing was made for the former tenant: it is the present one's from the start.
        Some(Obstacle::Moved { now: Some(now) }) if record.nothing => now,
        _ => &standing.tenant,
    };
    if !has_finalizer(service) || marked != Some(provider) || noted_tenant(service) != Some(tenant.as_str()) {
        if let Some(pause) = remaining(record.claimed_at, RESTORE_PAUSE, now) {
            return Step::Rest(Some(pause));
        }
        let (provider, tenant) = (provider.to_owned(), tenant.to_owned());
        return Step::Claim { provider, tenant, anew: !has_finalizer(service) };
    }
    let (report, pause) = due_report(service, record, now);
    if let Some(report) = report {
        return Step::Report(report);
    }
    let rest = |time: Option<Duration>| Step::Rest([time, pause].into_iter().flatten().min());
    let notice = standing.obstacle.as_ref().map(|obstacle| announce::obstacle(service, &standing.tenant, obstacle));
    match (towards(scene, wanted), notice) {
        // What is there is looked at and follows the nodes; nothing is made or changed in an account that is not the tenant's.
        (Towards::Step(Step::Call(Work::Ensure)), Some(notice)) => Step::Refuse(notice),
        (Towards::Rest(_), Some(notice)) if !record.has_told(&notice) => Step::Warn(notice),
        (Towards::Step(step), _) => step,
        (Towards::Rest(time), _) => rest(time),
    }
}

enum Towards {
    Step(Step),
    Rest(Option<Duration>),
}

/// The step that brings the cloud nearer to what is wanted.
fn towards(scene: &Scene<'_>, wanted: &Wanted) -> Towards {
    let (record, now) = (scene.record, scene.now);
    if let Some(hold) = record.hold.as_ref().filter(|hold| hold.holds(&wanted.hash, scene.epoch, now)) {
        return Towards::Rest(hold.until.map(|until| until.since(now)));
    }
    let ensuring = match &record.flight {
        Some(flight) if flight.hash.as_ref() == Some(&wanted.hash) && now < flight.until => {
            return Towards::Rest(Some(flight.until.since(now)));
        }
        Some(flight) => flight.work != Work::UpdateMembers,
        None => false,
    };
    let call = |work| Towards::Step(Step::Call(work));
    match &record.achieved {
        _ if ensuring => call(Work::Ensure),
        // Somebody, perhaps we before a restart, had something made here.
        None if record.exists.is_none() => call(Work::Look),
        Some(achieved) if *achieved == wanted.hash => match remaining(record.confirmed, scene.audit, now) {
            Some(_) if record.compare && scene.compares => Towards::Step(Step::Compare),
            Some(time) => Towards::Rest(Some(time)),
            None => call(Work::Look),
        },
        Some(achieved) if achieved.spec == wanted.hash.spec => call(Work::UpdateMembers),
        None | Some(_) => call(Work::Ensure),
    }
}

/// What has to be written to the Service, or else how long a restoration still has to wait.
fn due_report(service: &Service, record: &Record, now: Timestamp) -> (Option<Report>, Option<Duration>) {
    let handle = service.annotations.get(ANNOTATION_HANDLE).map_or("", String::as_str);
    let report = Report {
        ingress: record.ready.as_ref().unwrap_or(&service.ingress).clone(),
        handle: if record.handle.is_empty() { handle.to_owned() } else { record.handle.clone() },
    };
    if report.ingress == service.ingress && report.handle == handle {
        return (None, None);
    }
    let written = record.reported.as_ref().filter(|(written, _)| *written == report).map(|(_, at)| *at);
    match remaining(written, RESTORE_PAUSE, now) {
        Some(pause) => (None, Some(pause)),
        None => (Some(report), None),
    }
}

/// What is left of `period` since `from`; `None` when it has passed or never began.
fn remaining(from: Option<Timestamp>, period: Duration, now: Timestamp) -> Option<Duration> {
    period.checked_sub(now.since(from?)).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests;
