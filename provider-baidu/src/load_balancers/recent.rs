//! What one call for a Service leaves to the next, which follows at once: so that it need not ask again what is known. Nothing of it
//! proves anything for longer than it takes to look again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use provider_kit::load_balancers::Note;
use tokio::time::Instant;

use crate::{
    api::balancers::Kind,
    plan::{record::Done, seen::Balancer},
};

/// How long what a look saw is taken to be there still: what follows from it follows at once.
const FRESH: Duration = Duration::from_secs(5);
/// How long the load balancer alone is asked whether all is through. What takes longer may have gone wrong elsewhere.
const PATIENT: Duration = Duration::from_secs(30);

/// How long a list is not believed that lacks servers nobody is known to have taken away. Whoever did so by hand has them back then.
const DOUBT: Duration = Duration::from_secs(60);

/// A pass that has made every call of its plan, and waits for the cloud to show it.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    /// The caller's hash of what was asked for.
    pub(super) hash: String,
    pub(super) kind: Kind,
    pub(super) id: String,
    /// The record that was written, by which it shows that nobody has changed it since.
    pub(super) desc: String,
    /// What people are to know.
    pub(super) notes: Vec<Note>,
    since: Instant,
}

impl Awaited {
    /// From now on.
    pub(super) fn new(hash: &str, (kind, id): (Kind, String), desc: String, notes: Vec<Note>) -> Self {
        Self { hash: hash.to_owned(), kind, id, desc, notes, since: Instant::now() }
    }
}

/// By the Service.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<HashMap<String, Entry>>);

#[derive(Debug, Default)]
struct Entry {
    awaited: Option<Awaited>,
    /// What was last achieved. A change of servers alone is written down nowhere else.
    achieved: Option<Done>,
    seen: Option<(Instant, Balancer)>,
    /// Since when servers that were put there are not shown.
    doubted: Option<Instant>,
}

impl Recent {
    fn with<T>(&self, key: &str, work: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(entries.entry(key.to_owned()).or_default())
    }

    /// Everything is done but to wait.
    pub(super) fn wait_for(&self, key: &str, awaited: Awaited) {
        self.with(key, |entry| entry.awaited = Some(awaited));
    }

    /// What a call before this one waits for, if it was for the same. It is remembered no more.
    pub(super) fn take_awaited(&self, key: &str, hash: &str) -> Option<Awaited> {
        let awaited = self.with(key, |entry| entry.awaited.take())?;
        (awaited.hash == hash && awaited.since.elapsed() < PATIENT).then_some(awaited)
    }

    /// All that was asked for is there.
    pub(super) fn achieved(&self, key: &str, done: Done) {
        self.with(key, |entry| (entry.achieved, entry.seen, entry.doubted) = (Some(done), None, None));
    }

    /// What was achieved last, as far as anybody here knows.
    pub(super) fn last_achieved(&self, key: &str) -> Option<Done> {
        self.with(key, |entry| entry.achieved.clone())
    }

    /// A look saw a load balancer whose servers may be others than they should, which its caller sees to next.
    pub(super) fn saw(&self, key: &str, balancer: Balancer) {
        self.with(key, |entry| entry.seen = Some((Instant::now(), balancer)));
    }

    /// What a look saw a moment ago. It is remembered no more.
    pub(super) fn take_seen(&self, key: &str) -> Option<Balancer> {
        let (at, balancer) = self.with(key, |entry| entry.seen.take())?;
        (at.elapsed() < FRESH).then_some(balancer)
    }

    /// Whether a list that shows these servers, and not those that were put there, may be wrong: we have not made it so ourselves, and
    /// it has not shown so for long.
    pub(super) fn doubts(&self, key: &str, servers: &str) -> bool {
        self.with(key, |entry| {
            let made_so = entry.achieved.as_ref().is_some_and(|done| done.members == servers);
            !made_so && entry.doubted.get_or_insert_with(Instant::now).elapsed() < DOUBT
        })
    }

    /// The Service is done with.
    pub(super) fn forget(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_waited_for_is_known_to_the_same_call_for_a_while() {
        let recent = Recent::default();
        let wait =
            || recent.wait_for("s", Awaited::new("h", (Kind::App, "lb-1".to_owned()), String::new(), Vec::new()));
        wait();
        assert_eq!(recent.take_awaited("s", "h").unwrap().id, "lb-1");
        assert!(recent.take_awaited("s", "h").is_none(), "it was taken");
        wait();
        assert!(recent.take_awaited("other", "h").is_none());
        assert!(recent.take_awaited("s", "another hash").is_none());
        assert!(recent.take_awaited("s", "h").is_none(), "something else was asked for since");
        wait();
        tokio::time::advance(PATIENT).await;
        assert!(recent.take_awaited("s", "h").is_none(), "it is looked at again in full");
        wait();
        recent.forget("s");
        assert!(recent.take_awaited("s", "h").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_is_doubted_for_a_while_and_not_where_we_made_it_so() {
        let recent = Recent::default();
        assert!(recent.doubts("s", "none"));
        tokio::time::advance(DOUBT).await;
        assert!(!recent.doubts("s", "none"), "somebody took them away");
        recent.achieved("s", Done { hash: "s1-m1".to_owned(), members: "a".to_owned() });
        assert!(recent.doubts("s", "none"), "it is another time");
        assert!(!recent.doubts("s", "a"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_look_saw_is_there_for_a_moment_and_once() {
        let recent = Recent::default();
        recent.saw("s", Balancer { owned: true, ..Balancer::default() });
        assert!(recent.take_seen("s").unwrap().owned);
        assert!(recent.take_seen("s").is_none(), "it was taken");
        recent.saw("s", Balancer::default());
        tokio::time::advance(FRESH).await;
        assert!(recent.take_seen("s").is_none(), "it is old");
        recent.saw("s", Balancer::default());
        let done = Done { hash: "s1-m1".to_owned(), members: "a".to_owned() };
        recent.achieved("s", done.clone());
        assert!(recent.take_seen("s").is_none(), "it was changed since");
        assert_eq!((recent.last_achieved("s"), recent.last_achieved("other")), (Some(done), None));
    }
}
