//! Takes the steps of one Service.

use std::{
    ops::ControlFlow::{self, Break, Continue},
    sync::Arc,
};

use controller_core::{
    fault::Retry,
    provider::{Capability, LoadBalancerKey},
    service::{
        announce,
        decide::{Scene, Step, decide},
        ownership::{self, Owner},
        picked::picked_nodes,
        record::{Next, Record, Report, Target, Told, Work},
        wanted::{InvalidService, Wanted},
    },
    tenancy::Standing,
    view::Service,
};

use tokio::time::Instant;

use super::{
    ByClass, Shared,
    entries::Memory,
    is_of_interest,
    lane::{AWAY, Lane, Named, Nodes},
};
use crate::{
    clock,
    kube::{service_writes::ServiceWrite, write_error::WriteError},
    provider::Info,
    queue::Outcome,
};

/// More steps than any Service needs at a time. Past that, two things undo each other.
const STEPS: usize = 32;
/// How long a Service waits whose provider has not said its name.
const UNDECIDED: std::time::Duration = std::time::Duration::from_secs(5);

/// The Service's provider and what the Service wants of it.
struct Wish {
    lane: Arc<Lane>,
    tenant: String,
    epoch: String,
    compares: bool,
    nodes: Option<Nodes>,
    wanted: Option<Result<Wanted, InvalidService>>,
}

type Flow = ControlFlow<Outcome>;

impl Shared {
    /// Works on one Service until nothing is left to do now.
    #[tracing::instrument(name = "reconcile", skip_all, fields(object.kind = "Service", object.r#ref = key))]
    pub(super) async fn reconcile(&self, lane: &Lane, key: &str) -> Outcome {
        let Some(mut memory) = self.entries.take_in_hand(key).await else { return Outcome::Done };
        let outcome = self.steps(lane, key, &mut memory).await;
        self.entries.set_held(key, memory.record.is_held());
        let cached = self.context.services.get(key);
        if memory.record.provider().is_none() && !cached.is_some_and(|service| is_of_interest(&service)) {
            self.entries.forget(key);
        }
        outcome
    }

    async fn steps(&self, lane: &Lane, key: &str, memory: &mut Memory) -> Outcome {
        for _ in 0..STEPS {
            let service = memory.newest(self.context.services.get(key));
            let (step, wish) = self.decide(service.as_ref(), memory);
            tracing::debug!(?step, "next step");
            if let Break(outcome) = self.apply(step, service.as_ref(), wish.as_ref(), lane, key, memory).await {
                return outcome;
            }
        }
        tracing::error!("steps of this Service undo each other");
        Outcome::Backoff
    }

    fn decide(&self, service: Option<&Arc<Service>>, memory: &Memory) -> (Step, Option<Wish>) {
        let now = clock::now();
        let standing = |info: Option<&Info>| {
            let Some(service) = service else { return Standing::default() };
            let mapped = self.context.tenants.current();
            let served = |tenant: &str| {
                tenant.is_empty() || info.is_none_or(|info| info.tenants.iter().any(|served| served == tenant))
            };
            Standing::of(service, &memory.record, mapped.of(&service.namespace), served)
        };
        let scene = |owner, standing: &Standing, wish: Option<&Wish>| {
            decide(&Scene {
                service,
                owner,
                standing,
                wanted: wish.and_then(|wish| wish.wanted.as_ref()).map(Result::as_ref),
                record: &memory.record,
                epoch: wish.map_or("", |wish| &wish.epoch),
                compares: wish.is_some_and(|wish| wish.compares),
                now,
                audit: memory.audit,
            })
        };
        let nobodys = Standing::default();
        let Some(seen) = service else { return (scene(Owner::Waiting, &nobodys, None), None) };
        let by_class = ByClass::of(seen, &self.context.providers);
        let owner = by_class.owner(seen);
        let Owner::Provider(name) = owner else { return (scene(owner, &nobodys, None), None) };
        match self.lanes.named(name) {
            Named::One(lane) => {
                let info = lane.info();
                let standing = standing(info.as_deref());
                let wish = info.map(|info| self.wish(seen, lane, &info, &standing.tenant));
                (scene(owner, &standing, wish.as_ref()), wish)
            }
            Named::Nobody => (Step::Refuse(announce::provider_missing(name)), None),
            Named::Unknown => (Step::AwaitOwner, None),
        }
    }

    fn wish(&self, service: &Service, lane: &Arc<Lane>, info: &Info, tenant: &str) -> Wish {
        let wants = ownership::wants_load_balancer(service) && !service.deleting;
        let (nodes, wanted) = match picked_nodes(service, &info.node_selector_annotations) {
            Ok(pick) => {
                let nodes = lane.nodes(&self.context.nodes, &pick);
                let members = nodes.as_ref().filter(|_| wants).zip(self.endpoints(service, info));
                let wanted = members.map(|(nodes, endpoints)| {
                    Wanted::new(service, tenant, &info.annotation_prefixes, Arc::clone(&nodes.set), endpoints)
                });
                (nodes, wanted)
            }
            Err(problem) => (None, wants.then(|| Err(problem.into()))),
        };
        let compares = info.can(Capability::LoadBalancerPlan);
        let (lane, tenant, epoch) = (Arc::clone(lane), tenant.to_owned(), info.epoch.clone());
        Wish { lane, tenant, epoch, compares, nodes, wanted }
    }

    async fn apply(
        &self,
        step: Step,
        service: Option<&Arc<Service>>,
        wish: Option<&Wish>,
        lane: &Lane,
        key: &str,
        memory: &mut Memory,
    ) -> Flow {
        match (step, service, wish) {
            (Step::Rest(None) | Step::Forget, ..) => Break(Outcome::Done),
            (Step::Rest(Some(time)), ..) => {
                lane.queue.add_after(key, time);
                Break(Outcome::Done)
            }
            (Step::Delete(target), ..) => self.delete(&target, service, lane, memory).await,
            (Step::Refuse(notice), Some(service), _) => {
                self.tell(service, memory.record.refuse(notice));
                Break(Outcome::Halt)
            }
            (Step::Warn(notice), Some(service), _) => {
                self.tell(service, memory.record.refuse(notice));
                Continue(())
            }
            (Step::Claim { provider, tenant, anew }, Some(service), _) => {
                let write = ServiceWrite::Claim { provider: &provider, tenant: &tenant };
                let written = self.write(service, &write, memory).await?;
                if let Some(written) = written {
                    memory.record.claimed(&provider, &tenant, &written, anew, clock::now());
                }
                Continue(())
            }
            (Step::Report(report), Some(service), _) => self.report(service, report, memory).await,
            (Step::Release, Some(service), _) => {
                if self.write(service, &ServiceWrite::Release, memory).await?.is_some() {
                    memory.record.released(&service.uid);
                }
                Continue(())
            }
            (Step::Disclaim, Some(service), _) => {
                self.write(service, &ServiceWrite::Disclaim, memory).await?;
                Continue(())
            }
            (Step::Call(work), Some(service), Some(wish)) => self.call(work, service, wish, lane, memory).await,
            (Step::Compare, Some(service), Some(wish)) => {
                self.compare(service, wish, memory).await;
                Continue(())
            }
            // A step about a Service that is not there, or about a provider that has not spoken.
            _ => Break(Outcome::After(UNDECIDED)),
        }
    }

    async fn report(&self, service: &Arc<Service>, report: Report, memory: &mut Memory) -> Flow {
        if self.write(service, &ServiceWrite::Report(&report), memory).await?.is_some() {
            memory.record.reported(report, clock::now());
        }
        Continue(())
    }

    /// Writes the Service. `None` without a break: it had changed; the next step is decided from what it is now.
    async fn write(
        &self,
        service: &Arc<Service>,
        write: &ServiceWrite<'_>,
        memory: &mut Memory,
    ) -> ControlFlow<Outcome, Option<Arc<Service>>> {
        let result = match self.writer.write(service, write).await {
            Ok(written) => {
                memory.wrote(Arc::clone(&written));
                return Continue(Some(written));
            }
            Err(WriteError::Conflict) => self.writer.get(service).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(now) => {
                memory.wrote(now);
                Continue(None)
            }
            // The watch will tell, and the key comes back.
            Err(WriteError::Gone) => Break(Outcome::Done),
            Err(error) => {
                let what = write.describe();
                tracing::warn!(%error, "failed to {what}");
                self.tell(service, vec![announce::write_failed(what, &error)]);
                Break(Outcome::Backoff)
            }
        }
    }

    async fn call(&self, work: Work, service: &Arc<Service>, wish: &Wish, lane: &Lane, memory: &mut Memory) -> Flow {
        let provider = &wish.lane.provider;
        if provider.info().is_none() {
            return Break(until_back(lane, &wish.lane));
        }
        let record = &mut memory.record;
        let wanted = wish.wanted.as_ref().and_then(|wanted| wanted.as_ref().ok());
        if let Some(wanted) = wanted {
            self.tell(service, record.begin(work, &provider.name(), &wish.tenant, service, wanted));
        }
        let key = key(service, &wish.tenant, record);
        let told = match (work, wanted) {
            (Work::Ensure, Some(wanted)) => {
                let (spec, hash) = (&wanted.spec, wanted.hash.to_string());
                let (nodes, pods) = (&wanted.nodes.members, &wanted.endpoints.members);
                let answer = provider.ensure_load_balancer(&key, spec, nodes, pods, &hash).await;
                record.answered(work, wanted, answer, &wish.epoch, clock::now())
            }
            (Work::UpdateMembers, Some(wanted)) => self.update_members(&key, wanted, wish, record).await,
            _ => {
                let answer = provider.get_load_balancer(&key, &service.annotations).await;
                record.looked(answer.map(|(state, _)| state), &wish.epoch, clock::now())
            }
        };
        tracing::debug!(?work, next = ?told.next, "provider answered");
        self.follow_up(service, told, lane, &wish.lane)
    }

    async fn update_members(&self, key: &LoadBalancerKey, wanted: &Wanted, wish: &Wish, record: &mut Record) -> Told {
        let metrics = &self.context.metrics.service;
        metrics.sync_total.inc();
        let (started, provider) = (Instant::now(), &wish.lane.provider);
        let (spec, hash) = (&wanted.spec, wanted.hash.to_string());
        let (nodes, pods) = (&wanted.nodes.members, &wanted.endpoints.members);
        let answer = provider.update_load_balancer_members(key, spec, nodes, pods, &hash).await;
        metrics.update_host_latency.observe(started.elapsed().as_secs_f64());
        if answer.as_ref().is_err_and(|fault| !fault.is_away()) {
            metrics.nodesync_error_total.inc();
        }
        let told = record.answered(Work::UpdateMembers, wanted, answer, &wish.epoch, clock::now());
        if let (Next::Go, Some(nodes)) = (&told.next, &wish.nodes) {
            metrics.nodesync_latency.observe(nodes.since.elapsed().as_secs_f64());
        }
        told
    }

    async fn compare(&self, service: &Service, wish: &Wish, memory: &mut Memory) {
        let Some(Ok(wanted)) = &wish.wanted else { return };
        let key = key(service, &wish.tenant, &memory.record);
        let (nodes, pods) = (&wanted.nodes.members, &wanted.endpoints.members);
        let plan = wish.lane.provider.plan_load_balancer(&key, &wanted.spec, nodes, pods, false).await;
        match plan {
            Ok(steps) => {
                for step in &steps {
                    tracing::info!(step.action, step.target, step.reason, "load balancer has drifted");
                }
                memory.record.compared(!steps.is_empty());
            }
            Err(fault) => {
                tracing::debug!(%fault, "drift not looked for");
                memory.record.compared(false);
            }
        }
    }

    async fn delete(&self, target: &Target, service: Option<&Arc<Service>>, lane: &Lane, memory: &mut Memory) -> Flow {
        let record = &mut memory.record;
        let asked = match self.lanes.named(&target.provider) {
            Named::One(lane) => lane,
            Named::Nobody => {
                self.tell(&target.service, record.refuse(announce::provider_missing(&target.provider)));
                return Break(Outcome::Slow);
            }
            Named::Unknown => return Break(Outcome::After(UNDECIDED)),
        };
        let Some(info) = asked.provider.info() else { return Break(until_back(lane, asked)) };
        self.tell(&target.service, record.begin_delete());
        let key = key(&target.service, &target.tenant, record);
        let answer = asked.provider.delete_load_balancer(&key, &target.service.annotations).await;
        let told = record.deleted(target, service.is_none(), answer, &info.epoch, clock::now());
        self.follow_up(&target.service, told, lane, asked)
    }

    fn follow_up(&self, service: &Service, told: Told, lane: &Lane, asked: &Lane) -> Flow {
        self.tell(service, told.notices);
        match told.next {
            Next::Go => Continue(()),
            Next::Wait(time) => Break(Outcome::After(time)),
            Next::Park => Break(until_back(lane, asked)),
            Next::Retry(retry) => Break(match retry {
                Retry::Backoff => Outcome::Backoff,
                Retry::After(time) => Outcome::After(time),
                Retry::Slow => Outcome::Slow,
                Retry::Halt => Outcome::Halt,
            }),
        }
    }
}

fn key(service: &Service, tenant: &str, record: &Record) -> LoadBalancerKey {
    LoadBalancerKey {
        namespace: service.namespace.clone(),
        name: service.name.clone(),
        uid: service.uid.clone(),
        tenant: tenant.to_owned(),
        handle: record.handle_of(service).to_owned(),
        attempted: record.attempted(service),
        published: service.published(),
    }
}

/// Waits for the provider that was `asked`, in the queue of `lane`. Thawing is for the keys of the provider's own lane.
fn until_back(lane: &Lane, asked: &Lane) -> Outcome {
    if lane.index == asked.index { Outcome::Park(AWAY.to_owned()) } else { Outcome::After(UNDECIDED) }
}
