//! Who goes first when several shares of an account want to make calls of one kind. Pure: time is an argument.
//!
//! Those who wait take turns, a call each. And a part of the burst is kept from whoever made the most calls lately: so who comes
//! with little to do, while another is busy with a great deal, finds tokens instead of a queue. Nothing is lost by it: the busy one
//! still gets every token that comes in.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::actor::Share;

/// The part of the burst that is kept.
const KEPT: f64 = 0.5;
/// What a share has used counts half after this long.
const HALF_LIFE: Duration = Duration::from_secs(10);
/// Used this little, it counts as idle.
const IDLE: f64 = 0.05;

/// The shares of one kind of calls.
#[derive(Debug, Default)]
pub(super) struct Fair {
    /// Of the last who was served.
    clock: f64,
    shares: HashMap<Arc<str>, Standing>,
}

#[derive(Debug)]
struct Standing {
    /// Smallest is served next. It grows by one with each call.
    tag: f64,
    waiting: u32,
    /// The first of those who wait is waiting for a token, and for nothing else.
    ready: bool,
    /// Calls of late, the older the less.
    used: f64,
    at: Instant,
    /// Calls it may make now by its own limit.
    allowance: f64,
    limit: Option<f64>,
}

impl Standing {
    fn new(clock: f64, now: Instant) -> Self {
        Self { tag: clock, waiting: 0, ready: false, used: 0.0, at: now, allowance: f64::INFINITY, limit: None }
    }

    /// Lets time pass.
    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.used *= 0.5_f64.powf(passed / HALF_LIFE.as_secs_f64());
        match self.limit {
            Some(limit) => self.allowance = (self.allowance + passed * limit).min(limit),
            None => self.allowance = f64::INFINITY,
        }
    }

    fn may(&self) -> bool {
        self.allowance >= 1.0
    }
}

impl Fair {
    /// One more of a share waits.
    pub(super) fn join(&mut self, share: &Share, now: Instant) {
        let clock = self.clock;
        let standing = self.shares.entry(share.name.clone()).or_insert_with(|| Standing::new(clock, now));
        let limit = share.calls_per_second.map(f64::from);
        if standing.limit != limit {
            (standing.limit, standing.allowance) = (limit, limit.unwrap_or(f64::INFINITY));
        }
        if standing.waiting == 0 {
            // What was not used is not saved up.
            standing.tag = standing.tag.max(clock);
        }
        standing.waiting += 1;
    }

    /// One of a share waits no more.
    pub(super) fn leave(&mut self, share: &Share) {
        if let Some(standing) = self.shares.get_mut(&share.name) {
            standing.waiting = standing.waiting.saturating_sub(1);
        }
    }

    /// Whether the first of a share that waits wants nothing but a token now.
    pub(super) fn set_ready(&mut self, share: &Share, ready: bool) {
        if let Some(standing) = self.shares.get_mut(&share.name) {
            standing.ready = ready;
        }
    }

    /// How long until a share's own limit lets the next call pass; `None`: it does now.
    pub(super) fn own_wait(&mut self, share: &Share, now: Instant) -> Option<Duration> {
        self.advance(now);
        let standing = self.shares.get(&share.name)?;
        let limit = standing.limit.filter(|_| !standing.may())?;
        Some(Duration::from_secs_f64(((1.0 - standing.allowance) / limit).max(0.001)))
    }

    /// How many tokens, of a burst this large, are to be left for others when a share takes one.
    pub(super) fn kept(&mut self, share: &Share, burst: f64, now: Instant) -> f64 {
        self.advance(now);
        let Some(own) = self.shares.get(&share.name) else { return 0.0 };
        let first = |name: &Arc<str>, other: &Standing| {
            *name != share.name && other.ready && other.may() && (other.tag, name) < (own.tag, &share.name)
        };
        let ahead = self.shares.iter().filter(|(name, other)| first(name, other)).count();
        // More than a full burst never comes together.
        let room = if !share.name.is_empty() && self.is_busiest(own) { (KEPT * burst).min(burst - 1.0) } else { 0.0 };
        f64::from(u32::try_from(ahead).unwrap_or(u32::MAX)) + room
    }

    /// Whether a share has used at least as much as the others on average.
    fn is_busiest(&self, own: &Standing) -> bool {
        let used = self.shares.values().map(|standing| standing.used).filter(|used| *used > IDLE);
        let (count, sum) = used.fold((0.0, 0.0), |(count, sum), used| (count + 1.0, sum + used));
        own.used > IDLE && own.used * count >= sum
    }

    /// A share has taken a token.
    pub(super) fn taken(&mut self, share: &Share) {
        let Some(standing) = self.shares.get_mut(&share.name) else { return };
        self.clock = self.clock.max(standing.tag);
        standing.tag += 1.0;
        standing.used += 1.0;
        standing.allowance -= 1.0;
    }

    /// How many calls are made before the last of a share that waits, if everybody who waits goes on waiting.
    pub(super) fn queue(&self, share: &Share) -> u32 {
        let waiting = |standing: &Standing| standing.waiting;
        let all: u32 = self.shares.values().map(waiting).sum();
        let own = self.shares.get(&share.name).map_or(0, waiting);
        let shares = self.shares.values().filter(|standing| standing.waiting > 0).count();
        all.min(own.saturating_mul(u32::try_from(shares).unwrap_or(u32::MAX)))
    }

    fn advance(&mut self, now: Instant) {
        for standing in self.shares.values_mut() {
            standing.advance(now);
        }
    }
}

#[cfg(test)]
// What is compared is not computed: all or nothing of a part.
#[expect(clippy::float_cmp)]
mod tests {
    use super::*;

    const BURST: f64 = 4.0;

    fn share(name: &str) -> Share {
        Share { name: name.into(), calls_per_second: None }
    }

    #[test]
    fn whoever_had_less_goes_first() {
        let (mut fair, now) = (Fair::default(), Instant::now());
        let (a, b) = (share("a"), share("b"));
        for _ in 0..100 {
            fair.join(&a, now);
            fair.taken(&a);
        }
        fair.join(&b, now);
        fair.set_ready(&a, true);
        fair.set_ready(&b, true);
        assert!(
            fair.kept(&b, BURST, now) < fair.kept(&a, BURST, now),
            "what was used before b came is not made up for"
        );
        let mut served = String::new();
        for _ in 0..6 {
            let next = if fair.kept(&a, 100.0, now) < fair.kept(&b, 100.0, now) { &a } else { &b };
            served.push_str(&next.name);
            fair.taken(next);
        }
        assert_eq!(served, "bbbbbb");
        assert_eq!((fair.queue(&a), fair.queue(&b)), (101, 2));
    }

    #[test]
    fn a_part_of_the_burst_is_kept_from_the_busiest_alone() {
        let (mut fair, now) = (Fair::default(), Instant::now());
        let (a, b) = (share("a"), share("b"));
        fair.join(&a, now);
        assert_eq!(fair.kept(&a, BURST, now), 0.0, "nobody has used anything");
        for _ in 0..20 {
            fair.taken(&a);
        }
        assert_eq!(fair.kept(&a, BURST, now), KEPT * BURST);
        fair.join(&b, now);
        assert_eq!(fair.kept(&b, BURST, now), 0.0);
        fair.leave(&b);
        let later = now + HALF_LIFE * 20;
        assert_eq!(fair.kept(&a, BURST, later), 0.0, "long ago");
    }

    #[test]
    fn who_is_not_told_apart_has_all() {
        let (mut fair, now) = (Fair::default(), Instant::now());
        let all = share("");
        for _ in 0..20 {
            fair.join(&all, now);
            fair.taken(&all);
        }
        assert_eq!(fair.kept(&all, BURST, now), 0.0);
        assert_eq!(fair.queue(&all), 20);
        assert_eq!(fair.own_wait(&all, now), None);
    }

    #[test]
    fn whoever_is_not_ready_is_waited_for_by_nobody() {
        let (mut fair, now) = (Fair::default(), Instant::now());
        let (a, b) = (share("a"), share("b"));
        fair.join(&a, now);
        fair.join(&b, now);
        assert_eq!(fair.kept(&b, BURST, now), 0.0, "a is held back by something else");
        fair.set_ready(&a, true);
        assert_eq!((fair.kept(&a, BURST, now), fair.kept(&b, BURST, now)), (0.0, 1.0));
    }

    #[test]
    fn a_limit_of_its_own_holds_a_share_back_and_nobody_behind_it() {
        let (mut fair, now) = (Fair::default(), Instant::now());
        let (slow, other) = (Share { calls_per_second: Some(2), ..share("a") }, share("b"));
        for share in [&slow, &other] {
            fair.join(share, now);
            fair.set_ready(share, true);
        }
        for _ in 0..2 {
            assert_eq!(fair.own_wait(&slow, now), None);
            fair.taken(&slow);
        }
        assert_eq!(fair.own_wait(&slow, now), Some(Duration::from_millis(500)));
        for _ in 0..5 {
            fair.taken(&other);
        }
        assert_eq!(fair.kept(&other, BURST, now), KEPT * BURST, "the slow one is first in line and cannot go");
        assert_eq!(fair.own_wait(&slow, now + Duration::from_millis(500)), None);
    }
}
