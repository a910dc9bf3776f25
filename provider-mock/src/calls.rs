//! Counts of API calls, by method and code.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tonic::Code;

use provider_kit::code_name;

/// Counts by method, then by the name of the code.
pub type CallCounts = BTreeMap<&'static str, BTreeMap<&'static str, u64>>;

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<CallCounts>);

impl Calls {
    /// Counts a call from here on. It counts as CANCELLED when nothing else is said before this is dropped.
    pub(crate) const fn begin(&self, method: &'static str) -> Counted<'_> {
        Counted { calls: self, method, code: Code::Cancelled }
    }

    /// The counts.
    pub(crate) fn counts(&self) -> CallCounts {
        self.all().clone()
    }

    /// Begins to count anew.
    pub(crate) fn reset(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, CallCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Counted<'a> {
    calls: &'a Calls,
    method: &'static str,
    code: Code,
}

impl Counted<'_> {
    /// How it ended.
    pub(crate) fn end(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        *self.calls.all().entry(self.method).or_default().entry(code_name(self.code)).or_default() += 1;
    }
}
