//! What goes wrong in a run, and where.

use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};

/// The calls of the API about a load balancer that the controller makes for a Service.
const CALLS: [&str; 4] = ["EnsureLoadBalancer", "UpdateLoadBalancerMembers", "GetLoadBalancer", "DeleteLoadBalancer"];

/// A step of a Service's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Create,
    Update,
    Delete,
}

impl Step {
    pub(super) const ALL: [Self; 3] = [Self::Create, Self::Update, Self::Delete];

    /// Calls of the API it takes when nothing goes wrong: the first starts what takes time, the second finishes it.
    const fn calls(self) -> u64 {
        match self {
            Self::Create | Self::Delete => 2,
            Self::Update => 1,
        }
    }

    /// Calls the daemon makes to its cloud for them.
    const fn cloud_calls(self) -> u64 {
        match self {
            Self::Create => 7,
            Self::Update => 5,
            Self::Delete => 4,
        }
    }

    /// How long it takes on a free machine with the settings of [`super::lane`], in milliseconds.
    const fn usual(self) -> u64 {
        match self {
            Self::Create => 500,
            Self::Update => 200,
            Self::Delete => 300,
        }
    }
}

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// SIGKILL from outside after this many milliseconds.
    Kill { controller: bool, daemon: bool, after: u64 },
    /// The daemon dies as by SIGKILL at the nth call.
    Crash(Place),
    /// The connection that carries the nth call is cut: to the controller, or to the cloud.
    LoseAnswer(Place),
}

/// A call, and whether its effect comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// A call of the daemon to its cloud, not one of the controller to the daemon.
    cloud: bool,
    nth: u64,
    after: bool,
}

impl Place {
    fn choose(step: Step, random: &mut StdRng) -> Self {
        let cloud = random.random_range(0..3) > 0;
        let most = if cloud { step.cloud_calls() } else { step.calls() };
        Self { cloud, nth: random.random_range(1..=most), after: random.random() }
    }
}

impl Cut {
    pub(super) fn choose(step: Step, random: &mut StdRng) -> Self {
        let kill = |controller, daemon, random: &mut StdRng| Self::Kill {
            controller,
            daemon,
            after: random.random_range(0..step.usual()),
        };
        match random.random_range(0..7) {
            0 => kill(true, false, random),
            1 => kill(true, true, random),
            2 => kill(false, true, random),
            3 | 4 => Self::Crash(Place::choose(step, random)),
            _ => Self::LoseAnswer(Place::choose(step, random)),
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kill { controller: true, daemon: true, .. } => "both killed",
            Self::Kill { controller: true, .. } => "controller killed",
            Self::Kill { .. } => "daemon killed",
            Self::Crash(Place { cloud: false, after: false, .. }) => "daemon died before it served a call",
            Self::Crash(Place { cloud: false, after: true, .. }) => "daemon died before it answered",
            Self::Crash(Place { after: false, .. }) => "daemon died before a call to the cloud",
            Self::Crash(Place { after: true, .. }) => "daemon died after a call to the cloud",
            Self::LoseAnswer(Place { cloud: false, after: false, .. }) => "call cut before its effect",
            Self::LoseAnswer(Place { cloud: false, after: true, .. }) => "answer lost after the effect",
            Self::LoseAnswer(Place { after: false, .. }) => "call to the cloud cut before its effect",
            Self::LoseAnswer(Place { after: true, .. }) => "answer of the cloud lost after the effect",
        }
    }

    /// The mock's rules for it, about the Service of this `namespace/name`. None for a kill from outside.
    pub(super) fn rules(self, service: &str) -> Value {
        let (place, effect) = match self {
            Self::Kill { .. } => return json!([]),
            Self::Crash(place) => (place, json!({"crash": at(place)})),
            // What the daemon has with its cloud are no connections of the mock's that it could cut.
            Self::LoseAnswer(place) if place.cloud => {
                (place, json!({"loseAnswer": {"at": at(place), "by": "unavailable"}}))
            }
            Self::LoseAnswer(place) => (place, json!({"loseAnswer": {"at": at(place)}})),
        };
        let method = if place.cloud { json!("cloud.*") } else { json!(CALLS) };
        json!([{
            "match": {"method": method, "service": service}, "when": {"nth": place.nth}, "effects": [effect]
        }])
    }
}

const fn at(place: Place) -> &'static str {
    if place.after { "after" } else { "before" }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_kind_of_cut_is_chosen_for_every_step_and_the_same_seed_chooses_the_same() {
        let choose = |step| {
            let mut random = StdRng::seed_from_u64(7);
            (0..500).map(|_| Cut::choose(step, &mut random)).collect::<Vec<_>>()
        };
        for step in Step::ALL {
            let kinds: BTreeSet<_> = choose(step).into_iter().map(Cut::name).collect();
            assert_eq!(kinds.len(), 11, "{step:?}: {kinds:?}");
            assert_eq!(choose(step), choose(step));
        }
    }

    #[test]
    fn rules_are_about_one_service_and_a_kill_needs_none() {
        let place = Place { cloud: true, nth: 3, after: true };
        let rules = Cut::Crash(place).rules("default/web");
        assert_eq!(
            rules,
            json!([{"match": {"method": "cloud.*", "service": "default/web"}, "when": {"nth": 3},
                "effects": [{"crash": "after"}]}])
        );
        assert_eq!(Cut::Kill { controller: true, daemon: false, after: 1 }.rules("default/web"), json!([]));
    }
}
