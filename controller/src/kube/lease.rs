//! Leader election on a Lease of the cluster: the requests, timers and Events around [`controller_core::lease`].

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use controller_core::{
    lease::{Election, JITTER, Moment, Next, Record, Seen, Timing},
    names::event_source,
    time::Timestamp,
};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    events::{ObjectRef, Recorder},
    explained,
};
use crate::{clock, config::LeaderElectionConfig, metrics::Metrics};

/// How an election stands. Clones see the same.
#[derive(Clone, Debug)]
pub struct Standing(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    election: Mutex<Election>,
    /// Where the steady clock starts.
    start: Instant,
    /// A second lease that must not have been lost, either, once it was ours.
    second: OnceLock<Standing>,
}

impl Standing {
    /// Whether we lead and may act on it now. Turns false by the clock alone, even if the task that renews is stuck.
    pub fn is_leader(&self) -> bool {
        let now = self.now();
        let leads = {
            let election = self.lock();
            election.is_leader() && !election.must_step_down(now)
        };
        leads && self.0.second.get().is_none_or(Self::is_leader)
    }

    /// From now on this leads only while `second` does, too.
    pub fn depend_on(&self, second: Self) {
        // A process takes a second lease once in its life.
        let _ = self.0.second.set(second);
    }

    /// Whether we think we lead long after the lease has run out: something is stuck.
    pub fn is_overdue(&self) -> bool {
        self.lock().is_overdue(self.now())
    }

    /// Who leads, as far as is known.
    pub fn leader(&self) -> Option<String> {
        self.lock().leader().map(str::to_owned)
    }

    /// The standing of one that never led.
    #[cfg(test)]
    pub(crate) fn standby() -> Self {
        let election = Election::new("standby", LeaderElectionConfig::default().timing);
        Self(Arc::new(Shared { election: Mutex::new(election), start: Instant::now(), second: OnceLock::new() }))
    }

    fn now(&self) -> Moment {
        Moment { steady: self.0.start.elapsed(), wall: clock::now() }
    }

    fn lock(&self) -> MutexGuard<'_, Election> {
        self.0.election.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why leading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The lease could not be renewed in time, or somebody else holds it.
    Lost,
    /// We were asked to stop; the lease is still ours until [`Candidate::release`].
    Stopped,
}

/// Takes part in one election.
#[derive(Debug)]
pub struct Candidate {
    api: Api<Lease>,
    standing: Standing,
    timing: Timing,
    identity: String,
    name: String,
    namespace: String,
    /// The Lease as last read or written, with the resource version that the next write must match.
    object: Option<Lease>,
    recorder: Recorder,
    metrics: Arc<Metrics>,
}

impl Candidate {
    /// A candidate of this identity. `client` should have no limiter: renewing must not queue behind other work.
    pub fn new(
        client: &Client,
        config: &LeaderElectionConfig,
        identity: String,
        recorder: Recorder,
        metrics: Arc<Metrics>,
    ) -> Self {
        let timing = config.timing;
        let election = Mutex::new(Election::new(identity.clone(), timing));
        metrics.app.leader.with([&config.name]).set(0);
        Self {
            api: Api::namespaced(client.clone(), &config.namespace),
            standing: Standing(Arc::new(Shared { election, start: Instant::now(), second: OnceLock::new() })),
            timing,
            identity,
            name: config.name.clone(),
            namespace: config.namespace.clone(),
            object: None,
            recorder,
            metrics,
        }
    }

    /// How the election stands.
    pub fn standing(&self) -> Standing {
        self.standing.clone()
    }

    /// Waits for leadership. `false`: stopped before.
    pub async fn acquire(&mut self, stop: &CancellationToken) -> bool {
        tracing::info!(lease = self.name, identity = self.identity, "attempting to acquire the leader lease");
        let mut reported = None;
        loop {
            let Some(got) = stop.run_until_cancelled(self.attempt()).await else { return false };
            if got {
                self.began();
                return true;
            }
            let leader = self.standing.leader();
            if leader != reported {
                tracing::info!(
                    lease = self.name,
                    leader = leader.as_deref().unwrap_or("nobody"),
                    "waiting for the lease"
                );
                reported = leader;
            }
            let wait = self.timing.retry_period.mul_f64(1.0 + JITTER * rand::random::<f64>());
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return false;
            }
        }
    }

    /// Renews until the lease is lost or `stop`.
    pub async fn renew(&mut self, stop: &CancellationToken) -> Ended {
        loop {
            // An attempt never outlasts the moment at which we step down.
            let deadline = self.deadline();
            let round = tokio::time::timeout_at(deadline, async {
                tokio::time::sleep(self.timing.retry_period).await;
                self.attempt().await
            });
            let Some(_) = stop.run_until_cancelled(round).await else { return Ended::Stopped };
            if !self.standing.is_leader() {
                self.lost();
                return Ended::Lost;
            }
        }
    }

    /// Gives the lease back, so that the next leader need not wait for it to run out. Does nothing when we do not lead.
    pub async fn release(&mut self) {
        let now = self.standing.now();
        let Some(record) = self.standing.lock().release(now) else { return };
        self.metrics.app.leader.with([&self.name]).set(0);
        let object = self.object_of(&record);
        match self.timed(self.api.replace(&self.name, &PostParams::default(), &object)).await {
            Ok(_) => {
                tracing::info!(lease = self.name, "released the lease");
                self.event("stopped leading");
            }
            Err(error) => error.log(&self.name, "the lease could not be released; it runs out"),
        }
    }

    fn deadline(&self) -> Instant {
        let at = self.standing.lock().step_down_at().unwrap_or_default();
        self.standing.0.start + at
    }

    fn began(&self) {
        tracing::info!(lease = self.name, identity = self.identity, "became leader");
        self.metrics.app.leader.with([&self.name]).set(1);
        self.event("became leader");
    }

    fn lost(&self) {
        tracing::error!(lease = self.name, leader = ?self.standing.leader(), "leader election lost");
        self.metrics.app.leader.with([&self.name]).set(0);
        self.event("stopped leading");
    }

    fn event(&self, what: &str) {
        let object = ObjectRef {
            api_version: "coordination.k8s.io/v1".to_owned(),
            kind: "Lease".to_owned(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.object.as_ref().and_then(|lease| lease.metadata.uid.clone()).unwrap_or_default(),
        };
        let message = format!("{} {what}", self.identity);
        self.recorder.event(event_source::LEADER, &object, false, "LeaderElection", &message);
    }

    /// Tries once to acquire or renew. Whether we lead afterwards and the lease is fresh.
    async fn attempt(&mut self) -> bool {
        let now = self.standing.now();
        let next = self.standing.lock().next(now);
        if let Next::Renew(record) = next {
            if self.write(record, Write::Update).await {
                return true;
            }
            self.metrics.app.leader_slow_path.with([&self.name]).inc();
        }
        let found = match self.timed(self.api.get_opt(&self.name)).await {
            Ok(found) => found,
            Err(error) => {
                error.log(&self.name, "reading the lease failed");
                return false;
            }
        };
        let record = found.as_ref().map(record_of);
        self.object = found;
        let now = self.standing.now();
        let seen = self.standing.lock().seen(record, now);
        match seen {
            Seen::Create(record) => self.write(record, Write::Create).await,
            Seen::Update(record) => self.write(record, Write::Update).await,
            Seen::Held { .. } => false,
        }
    }

    async fn write(&mut self, record: Record, write: Write) -> bool {
        let sent = self.standing.now();
        let object = self.object_of(&record);
        let params = PostParams::default();
        let written = match write {
            Write::Create => self.timed(self.api.create(&params, &object)).await,
            Write::Update => self.timed(self.api.replace(&self.name, &params, &object)).await,
        };
        match written {
            Ok(object) => {
                self.object = Some(object);
                self.standing.lock().written(record, sent);
                true
            }
            Err(error) => {
                error.log(&self.name, "writing the lease failed");
                self.standing.lock().failed();
                false
            }
        }
    }

    async fn timed<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Failed> {
        match tokio::time::timeout(self.timing.request_timeout(), request).await {
            Ok(answer) => answer.map_err(Failed::from),
            Err(_) => Err(Failed::Unclear(format!("no answer within {:?}", self.timing.request_timeout()))),
        }
    }

    /// The Lease with this record; what else it carries stays as it was read.
    fn object_of(&self, record: &Record) -> Lease {
        let mut object = self.object.clone().unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: None,
        });
        object.metadata.managed_fields = None;
        let spec = object.spec.get_or_insert_default();
        spec.holder_identity = Some(record.holder.clone());
        spec.lease_duration_seconds = Some(whole_seconds(record.duration));
        spec.acquire_time = Some(micro_time(record.acquired));
        spec.renew_time = Some(micro_time(record.renewed));
        spec.lease_transitions = Some(record.transitions);
        object
    }
}

/// A request that failed.
enum Failed {
    /// Somebody else was quicker: part of every election.
    Overtaken,
    /// Anything else.
    Unclear(String),
}

impl From<kube::Error> for Failed {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if status.code == 409 => Self::Overtaken,
            _ => Self::Unclear(explained(&error)),
        }
    }
}

impl Failed {
    fn log(&self, lease: &str, what: &str) {
        match self {
            Self::Overtaken => tracing::debug!(lease, "another candidate wrote the lease first"),
            Self::Unclear(error) => tracing::warn!(lease, error, "{what}"),
        }
    }
}

#[derive(Clone, Copy)]
enum Write {
    Create,
    Update,
}

fn record_of(lease: &Lease) -> Record {
    let empty = LeaseSpec::default();
    let spec = lease.spec.as_ref().unwrap_or(&empty);
    let time = |at: &Option<MicroTime>| at.as_ref().map(|at| timestamp(at.0)).unwrap_or_default();
    Record {
        holder: spec.holder_identity.clone().unwrap_or_default(),
        duration: Duration::from_secs(spec.lease_duration_seconds.unwrap_or(0).max(0).unsigned_abs().into()),
        acquired: time(&spec.acquire_time),
        renewed: time(&spec.renew_time),
        transitions: spec.lease_transitions.unwrap_or(0),
    }
}

/// Leases count whole seconds; a part of one counts as one, so that nobody takes over too early.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn timestamp(at: jiff::Timestamp) -> Timestamp {
    Timestamp(u64::try_from(at.as_millisecond()).unwrap_or(0))
}

fn micro_time(at: Timestamp) -> MicroTime {
    MicroTime(jiff::Timestamp::from_millisecond(i64::try_from(at.0).unwrap_or(i64::MAX)).unwrap_or_default())
}

/// This process among all that ever ran: `<hostname>_<uuid>`.
pub fn identity() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}_{}", uuid::Uuid::new_v4())
}

#[cfg(test)]
mod tests;
