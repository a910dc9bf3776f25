//! What happens when the cloud refuses a key: calls stop, and one at a time tries it again.
//!
//! Clouds lock a key after a few refusals in a row, and a wrong key is wrong for every call: sending them all would turn a mistake
//! into an outage. A key that has not proved itself is tried by one call at a time as well.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::MutexGuard, time::Instant};

use crate::error::{Error, Executed, Kind};

/// Pauses after each refusal in a row, in seconds. The first is free: a proven key may be refused by mistake.
const PAUSES: [u64; 6] = [0, 2, 5, 15, 40, 120];
/// Pause after any more: longer than clouds lock a key for.
const LONGEST_PAUSE: u64 = 310;

/// Whether calls may be sent with a key.
#[derive(Debug, Default)]
pub(super) struct Lockout {
    state: Mutex<State>,
    single: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    proven: bool,
    refusals: usize,
    /// When the state last changed: outcomes of calls sent earlier say nothing new.
    since: Option<Instant>,
    until: Option<Instant>,
    said: Option<Box<Error>>,
}

/// Leave to send a call.
pub(super) struct Leave<'a> {
    version: u64,
    sent: Instant,
    /// Held while the key has yet to prove itself.
    _single: Option<MutexGuard<'a, ()>>,
}

impl Lockout {
    /// What the cloud said about the key, while no call is to be sent with it.
    pub(super) fn check(&self, call: &'static str, version: u64) -> Result<(), Error> {
        let state = self.of(version);
        let left = state.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        match &state.said {
            Some(said) if !left.is_zero() => Err(Error {
                call,
                message: format!("not sent, as the cloud refuses the key: {}", said.message),
                retry_after: Some(left),
                executed: Executed::No,
                attempts: 0,
                ..(**said).clone()
            }),
            _ => Ok(()),
        }
    }

    /// Leave to send, perhaps after another call has tried the key.
    pub(super) async fn enter(&self, call: &'static str, version: u64) -> Result<Leave<'_>, Error> {
        self.check(call, version)?;
        let mut single = None;
        if !self.of(version).proven {
            single = Some(self.single.lock().await);
            self.check(call, version)?;
            if self.of(version).proven {
                single = None;
            }
        }
        Ok(Leave { version, sent: Instant::now(), _single: single })
    }

    /// Takes note of how a call ended.
    pub(super) fn ended(&self, leave: &Leave<'_>, failed: Option<&Error>) {
        let mut state = self.of(leave.version);
        if state.version != leave.version || state.since.is_some_and(|since| leave.sent < since) {
            return;
        }
        match failed {
            Some(error) if error.kind == Kind::Unauthenticated => {
                let seconds = PAUSES.get(state.refusals).copied().unwrap_or(LONGEST_PAUSE);
                // A key that never worked has no free refusal.
                let seconds = if state.proven { seconds } else { seconds.max(PAUSES[1]) };
                let now = Instant::now();
                (state.proven, state.refusals, state.since) = (false, state.refusals + 1, Some(now));
                state.until = Some(now + Duration::from_secs(seconds));
                state.said = Some(Box::new(error.clone()));
            }
            // The gateway looked at the key only if it passed the call on.
            Some(error) if error.status.is_none() || error.kind == Kind::NoSuchApi || error.kind == Kind::Server => {}
            Some(error) if error.kind == Kind::Throttled => {}
            _ if state.proven => {}
            _ => *state = State { version: leave.version, proven: true, ..State::default() },
        }
    }

    fn of(&self, version: u64) -> std::sync::MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if version > state.version {
            *state = State { version, ..State::default() };
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn refusal() -> Error {
        let error = Error::unsent("List", Kind::Unauthenticated, "verify aksk signature fail");
        Error { status: Some(StatusCode::UNAUTHORIZED), attempts: 1, ..error }
    }

    async fn send(lockout: &Lockout, version: u64, failed: Option<&Error>) -> bool {
        match lockout.enter("Show", version).await {
            Ok(leave) => {
                lockout.ended(&leave, failed);
                true
            }
            Err(_) => false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_key_is_tried_a_few_times_an_hour() {
        let lockout = Lockout::default();
        let mut sent = 0;
        for _ in 0..36_000 {
            sent += u32::from(send(&lockout, 1, Some(&refusal())).await);
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert!((10..20).contains(&sent), "{sent} calls");
        let error = lockout.check("Show", 1).unwrap_err();
        assert_eq!((error.call, error.kind, error.executed), ("Show", Kind::Unauthenticated, Executed::No));
        assert!(error.message.contains("verify aksk signature fail") && error.retry_after.is_some(), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn another_key_starts_afresh_and_one_success_opens_the_way() {
        let lockout = Lockout::default();
        assert!(send(&lockout, 1, Some(&refusal())).await);
        assert!(!send(&lockout, 1, None).await);
        assert!(send(&lockout, 2, None).await);
        let first = lockout.enter("Show", 2).await.unwrap();
        let second = lockout.enter("Show", 2).await.unwrap();
        lockout.ended(&first, None);
        lockout.ended(&second, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_proven_key_survives_one_refusal_and_calls_sent_before_it_count_once() {
        let lockout = Lockout::default();
        assert!(send(&lockout, 1, None).await);
        let mut leaves = Vec::new();
        for _ in 0..8 {
            leaves.push(lockout.enter("Show", 1).await.unwrap());
        }
        tokio::time::advance(Duration::from_millis(1)).await;
        for leave in &leaves {
            lockout.ended(leave, Some(&refusal()));
        }
        drop(leaves);
        assert!(send(&lockout, 1, None).await, "the next may try at once");
        assert!(send(&lockout, 1, Some(&refusal())).await);
        assert!(send(&lockout, 1, Some(&refusal())).await);
        assert!(!send(&lockout, 1, None).await, "twice in a row is no mistake");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unproven_key_is_tried_by_one_at_a_time() {
        let lockout = Lockout::default();
        let leave = lockout.enter("Show", 1).await.unwrap();
        let waits = tokio::time::timeout(Duration::from_secs(1), lockout.enter("Show", 1)).await;
        assert!(waits.is_err());
        lockout.ended(&leave, None);
        drop(leave);
        let _all = (lockout.enter("Show", 1).await.unwrap(), lockout.enter("Show", 1).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn faults_in_between_neither_prove_a_key_nor_speak_against_it() {
        let lockout = Lockout::default();
        for kind in [Kind::Connect, Kind::Timeout] {
            assert!(send(&lockout, 1, Some(&Error::unsent("Show", kind, ""))).await);
        }
        assert!(!lockout.of(1).proven);
    }
}
