//! What is remembered of Nodes between two looks: when the last was, and what went wrong.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::metrics::GaugeVec;

/// What is remembered of the Nodes of one provider.
#[derive(Debug)]
pub(super) struct Memory {
    notes: Mutex<HashMap<String, Note>>,
    /// How many Nodes are uninitialised, by reason.
    uninitialized: GaugeVec<1>,
}

#[derive(Debug, Default)]
struct Note {
    looked: Option<Instant>,
    hinted: bool,
    problem: Option<Met>,
}

/// A problem that was met.
#[derive(Clone, Copy, Debug)]
struct Met {
    reason: &'static str,
    /// How often in a row.
    times: u32,
    /// It keeps the Node uninitialised.
    counted: bool,
}

impl Memory {
    pub(super) fn new(uninitialized: GaugeVec<1>) -> Self {
        Self { notes: Mutex::default(), uninitialized }
    }

    /// The Node is no longer ours to look after.
    pub(super) fn forget(&self, name: &str) {
        if let Some(Note { problem: Some(met), .. }) = self.lock().remove(name) {
            self.count(met, -1);
        }
    }

    /// The Node no longer carries the uninitialized taint, whoever took it away.
    pub(super) fn initialised(&self, name: &str) {
        let mut notes = self.lock();
        let Some(note) = notes.get_mut(name) else { return };
        if let Some(met) = note.problem.take() {
            self.count(met, -1);
        }
    }

    /// The machine was looked up, and the Node is as it should be.
    pub(super) fn settled(&self, name: &str) {
        self.note(name, None);
    }

    /// The machine was looked up, and this is in the way. Tells how often in a row it has been now.
    pub(super) fn met(&self, name: &str, reason: &'static str, uninitialized: bool) -> u32 {
        self.note(name, Some(Met { reason, times: 1, counted: uninitialized }))
    }

    fn note(&self, name: &str, problem: Option<Met>) -> u32 {
        let mut notes = self.lock();
        let note = notes.entry(name.to_owned()).or_default();
        note.looked = Some(Instant::now());
        let before = std::mem::replace(&mut note.problem, problem);
        let before = before.inspect(|met| self.count(*met, -1));
        let Some(met) = &mut note.problem else { return 0 };
        met.times += before.filter(|before| before.reason == met.reason).map_or(0, |before| before.times);
        self.count(*met, 1);
        met.times
    }

    fn count(&self, met: Met, change: i64) {
        if met.counted {
            self.uninitialized.with([met.reason]).inc_by(change);
        }
    }

    /// Whether the last look was at least this long ago.
    pub(super) fn is_older(&self, name: &str, age: Duration) -> bool {
        self.lock().get(name).and_then(|note| note.looked).is_none_or(|looked| looked.elapsed() >= age)
    }

    /// The next look must not be answered from the daemon's memory.
    pub(super) fn hinted(&self, name: &str) {
        self.lock().entry(name.to_owned()).or_default().hinted = true;
    }

    /// Whether there was such a hint; it is used up.
    pub(super) fn take_hint(&self, name: &str) -> bool {
        self.lock().get_mut(name).is_some_and(|note| std::mem::take(&mut note.hinted))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn memory() -> (Memory, GaugeVec<1>) {
        let gauge = Metrics::new().node.uninitialized;
        (Memory::new(gauge.clone()), gauge)
    }

    #[test]
    fn each_uninitialised_node_counts_once_under_its_latest_reason() {
        let (memory, gauge) = memory();
        let counts = || ["A", "B"].map(|reason| gauge.with([reason]).get());
        memory.met("n1", "A", true);
        memory.met("n1", "A", true);
        memory.met("n2", "A", true);
        memory.met("n3", "A", false);
        assert_eq!(counts(), [2, 0]);
        memory.met("n1", "B", true);
        assert_eq!(counts(), [1, 1]);
        memory.met("n2", "A", true);
        memory.initialised("n2");
        memory.forget("n1");
        memory.forget("n1");
        assert_eq!(counts(), [0, 0]);
    }

    #[test]
    fn a_problem_is_counted_in_a_row() {
        let (memory, _) = memory();
        assert_eq!([memory.met("n", "A", true), memory.met("n", "A", true), memory.met("n", "A", true)], [1, 2, 3]);
        assert_eq!([memory.met("n", "B", true), memory.met("n", "A", true)], [1, 1]);
        memory.settled("n");
        assert_eq!(memory.met("n", "A", true), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_grows_old() {
        let (memory, _) = memory();
        let age = Duration::from_secs(30);
        assert!(memory.is_older("n", age), "never looked at");
        memory.settled("n");
        assert!(!memory.is_older("n", age));
        tokio::time::advance(age).await;
        assert!(memory.is_older("n", age));
    }

    #[test]
    fn a_hint_is_used_once() {
        let (memory, _) = memory();
        assert!(!memory.take_hint("n"));
        memory.hinted("n");
        assert!(memory.take_hint("n") && !memory.take_hint("n"));
    }
}
