//! How fast one kind of call may go: a token bucket whose rate follows what the cloud bears. Pure: time is an argument.
//!
//! While the cloud has refused nothing, the rate grows by half each second that callers have to wait for it. A refusal tells where the
//! limit is: about the rate at which calls were just accepted. From then on the rate keeps a little below, and only after a while
//! steps over it to see whether the limit has moved; if it has not, the next look comes later still. So nearly all of the limit is used
//! and hardly a call refused.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Never slower: one call in five seconds finds out when the limit is gone.
const SLOWEST: f64 = 0.2;
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
/// When to look whether the limit has moved: after this at first, and after twice as long each time it has not.
const FIRST_LOOK: Duration = Duration::from_secs(10);
/// The longest time between two looks: this, or this many calls if that takes longer, so that looks cost a small share of the calls.
const LAST_LOOK: Duration = Duration::from_mins(2);
const LAST_LOOK_CALLS: f64 = 150.0;
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
}

/// Where the cloud began to refuse.
#[derive(Debug)]
struct Limit {
    rate: f64,
    met: Instant,
    look_after: Duration,
}

impl Pace {
    pub(super) fn new(start: f64, now: Instant) -> Self {
        let rate = start.clamp(SLOWEST, FASTEST);
        Self {
            rate,
            tokens: burst(rate),
            filled: now,
            hungry: None,
            grown: now,
            limit: None,
            accepted: VecDeque::new(),
        }
    }

    /// Calls per second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Takes a token if so many are left then, or says how long until it may.
    pub(super) fn take(&mut self, kept: f64, now: Instant) -> Result<(), Duration> {
        self.fill(now);
        if self.tokens >= 1.0 + kept {
            self.tokens -= 1.0;
            return Ok(());
        }
        self.hungry = Some(now);
        Err(self.time_for(1.0 + kept))
    }

    /// How long until so many tokens are there.
    pub(super) fn time_for(&self, tokens: f64) -> Duration {
        Duration::from_secs_f64(((tokens - self.tokens) / self.rate).max(0.001))
    }

    /// Most tokens that are there at once.
    pub(super) fn burst(&self) -> f64 {
        burst(self.rate)
    }

    /// The cloud took a call.
    pub(super) fn accepted(&mut self, now: Instant) {
        self.accepted.push_back(now);
        self.forget(now);
        let seconds = now.saturating_duration_since(self.grown).min(self.lately()).as_secs_f64();
        self.grown = now;
        if self.is_hungry(now) {
            self.grow(now, seconds);
        }
    }

    /// The cloud refused a call that had been sent at `sent`.
    pub(super) fn refused(&mut self, sent: Instant, now: Instant) {
        // Sent before the last cut: it says nothing new.
        if self.limit.as_ref().is_some_and(|limit| sent < limit.met) {
            return;
        }
        self.fill(now);
        let found = if self.is_hungry(now) { self.measured(now).min(self.rate) } else { self.rate * BELOW };
        let found = found.max(SLOWEST);
        let look_after = match &self.limit {
            // Met again where it was: it has not moved.
            Some(limit) if found < limit.rate * 1.5 => (limit.look_after * 2).min(last_look(found)),
            _ => FIRST_LOOK,
        };
        self.limit = Some(Limit { rate: found, met: now, look_after });
        self.rate = (found * BELOW).max(SLOWEST);
        self.tokens = self.tokens.min(0.0);
        self.grown = now;
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
        self.tokens = (self.tokens + seconds * self.rate).min(burst(self.rate));
    }

    fn is_hungry(&self, now: Instant) -> bool {
        self.hungry.is_some_and(|at| now.saturating_duration_since(at) < self.lately())
    }

    /// A second, or a few calls' time where calls are rarer.
    fn lately(&self) -> Duration {
        Duration::from_secs_f64((3.0 / self.rate).max(1.0))
    }

    fn measured(&mut self, now: Instant) -> f64 {
        self.forget(now);
        let Some(first) = self.accepted.front() else { return 0.0 };
        let seconds = now.saturating_duration_since(*first).as_secs_f64().max(1.0);
        f64::from(u32::try_from(self.accepted.len()).unwrap_or(u32::MAX)) / seconds
    }

    fn forget(&mut self, now: Instant) {
        let measured = MEASURED.max(self.lately() * 2);
        while self.accepted.front().is_some_and(|at| now.saturating_duration_since(*at) > measured) {
            self.accepted.pop_front();
        }
    }
}

fn last_look(limit: f64) -> Duration {
    LAST_LOOK.max(Duration::from_secs_f64(LAST_LOOK_CALLS / limit))
}

/// How many calls may go at once after a rest: few, as clouds count in short windows.
fn burst(rate: f64) -> f64 {
    (rate / 4.0).clamp(4.0, 10.0)
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
            self.tokens = (self.tokens + (now - self.filled).as_secs_f64() * self.per_second).min(self.per_second);
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
        let mut cloud = Cloud { per_second, tokens: per_second, filled: begin };
        let mut paces: Vec<Pace> = (0..kinds).map(|_| Pace::new(start, begin)).collect();
        let mut under_way: VecDeque<(Instant, usize, bool)> = VecDeque::new();
        let mut outcome = Outcome { accepted: [0; 2], refused: [0; 2] };
        for step in 0..seconds * 200 {
            let now = begin + Duration::from_millis(5) * step;
            let minute = usize::from(step >= 60 * 200);
            while under_way.front().is_some_and(|(sent, ..)| now - *sent >= latency) {
                let (sent, kind, taken) = under_way.pop_front().unwrap();
                if taken {
                    paces[kind].accepted(now);
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
        // With less than a call a second for each kind there is too little to learn from.
        for (per_second, most_kinds) in [(2.0, 2), (20.0, 4), (100.0, 4)] {
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

    #[test]
    fn a_limit_that_is_lifted_is_found_out() {
        let begin = Instant::now();
        let mut pace = Pace::new(10.0, begin);
        let (mut now, mut taken) = (begin, 0);
        for step in 0..60_000 {
            now = begin + Duration::from_millis(5) * step;
            while pace.take(0.0, now).is_ok() {
                taken += 1;
                if step == 1_000 { pace.refused(now, now) } else { pace.accepted(now) }
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
            pace.accepted(now);
        }
        assert!((pace.rate() - 10.0).abs() < f64::EPSILON);
    }
}
