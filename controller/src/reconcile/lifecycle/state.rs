//! What a monitor remembers between two passes.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use controller_core::{
    canary::{self, Canary},
    fault::Fault,
    lifecycle::{self, LifecycleSettings, Track},
    provider::{Account, InstanceAnswer, Observed},
    removal::{self, Pool},
    time::Timestamp,
    view::Node,
};

use super::Looked;

/// What a monitor remembers between two passes. Nothing of it survives a restart, and nothing has to: a removal then waits
/// for two new answers.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The Nodes that are not Ready, by name.
    pub(super) tracks: HashMap<String, Track>,
    /// Why removals are held, by name of the Node.
    pub(super) holds: HashMap<String, &'static str>,
    /// Where machines were found, by name of the Node.
    homes: BTreeMap<String, Account>,
    /// When Nodes that count were removed, oldest first.
    removed: VecDeque<Timestamp>,
    /// UIDs of removed Nodes that the cache may still show.
    gone: HashSet<String>,
    /// Of the daemon that gave the answers.
    epoch: String,
    /// Counts the choices of canaries.
    turn: usize,
}

impl State {
    /// Leaves out the Nodes that were removed and are only not yet out of the cache.
    pub(super) fn still_there(&mut self, mut nodes: Vec<Arc<Node>>) -> Vec<Arc<Node>> {
        self.gone.retain(|uid| nodes.iter().any(|node| node.uid == *uid));
        nodes.retain(|node| !self.gone.contains(&node.uid));
        nodes
    }

    /// Takes note of which Nodes are there and Ready; gives those to be looked at now. `epoch` is the daemon's.
    pub(super) fn due(
        &mut self,
        nodes: &[Arc<Node>],
        epoch: &str,
        settings: &LifecycleSettings,
        now: Timestamp,
    ) -> Vec<Arc<Node>> {
        if self.epoch != epoch {
            epoch.clone_into(&mut self.epoch);
            self.tracks.values_mut().for_each(|track| track.restart(now));
        }
        let mut before = std::mem::take(&mut self.tracks);
        let mut due = Vec::new();
        for node in nodes.iter().filter(|node| lifecycle::is_watched(node)) {
            let track = before.remove(&node.name).filter(|track| track.uid == node.uid);
            let track = track.unwrap_or_else(|| Track::new(node, now, settings));
            if track.next <= now {
                due.push(Arc::clone(node));
            }
            self.tracks.insert(node.name.clone(), track);
        }
        due
    }

    /// The Node is gone or no longer ours.
    pub(super) fn forget(&mut self, name: &str) {
        self.tracks.remove(name);
        self.homes.remove(name);
    }

    /// Other canaries than the last time, where there are others.
    pub(super) fn canaries(&mut self, nodes: &[Arc<Node>], limit: usize) -> Vec<Arc<Node>> {
        self.turn = self.turn.wrapping_add(1);
        let all: Vec<&Node> = nodes.iter().map(Arc::as_ref).collect();
        let picked: Vec<&str> =
            canary::pick(&all, &self.homes, self.turn, limit).into_iter().map(|node| node.name.as_str()).collect();
        nodes.iter().filter(|node| picked.contains(&node.name.as_str())).cloned().collect()
    }

    /// Joins the answers of one look-up to what is remembered.
    pub(super) fn record(&mut self, looked: &Looked, served: &[Account], settings: &LifecycleSettings) {
        for (node, observed) in looked.canaries.iter().chain(&looked.suspects) {
            if let Some(home) = canary::home(node, observed, served) {
                self.homes.insert(node.name.clone(), home);
            }
        }
        for (node, observed) in &looked.suspects {
            let canary = said_by_canaries(looked, observed, served);
            let Some(track) = self.tracks.remove(&node.name) else { continue };
            let mut track = track.record(node, observed, canary, looked.asked, settings);
            if let InstanceAnswer::Unknown(Fault { retry_after: Some(pause), .. }) = &observed.answer {
                track.next = track.next.max(looked.asked + *pause);
            }
            self.tracks.insert(node.name.clone(), track);
        }
    }

    /// What holds for the provider as a whole, with `nodes` its Nodes now.
    pub(super) fn pool<'a>(
        &mut self,
        nodes: &[Arc<Node>],
        served: &'a [Account],
        auth_fault: Option<Timestamp>,
        window: Duration,
        now: Timestamp,
    ) -> Pool<'a> {
        while self.removed.front().is_some_and(|removed| now.since(*removed) >= window) {
            self.removed.pop_front();
        }
        let is_absent = |node: &&Arc<Node>| {
            removal::counts(node) && self.tracks.get(&node.name).is_some_and(|track| track.absent.is_some())
        };
        let removed = self.removed.len();
        let absent = nodes.iter().filter(is_absent).count();
        Pool { nodes: nodes.len() + removed, served, auth_fault, removed, absent }
    }

    /// The Node was removed.
    pub(super) fn removed(&mut self, node: &Node, now: Timestamp) {
        if removal::counts(node) {
            self.removed.push_back(now);
        }
        self.gone.insert(node.uid.clone());
        self.forget(&node.name);
    }
}

fn said_by_canaries(looked: &Looked, observed: &Observed, served: &[Account]) -> Canary {
    match &observed.answer {
        InstanceAnswer::NotFound(absence) => {
            let canaries = looked.canaries.iter().map(|(node, answer)| (node.as_ref(), answer));
            canary::judge(absence, canaries, served)
        }
        _ => Canary::Missing,
    }
}
