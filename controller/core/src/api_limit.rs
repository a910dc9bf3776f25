//! How many requests to the apiserver may be under way at once: as many as it bears.
//!
//! Upstream lets 20 requests a second through whatever the apiserver could do. Here the limit grows by one for each round of
//! quick answers that used it up, and shrinks when the apiserver says "too many" or takes longer than its own service level
//! allows. A fixed rate in upstream's terms is there for those who ask for it.

use std::time::Duration;

/// Where the limit starts. A controller that has done nothing wrong need not begin at a crawl.
const START: f64 = 64.0;
/// One request at a time could wait behind a slow one for ever.
const LEAST: f64 = 2.0;
/// More would only wait in the apiserver in place of here.
const MOST: f64 = 256.0;
/// Kubernetes' service level for one object: what takes longer is a sign of overload.
pub const SLOW: Duration = Duration::from_secs(1);
/// Answers to requests sent before the last reduction say nothing about it; so at most one reduction in this time.
const SETTLE: Duration = Duration::from_secs(1);
/// "Too many" without a time: wait this long, as clients of upstream do.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
/// A pause longer than this is not kept: no single answer may stop all work for long.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How one request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer after this time.
    Answered(Duration),
    /// A listing, whose time depends on its size: counts as neither quick nor slow.
    Bulk,
    /// "Too many requests", with the time to wait if one was given.
    Throttled(Option<Duration>),
    /// No answer in time.
    TimedOut,
}

/// The limit. Times are by a clock that never steps, since any fixed moment.
#[derive(Clone, Debug, PartialEq)]
pub struct AdaptiveLimit {
    limit: f64,
    reduced: Option<Duration>,
    paused_until: Duration,
}

impl Default for AdaptiveLimit {
    fn default() -> Self {
        Self { limit: START, reduced: None, paused_until: Duration::ZERO }
    }
}

impl AdaptiveLimit {
    /// Requests that may be under way at once.
    pub fn limit(&self) -> usize {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Between `LEAST` and `MOST`.
        let limit = self.limit as usize;
        limit
    }

    /// How long no request may be sent; `None`: now.
    pub fn paused(&self, now: Duration) -> Option<Duration> {
        self.paused_until.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// A request ended. `under_way` counts it and those beside it.
    pub fn ended(&mut self, outcome: Outcome, under_way: usize, now: Duration) {
        match outcome {
            Outcome::Answered(time) if time <= SLOW => self.grow(under_way),
            Outcome::Answered(_) => self.shrink(0.9, now),
            Outcome::Bulk => {}
            Outcome::TimedOut => self.shrink(0.5, now),
            Outcome::Throttled(wait) => {
                self.shrink(0.5, now);
                let pause = wait.unwrap_or(DEFAULT_PAUSE).min(LONGEST_PAUSE);
                self.paused_until = self.paused_until.max(now + pause);
            }
        }
    }

    /// Only a limit that is used says something about a higher one. Half counts as used: of requests that end together, all
    /// but the first see places that have just become free.
    fn grow(&mut self, under_way: usize) {
        if under_way * 2 >= self.limit() {
            self.limit = (self.limit + 1.0 / self.limit).min(MOST);
        }
    }

    fn shrink(&mut self, factor: f64, now: Duration) {
        if self.reduced.is_none_or(|at| now.saturating_sub(at) >= SETTLE) {
            self.limit = (self.limit * factor).max(LEAST);
            self.reduced = Some(now);
        }
    }
}

/// `--kube-api-qps` and `--kube-api-burst`: a fixed rate, for those who ask for it.
#[derive(Clone, Debug, PartialEq)]
pub struct FixedRate {
    per_request: Duration,
    burst: u32,
    /// When the next request would be due at the rate alone; a burst lets it go up to `burst - 1` places early.
    next: Duration,
}

impl FixedRate {
    /// `qps` requests a second (above zero), `burst` at once.
    pub fn new(qps: f64, burst: u32) -> Self {
        Self { per_request: Duration::from_secs_f64(1.0 / qps), burst: burst.max(1), next: Duration::ZERO }
    }

    /// Takes the next place; how long to wait for it.
    pub fn reserve(&mut self, now: Duration) -> Duration {
        let saved_up = self.per_request * (self.burst - 1);
        let due = self.next.max(now);
        self.next = due + self.per_request;
        due.saturating_sub(saved_up).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Outcome = Outcome::Answered(Duration::from_millis(20));

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn grows_by_one_for_each_round_of_quick_answers_that_used_it_up() {
        let mut limit = AdaptiveLimit::default();
        for _ in 0..65 {
            limit.ended(QUICK, 64, secs(0));
        }
        assert_eq!(limit.limit(), 65);
        for _ in 0..1000 {
            limit.ended(QUICK, 10, secs(0));
        }
        assert_eq!(limit.limit(), 65, "an idle client learns nothing");
        for _ in 0..1_000_000 {
            limit.ended(QUICK, 1000, secs(0));
        }
        assert_eq!(limit.limit(), 256);
    }

    #[test]
    fn halves_when_told_too_many_and_waits_as_long_as_told() {
        let mut limit = AdaptiveLimit::default();
        limit.ended(Outcome::Throttled(Some(secs(3))), 64, secs(10));
        assert_eq!(limit.limit(), 32);
        assert_eq!(limit.paused(secs(10)), Some(secs(3)));
        assert_eq!(limit.paused(secs(12)), Some(secs(1)));
        assert_eq!(limit.paused(secs(13)), None);
    }

    #[test]
    fn answers_of_the_same_moment_count_once() {
        let mut limit = AdaptiveLimit::default();
        for _ in 0..64 {
            limit.ended(Outcome::Throttled(None), 64, secs(10));
        }
        assert_eq!(limit.limit(), 32);
        assert_eq!(limit.paused(secs(10)), Some(secs(1)));
        limit.ended(Outcome::TimedOut, 32, secs(11));
        assert_eq!(limit.limit(), 16);
    }

    #[test]
    fn slow_answers_shrink_it_gently_and_listings_do_not_count() {
        let mut limit = AdaptiveLimit::default();
        limit.ended(Outcome::Bulk, 64, secs(0));
        assert_eq!(limit.limit(), 64);
        limit.ended(Outcome::Answered(secs(2)), 64, secs(0));
        assert_eq!(limit.limit(), 57);
        for second in 1..100 {
            limit.ended(Outcome::Answered(secs(2)), 64, secs(second));
        }
        assert_eq!(limit.limit(), 2, "but work goes on");
    }

    #[test]
    fn no_answer_stops_all_work_for_long() {
        let mut limit = AdaptiveLimit::default();
        limit.ended(Outcome::Throttled(Some(secs(86_400))), 1, secs(0));
        assert_eq!(limit.paused(secs(0)), Some(secs(30)));
    }

    #[test]
    fn a_fixed_rate_lets_a_burst_through_and_then_its_rate() {
        let mut rate = FixedRate::new(20.0, 30);
        let waits: Vec<_> = (0..32).map(|_| rate.reserve(secs(100)).as_millis()).collect();
        assert_eq!(waits[..30], [0; 30]);
        assert_eq!(waits[30..], [50, 100]);
        assert_eq!(rate.reserve(secs(110)), Duration::ZERO, "saved up again, and never more than the burst");
        let again: Vec<_> = (0..30).map(|_| rate.reserve(secs(110)).as_millis()).collect();
        assert_eq!((again[28], again[29]), (0, 50));
    }
}
