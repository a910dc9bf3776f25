//! How fast one kind of call may go: a token bucket whose rate follows what the cloud bears. Pure: time is an argument.
//!
//! While the cloud has refused nothing, the rate grows by half each second that callers have to wait for it. A refusal tells where the
//! limit is: about the rate at which calls were just accepted. From then on the rate keeps a little below, and only after a while
//! steps over it to see whether the limit has moved; if it has not, the next look comes later still. So nearly all of the limit is used
//! and hardly a call refused.
//!
//! Refusals in a row, with nothing accepted in between, are no limit but a door that is shut: a window used up, a fault, a storm. It
//! is knocked at ever more rarely, and once it opens all goes on at the rate that was borne before.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Never slower: one call in five seconds finds out when the limit is gone.
const SLOWEST: f64 = 0.2;
/// While everything is refused, how long until the next try: this many calls' time at first, then twice as long each time.
const KNOCK_CALLS: f64 = 2.0;
const FIRST_KNOCK: Duration = Duration::from_millis(500);
const LAST_KNOCK: Duration = Duration::from_secs(5);
/// Where several may knock, the one whose turn it is does so within this.
const NEXT_IN_LINE: Duration = Duration::from_millis(10);
/// Never faster: a handful of connections carries no more.
const FASTEST: f64 = 500.0;
/// Growth each second while no limit is known.
const START: f64 = 1.5;
/// Where the rate falls to when the limit is met, as a share of it.
const BELOW: f64 = 0.85;
/// Where it stays, as a share of the limit.
const STAY: f64 = 0.95;
/// How much of the limit a second of probing adds at first; the longer all goes well, the more.
const PROBE: f64 = 0.02;
/// When to look whether the limit has moved: after this at first, or this many calls if that takes longer, and after twice as long
/// each time it has not.
const FIRST_LOOK: Duration = Duration::from_secs(10);
const FIRST_LOOK_CALLS: f64 = 30.0;
/// The longest time between two looks: this, or this many calls if that takes longer, so that looks cost a small share of the calls.
const LAST_LOOK: Duration = Duration::from_mins(2);
const LAST_LOOK_CALLS: f64 = 150.0;
/// Up to this many calls a second tell too little of the rate at which they are accepted.
const RARE: f64 = 2.0;
const A_LITTLE: f64 = 0.97;
/// Over how long the rate of accepted calls is measured, at least.
const MEASURED: Duration = Duration::from_secs(3);

/// One kind of call's pace.
#[derive(Debug)]
pub(super) struct Pace {
    rate: f64,
    tokens: f64,
    filled: Instant,
    /// When a caller last had to wait.
    hungry: Option<Instant>,
    /// When growth was last worked out.
    grown: Instant,
    limit: Option<Limit>,
    /// When calls were accepted, of late.
    accepted: VecDeque<Instant>,
    /// When a call was last refused.
    refused: Option<Instant>,
    /// One sent after that was accepted.
    open: bool,
    shut: Option<Shut>,
}

/// Where the cloud began to refuse.
#[derive(Debug)]
struct Limit {
    rate: f64,
    met: Instant,
    look_after: Duration,
}

/// Everything is refused.
#[derive(Debug)]
struct Shut {
    /// When to try again.
    next: Instant,
    /// How long after that.
    pause: Duration,
}

impl Pace {
    pub(super) fn new(start: f64, now: Instant) -> Self {
        let rate = start.clamp(SLOWEST, FASTEST);
        Self {
            rate,
            tokens: burst(rate, false),
            filled: now,
            hungry: None,
            grown: now,
            limit: None,
            accepted: VecDeque::new(),
            refused: None,
            open: true,
            shut: None,
        }
    }

    /// Calls per second.
    pub(super) fn rate(&self) -> f64 {
        self.shut.as_ref().map_or(self.rate, |shut| shut.pause.as_secs_f64().recip())
    }

    /// Takes a token if so many are left then, or says how long until it may.
    pub(super) fn take(&mut self, kept: f64, now: Instant) -> Result<(), Duration> {
        if let Some(shut) = &mut self.shut {
            let wait = shut.next.saturating_duration_since(now);
            if wait.is_zero() && kept < 1.0 {
                // Its answer may be long in coming.
                shut.next = now + shut.pause;
                return Ok(());
            }
            self.hungry = Some(now);
            return Err(wait.max(NEXT_IN_LINE));
        }
        self.fill(now);
        if self.tokens >= 1.0 + kept {
            self.tokens -= 1.0;
            return Ok(());
        }
        self.hungry = Some(now);
        Err(self.time_for(1.0 + kept, now))
    }

    /// How long until so many tokens are there.
    pub(super) fn time_for(&self, tokens: f64, now: Instant) -> Duration {
        let (knock, missing) = match &self.shut {
            // Once one is accepted, the rest go on as before.
            Some(shut) => (shut.next.saturating_duration_since(now), tokens - 1.0),
            None => (Duration::ZERO, tokens - self.tokens),
        };
        knock + Duration::from_secs_f64((missing / self.rate).max(0.001))
    }

    /// Most tokens that are there at once.
    pub(super) fn burst(&self) -> f64 {
        if self.shut.is_some() { 1.0 } else { burst(self.rate, self.limit.is_some()) }
    }

    /// The cloud took a call that had been sent at `sent`.
    pub(super) fn accepted(&mut self, sent: Instant, now: Instant) {
        self.accepted.push_back(now);
        self.forget(now);
        self.open |= self.refused.is_none_or(|at| sent >= at);
        if self.open && self.shut.take().is_some() {
            (self.tokens, self.filled) = (0.0, now);
            self.grown = now;
            return;
        }
        let seconds = now.saturating_duration_since(self.grown).min(self.lately()).as_secs_f64();
        self.grown = now;
        if self.is_hungry(now) {
            self.grow(now, seconds);
        }
    }

    /// The cloud refused a call that had been sent at `sent`.
    pub(super) fn refused(&mut self, sent: Instant, now: Instant) {
        // Sent before the last refusal: it says nothing new.
        if self.refused.is_some_and(|at| sent < at) {
            return;
        }
        self.refused = Some(now);
        if !std::mem::take(&mut self.open) {
            self.knock_later(now);
            return;
        }
        self.fill(now);
        let measured = if self.is_hungry(now) { self.measured(now) } else { None };
        let found = match measured {
            Some(measured) if self.rate > RARE => measured.min(self.rate),
            // Too few calls to measure by: a known limit is a little lower than was thought.
            _ if self.limit.is_some() => self.rate * A_LITTLE,
            _ => self.rate * BELOW,
        };
        let found = found.max(SLOWEST);
        let look_after = match &self.limit {
            // Met again where it was: it has not moved.
            Some(limit) if found < limit.rate * 1.5 => (limit.look_after * 2).min(last_look(found)),
            _ => first_look(found),
        };
        self.limit = Some(Limit { rate: found, met: now, look_after });
        self.rate = (found * BELOW).max(SLOWEST);
        self.tokens = self.tokens.min(0.0);
        self.grown = now;
    }

    fn knock_later(&mut self, now: Instant) {
        let pause = match &self.shut {
            Some(shut) => shut.pause * 2,
            None => Duration::from_secs_f64(KNOCK_CALLS / self.rate).max(FIRST_KNOCK),
        };
        let pause = pause.min(LAST_KNOCK);
        self.shut = Some(Shut { next: now + pause, pause });
    }

    fn grow(&mut self, now: Instant, seconds: f64) {
        let more = match &self.limit {
            None => self.rate * (START.powf(seconds) - 1.0),
            Some(limit) => {
                let since = now.saturating_duration_since(limit.met);
                if self.rate < limit.rate * STAY {
                    (limit.rate * 0.1 * seconds).min(limit.rate * STAY - self.rate)
                } else if since > limit.look_after {
                    let probing = since.saturating_sub(limit.look_after).as_secs_f64();
                    limit.rate * PROBE * (1.0 + probing) * seconds
                } else {
                    0.0
                }
            }
        };
        self.rate = (self.rate + more).min(FASTEST);
    }

    fn fill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + seconds * self.rate).min(self.burst());
    }

    fn is_hungry(&self, now: Instant) -> bool {
        self.hungry.is_some_and(|at| now.saturating_duration_since(at) < self.lately())
    }

    /// A second, or a few calls' time where calls are rarer.
    fn lately(&self) -> Duration {
        Duration::from_secs_f64((3.0 / self.rate).max(1.0))
    }

    /// The rate at which calls were accepted of late. `None`: none was, which tells nothing.
    fn measured(&mut self, now: Instant) -> Option<f64> {
        self.forget(now);
        let seconds = now.saturating_duration_since(*self.accepted.front()?).as_secs_f64().max(1.0);
        Some(f64::from(u32::try_from(self.accepted.len()).unwrap_or(u32::MAX)) / seconds)
    }

    fn forget(&mut self, now: Instant) {
        let measured = MEASURED.max(self.lately() * 2);
        while self.accepted.front().is_some_and(|at| now.saturating_duration_since(*at) > measured) {
            self.accepted.pop_front();
        }
    }
}

fn first_look(limit: f64) -> Duration {
    FIRST_LOOK.max(Duration::from_secs_f64(FIRST_LOOK_CALLS / limit))
}

fn last_look(limit: f64) -> Duration {
    LAST_LOOK.max(Duration::from_secs_f64(LAST_LOOK_CALLS / limit))
}

/// How many calls may go at once after a rest: few, as clouds count in short windows, and with a limit known to be low only one.
fn burst(rate: f64, limited: bool) -> f64 {
    (rate / 4.0).clamp(if limited { 1.0 } else { 4.0 }, 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cloud that takes so many calls a second, over all kinds, and refuses the rest.
    struct Cloud {
        per_second: f64,
        tokens: f64,
        filled: Instant,
    }

    impl Cloud {
        fn takes(&mut self, now: Instant) -> bool {
            let room = self.per_second.max(1.0);
            self.tokens = (self.tokens + (now - self.filled).as_secs_f64() * self.per_second).min(room);
            self.filled = now;
            let takes = self.tokens >= 1.0;
            if takes {
                self.tokens -= 1.0;
            }
            takes
        }
    }

    struct Outcome {
        accepted: [u32; 2],
        refused: [u32; 2],
    }

    /// Kinds of calls, each asked for without end, for so long; counted before and after the first minute.
    fn run(kinds: usize, per_second: f64, start: f64, seconds: u32, latency: Duration) -> Outcome {
        let begin = Instant::now();
        let mut cloud = Cloud { per_second, tokens: per_second.max(1.0), filled: begin };
        let mut paces: Vec<Pace> = (0..kinds).map(|_| Pace::new(start, begin)).collect();
        let mut under_way: VecDeque<(Instant, usize, bool)> = VecDeque::new();
        let mut outcome = Outcome { accepted: [0; 2], refused: [0; 2] };
        for step in 0..seconds * 200 {
            let now = begin + Duration::from_millis(5) * step;
            let minute = usize::from(step >= 60 * 200);
            while under_way.front().is_some_and(|(sent, ..)| now - *sent >= latency) {
                let (sent, kind, taken) = under_way.pop_front().unwrap();
                if taken {
                    paces[kind].accepted(sent, now);
                } else {
                    paces[kind].refused(sent, now);
                }
            }
            for (kind, pace) in paces.iter_mut().enumerate() {
                while pace.take(0.0, now).is_ok() {
                    let taken = cloud.takes(now);
                    under_way.push_back((now, kind, taken));
                    if taken {
                        outcome.accepted[minute] += 1;
                    } else {
                        outcome.refused[minute] += 1;
                    }
                }
            }
        }
        outcome
    }

    #[test]
    fn nearly_all_of_a_limit_is_used_and_hardly_a_call_refused() {
        // Kinds that share a limit of less than a call a second each get into each other's way, whatever they do.
        for (per_second, most_kinds) in [(0.5, 1), (1.0, 1), (2.0, 2), (20.0, 4), (100.0, 4)] {
            for kinds in 1..=most_kinds {
                for start in [1.5, 10.0] {
                    for latency in [5, 30, 300] {
                        let outcome = run(kinds, per_second, start, 300, Duration::from_millis(latency));
                        let case = format!("{kinds} kinds, {per_second}/s, from {start}/s, {latency} ms");
                        let all = outcome.accepted[0] + outcome.accepted[1];
                        let used = f64::from(all) / (300.0 * per_second);
                        assert!(used > 0.75, "{case}: {used:.2} of the limit used");
                        let refused = f64::from(outcome.refused[1]);
                        let share = refused / (refused + f64::from(outcome.accepted[1]));
                        // A look at a limit costs a call, of which there are few.
                        let allowed = if per_second < 10.0 { 0.05 } else { 0.01 };
                        assert!(share < allowed, "{case}: {share:.4} refused");
                    }
                }
            }
        }
    }

    /// Calls made in the first `seconds` after a storm in which for `storm` seconds everything was refused, and the refusals in it.
    fn after_storm(start: f64, storm: u64, seconds: u64) -> (u32, u32) {
        let begin = Instant::now();
        let mut pace = Pace::new(start, begin);
        let (mut accepted, mut refused) = (0, 0);
        for step in 0..(20 + storm + seconds) * 200 {
            let now = begin + Duration::from_millis(5) * u32::try_from(step).unwrap();
            let second = step / 200;
            while pace.take(0.0, now).is_ok() {
                if (20..20 + storm).contains(&second) {
                    refused += 1;
                    pace.refused(now, now);
                } else {
                    accepted += u32::from(second >= 20);
                    pace.accepted(now, now);
                }
            }
        }
        (accepted, refused)
    }

    #[test]
    fn after_a_storm_all_goes_on_as_before() {
        for start in [1.5, 10.0] {
            for storm in [2, 30, 300] {
                let (accepted, refused) = after_storm(start, storm, 20);
                let case = format!("{start}/s, {storm} s: {accepted} accepted, {refused} refused");
                assert!(f64::from(accepted) > start * 10.0, "{case}");
                assert!(u64::from(refused) <= 6 + storm / 5, "{case}");
            }
        }
    }

    #[test]
    fn while_everything_is_refused_those_who_wait_are_not_told_to_come_back_next_week() {
        let begin = Instant::now();
        let mut pace = Pace::new(10.0, begin);
        for second in 0..60 {
            let now = begin + Duration::from_secs(second);
            if pace.take(0.0, now).is_ok() {
                pace.refused(now, now);
            }
        }
        let wait = pace.time_for(100.0, begin + Duration::from_secs(60));
        assert!(wait < Duration::from_secs(20), "{wait:?}");
    }

    #[test]
    fn a_limit_that_is_lifted_is_found_out() {
        let begin = Instant::now();
        let mut pace = Pace::new(10.0, begin);
        let (mut now, mut taken) = (begin, 0);
        for step in 0..60_000 {
            now = begin + Duration::from_millis(5) * step;
            while pace.take(0.0, now).is_ok() {
                taken += 1;
                if step == 1_000 { pace.refused(now, now) } else { pace.accepted(now, now) }
            }
        }
        assert!(pace.rate() > 100.0, "{} calls, {}/s after {:?}", taken, pace.rate(), now - begin);
    }

    #[test]
    fn a_rate_nobody_waits_for_does_not_grow() {
        let begin = Instant::now();
        let mut pace = Pace::new(10.0, begin);
        for second in 0..1_000 {
            let now = begin + Duration::from_secs(second);
            pace.take(0.0, now).unwrap();
            pace.accepted(now, now);
        }
        assert!((pace.rate() - 10.0).abs() < f64::EPSILON);
    }
}
