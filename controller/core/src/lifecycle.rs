//! cloud-node-lifecycle: what a Node that is not Ready is given, taken, or removed for.
//!
//! A Ready Node costs no look-up. One that is not is looked at when that happens and from then on at growing intervals,
//! shorter where a removal waits for its second answer.

use std::time::Duration;

use crate::{
    canary::Canary,
    names::{OUT_OF_SERVICE_VALUE, TAINT_OUT_OF_SERVICE},
    node::is_uninitialized,
    provider::{InstanceAnswer, InstanceState, Observed},
    removal::{self, Absent, Hold, Pool, RemovalSettings, Sighting, Verdict},
    taints,
    time::Timestamp,
    view::{ConditionStatus, Node, Taint},
};

/// The figures of the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleSettings {
    /// `--node-monitor-period`: time until the second look at a Node that is not Ready.
    pub monitor_period: Duration,
    /// `--node-out-of-service-after`: how long a machine must have been stopped before its Node gets the out-of-service
    /// taint. `None`: never.
    pub out_of_service_after: Option<Duration>,
    /// The removal lock.
    pub removal: RemovalSettings,
}

impl Default for LifecycleSettings {
    fn default() -> Self {
        Self { monitor_period: Duration::from_secs(5), out_of_service_after: None, removal: RemovalSettings::default() }
    }
}

/// Longest time between two looks at a Node that stays as it is: with the confirmation on top of it, the Node of a machine
/// that is terminated after it was stopped still goes within about two minutes.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is remembered of a Node that is not Ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// UID of the Node this is about.
    pub uid: String,
    /// When to look next.
    pub next: Timestamp,
    /// The machine was called absent in the latest answer.
    pub absent: Option<Absent>,
    /// Since when every answer has said that the machine is shut down.
    pub shut_down_since: Option<Timestamp>,
    answer: Option<Kind>,
    /// How many answers in a row were of this kind.
    repeated: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Found(InstanceState),
    NotFound,
    NotOurs,
    Unknown,
}

impl Track {
    /// Of a Node that has just been noticed: to be looked at at once, but for one that is only starting.
    pub fn new(node: &Node, now: Timestamp, settings: &LifecycleSettings) -> Self {
        let next = if is_starting(node) { now.max(node.created + settings.removal.min_node_age) } else { now };
        Self { uid: node.uid.clone(), next, ..Self::blank() }
    }

    /// Joins an answer to what is remembered. `asked` is when we asked, `canary` what the canaries said in the same answer.
    #[must_use]
    pub fn record(
        mut self,
        node: &Node,
        observed: &Observed,
        canary: Canary,
        asked: Timestamp,
        settings: &LifecycleSettings,
    ) -> Self {
        let kind = match &observed.answer {
            InstanceAnswer::Found(instance) => Kind::Found(instance.state),
            InstanceAnswer::NotFound(_) => Kind::NotFound,
            InstanceAnswer::NotOurs { .. } => Kind::NotOurs,
            InstanceAnswer::Unknown(_) => Kind::Unknown,
        };
        self.absent = match &observed.answer {
            InstanceAnswer::NotFound(absence) => {
                let sighting = Sighting { asked, observed: observed.at };
                Some(Absent::record(self.absent, node, (absence, sighting, canary), &settings.removal))
            }
            // Nothing was said: neither for nor against what was said before.
            InstanceAnswer::Unknown(_) => self.absent,
            InstanceAnswer::Found(_) | InstanceAnswer::NotOurs { .. } => None,
        };
        self.shut_down_since = match kind {
            Kind::Found(state) if state.is_shutdown() => self.shut_down_since.or(Some(asked)),
            Kind::Unknown => self.shut_down_since,
            _ => None,
        };
        self.repeated = if self.answer == Some(kind) { self.repeated.saturating_add(1) } else { 0 };
        self.answer = Some(kind);
        self.next = self.next_look(asked, settings);
        self
    }

    /// How many answers in a row, the latest among them, said nothing.
    pub fn unknown_in_a_row(&self) -> u32 {
        if self.answer == Some(Kind::Unknown) { self.repeated.saturating_add(1) } else { 0 }
    }

    /// Another daemon answers from now on: what the old one said counts no more.
    pub fn restart(&mut self, now: Timestamp) {
        *self = Self { uid: std::mem::take(&mut self.uid), next: now, ..Self::blank() };
    }

    const fn blank() -> Self {
        Self { uid: String::new(), next: Timestamp(0), absent: None, shut_down_since: None, answer: None, repeated: 0 }
    }

    fn next_look(&self, asked: Timestamp, settings: &LifecycleSettings) -> Timestamp {
        let growing = settings.monitor_period.saturating_mul(1 << self.repeated.min(8));
        let regular = asked + growing.min(LONGEST_PAUSE.max(settings.monitor_period));
        match self.absent.as_ref().and_then(|absent| absent.confirm_at(&settings.removal)) {
            Some(confirm) if confirm > asked && self.answer == Some(Kind::NotFound) => confirm,
            Some(_) => asked + settings.monitor_period,
            None => regular,
        }
    }
}

/// How soon after its creation a Node that is not Ready yet has had that said of it.
const STARTING: Duration = Duration::from_secs(10);

/// Whether the Node has not been Ready since it was made. A kubelet takes a while; asking the cloud meanwhile would cost a
/// look-up for every new Node and change nothing, since none so young is removed.
fn is_starting(node: &Node) -> bool {
    let since = node.ready.as_ref().and_then(|ready| ready.last_transition);
    since.is_none_or(|since| since.since(node.created) < STARTING)
}

/// Whether a Node is to be watched: it is not Ready, it was initialised, and nobody is removing it.
pub fn is_watched(node: &Node) -> bool {
    !node.is_ready() && !node.deleting && !node.provider_id.is_empty() && !is_uninitialized(node)
}

/// What follows from an answer about a Node that is not Ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The whole of `spec.taints`, where it changes.
    pub taints: Option<Vec<Taint>>,
    /// What becomes of the Node; `None` when its machine was not called absent.
    pub removal: Option<Verdict>,
    /// What becomes of the condition that tells why it is not removed.
    pub condition: Option<ConditionChange>,
}

/// What follows from an answer about a Node that is not Ready. The answer has been [recorded](Track::record) in `track`.
pub fn decide(
    node: &Node,
    observed: &Observed,
    track: &Track,
    pool: Pool<'_>,
    settings: &LifecycleSettings,
    now: Timestamp,
) -> Step {
    let removal = match (&observed.answer, &track.absent) {
        (InstanceAnswer::NotFound(_), Some(absent)) => Some(removal::judge(node, absent, pool, &settings.removal, now)),
        _ => None,
    };
    let condition = match (&observed.answer, &removal) {
        (InstanceAnswer::Unknown(_), _) => None,
        (_, Some(Verdict::Hold(hold))) => condition(node, Some(hold)),
        _ => condition(node, None),
    };
    Step { taints: taints_given(node, observed, track, now, settings), removal, condition }
}

/// The taints of a Ready Node, where they differ from what it has: a machine that works is neither shut down nor out of
/// service.
pub fn taints_when_ready(node: &Node) -> Option<Vec<Taint>> {
    in_service(node)
}

/// The taints of a Node that is not Ready, where they differ from what it has. Only a power state that the cloud has named
/// changes anything.
fn taints_given(
    node: &Node,
    observed: &Observed,
    track: &Track,
    now: Timestamp,
    settings: &LifecycleSettings,
) -> Option<Vec<Taint>> {
    let InstanceAnswer::Found(instance) = &observed.answer else { return None };
    match instance.state {
        InstanceState::Running => in_service(node),
        state if state.is_shutdown() => {
            let long = settings.out_of_service_after.zip(track.shut_down_since);
            let long = long.is_some_and(|(after, since)| now.since(since) >= after);
            shut_down(node, long)
        }
        _ => None,
    }
}

fn in_service(node: &Node) -> Option<Vec<Taint>> {
    let without = taints::without(&node.taints, &taints::shutdown());
    // A person's out-of-service taint is that person's to take away; ours is known by its value.
    let ours =
        |taint: &Taint| taint.key == TAINT_OUT_OF_SERVICE && taint.value.as_deref() == Some(OUT_OF_SERVICE_VALUE);
    if !node.taints.iter().any(ours) {
        return without;
    }
    let mut taints = without.unwrap_or_else(|| node.taints.clone());
    taints.retain(|taint| !ours(taint));
    Some(taints)
}

fn shut_down(node: &Node, long: bool) -> Option<Vec<Taint>> {
    let tainted = if taints::exists(&node.taints, &taints::shutdown()) {
        None
    } else {
        taints::with(&node.taints, &taints::shutdown())
    };
    if !long || node.has_taint_key(TAINT_OUT_OF_SERVICE) {
        return tainted;
    }
    taints::with(tainted.as_ref().unwrap_or(&node.taints), &taints::out_of_service())
}

/// What becomes of the condition of a Ready Node.
pub fn condition_when_ready(node: &Node) -> Option<ConditionChange> {
    condition(node, None)
}

/// What to do about the condition that tells why a Node is not removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionChange {
    /// Write it, with this reason and message.
    Set {
        /// CamelCase reason.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// Take it away.
    Clear,
}

/// The change of the condition, if it needs any. A message that only counts on is no reason to write.
fn condition(node: &Node, hold: Option<&Hold>) -> Option<ConditionChange> {
    let present = node.removal_blocked.as_ref().filter(|present| present.status == ConditionStatus::True);
    match (present, hold) {
        (Some(present), Some(hold)) if present.reason == hold.reason() => None,
        (_, Some(hold)) => Some(ConditionChange::Set { reason: hold.reason(), message: hold.to_string() }),
        (None, None) if node.removal_blocked.is_none() => None,
        (_, None) => Some(ConditionChange::Clear),
    }
}

#[cfg(test)]
mod tests;
