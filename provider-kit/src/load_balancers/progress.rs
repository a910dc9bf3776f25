//! How far a load balancer is, and how that is told.

use std::time::Duration;

use cloud_provider_api::v1::{self, load_balancer_state::Phase};

use super::refusal::Note;

/// When to look again at what the cloud is still making.
pub const POLL: Duration = Duration::from_secs(1);

/// How far a plan came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of it is done.
    Done,
    /// The cloud is still at it.
    Wait {
        /// When to ask again.
        after: Duration,
        /// What is waited for, for people.
        what: String,
    },
}

impl Progress {
    /// The cloud is still at it, for a moment.
    pub fn wait(what: impl Into<String>) -> Self {
        Self::Wait { after: POLL, what: what.into() }
    }
}

/// How a removal went.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Nothing of ours is left; what people should know.
    Deleted(Vec<Note>),
    /// The cloud is still at it.
    Waiting(v1::InProgress),
}

/// Traffic can flow.
pub fn ready(ingress: Vec<v1::Ingress>, spec_hash: String, handle: String, notes: Vec<Note>) -> v1::LoadBalancerState {
    let phase = Phase::Ready(v1::Ready { ingress, spec_hash });
    v1::LoadBalancerState { phase: Some(phase), handle, notices: notes.into_iter().map(Into::into).collect() }
}

/// The cloud is still at it.
pub fn waiting(progress: Progress, handle: String) -> v1::LoadBalancerState {
    let phase = Phase::InProgress(in_progress(progress));
    v1::LoadBalancerState { phase: Some(phase), handle, notices: Vec::new() }
}

/// As the API words it.
pub fn in_progress(progress: Progress) -> v1::InProgress {
    let (after, message) = match progress {
        Progress::Done => (POLL, String::new()),
        Progress::Wait { after, what } => (after, what),
    };
    v1::InProgress { poll_after: after.try_into().ok(), message }
}
