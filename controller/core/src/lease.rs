//! Leader election on a Lease, as client-go plays it, without the playing: what to read and write next, who leads, and when
//! to step down.
//!
//! Nobody's wall clock is believed. A Lease is held until its record has not changed for its duration *by our own steady
//! clock since we saw it* (the observed-time rule), so clocks of other machines may be wrong by any amount. A leader counts
//! from the moment it *sent* its last successful renewal, and steps down well before others may take over.

use std::time::Duration;

use crate::time::Timestamp;

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Time since some fixed moment, by a clock that never steps. All decisions use this one.
    pub steady: Duration,
    /// What is written into the Lease, for people.
    pub wall: Timestamp,
}

/// The flags of leader election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a leader that is not heard of is waited for.
    pub lease_duration: Duration,
    /// How long a leader tries to renew before it steps down.
    pub renew_deadline: Duration,
    /// Between two attempts.
    pub retry_period: Duration,
}

/// A waiting candidate's attempts are up to this factor further apart, so that candidates do not march in step.
pub const JITTER: f64 = 1.2;
/// A leader whose last renewal is older than the lease by this much is unhealthy: it should have stepped down long ago.
pub const HEALTH_TOLERANCE: Duration = Duration::from_secs(20);
/// Duration written on release: whoever looks next may take over after a second.
const RELEASED: Duration = Duration::from_secs(1);

impl Timing {
    /// What is wrong, in upstream's terms; empty when all is well.
    pub fn faults(&self) -> Vec<&'static str> {
        let mut faults = Vec::new();
        if self.lease_duration <= self.renew_deadline {
            faults.push("the lease duration must be longer than the renew deadline");
        }
        if self.renew_deadline <= self.retry_period.mul_f64(JITTER) {
            faults.push("the renew deadline must be longer than 1.2 times the retry period");
        }
        if self.lease_duration < Duration::from_secs(1) {
            faults.push("the lease duration must be at least 1s");
        }
        if self.renew_deadline.is_zero() || self.retry_period.is_zero() {
            faults.push("the renew deadline and the retry period must be longer than zero");
        }
        faults
    }

    /// The longest one request may take.
    pub fn request_timeout(&self) -> Duration {
        (self.renew_deadline / 2).max(Duration::from_secs(1))
    }
}

/// The part of a Lease that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who leads; empty when nobody does.
    pub holder: String,
    /// How long others wait.
    pub duration: Duration,
    /// Since when.
    pub acquired: Timestamp,
    /// Last renewal.
    pub renewed: Timestamp,
    /// How often the holder has changed.
    pub transitions: i32,
}

/// The next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read the Lease, then ask [`Election::seen`].
    Read,
    /// Write this over what was last read or written: we lead, and nobody can have changed it.
    Renew(Record),
}

/// What follows from reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is no Lease: create it.
    Create(Record),
    /// Write this over what was read.
    Update(Record),
    /// Somebody else leads.
    Held {
        /// Who.
        by: String,
    },
}

/// One candidate's view of the election.
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    timing: Timing,
    /// The last record seen or written, and when it was first seen.
    observed: Option<(Record, Duration)>,
    /// When the last successful renewal was sent; `Some` while we lead.
    renewed: Option<Duration>,
    /// The last write failed: what is there must be read first.
    doubtful: bool,
}

impl Election {
    /// A candidate that has seen nothing yet.
    pub fn new(identity: impl Into<String>, timing: Timing) -> Self {
        Self { identity: identity.into(), timing, observed: None, renewed: None, doubtful: false }
    }

    /// Whether we lead. Ask [`Self::must_step_down`] as well.
    pub fn is_leader(&self) -> bool {
        self.renewed.is_some()
    }

    /// Who leads, as far as is known.
    pub fn leader(&self) -> Option<&str> {
        self.observed.as_ref().map(|(record, _)| record.holder.as_str()).filter(|holder| !holder.is_empty())
    }

    /// When (by the steady clock) a leader that does not get through any more steps down.
    pub fn step_down_at(&self) -> Option<Duration> {
        self.renewed.map(|renewed| renewed + self.timing.renew_deadline)
    }

    /// Whether we lead and have not got through for the renew deadline.
    pub fn must_step_down(&self, now: Moment) -> bool {
        self.step_down_at().is_some_and(|at| at <= now.steady)
    }

    /// Whether we still think we lead though the lease ran out a while ago: something is stuck.
    pub fn is_overdue(&self, now: Moment) -> bool {
        let limit = self.timing.lease_duration + HEALTH_TOLERANCE;
        self.renewed.is_some_and(|renewed| now.steady.saturating_sub(renewed) > limit)
    }

    /// The next request.
    pub fn next(&self, now: Moment) -> Next {
        match &self.observed {
            Some((record, _)) if self.is_leader() && !self.doubtful => Next::Renew(self.renewal(record, now)),
            _ => Next::Read,
        }
    }

    /// What follows from what was read; `None`: there is no Lease.
    pub fn seen(&mut self, found: Option<Record>, now: Moment) -> Seen {
        let Some(found) = found else {
            return Seen::Create(self.fresh(0, now));
        };
        let since = match &self.observed {
            Some((known, since)) if *known == found => *since,
            _ => now.steady,
        };
        self.observed = Some((found.clone(), since));
        if found.holder == self.identity {
            // Ours; identities are unique, so if we did not know it, the answer to our write was lost.
            return Seen::Update(self.renewal(&found, now));
        }
        if !found.holder.is_empty() && since + found.duration > now.steady {
            self.renewed = None;
            return Seen::Held { by: found.holder };
        }
        Seen::Update(self.fresh(found.transitions.saturating_add(1), now))
    }

    /// `record` was written with success, in a request sent at `sent`: we lead from then.
    pub fn written(&mut self, record: Record, sent: Moment) {
        self.observed = Some((record, sent.steady));
        self.renewed = Some(sent.steady);
        self.doubtful = false;
    }

    /// A write failed, or its answer was lost.
    pub fn failed(&mut self) {
        self.doubtful = true;
    }

    /// Stops leading; what to write so that the next leader need not wait. `None` when we do not lead.
    pub fn release(&mut self, now: Moment) -> Option<Record> {
        self.renewed.take()?;
        let (record, _) = self.observed.as_ref()?;
        Some(Record {
            holder: String::new(),
            duration: RELEASED,
            acquired: now.wall,
            renewed: now.wall,
            transitions: record.transitions,
        })
    }

    fn fresh(&self, transitions: i32, now: Moment) -> Record {
        Record {
            holder: self.identity.clone(),
            duration: self.timing.lease_duration,
            acquired: now.wall,
            renewed: now.wall,
            transitions,
        }
    }

    fn renewal(&self, old: &Record, now: Moment) -> Record {
        Record { acquired: old.acquired, ..self.fresh(old.transitions, now) }
    }
}

#[cfg(test)]
mod tests;
