//! What is remembered of one Service between two steps, and what each answer adds to it.
//!
//! The record is a memory, not the truth: it is lost at a restart and made again from the Service and the cloud's own
//! record. Everything that decides whether a load balancer may be made or removed is on the Service or in the cloud.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::{
    fault::{Code, Fault, Origin, Retry},
    names::ANNOTATION_HANDLE,
    provider::{DeleteState, LoadBalancerState, Notice, Phase},
    tenancy::noted_tenant,
    time::Timestamp,
    view::{Ingress, IpMode, Service},
};

use super::{
    announce,
    wanted::{SpecHash, Wanted},
};

/// A call to the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Ask what is there.
    Look,
    /// Make the cloud match.
    Ensure,
    /// Only the members changed.
    UpdateMembers,
    /// Remove it.
    Delete {
        /// The Service is gone already, so nobody can be told by its finalizer.
        service_gone: bool,
    },
}

/// A load balancer that is, or may be, in the cloud: whom to ask about it and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name of the provider.
    pub provider: String,
    /// The tenant to ask as; empty: the caller's own.
    pub tenant: String,
    /// The Service as it was last seen.
    pub service: Arc<Service>,
}

/// What the Service is to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `status.loadBalancer.ingress`.
    pub ingress: Vec<Ingress>,
    /// The handle annotation; empty: none.
    pub handle: String,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// The next step at once.
    Go,
    /// The next step after this time; neither failure nor success.
    Wait(Duration),
    /// It failed.
    Retry(Retry),
    /// The provider is away: wait for it without ageing.
    Park,
}

/// An answer taken in: what follows, and what people are told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What follows.
    pub next: Next,
    /// To become Events, in order.
    pub notices: Vec<Notice>,
}

impl Told {
    const fn quietly(next: Next) -> Self {
        Self { next, notices: Vec::new() }
    }
}

/// A call whose work goes on in the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) work: Work,
    /// What it works towards; `None` for a removal.
    pub(super) hash: Option<SpecHash>,
    /// When to ask again.
    pub(super) until: Timestamp,
}

/// A refusal that asking again does not cure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    /// What was refused.
    pub(super) hash: SpecHash,
    /// The daemon that refused: a restarted one may be a cured one.
    pub(super) epoch: String,
    /// Until when; `None`: until something changes.
    pub(super) until: Option<Timestamp>,
    /// Only a change of the Service itself ends it earlier: new nodes raise no quota and grant no right.
    pub(super) whatever_nodes: bool,
}

impl Hold {
    /// Whether it holds for what is wanted now.
    pub(super) fn holds(&self, wanted: &SpecHash, epoch: &str, now: Timestamp) -> bool {
        let same = if self.whatever_nodes { self.hash.spec == wanted.spec } else { self.hash == *wanted };
        same && self.epoch == epoch && self.until.is_none_or(|until| now < until)
    }
}

/// How long an incurable refusal is left alone at least. The queue's own wait is longer.
const SLOW: Duration = Duration::from_secs(600);
/// Pause before a provider that answered another hash than it was given is asked again.
const MISMATCH_PAUSE: Duration = Duration::from_secs(1);

/// What is remembered of one Service.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The load balancer that we made or took over.
    pub(super) claim: Option<Target>,
    /// When finalizer and mark were last written.
    pub(super) claimed_at: Option<Timestamp>,
    /// UID of a Service whose load balancer is proven to be gone.
    pub(super) gone: Option<String>,
    /// As which tenants that was proven.
    gone_for: BTreeSet<String>,
    /// It was ours to know as whose it was made: no other tenant need be asked.
    pub(super) gone_surely: bool,
    /// Whether a look found something; `None`: not looked.
    pub(super) exists: Option<bool>,
    /// What the cloud is known to have.
    pub(super) achieved: Option<SpecHash>,
    /// The cloud said of which spec its load balancer is, and could not say of which members: they may well be right.
    unsure: bool,
    /// The ways in, from the last answer that had any.
    pub(super) ready: Option<Vec<Ingress>>,
    /// The handle last answered; empty: none.
    pub(super) handle: String,
    /// Every ensure ever made of this Service had an answer, and it is kept. Not so after a restart, nor when nobody knows
    /// how an ensure ended.
    kept: bool,
    /// The cloud has nothing of this Service: it said so, or nothing was ever asked for, and no ensure was begun since.
    pub(super) nothing: bool,
    /// When the cloud last confirmed what is there.
    pub(super) confirmed: Option<Timestamp>,
    /// A look for drift is due.
    pub(super) compare: bool,
    pub(super) flight: Option<Flight>,
    pub(super) hold: Option<Hold>,
    /// What was last written to the Service, and when.
    pub(super) reported: Option<(Report, Timestamp)>,
    /// What people were last told is being worked on.
    announced: Option<SpecHash>,
    announced_delete: bool,
    /// The refusal people were last told of.
    refused: Option<Notice>,
    /// Notices of the last answer.
    notices: Vec<Notice>,
    failures: u32,
    failing_since: Option<Timestamp>,
    mismatches: u32,
}

impl Record {
    /// Whether the provider refused what is wanted, so that only a change or another daemon helps.
    pub const fn is_held(&self) -> bool {
        self.hold.is_some()
    }

    /// The provider whose load balancer this record is about, as far as it is about one.
    pub fn provider(&self) -> Option<&str> {
        self.claim.as_ref().map(|claim| claim.provider.as_str())
    }

    /// The handle to be given back to the provider with a call about this Service; empty: none.
    pub fn handle_of<'a>(&'a self, service: &'a Service) -> &'a str {
        match &self.claim {
            Some(claim) if claim.service.uid == service.uid && !self.handle.is_empty() => &self.handle,
            _ => service.annotations.get(ANNOTATION_HANDLE).map_or("", String::as_str),
        }
    }

    /// Whether an ensure of this Service may have been made whose answer was not kept, so that the cloud may have a load
    /// balancer that no handle names.
    pub fn attempted(&self, service: &Service) -> bool {
        let about = self.claim.as_ref().is_some_and(|claim| claim.service.uid == service.uid);
        !(about && self.kept)
    }

    /// The tenant whose load balancer this is, as far as there is one.
    pub fn made_for<'a>(&'a self, service: &'a Service) -> Option<&'a str> {
        if self.gone.as_ref() == Some(&service.uid) {
            return None;
        }
        self.tenant_hint(service)
    }

    /// The tenant whose load balancer this is, or was: by what we remember, else by the Service's note.
    pub fn tenant_hint<'a>(&'a self, service: &'a Service) -> Option<&'a str> {
        match &self.claim {
            Some(claim) if claim.service.uid == service.uid => Some(&claim.tenant),
            _ => noted_tenant(service),
        }
    }

    /// Whether the load balancer of a Service is proven to be gone as this tenant's.
    pub(super) fn is_gone_for(&self, uid: &str, tenant: &str) -> bool {
        self.gone.as_deref() == Some(uid) && self.gone_for.contains(tenant)
    }

    /// Whether people were told this last.
    pub(super) fn has_told(&self, notice: &Notice) -> bool {
        self.refused.as_ref() == Some(notice)
    }

    /// Keeps the newest form of a Service whose load balancer is this provider's and tenant's, for the day it is gone.
    fn track(&mut self, provider: &str, tenant: &str, service: &Arc<Service>) {
        if self.handle.is_empty()
            && let Some(handle) = service.annotations.get(ANNOTATION_HANDLE)
        {
            self.handle.clone_from(handle);
        }
        let service = Arc::clone(service);
        self.claim = Some(Target { provider: provider.to_owned(), tenant: tenant.to_owned(), service });
    }

    /// Finalizer and marks were written; with `anew`, no finalizer was there before, so nothing of ours can be in the cloud.
    pub fn claimed(&mut self, provider: &str, tenant: &str, service: &Arc<Service>, anew: bool, now: Timestamp) {
        if self.claim.as_ref().is_some_and(|claim| claim.tenant != tenant) {
            // What is known is known of another tenant's account.
            *self = Self { claimed_at: self.claimed_at, ..Self::default() };
        }
        self.track(provider, tenant, service);
        let first = self.claimed_at.replace(now).is_none();
        if self.gone.take().is_some() || (anew && self.confirmed.is_none()) {
            self.gone_for.clear();
            self.gone_surely = false;
            self.exists = Some(false);
            self.nothing = true;
            self.kept |= first;
        }
    }

    /// The Service shows this now.
    pub fn reported(&mut self, report: Report, now: Timestamp) {
        self.reported = Some((report, now));
    }

    /// The Service was let go; nothing of the past matters if it comes back.
    pub fn released(&mut self, uid: &str) {
        let (mut gone_for, mut gone_surely) = (std::mem::take(&mut self.gone_for), self.gone_surely);
        if self.gone.as_deref() != Some(uid) {
            (gone_for, gone_surely) = (BTreeSet::new(), false);
        }
        *self = Self { gone: Some(uid.to_owned()), gone_for, gone_surely, ..Self::default() };
    }

    /// The provider is about to be asked about a Service that wants a load balancer. Answers what people are told
    /// beforehand.
    pub fn begin(
        &mut self,
        work: Work,
        provider: &str,
        tenant: &str,
        service: &Arc<Service>,
        wanted: &Wanted,
    ) -> Vec<Notice> {
        self.track(provider, tenant, service);
        match work {
            Work::Ensure => {
                self.nothing = false;
                self.achieved = None;
                if self.announced.as_ref() == Some(&wanted.hash) {
                    return Vec::new();
                }
                self.announced = Some(wanted.hash.clone());
                let mut notices = vec![announce::ensuring()];
                if !wanted.has_members() {
                    notices.push(announce::no_nodes());
                }
                notices
            }
            Work::UpdateMembers => {
                if let Some(achieved) = &mut self.achieved {
                    achieved.members.clear();
                }
                Vec::new()
            }
            Work::Look | Work::Delete { .. } => Vec::new(),
        }
    }

    /// A load balancer is about to be removed. Answers what people are told beforehand.
    pub fn begin_delete(&mut self) -> Vec<Notice> {
        if std::mem::replace(&mut self.announced_delete, true) { Vec::new() } else { vec![announce::deleting()] }
    }

    /// An ensure or an update of members was answered. `epoch` is that of the daemon.
    pub fn answered(
        &mut self,
        work: Work,
        wanted: &Wanted,
        result: Result<LoadBalancerState, Fault>,
        epoch: &str,
        now: Timestamp,
    ) -> Told {
        let state = match result {
            Ok(state) => state,
            Err(fault) => {
                self.kept &= work != Work::Ensure || !fault.outcome_unknown();
                return self.failed(work, &fault, Some(wanted), epoch, now);
            }
        };
        self.exists = Some(true);
        self.compare = false;
        let (phase, mut notices) = self.take_in(state);
        let (ingress, achieved) = match phase {
            Phase::InProgress { poll_after, .. } => {
                self.succeeded();
                self.flight = Some(Flight { work, hash: Some(wanted.hash.clone()), until: now + poll_after });
                return Told { next: Next::Wait(poll_after), notices };
            }
            Phase::Ready { ingress, spec_hash } => (ingress, spec_hash),
        };
        self.flight = None;
        self.ready = Some(normalised(ingress));
        self.confirmed = Some(now);
        self.kept |= work == Work::Ensure;
        if achieved.is_empty() || achieved == wanted.hash.to_string() {
            self.succeeded();
            self.mismatches = 0;
            self.achieved = Some(wanted.hash.clone());
            let unsure = std::mem::take(&mut self.unsure);
            match work {
                // Nobody knows that anything changed.
                Work::UpdateMembers if unsure => {}
                Work::UpdateMembers => notices.push(announce::updated(wanted)),
                _ => notices.push(announce::ensured()),
            }
            return Told { next: Next::Go, notices };
        }
        self.achieved = SpecHash::parse(&achieved);
        self.mismatches += 1;
        if self.mismatches == 1 {
            // The call joined one that was under way for what was wanted before.
            return Told { next: Next::Wait(MISMATCH_PAUSE), notices };
        }
        let fault = self.mismatch_fault(&achieved, wanted);
        let mut told = self.failed(work, &fault, Some(wanted), epoch, now);
        told.notices.splice(0..0, notices);
        told
    }

    fn mismatch_fault(&self, achieved: &str, wanted: &Wanted) -> Fault {
        let provider = self.provider().unwrap_or_default();
        let text = format!("answered that {achieved} is done where {} was asked for", wanted.hash);
        Fault::new(Code::Internal, Origin::Distrust, provider, text)
    }

    /// A look was answered.
    pub fn looked(&mut self, result: Result<LoadBalancerState, Fault>, epoch: &str, now: Timestamp) -> Told {
        let state = match result {
            Ok(state) => state,
            Err(fault) if fault.code == Code::NotFound && fault.origin != Origin::Distrust => {
                self.exists = Some(false);
                self.nothing = true;
                self.achieved = None;
                self.seen(false, now);
                return Told::quietly(Next::Go);
            }
            Err(fault) => return self.failed(Work::Look, &fault, None, epoch, now),
        };
        let again = self.exists.replace(true) == Some(true);
        self.nothing = false;
        let (phase, notices) = self.take_in(state);
        match phase {
            // Whatever goes on there, nobody carries it on but an ensure.
            Phase::InProgress { .. } => self.achieved = None,
            Phase::Ready { ingress, spec_hash } => {
                self.ready = Some(normalised(ingress));
                // A provider that cannot keep a hash says nothing against what we remember.
                if !spec_hash.is_empty() {
                    self.achieved = SpecHash::parse(&spec_hash);
                }
            }
        }
        self.unsure = self.achieved.as_ref().is_some_and(|achieved| achieved.members.is_empty());
        self.seen(again, now);
        Told { next: Next::Go, notices }
    }

    fn seen(&mut self, compare: bool, now: Timestamp) {
        self.succeeded();
        self.confirmed = Some(now);
        self.compare = compare;
        if self.achieved.is_none() {
            // Something has to be done that nobody was told of yet.
            self.announced = None;
        }
    }

    /// The cloud was compared with what is wanted. `drifted`: it is not the same. A provider that could not say so now is
    /// asked again at the next audit.
    pub fn compared(&mut self, drifted: bool) {
        self.compare = false;
        if drifted {
            self.achieved = None;
            self.announced = None;
        }
    }

    /// A removal was answered.
    pub fn deleted(
        &mut self,
        target: &Target,
        service_gone: bool,
        result: Result<DeleteState, Fault>,
        epoch: &str,
        now: Timestamp,
    ) -> Told {
        let work = Work::Delete { service_gone };
        let state = match result {
            Ok(state) => state,
            Err(fault) if fault.code == Code::NotFound && fault.origin != Origin::Distrust => {
                DeleteState { in_progress: None, notices: Vec::new() }
            }
            Err(fault) => return self.failed(work, &fault, None, epoch, now),
        };
        let mut notices = self.fresh(state.notices);
        self.succeeded();
        if let Some((poll_after, _)) = state.in_progress {
            self.flight = Some(Flight { work, hash: None, until: now + poll_after });
            return Told { next: Next::Wait(poll_after), notices };
        }
        notices.push(announce::deleted());
        let known = self.claim.is_some() && (self.claimed_at.is_some() || self.exists == Some(true));
        self.released(&target.service.uid);
        self.gone_surely |= known;
        self.gone_for.insert(target.tenant.clone());
        Told { next: Next::Go, notices }
    }

    fn failed(&mut self, work: Work, fault: &Fault, wanted: Option<&Wanted>, epoch: &str, now: Timestamp) -> Told {
        if fault.is_away() {
            return Told::quietly(Next::Park);
        }
        self.flight = None;
        match (work, fault.code, fault.origin) {
            (Work::UpdateMembers, Code::NotFound, Origin::Cloud | Origin::Provider) => {
                self.achieved = None;
                self.announced = None;
                return Told::quietly(Next::Go);
            }
            // What members alone could not cure, a full ensure may.
            (Work::UpdateMembers, ..) if !matches!(fault.retry(), Retry::After(_)) && !fault.outcome_unknown() => {
                self.achieved = None;
            }
            _ => {}
        }
        self.failures = self.failures.saturating_add(1);
        let since = *self.failing_since.get_or_insert(now);
        self.hold = Self::hold_after(work, fault, wanted, epoch, now);
        let nodes = wanted.map(|wanted| &*wanted.nodes);
        let notice = announce::failed(work, fault, nodes, self.failures, now.since(since));
        Told { next: Next::Retry(fault.retry()), notices: notice.into_iter().collect() }
    }

    fn hold_after(work: Work, fault: &Fault, wanted: Option<&Wanted>, epoch: &str, now: Timestamp) -> Option<Hold> {
        if work != Work::Ensure {
            return None;
        }
        let until = match fault.retry() {
            Retry::Halt => None,
            Retry::Slow => Some(now + SLOW),
            Retry::Backoff | Retry::After(_) => return None,
        };
        let whatever_nodes = until.is_some() && (fault.quota || fault.code == Code::PermissionDenied);
        Some(Hold { hash: wanted?.hash.clone(), epoch: epoch.to_owned(), until, whatever_nodes })
    }

    /// What is wanted cannot even be asked for. Told once per cause.
    pub fn refuse(&mut self, notice: Notice) -> Vec<Notice> {
        if self.refused.as_ref() == Some(&notice) {
            return Vec::new();
        }
        self.refused = Some(notice.clone());
        vec![notice]
    }

    fn succeeded(&mut self) {
        (self.failures, self.failing_since, self.hold, self.refused) = (0, None, None, None);
    }

    /// Keeps the handle, and picks the notices nobody was told of yet.
    fn take_in(&mut self, state: LoadBalancerState) -> (Phase, Vec<Notice>) {
        if !state.handle.is_empty() {
            self.handle = state.handle;
        }
        (state.phase, self.fresh(state.notices))
    }

    fn fresh(&mut self, notices: Vec<Notice>) -> Vec<Notice> {
        let fresh = notices.iter().filter(|notice| !self.notices.contains(notice)).cloned().collect();
        self.notices = notices;
        fresh
    }
}

/// The ingress as the apiserver will give it back: it writes `VIP` where an IP comes without a mode.
fn normalised(mut ingress: Vec<Ingress>) -> Vec<Ingress> {
    for entry in &mut ingress {
        if !entry.ip.is_empty() && entry.ip_mode.is_none() {
            entry.ip_mode = Some(IpMode::Vip);
        }
    }
    ingress
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{PortStatus, Protocol};

    fn ip(ip: &str) -> Ingress {
        Ingress { ip: ip.into(), ..Ingress::default() }
    }

    fn with_port(port: u16, protocol: Protocol) -> Ingress {
        Ingress { ports: vec![PortStatus { port, protocol, error: None }], ..ip("1.2.3.4") }
    }

    #[test]
    fn ingress_is_compared_field_by_field() {
        // TestLoadBalancerStatusEqual.
        let mode = |mode| Ingress { ip_mode: Some(mode), ..ip("1.2.3.4") };
        for (case, left, right, equal) in [
            ("empty", None, None, true),
            ("same ip", Some(ip("1.2.3.4")), Some(ip("1.2.3.4")), true),
            ("different ip", Some(ip("1.2.3.4")), Some(ip("1.2.3.5")), false),
            ("same ipmode", Some(mode(IpMode::Vip)), Some(mode(IpMode::Vip)), true),
            ("only one ipmode set", Some(mode(IpMode::Proxy)), Some(ip("1.2.3.4")), false),
            ("different ipmode", Some(mode(IpMode::Vip)), Some(mode(IpMode::Proxy)), false),
            ("same ports", Some(with_port(80, Protocol::Tcp)), Some(with_port(80, Protocol::Tcp)), true),
            (
                "same ports different protocol",
                Some(with_port(80, Protocol::Tcp)),
                Some(with_port(80, Protocol::Udp)),
                false,
            ),
            ("only one port", Some(with_port(80, Protocol::Tcp)), Some(ip("1.2.3.4")), false),
            ("only one port, the other way", Some(ip("1.2.3.4")), Some(with_port(80, Protocol::Tcp)), false),
        ] {
            let list = |entry: Option<Ingress>| Vec::from_iter(entry);
            assert_eq!(normalised(list(left)) == normalised(list(right)), equal, "{case}");
        }
    }

    #[test]
    fn an_ip_without_a_mode_is_what_the_apiserver_makes_of_it() {
        let host = Ingress { hostname: "lb.example".into(), ..Ingress::default() };
        assert_eq!(
            normalised(vec![ip("1.2.3.4"), host.clone()]),
            [Ingress { ip_mode: Some(IpMode::Vip), ..ip("1.2.3.4") }, host]
        );
    }
}
