//! Stops the cloud after the n-th change, for tests that kill the caller after each of its calls.

use tokio::sync::watch;

/// What becomes of the answer to the call that the cloud halts after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LastAnswer {
    /// It is given.
    Given,
    /// It is lost: the connection is closed.
    Lost,
}

/// Where the countdown stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum HaltState {
    /// There is none.
    #[default]
    Off,
    /// So many changes are still to come.
    Armed(u64),
    /// The cloud has halted: it takes no more calls until it is let go on.
    Halted,
}

/// The countdown.
#[derive(Debug)]
pub(crate) struct Halt {
    state: watch::Sender<HaltState>,
    answer: std::sync::Mutex<LastAnswer>,
}

impl Default for Halt {
    fn default() -> Self {
        Self { state: watch::Sender::new(HaltState::Off), answer: std::sync::Mutex::new(LastAnswer::Given) }
    }
}

impl Halt {
    /// Halts after `changes` more changes; 0 halts now.
    pub(crate) fn arm(&self, changes: u64, answer: LastAnswer) {
        *self.answer.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = answer;
        self.state.send_replace(if changes == 0 { HaltState::Halted } else { HaltState::Armed(changes) });
    }

    /// Goes on.
    pub(crate) fn off(&self) {
        self.state.send_replace(HaltState::Off);
    }

    pub(crate) fn state(&self) -> HaltState {
        *self.state.borrow()
    }

    /// Counts a change. `true`: this was the last, and its answer is to be lost.
    pub(crate) fn count(&self) -> bool {
        let mut last = false;
        self.state.send_if_modified(|state| {
            let HaltState::Armed(left) = state else { return false };
            last = *left <= 1;
            *state = if last { HaltState::Halted } else { HaltState::Armed(*left - 1) };
            true
        });
        last && *self.answer.lock().unwrap_or_else(std::sync::PoisonError::into_inner) == LastAnswer::Lost
    }

    /// Waits until the cloud has halted.
    pub(crate) async fn reached(&self) {
        // The sender lives as long as `self`.
        let _ = self.state.subscribe().wait_for(|state| *state == HaltState::Halted).await;
    }
}

/// How many kills are tried side by side: they wait more than they work.
const SIDE_BY_SIDE: usize = 8;

/// Tries a kill after each of so many changing calls, with the last one's answer given and with it lost; panics if one does. Each
/// has a runtime of its own, whose clock it may stop.
pub fn each_kill<F>(changes: u64, attempt: impl Fn(u64, LastAnswer) -> F + Sync)
where
    F: Future<Output = ()>,
{
    let kills = (1..=changes).flat_map(|after| [(after, LastAnswer::Given), (after, LastAnswer::Lost)]);
    let kills = std::sync::Mutex::new(kills);
    let next = || kills.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    let work = || {
        while let Some((after, answer)) = next() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(attempt(after, answer));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(work);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cloud_halts_after_the_last_change_counted() {
        let halt = Halt::default();
        assert!(!halt.count(), "nothing is counted unless armed");
        halt.arm(2, LastAnswer::Lost);
        assert!(!halt.count());
        assert_eq!(halt.state(), HaltState::Armed(1));
        assert!(halt.count());
        assert_eq!(halt.state(), HaltState::Halted);
        assert!(!halt.count());
        halt.arm(1, LastAnswer::Given);
        assert!(!halt.count());
        halt.off();
        assert_eq!(halt.state(), HaltState::Off);
    }
}
