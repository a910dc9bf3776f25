//! The removal lock: when a Node whose machine is said to be gone may be removed.
//!
//! A wrong answer must not cost a node, let alone all of them; a machine that is really gone must not leave its Node behind
//! for long. So the Node must have been initialised and be ours, not Ready for a while and not too young; the machine
//! must have been found absent twice, well apart, in fresh answers in which a canary was seen, in an account and region
//! that is served; nobody's credentials may have been refused lately; and only a small share of the nodes may go at a time.
//! When more want to go, a breaker opens and none goes until fewer do, the window has moved on, or a person says so.
//!
//! Of a small cluster a share of 10 % is less than one machine, while clouds lose machines by twos and threes: with a rack, a
//! spot price, an instance group made smaller. So a few may always go, as long as they are fewer than half. Who lies about
//! more than that gets none at all, not even the few.

use std::{fmt, time::Duration};

use crate::{
    canary::Canary,
    names::{ANNOTATION_ALLOW_REMOVAL, TAINT_TO_BE_DELETED},
    node::is_uninitialized,
    provider::{Absence, Account},
    time::Timestamp,
    view::Node,
};

/// The figures of the lock. The defaults let the Node of a terminated machine go some 65 s after it stopped being Ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovalSettings {
    /// `--node-removal-not-ready-grace`: how long the Node must not have been Ready.
    pub not_ready_grace: Duration,
    /// `--node-removal-min-node-age`: how old the Node must be. Clouds show a machine some time after making it.
    pub min_node_age: Duration,
    /// `--node-removal-confirm-interval`: time between the two answers.
    pub confirm_interval: Duration,
    /// `--node-removal-max-answer-age`: an answer older than this, or as far in the future, is not fresh. Covers the
    /// difference between our clock and the daemon's.
    pub max_answer_age: Duration,
    /// `--node-removal-auth-hold`: no removal for this long after credentials were refused.
    pub auth_hold: Duration,
    /// `--node-removal-window`: the time over which removals are counted.
    pub window: Duration,
    /// `--node-removal-max-percent`: the share of a provider's nodes, in percent, that may go in a window; at least [`FEW`]
    /// nodes while these are fewer than half, and at least one, but none at 0.
    pub max_percent: u8,
}

/// How many nodes may go in a window however small a share they are to stay within, while they are fewer than half.
pub const FEW: usize = 3;

impl Default for RemovalSettings {
    fn default() -> Self {
        Self {
            not_ready_grace: Duration::from_secs(30),
            min_node_age: Duration::from_secs(60),
            confirm_interval: Duration::from_secs(60),
            max_answer_age: Duration::from_secs(30),
            auth_hold: Duration::from_secs(600),
            window: Duration::from_secs(600),
            max_percent: 10,
        }
    }
}

impl RemovalSettings {
    /// How many of this many nodes may go in a window.
    pub fn limit(&self, nodes: usize) -> usize {
        match self.max_percent {
            0 => 0,
            percent => {
                let few = FEW.min(nodes.saturating_sub(1) / 2);
                (nodes * usize::from(percent) / 100).max(few).max(1)
            }
        }
    }
}

/// One answer that a machine is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When we asked, by our clock.
    pub asked: Timestamp,
    /// When the cloud answered, by the daemon's.
    pub observed: Timestamp,
}

impl Sighting {
    fn is_fresh(self, settings: &RemovalSettings) -> bool {
        self.asked.since(self.observed).max(self.observed.since(self.asked)) <= settings.max_answer_age
    }
}

/// What is remembered of a machine that was called absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The latest answer's words.
    pub absence: Absence,
    /// The first answer that counts since the machine was last heard of.
    pub first: Option<Sighting>,
    /// The latest answer.
    pub last: Sighting,
    /// What the canaries said in the latest answer.
    pub canary: Canary,
}

impl Absent {
    /// Joins a new answer to what is remembered.
    ///
    /// The first answer counts only if a canary was seen in it and it was fresh; it stops counting when a canary is called
    /// absent or another account or region answers.
    pub fn record(
        before: Option<Self>,
        node: &Node,
        (absence, last, canary): (&Absence, Sighting, Canary),
        settings: &RemovalSettings,
    ) -> Self {
        let waived = is_allowed(node);
        let before = before
            .filter(|before| before.absence.account == absence.account && before.absence.region == absence.region)
            .filter(|_| waived || canary != Canary::Absent)
            .and_then(|before| before.first);
        let counts = last.is_fresh(settings) && (waived || canary == Canary::Seen);
        Self { absence: absence.clone(), first: before.or(counts.then_some(last)), last, canary }
    }

    /// Whether the two answers lie well apart, by either clock.
    fn is_confirmed(&self, settings: &RemovalSettings) -> bool {
        self.first.is_some_and(|first| {
            self.last.asked.since(first.asked) >= settings.confirm_interval
                && self.last.observed.since(first.observed) >= settings.confirm_interval
        })
    }

    /// When to ask again to confirm; `None` when that would not help.
    pub fn confirm_at(&self, settings: &RemovalSettings) -> Option<Timestamp> {
        let first = self.first.filter(|_| !self.is_confirmed(settings))?;
        // Either clock must have moved on; whichever the last answer left further behind decides.
        let behind = self.last.asked.since(first.asked).saturating_sub(self.last.observed.since(first.observed));
        Some(first.asked + settings.confirm_interval + behind)
    }
}

/// What holds for the provider as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Pool<'a> {
    /// Its nodes, those removed within the window included.
    pub nodes: usize,
    /// Accounts and regions that it serves and is meant to serve.
    pub served: &'a [Account],
    /// When credentials were last refused.
    pub auth_fault: Option<Timestamp>,
    /// How many nodes that [count](counts) were removed within the window.
    pub removed: usize,
    /// How many nodes that [count](counts) are called absent now.
    pub absent: usize,
}

impl Pool<'_> {
    /// Whether more want to go than may.
    pub fn breaker_is_open(&self, settings: &RemovalSettings) -> bool {
        self.absent > 0 && self.removed + self.absent > settings.limit(self.nodes)
    }
}

/// What becomes of a Node whose machine was called absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Remove it.
    Remove,
    /// Not yet: time has to pass, nothing is wrong.
    Wait(Wait),
    /// Not until something is put right.
    Hold(Hold),
}

/// What a removal that takes its course waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The Node is Ready, on its way out already, or not bound to a machine.
    NotACandidate,
    /// The Node must grow older.
    Young,
    /// The Node must have been not Ready for longer.
    Grace,
    /// A second answer.
    Confirmation,
}

/// What keeps a removal from taking its course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The Node was never initialised.
    Uninitialized,
    /// The answer is about an account or region that is not served, or not meant to be.
    OtherAccount(Account),
    /// A Ready node of the same account and region was called absent as well.
    CanaryAbsent,
    /// No Ready node of the same account and region vouches for the answer.
    NoCanary,
    /// The daemon answered from memory, or its clock is off.
    StaleAnswer {
        /// How far the answer's time is from ours.
        off: Duration,
    },
    /// Credentials were refused not long ago.
    AuthFault {
        /// How long the hold lasts, if it does not happen again.
        left: Duration,
    },
    /// Too many want to go at once.
    Breaker {
        /// Removed within the window.
        removed: usize,
        /// Called absent now.
        absent: usize,
        /// How many of both there may be.
        limit: usize,
        /// The window.
        window: Duration,
    },
}

impl Hold {
    /// Reason of the condition and label of the metric.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Uninitialized => "NodeUninitialized",
            Self::OtherAccount(_) => "OtherAccount",
            Self::CanaryAbsent => "CanaryAbsent",
            Self::NoCanary => "NoCanary",
            Self::StaleAnswer { .. } => "StaleAnswer",
            Self::AuthFault { .. } => "CredentialsRefused",
            Self::Breaker { .. } => "BreakerOpen",
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let say = "annotate the Node with";
        match self {
            Self::Uninitialized => f.write_str(
                "the Node was never initialised, so it is not known to have had this machine; delete it by hand if it did",
            ),
            Self::OtherAccount(Account { id, region }) => write!(
                f,
                "the provider answered for account {id}, region {region}, which it does not serve or is not configured to serve"
            ),
            Self::CanaryAbsent => f.write_str(
                "the provider calls a Ready node of the same account and region absent as well, so its answers are worth \
                 nothing: check its account, project and credentials",
            ),
            Self::NoCanary => write!(
                f,
                "no Ready node of the same account and region vouches for the provider's answer; if the machine is gone, \
                 {say} {ANNOTATION_ALLOW_REMOVAL}=true"
            ),
            Self::StaleAnswer { off } => write!(
                f,
                "the provider's answer is {}s away from now, though a fresh one was asked for: check its clock",
                off.as_secs()
            ),
            Self::AuthFault { left } => {
                write!(f, "the provider's credentials were refused lately; on hold for another {}s", left.as_secs())
            }
            Self::Breaker { removed, absent, limit, window } => write!(
                f,
                "{absent} machines are absent and {removed} Nodes were removed in the last {}s, but at most {limit} may go in \
                 that time; if the machines are gone, {say} {ANNOTATION_ALLOW_REMOVAL}=true or raise \
                 --node-removal-max-percent",
                window.as_secs()
            ),
        }
    }
}

/// Whether a person has let the Node go.
pub fn is_allowed(node: &Node) -> bool {
    node.annotations.get(ANNOTATION_ALLOW_REMOVAL).is_some_and(|value| value == "true")
}

/// Whether a Node counts against the share that may go. Those that a person let go, or that the cluster autoscaler has
/// announced, do not: somebody other than the cloud has said that they go.
pub fn counts(node: &Node) -> bool {
    !is_allowed(node) && !node.has_taint_key(TAINT_TO_BE_DELETED)
}

/// What becomes of a Node whose machine was called absent in the latest answer.
pub fn judge(node: &Node, absent: &Absent, pool: Pool<'_>, settings: &RemovalSettings, now: Timestamp) -> Verdict {
    if let Some(wait) = too_early(node, settings, now) {
        return Verdict::Wait(wait);
    }
    if let Some(hold) = not_to_be_trusted(node, absent, pool, settings, now) {
        return Verdict::Hold(hold);
    }
    if !absent.is_confirmed(settings) {
        return Verdict::Wait(Wait::Confirmation);
    }
    if counts(node) && pool.breaker_is_open(settings) {
        let Pool { removed, absent, .. } = pool;
        let limit = settings.limit(pool.nodes);
        return Verdict::Hold(Hold::Breaker { removed, absent, limit, window: settings.window });
    }
    Verdict::Remove
}

fn too_early(node: &Node, settings: &RemovalSettings, now: Timestamp) -> Option<Wait> {
    let not_ready_since = node.ready.as_ref().and_then(|ready| ready.last_transition).unwrap_or(node.created);
    if node.is_ready() || node.deleting || node.provider_id.is_empty() {
        Some(Wait::NotACandidate)
    } else if now.since(node.created) < settings.min_node_age {
        Some(Wait::Young)
    } else if now.since(not_ready_since) < settings.not_ready_grace {
        Some(Wait::Grace)
    } else {
        None
    }
}

fn not_to_be_trusted(
    node: &Node,
    absent: &Absent,
    pool: Pool<'_>,
    settings: &RemovalSettings,
    now: Timestamp,
) -> Option<Hold> {
    let Absence { account, region, .. } = &absent.absence;
    let waived = is_allowed(node);
    let hold_ends = pool.auth_fault.map(|fault| fault + settings.auth_hold).filter(|end| *end > now);
    if is_uninitialized(node) {
        Some(Hold::Uninitialized)
    } else if !pool.served.iter().any(|served| served.id == *account && served.region == *region) {
        Some(Hold::OtherAccount(Account { id: account.clone(), region: region.clone() }))
    } else if let Some(end) = hold_ends {
        Some(Hold::AuthFault { left: end.since(now) })
    } else if absent.canary == Canary::Absent && !waived {
        Some(Hold::CanaryAbsent)
    } else if absent.canary == Canary::Missing && !waived {
        Some(Hold::NoCanary)
    } else if absent.last.is_fresh(settings) {
        None
    } else {
        let Sighting { asked, observed } = absent.last;
        Some(Hold::StaleAnswer { off: asked.since(observed).max(observed.since(asked)) })
    }
}

#[cfg(test)]
mod tests;
