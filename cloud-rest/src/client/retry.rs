//! Which failed attempt is followed by another, and when. Pure: chance and time are arguments.

use std::time::Duration;

use crate::{
    call::Effect,
    error::{Error, Executed, Kind},
};

/// How long a client goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The most attempts at a call that fails for faults in between. 1: none is repeated.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long a throttled call is repeated for, if the caller sets no deadline.
    pub throttled_for: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(5),
            throttled_for: Duration::from_mins(5),
        }
    }
}

/// The pause before the next attempt, or `None` to give up. `attempt` is the number of the one that failed, from 1; `chance` is
/// between 0 and 1, and keeps callers that failed together from coming back together.
pub(super) fn pause(
    patience: &Patience,
    effect: Effect,
    error: &Error,
    attempt: u32,
    elapsed: Duration,
    chance: f64,
) -> Option<Duration> {
    if error.kind == Kind::Throttled {
        // Not carried out, whatever it is. The rate limit holds the next one back for as long as it takes.
        return (elapsed < patience.throttled_for).then_some(Duration::ZERO);
    }
    let harmless = match effect {
        Effect::Read => matches!(error.kind, Kind::Connect | Kind::Timeout | Kind::Server | Kind::Garbled),
        Effect::RepeatableWrite => matches!(error.kind, Kind::Connect | Kind::Timeout | Kind::Server),
        Effect::Write => error.kind == Kind::Connect && error.executed == Executed::No,
    };
    if !harmless || attempt >= patience.attempts {
        return None;
    }
    let doubled = patience.first_pause.saturating_mul(1 << (attempt - 1).min(16)).min(patience.longest_pause);
    let spread = doubled.mul_f64(0.5 + chance / 2.0);
    Some(spread.max(error.retry_after.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        attempts: 3,
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_millis(150),
        throttled_for: Duration::from_secs(60),
    };

    fn failed(kind: Kind, executed: Executed) -> Error {
        Error { executed, ..Error::unsent("Test", kind, "") }
    }

    fn again(effect: Effect, kind: Kind, executed: Executed) -> bool {
        pause(&PATIENCE, effect, &failed(kind, executed), 1, Duration::ZERO, 1.0).is_some()
    }

    #[test]
    fn a_write_is_repeated_only_if_it_was_surely_not_carried_out() {
        use Executed::{No, Unknown, Yes};
        use Kind::{Connect, Garbled, Server, Throttled, Timeout};
        for (kind, executed, read, repeatable, write) in [
            (Connect, No, true, true, true),
            (Connect, Unknown, true, true, false),
            (Timeout, Unknown, true, true, false),
            (Timeout, No, true, true, false),
            (Server, Unknown, true, true, false),
            (Throttled, No, true, true, true),
            (Garbled, Yes, true, false, false),
        ] {
            let got =
                [Effect::Read, Effect::RepeatableWrite, Effect::Write].map(|effect| again(effect, kind, executed));
            assert_eq!(got, [read, repeatable, write], "{kind} {executed:?}");
        }
    }

    #[test]
    fn what_will_not_work_later_is_not_repeated() {
        use Kind::{Conflict, Invalid, NoSuchApi, NotFound, Pending, PermissionDenied, Quota, Unauthenticated};
        for kind in [Conflict, Invalid, NoSuchApi, NotFound, Pending, PermissionDenied, Quota, Unauthenticated] {
            for effect in [Effect::Read, Effect::RepeatableWrite, Effect::Write] {
                assert!(!again(effect, kind, Executed::No), "{kind} {effect:?}");
            }
        }
    }

    #[test]
    fn pauses_grow_to_a_limit_and_attempts_end() {
        let error = failed(Kind::Server, Executed::Unknown);
        let at = |attempt, chance| pause(&PATIENCE, Effect::Read, &error, attempt, Duration::ZERO, chance);
        assert_eq!(at(1, 1.0), Some(Duration::from_millis(100)));
        assert_eq!(at(1, 0.0), Some(Duration::from_millis(50)));
        assert_eq!(at(2, 1.0), Some(Duration::from_millis(150)));
        assert_eq!(at(3, 1.0), None);
        let told = Error { retry_after: Some(Duration::from_secs(7)), ..error.clone() };
        assert_eq!(pause(&PATIENCE, Effect::Read, &told, 1, Duration::ZERO, 1.0), Some(Duration::from_secs(7)));
        let throttled = failed(Kind::Throttled, Executed::No);
        let after = |elapsed| pause(&PATIENCE, Effect::Write, &throttled, 99, Duration::from_secs(elapsed), 0.0);
        assert_eq!((after(59), after(60)), (Some(Duration::ZERO), None));
    }
}
