//! A Service and a cloud in memory, to which steps are applied until nothing is left to do.

use std::collections::{BTreeMap, VecDeque};

use super::super::*;
use crate::{
    fault::{Code, Fault, Origin, Retry},
    names::{ANNOTATION_PROVIDER, ANNOTATION_TENANT, FINALIZER_LB},
    node_set::{NodeSet, Takes},
    provider::{DeleteState, LoadBalancerState, Phase},
    service::{
        ownership,
        record::{Next, Told},
        tests::service,
    },
    view::{Ingress, IpMode},
};

pub(super) const AUDIT: Duration = Duration::from_secs(3600);
pub(super) const POLL: Duration = Duration::from_secs(2);

/// A provider's whole cloud: hashes of the load balancers it has, by UID of their Service, and `UID as TENANT` where that is a tenant.
#[derive(Default)]
pub(super) struct Cloud {
    pub(super) load_balancers: BTreeMap<String, String>,
    /// Calls answered "in progress" before the next one is done.
    pub(super) slow: u32,
    /// Faults of the next calls.
    pub(super) faults: VecDeque<Fault>,
    /// It cannot keep a hash.
    pub(super) forgetful: bool,
    /// It answers this hash, whatever it was given.
    pub(super) lies: Option<String>,
    pub(super) handle: String,
    pub(super) notices: Vec<Notice>,
    /// An ensure would have something to do, though the hash agrees.
    pub(super) drifted: bool,
}

pub(super) struct World {
    pub(super) service: Option<Arc<Service>>,
    pub(super) by_class: Owner<'static>,
    /// The tenant of its namespace; `None`: none.
    pub(super) mapped: Option<&'static str>,
    /// The tenants the provider serves.
    pub(super) tenants: &'static [&'static str],
    pub(super) record: Record,
    pub(super) nodes: Arc<NodeSet>,
    pub(super) clouds: BTreeMap<String, Cloud>,
    pub(super) epoch: &'static str,
    pub(super) now: Timestamp,
    pub(super) log: Vec<String>,
    pub(super) events: Vec<Notice>,
}

/// How a run of steps ended.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    Rest(Option<Duration>),
    Wait(Duration),
    Retry(Retry),
    Park,
    AwaitOwner,
    Forgotten,
}

/// A word about what is done as a tenant.
fn as_tenant(word: &str, tenant: &str) -> String {
    if tenant.is_empty() { word.to_owned() } else { format!("{word} as {tenant}") }
}

pub(super) fn nodes(names: &[&str]) -> Arc<NodeSet> {
    let nodes: Vec<_> = names.iter().map(|name| crate::node_set::tests::node(name)).collect();
    Arc::new(NodeSet::new(&nodes, Takes { schemes: &[], selector: None, draining: false }))
}

pub(super) fn ingress() -> Vec<Ingress> {
    vec![Ingress { ip: "8.8.8.8".into(), ip_mode: Some(IpMode::Vip), ..Ingress::default() }]
}

impl World {
    pub(super) fn new(service: Service) -> Self {
        Self {
            service: Some(Arc::new(service)),
            by_class: Owner::Provider("fake"),
            mapped: Some(""),
            tenants: &["", "a", "b"],
            record: Record::default(),
            nodes: nodes(&["node1", "node2"]),
            clouds: ["fake", "other"].map(|name| (name.to_owned(), Cloud::default())).into(),
            epoch: "1",
            now: Timestamp::from_secs(1_000_000),
            log: vec![],
            events: vec![],
        }
    }

    /// A world in which the Service has its load balancer and all is quiet.
    pub(super) fn settled() -> Self {
        let mut world = Self::new(service());
        world.run();
        world.log.clear();
        world.events.clear();
        world
    }

    pub(super) fn cloud(&mut self) -> &mut Cloud {
        self.clouds.get_mut("fake").unwrap()
    }

    pub(super) fn edit(&mut self, edit: impl FnOnce(&mut Service)) {
        let mut service = (**self.service.as_ref().unwrap()).clone();
        edit(&mut service);
        let gone = service.deleting && service.finalizers.is_empty();
        self.service = (!gone).then(|| Arc::new(service));
    }

    pub(super) fn restart_controller(&mut self) {
        self.record = Record::default();
        self.log.clear();
        self.events.clear();
    }

    pub(super) fn wanted(&self) -> Option<Result<Wanted, InvalidService>> {
        let service = self.service.as_ref().filter(|service| ownership::wants_load_balancer(service))?;
        Some(Wanted::new(
            service,
            &self.standing().tenant,
            &["fake.example/".into()],
            Arc::clone(&self.nodes),
            crate::endpoint_set::EndpointSet::default(),
        ))
    }

    pub(super) fn standing(&self) -> Standing {
        self.service.as_ref().map_or_else(Standing::default, |service| {
            Standing::of(service, &self.record, self.mapped, |tenant| self.tenants.contains(&tenant))
        })
    }

    pub(super) fn step(&self, wanted: Option<Result<&Wanted, &InvalidService>>) -> Step {
        let owner = self.service.as_ref().map_or(Owner::Waiting, |service| ownership::owner(service, self.by_class));
        decide(&Scene {
            service: self.service.as_ref(),
            owner,
            standing: &self.standing(),
            wanted,
            record: &self.record,
            epoch: self.epoch,
            compares: true,
            now: self.now,
            audit: AUDIT,
        })
    }

    /// Takes steps until there is nothing to do now.
    pub(super) fn run(&mut self) -> End {
        for _ in 0..50 {
            let wanted = self.wanted();
            let step = self.step(wanted.as_ref().map(Result::as_ref));
            let told = match self.apply(step, wanted.and_then(Result::ok).as_ref()) {
                Ok(told) => told,
                Err(end) => return end,
            };
            self.events.extend(told.notices);
            match told.next {
                Next::Go => {}
                Next::Wait(time) => return End::Wait(time),
                Next::Retry(retry) => return End::Retry(retry),
                Next::Park => return End::Park,
            }
        }
        panic!("never comes to rest: {:?}", self.log);
    }

    fn apply(&mut self, step: Step, wanted: Option<&Wanted>) -> Result<Told, End> {
        let go = Told { next: Next::Go, notices: vec![] };
        match step {
            Step::Rest(time) => return Err(End::Rest(time)),
            Step::AwaitOwner => return Err(End::AwaitOwner),
            Step::Forget => return Err(End::Forgotten),
            Step::Refuse(notice) => {
                self.events.extend(self.record.refuse(notice));
                return Err(End::Retry(Retry::Halt));
            }
            Step::Warn(notice) => self.events.extend(self.record.refuse(notice)),
            Step::Claim { provider, tenant, anew } => {
                self.log.push("claim".into());
                self.edit(|service| {
                    if anew {
                        service.finalizers.push(FINALIZER_LB.into());
                    }
                    let before = service.annotations.insert(ANNOTATION_PROVIDER.into(), provider.clone());
                    let noted = service.annotations.remove(ANNOTATION_TENANT).unwrap_or_default();
                    if before.is_some_and(|before| before != provider || noted != tenant) {
                        service.annotations.remove(ANNOTATION_HANDLE);
                    }
                    if !tenant.is_empty() {
                        service.annotations.insert(ANNOTATION_TENANT.into(), tenant.clone());
                    }
                });
                let service = self.service.clone().unwrap();
                self.record.claimed(&provider, &tenant, &service, anew, self.now);
            }
            Step::Report(report) => {
                self.log.push("report".into());
                self.edit(|service| {
                    service.ingress.clone_from(&report.ingress);
                    if !report.handle.is_empty() {
                        service.annotations.insert(ANNOTATION_HANDLE.into(), report.handle.clone());
                    }
                });
                self.record.reported(report, self.now);
            }
            Step::Release => {
                self.log.push("release".into());
                let uid = self.service.as_ref().unwrap().uid.clone();
                self.edit(|service| {
                    service.finalizers.retain(|finalizer| finalizer != FINALIZER_LB);
                    service.ingress.clear();
                    service.annotations.retain(|key, _| {
                        ![ANNOTATION_HANDLE, ANNOTATION_PROVIDER, ANNOTATION_TENANT].contains(&key.as_str())
                    });
                });
                self.record.released(&uid);
            }
            Step::Disclaim => {
                self.log.push("disclaim".into());
                self.edit(|service| service.annotations.clear());
            }
            Step::Compare => {
                self.log.push("compare".into());
                let drifted = std::mem::take(&mut self.cloud().drifted);
                self.record.compared(drifted);
            }
            Step::Delete(target) => return Ok(self.delete(&target)),
            Step::Call(work) => return Ok(self.call(work, wanted)),
        }
        Ok(go)
    }

    pub(super) fn delete(&mut self, target: &Target) -> Told {
        let uid = as_tenant(&target.service.uid, &target.tenant);
        self.log.push(format!("delete {uid}@{}", target.provider));
        let service_gone = self.service.is_none();
        self.events.extend(self.record.begin_delete());
        let cloud = self.clouds.get_mut(&target.provider).unwrap();
        let result = match cloud.faults.pop_front() {
            Some(fault) => Err(fault),
            None if cloud.slow > 0 => {
                cloud.slow -= 1;
                Ok(DeleteState { in_progress: Some((POLL, "going".into())), notices: vec![] })
            }
            None => {
                cloud.load_balancers.remove(&uid);
                Ok(DeleteState { in_progress: None, notices: vec![] })
            }
        };
        self.record.deleted(target, service_gone, result, self.epoch, self.now)
    }

    fn call(&mut self, work: Work, wanted: Option<&Wanted>) -> Told {
        let service = self.service.clone().unwrap();
        let name = match work {
            Work::Look => "look",
            Work::Ensure => "ensure",
            Work::UpdateMembers => "update",
            Work::Delete { .. } => unreachable!("a step of its own"),
        };
        let tenant = self.standing().tenant;
        let uid = as_tenant(&service.uid, &tenant);
        self.log.push(as_tenant(name, &tenant));
        if let Some(wanted) = wanted {
            self.events.extend(self.record.begin(work, "fake", &tenant, &service, wanted));
        }
        let result = self.cloud().answer(work, &uid, wanted);
        match (work, wanted) {
            (Work::Look, _) => self.record.looked(result, self.epoch, self.now),
            (_, Some(wanted)) => self.record.answered(work, wanted, result, self.epoch, self.now),
            _ => unreachable!("only a look needs no wish"),
        }
    }

    pub(super) fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    pub(super) fn reasons(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events).into_iter().map(|notice| notice.reason).collect()
    }

    /// Runs, and checks that exactly these steps were taken.
    #[track_caller]
    pub(super) fn expect(&mut self, steps: &[&str]) -> End {
        let end = self.run();
        assert_eq!(self.take_log(), steps);
        end
    }
}

#[allow(clippy::result_large_err)] // As the provider's.
impl Cloud {
    fn answer(&mut self, work: Work, uid: &str, wanted: Option<&Wanted>) -> Result<LoadBalancerState, Fault> {
        if let Some(fault) = self.faults.pop_front() {
            return Err(fault);
        }
        let state = |phase| Ok(LoadBalancerState { phase, handle: self.handle.clone(), notices: self.notices.clone() });
        if work != Work::Ensure && !self.load_balancers.contains_key(uid) {
            return Err(not_found());
        }
        if work != Work::Look && self.slow > 0 {
            self.slow -= 1;
            return state(Phase::InProgress { poll_after: POLL, message: "working".into() });
        }
        if let (Work::Ensure | Work::UpdateMembers, Some(wanted)) = (work, wanted) {
            let hash = self.lies.clone().unwrap_or_else(|| wanted.hash.to_string());
            self.load_balancers.insert(uid.to_owned(), hash);
        }
        let spec_hash = if self.forgetful { String::new() } else { self.load_balancers[uid].clone() };
        state(Phase::Ready { ingress: ingress(), spec_hash })
    }
}

pub(super) fn fault(code: Code) -> Fault {
    Fault::new(code, Origin::Cloud, "fake", "it broke")
}

pub(super) fn not_found() -> Fault {
    fault(Code::NotFound)
}

pub(super) fn finalized(service: Service) -> Service {
    Service { finalizers: vec![FINALIZER_LB.into()], ..service }
}
