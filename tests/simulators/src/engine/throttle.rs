//! Counts calls against the limits.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

use super::{
    Problem,
    knobs::{Limits, Rate},
};

/// What was called lately.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// Tokens of the bucket over all, and when they were counted.
    bucket: Option<(f64, Timestamp)>,
    /// Start of the window and calls in it, by key and action.
    windows: HashMap<(String, &'static str), (Timestamp, u32)>,
}

impl Throttle {
    /// Counts a call. A refused one counts for nothing.
    pub(crate) fn admit(
        &mut self,
        limits: &Limits,
        key: &str,
        action: &'static str,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let rate = limits.actions.get(action).copied().or(limits.per_action);
        if let Some(rate) = rate {
            self.admit_action(rate, key, action, now)?;
        }
        match limits.calls_per_second {
            Some(per_second) => self.admit_any(per_second, now),
            None => Ok(()),
        }
    }

    fn admit_action(&mut self, rate: Rate, key: &str, action: &'static str, now: Timestamp) -> Result<(), Problem> {
        let window = self.windows.entry((key.to_owned(), action)).or_insert((now, 0));
        if now.duration_since(window.0).unsigned_abs() >= Duration::from_secs(rate.seconds) {
            *window = (now, 0);
        }
        if window.1 >= rate.calls {
            return Err(Problem::Throttled { calls: rate.calls, seconds: rate.seconds });
        }
        window.1 += 1;
        Ok(())
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the number is shown to people only")]
    fn admit_any(&mut self, per_second: f64, now: Timestamp) -> Result<(), Problem> {
        let room = per_second.max(1.0);
        let (tokens, at) = self.bucket.unwrap_or((room, now));
        let passed = now.duration_since(at).as_secs_f64();
        let tokens = (tokens + passed * per_second).min(room);
        let admitted = tokens >= 1.0;
        self.bucket = Some((if admitted { tokens - 1.0 } else { tokens }, now));
        if admitted { Ok(()) } else { Err(Problem::Throttled { calls: per_second.ceil() as u32, seconds: 1 }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(limits: &Limits, calls: &[(i64, &str, bool)]) {
        let mut throttle = Throttle::default();
        for (at, key, admitted) in calls {
            let answer = throttle.admit(limits, key, "ListServers", Timestamp::from_millisecond(*at).unwrap());
            assert_eq!(answer.is_ok(), *admitted, "{key} at {at}");
        }
    }

    #[test]
    fn a_rate_holds_for_each_key_and_action() {
        let limits = Limits { per_action: Some(Rate { calls: 2, seconds: 10 }), ..Limits::default() };
        check(
            &limits,
            &[
                (0, "a", true),
                (1, "a", true),
                (2, "a", false),
                (2, "b", true),
                (9_999, "a", false),
                (10_000, "a", true),
            ],
        );
    }

    #[test]
    fn an_action_may_have_a_rate_of_its_own() {
        let rate = Rate { calls: 1, seconds: 10 };
        let limits = Limits { actions: [("ListServers".to_owned(), rate)].into(), ..Limits::default() };
        check(&limits, &[(0, "a", true), (1, "a", false)]);
        let limits = Limits { actions: [("ShowServer".to_owned(), rate)].into(), ..Limits::default() };
        check(&limits, &[(0, "a", true), (1, "a", true)]);
    }

    #[test]
    fn the_limit_over_all_refills_with_time() {
        let limits = Limits { calls_per_second: Some(2.0), ..Limits::default() };
        check(
            &limits,
            &[(0, "a", true), (0, "b", true), (0, "a", false), (499, "a", false), (500, "a", true), (501, "b", false)],
        );
    }
}
