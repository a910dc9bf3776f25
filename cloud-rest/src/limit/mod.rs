//! Rate limits, one for each family of calls and verb class (reads, writes), that follow what the cloud bears.
//!
//! Whoever waits is served in the order of arrival, and shares of the account in turns. Who could not be served before the deadline is
//! told at once, and how long it would have taken.

mod fair;
mod pace;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use self::{fair::Fair, pace::Pace};
use crate::{actor::Share, call::Call, error::Kind};

/// A refused call is held back no longer than this, whatever the cloud says.
const LONGEST_HOLD: Duration = Duration::from_mins(5);

/// The rate each family starts at, before anything is known, in calls per second.
pub type StartRate = fn(family: &str, mutates: bool) -> f64;

/// All limits of one account.
#[derive(Debug)]
pub(crate) struct Limits {
    start: StartRate,
    kinds: Mutex<HashMap<(&'static str, bool), Arc<Kinds>>>,
}

/// One family's reads, or its writes.
#[derive(Debug)]
struct Kinds {
    pace: Mutex<Pace>,
    fair: Mutex<Fair>,
    /// Within a share calls go in the order of arrival: whoever has its turn waits for the token.
    turns: Mutex<HashMap<Arc<str>, Arc<tokio::sync::Mutex<()>>>>,
    /// Calls that the cloud itself asked to hold back, by name: some limits are a single API's.
    held: Mutex<HashMap<&'static str, Hold>>,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    since: Instant,
    until: Instant,
    wait: Duration,
}

/// Leave to send one call, to be reported back.
#[derive(Debug)]
pub(crate) struct Permit {
    kinds: Arc<Kinds>,
    name: &'static str,
    sent: Instant,
    /// How long it took to get.
    pub waited: Duration,
}

/// There is none before the deadline; it would take this long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLate(pub Duration);

impl Limits {
    pub(crate) fn new(start: StartRate) -> Self {
        Self { start, kinds: Mutex::default() }
    }

    /// Waits for leave to send a call, which comes out of this share.
    pub(crate) async fn acquire(
        &self,
        call: &Call,
        share: &Share,
        deadline: Option<Instant>,
    ) -> Result<Permit, TooLate> {
        let begun = Instant::now();
        let kinds = self.kinds(call);
        let _waiting = Waiting::join(&kinds, share);
        let turn = kinds.turn(share);
        let in_time = |wait: Duration| match deadline {
            Some(deadline) if Instant::now() + wait > deadline => Err(TooLate(wait)),
            _ => Ok(wait),
        };
        loop {
            in_time(kinds.estimate(call.name, share))?;
            if let Some(hold) = kinds.hold(call.name) {
                sleep(in_time(hold)?).await;
                continue;
            }
            let _turn = turn.lock().await;
            // Held back while it queued: others go first meanwhile.
            if kinds.hold(call.name).is_some() {
                continue;
            }
            let _ready = Ready::mark(&kinds, share);
            while let Some(wait) = kinds.take(share) {
                sleep(in_time(wait)?).await;
            }
            let sent = Instant::now();
            return Ok(Permit { kinds: kinds.clone(), name: call.name, sent, waited: sent - begun });
        }
    }

    /// The rates now, for metrics: family, whether writes, calls per second.
    pub(crate) fn rates(&self) -> Vec<(&'static str, bool, f64)> {
        let kinds = lock(&self.kinds);
        kinds.iter().map(|((family, mutates), kinds)| (*family, *mutates, lock(&kinds.pace).rate())).collect()
    }

    fn kinds(&self, call: &Call) -> Arc<Kinds> {
        let mutates = call.effect.mutates();
        let mut kinds = lock(&self.kinds);
        let entry = kinds.entry((call.family, mutates)).or_insert_with(|| {
            let pace = Pace::new((self.start)(call.family, mutates), Instant::now());
            Arc::new(Kinds {
                pace: Mutex::new(pace),
                fair: Mutex::default(),
                turns: Mutex::default(),
                held: Mutex::default(),
            })
        });
        entry.clone()
    }
}

impl Permit {
    /// Says how the call ended. `None`: it succeeded.
    pub(crate) fn report(self, failed: Option<Kind>, retry_after: Option<Duration>) {
        let now = Instant::now();
        match failed {
            Some(Kind::Throttled) => {
                lock(&self.kinds.pace).refused(self.sent, now);
                if let Some(wait) = retry_after {
                    self.kinds.hold_back(self.name, self.sent, now, wait);
                }
            }
            // No answer says nothing about the limit.
            Some(Kind::Connect | Kind::Timeout) => {}
            _ => {
                lock(&self.kinds.pace).accepted(self.sent, now);
                lock(&self.kinds.held).remove(self.name);
            }
        }
    }
}

impl Kinds {
    fn turn(&self, share: &Share) -> Arc<tokio::sync::Mutex<()>> {
        lock(&self.turns).entry(share.name.clone()).or_default().clone()
    }

    /// Takes a token, or says how long until there is one for this share.
    fn take(&self, share: &Share) -> Option<Duration> {
        let now = Instant::now();
        let (mut fair, mut pace) = (lock(&self.fair), lock(&self.pace));
        if let Some(wait) = fair.own_wait(share, now) {
            return Some(wait);
        }
        let kept = fair.kept(share, pace.burst(), now);
        let wait = pace.take(kept, now).err();
        if wait.is_none() {
            fair.taken(share);
        }
        wait
    }

    /// What is left of the time a call is held back for.
    fn hold(&self, name: &'static str) -> Option<Duration> {
        let held = lock(&self.held);
        let left = held.get(name)?.until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Refused in a row: the window is longer than was thought, so each wait is twice the last.
    fn hold_back(&self, name: &'static str, sent: Instant, now: Instant, told: Duration) {
        let mut held = lock(&self.held);
        let wait = match held.get(name) {
            Some(last) if sent < last.since => return,
            Some(last) => told.max(last.wait * 2),
            None => told,
        };
        let wait = wait.min(LONGEST_HOLD);
        held.insert(name, Hold { since: now, until: now + wait, wait });
    }

    /// About how long the last of those waiting has to wait.
    fn estimate(&self, name: &'static str, share: &Share) -> Duration {
        let waiting = lock(&self.fair).queue(share);
        let queue = lock(&self.pace).time_for(f64::from(waiting), Instant::now());
        // A token that is there costs nothing.
        let queue = if queue <= Duration::from_millis(1) { Duration::ZERO } else { queue };
        queue.max(self.hold(name).unwrap_or_default())
    }
}

/// Counts a caller among those waiting.
struct Waiting<'a>(&'a Kinds, &'a Share);

impl<'a> Waiting<'a> {
    fn join(kinds: &'a Kinds, share: &'a Share) -> Self {
        lock(&kinds.fair).join(share, Instant::now());
        Self(kinds, share)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.0.fair).leave(self.1);
    }
}

/// Whoever has its share's turn and waits for a token.
struct Ready<'a>(&'a Kinds, &'a Share);

impl<'a> Ready<'a> {
    fn mark(kinds: &'a Kinds, share: &'a Share) -> Self {
        lock(&kinds.fair).set_ready(share, true);
        Self(kinds, share)
    }
}

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        lock(&self.0.fair).set_ready(self.1, false);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
