//! What was done to the cloud, for assertions.

use std::collections::VecDeque;

use serde::Serialize;

use super::{Operation, Time};

/// A mutating call that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at: Time,
    /// Which call.
    pub operation: Operation,
    /// Id or name of what it acted on.
    pub target: String,
}

/// The last events, oldest first.
#[derive(Debug)]
pub(crate) struct History {
    events: VecDeque<Event>,
    limit: usize,
}

impl History {
    /// A history that forgets its oldest events past `limit`.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { events: VecDeque::new(), limit }
    }

    /// Adds an event.
    pub(crate) fn push(&mut self, event: Event) {
        if self.events.len() == self.limit {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// The events, oldest first.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
    }
}
