//! A cloud at work: what tests and the control endpoint hold on to, and how a call goes through it.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    Answer, Call, CallRecord, Caller, Change, Clock, Cloud, Effect, HaltState, Knobs, LastAnswer, Place, Problem,
    Reply, Request, Rule, RuleInForce, Service, Target,
    faults::{Rules, Subject, Verdict},
    halt::Halt,
    service::{self, Found},
    throttle::Throttle,
    traffic::Traffic,
};

/// Connections to the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Connections {
    /// That were ever made.
    pub made: u64,
    /// That are open.
    pub open: u64,
}

/// A cloud at work.
#[derive(Debug)]
pub struct Simulator<C: Cloud> {
    cloud: C,
    services: Vec<Service<C::State>>,
    world: Mutex<World<C::State>>,
    clock: Clock,
    halt: Halt,
    connections_made: AtomicU64,
    connections_open: AtomicU64,
}

/// What changes, under one lock: a call is executed in one piece.
#[derive(Debug)]
struct World<S> {
    state: S,
    knobs: Knobs,
    rules: Rules,
    throttle: Throttle,
    journal: Vec<CallRecord>,
    /// Calls that ever came in.
    calls: u64,
    traffic: Option<Traffic>,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is answered.
    Answer(Answer),
    /// It is answered, and the answer breaks off in the middle.
    Cut(Answer),
    /// The connection is closed.
    Drop,
    /// The connection is reset.
    Reset,
    /// Nothing happens.
    Silence,
}

impl<C: Cloud> Simulator<C> {
    pub(crate) fn new(cloud: C, state: C::State, traffic: Option<Traffic>) -> Self {
        let world = World {
            state,
            knobs: cloud.knobs(),
            rules: Rules::default(),
            throttle: Throttle::default(),
            journal: Vec::new(),
            calls: 0,
            traffic,
        };
        Self {
            services: cloud.services(),
            cloud,
            world: Mutex::new(world),
            clock: Clock::default(),
            halt: Halt::default(),
            connections_made: AtomicU64::new(0),
            connections_open: AtomicU64::new(0),
        }
    }

    /// The description it runs.
    pub fn cloud(&self) -> &C {
        &self.cloud
    }

    /// The cloud's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Puts the cloud's clock forward.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.edit(|_, _| ());
    }

    /// Looks at what the cloud holds.
    pub fn look<R>(&self, with: impl FnOnce(&C::State) -> R) -> R {
        let mut world = self.world();
        self.cloud.settle(&mut world.state, self.now());
        with(&world.state)
    }

    /// Changes what the cloud holds, behind the back of its API.
    pub fn edit<R>(&self, with: impl FnOnce(&mut C::State, Timestamp) -> R) -> R {
        let mut world = self.world();
        let now = self.now();
        self.cloud.settle(&mut world.state, now);
        let answer = with(&mut world.state, now);
        self.carry(&mut world);
        answer
    }

    /// Adds objects, as JSON. See the cloud's own page for what it takes.
    ///
    /// # Errors
    /// Says for people what cannot be added and why.
    pub fn seed(&self, objects: Value) -> Result<Value, String> {
        self.edit(|state, _| self.cloud.seed(state, objects))
    }

    /// Does what its users do by other ways than the API.
    ///
    /// # Errors
    /// Says for people why not.
    pub fn operate(&self, what: &str, with: Value) -> Result<Value, String> {
        self.edit(|state, now| self.cloud.operate(state, what, with, now))
    }

    /// Everything the cloud holds, as JSON.
    pub fn objects(&self) -> Value {
        self.look(|state| serde_json::to_value(state).expect("a state is JSON"))
    }

    /// The calls that came in so far, oldest first.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.world().journal.clone()
    }

    /// Forgets the calls that came in.
    pub fn forget_calls(&self) {
        self.world().journal.clear();
    }

    /// The knobs as they are.
    pub fn knobs(&self) -> Knobs {
        self.world().knobs.clone()
    }

    /// Turns knobs.
    ///
    /// # Errors
    /// Names a delay or quota that this cloud does not have.
    pub fn turn(&self, change: Change) -> Result<(), String> {
        let mut world = self.world();
        world.knobs = world.knobs.changed(change)?;
        Ok(())
    }

    /// Makes calls go wrong. The number is for [`mend`](Self::mend).
    pub fn break_with(&self, rule: Rule) -> u64 {
        let now = self.now();
        self.world().rules.add(rule, now)
    }

    /// Takes a rule away. `false`: there is none of that number.
    pub fn mend(&self, rule: u64) -> bool {
        self.world().rules.remove(rule)
    }

    /// Takes all rules away.
    pub fn mend_all(&self) {
        self.world().rules.clear();
    }

    /// The rules in force, with how often each was met.
    pub fn rules(&self) -> Vec<RuleInForce> {
        self.world().rules.all()
    }

    /// Halts the cloud after so many more changes have been executed (0: now): from then on connections are closed unanswered
    /// until [`go_on`](Self::go_on), so that whoever made the last change can be killed before the next.
    pub fn halt_after(&self, changes: u64, answer: LastAnswer) {
        self.halt.arm(changes, answer);
    }

    /// Waits until the cloud has halted.
    pub async fn halted(&self) {
        self.halt.reached().await;
    }

    /// Where the countdown stands.
    pub fn halt_state(&self) -> HaltState {
        self.halt.state()
    }

    /// Takes calls again, and counts no more.
    pub fn go_on(&self) {
        self.halt.off();
    }

    /// How many connections there were and are.
    pub fn connections(&self) -> Connections {
        let made = self.connections_made.load(Ordering::Relaxed);
        Connections { made, open: self.connections_open.load(Ordering::Relaxed) }
    }

    /// Where on loopback a listener of a load balancer can be reached. `None`: nothing is carried there.
    pub fn reach(&self, address: std::net::IpAddr, port: u16) -> Option<std::net::SocketAddr> {
        let mut world = self.world();
        self.cloud.settle(&mut world.state, self.now());
        self.carry(&mut world);
        world.traffic.as_ref()?.reach(address, port)
    }

    /// The address on loopback that plays an address of the cloud, for who wants to be a member. `None`: no traffic is
    /// carried.
    pub fn played_by(&self, address: std::net::IpAddr) -> Option<std::net::IpAddr> {
        Some(self.world().traffic.as_ref()?.played_by(address))
    }

    pub(crate) fn connected(&self) {
        self.connections_made.fetch_add(1, Ordering::Relaxed);
        self.connections_open.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn disconnected(&self) {
        self.connections_open.fetch_sub(1, Ordering::Relaxed);
    }

    fn carry(&self, world: &mut World<C::State>) {
        if let Some(traffic) = &mut world.traffic {
            traffic.apply(self.cloud.frontends(&world.state));
        }
    }

    fn world(&self) -> MutexGuard<'_, World<C::State>> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Cloud> Simulator<C> {
    /// Takes a request to its end.
    pub(crate) async fn handle(&self, request: &Request) -> Outcome {
        if self.halt.state() == HaltState::Halted {
            return Outcome::Drop;
        }
        let found = self.find(request);
        let (verdict, latency) = self.judge(request, found.as_ref());
        let wait = latency + verdict.delay;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        self.finish(request, found, &verdict)
    }

    fn find(&self, request: &Request) -> Option<Found<'_, C::State>> {
        match self.cloud.locate(request, &|label| self.services.iter().any(|service| service.has_host(label))) {
            Place::Host { label, prefix } => {
                service::find(&self.services, Some(&label), request, request.path.get(prefix..)?)
            }
            Place::Anywhere => service::find(&self.services, None, request, &request.path),
            Place::Nowhere => None,
        }
    }

    fn judge(&self, request: &Request, found: Option<&Found<'_, C::State>>) -> (Verdict, Duration) {
        let subject = Subject {
            service: found.map_or("", |found| found.service.name),
            action: found.map_or("", |found| found.route.action),
            method: request.method.as_str(),
            path: &request.path,
            mutating: found.is_some_and(|found| found.route.mutating),
        };
        let now = self.now();
        let mut world = self.world();
        (world.rules.judge(subject, now), Duration::from_millis(world.knobs.latency_ms))
    }

    /// From here on nothing waits: the call is executed in one piece, or not at all.
    fn finish(&self, request: &Request, found: Option<Found<'_, C::State>>, verdict: &Verdict) -> Outcome {
        let mut world = self.world();
        if self.halt.state() == HaltState::Halted {
            return Outcome::Drop;
        }
        let now = self.now();
        world.calls += 1;
        let number = world.calls;
        let mut record = CallRecord {
            number,
            at: now,
            service: String::new(),
            action: String::new(),
            method: request.method.to_string(),
            path: request.path.clone(),
            query: request.query.clone(),
            mutating: false,
            executed: false,
            status: None,
            lost: false,
            request_id: request_id(number),
            key: String::new(),
        };
        let outcome = self.work(&mut world, &mut record, request, found, verdict);
        record.lost = !matches!(outcome, Outcome::Answer(_));
        world.journal.push(record);
        outcome
    }

    fn work(
        &self,
        world: &mut World<C::State>,
        record: &mut CallRecord,
        request: &Request,
        found: Option<Found<'_, C::State>>,
        verdict: &Verdict,
    ) -> Outcome {
        if let Some(found) = &found {
            found.service.name.clone_into(&mut record.service);
            found.route.action.clone_into(&mut record.action);
            record.mutating = found.route.mutating;
        }
        let refuse = found.as_ref().map(|found| found.service.refuse);
        let mutating = record.mutating;
        let (reply, retry_after) = match &verdict.effect {
            Some(Effect::Hang) => return Outcome::Silence,
            Some(Effect::Drop { executed: false }) => return Outcome::Drop,
            Some(Effect::Reset { executed: false }) => return Outcome::Reset,
            Some(Effect::Answer { status, body, content_type }) => {
                (Ok(Answer::raw(status_of(*status), content_type, body.clone())), None)
            }
            Some(Effect::Refuse { status, code, message, retry_after }) => {
                (Err(Problem::refused(*status, code, message)), *retry_after)
            }
            _ => {
                let mut reply = self.execute(world, record, request, found, verdict);
                if let (Ok(_), Some(Effect::RefuseAfter { status, code })) = (&reply, &verdict.effect) {
                    reply = Err(Problem::refused(*status, code, "It was carried out all the same."));
                }
                let throttled = matches!(reply, Err(Problem::Throttled { .. }));
                (reply, (throttled && world.knobs.limits.retry_after).then_some(1))
            }
        };
        let mut answer = reply.unwrap_or_else(|problem| match refuse {
            Some(refuse) => refuse(&problem, &record.request_id),
            None => self.cloud.refuse(&problem, &record.request_id),
        });
        if let Some(seconds) = retry_after {
            answer = answer.with_header("retry-after", &seconds.to_string());
        }
        record.status = Some(answer.status.as_u16());
        let answer = self.cloud.finish(answer, &record.request_id);
        let lost_by_halt = record.executed && mutating && self.halt.count();
        match &verdict.effect {
            Some(Effect::Drop { .. }) => Outcome::Drop,
            Some(Effect::Reset { .. }) => Outcome::Reset,
            _ if lost_by_halt => Outcome::Drop,
            Some(Effect::CutAnswer) => Outcome::Cut(answer),
            _ => Outcome::Answer(answer),
        }
    }

    fn execute(
        &self,
        world: &mut World<C::State>,
        record: &mut CallRecord,
        request: &Request,
        found: Option<Found<'_, C::State>>,
        verdict: &Verdict,
    ) -> Reply {
        let Found { service, route, parameters } = found.ok_or(Problem::NoSuchApi)?;
        let now = record.at;
        self.cloud.settle(&mut world.state, now);
        let target = Target { service: service.name, parameters: &parameters };
        let caller =
            if route.signed { Some(self.cloud.authenticate(&mut world.state, request, target, now)?) } else { None };
        record.key = caller.as_ref().map(|Caller { key, .. }| key.clone()).unwrap_or_default();
        world.throttle.admit(&world.knobs.limits, &record.key, route.action, now)?;
        if let Some((key, _)) = request.query.iter().find(|(key, _)| !route.knows(key)) {
            return Err(Problem::UnknownParameter(key.clone()));
        }
        let known = caller.clone().filter(|_| route.mutating);
        if let Some(known) = &known
            && let Some(answer) = self.cloud.recall(&mut world.state, known, request, target, now)?
        {
            return Ok(answer);
        }
        let lag = Duration::from_millis(world.knobs.lag_ms);
        let answer = (route.handler)(&mut Call {
            state: &mut world.state,
            now,
            caller,
            request,
            request_id: &record.request_id,
            parameters: parameters.clone(),
            knobs: &world.knobs,
            listing: verdict.listing(now, lag),
        })?;
        record.executed = true;
        if let Some(known) = &known {
            self.cloud.remember(&mut world.state, known, request, target, &answer, now);
        }
        if route.mutating {
            self.carry(world);
        }
        Ok(answer)
    }
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Looks like a cloud's, and is the same in each run.
fn request_id(number: u64) -> String {
    hex::encode(&Sha256::digest(format!("request {number}"))[..16])
}
