//! The nodes' security group: which servers have to be put in, and which taken out.
//!
//! The listing shows the groups of every server, so a node that is in costs nothing, at a start either. Who left the cluster is
//! told by what the controller goes on asking about: it looks at all nodes again and again, and one that it has passed over
//! three times is a node no more. A mistake there mends itself at the next question.

use std::{collections::HashMap, time::Duration};

use provider_kit::inventory::Machine as _;
use tokio::time::Instant;

use super::machine::Machine;

/// Rounds of questions that pass a node over before it counts as gone.
const ROUNDS: usize = 3;
/// Least time since it was asked about.
const LEAST_SILENCE: Duration = Duration::from_mins(15);
/// How long the listing may take to show what was done.
const SETTLING: Duration = Duration::from_mins(2);
/// The pause after a first failure; it doubles with each.
const PAUSE: Duration = Duration::from_secs(30);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// What this daemon has seen and done. Nothing of it has to outlive a restart.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    /// By cluster, then server: when it was last asked about, newest first.
    asked: HashMap<String, HashMap<String, Vec<Instant>>>,
    /// By server.
    tries: HashMap<String, Try>,
}

#[derive(Debug)]
struct Try {
    at: Instant,
    failures: u32,
}

impl Tracker {
    /// Notes that a controller looked at these servers of its nodes.
    pub(crate) fn asked<'a>(&mut self, cluster: &str, servers: impl Iterator<Item = &'a str>, now: Instant) {
        let known = self.asked.entry(cluster.to_owned()).or_default();
        for server in servers {
            let times = known.entry(server.to_owned()).or_default();
            times.insert(0, now);
            times.truncate(ROUNDS);
        }
    }

    /// The servers to be put into a group, each marked as being tried.
    pub(crate) fn joins<'a>(
        &mut self,
        machines: impl Iterator<Item = &'a Machine>,
        group: &str,
        now: Instant,
    ) -> Vec<String> {
        let mut joins = Vec::new();
        for machine in machines {
            if machine.security_groups.iter().any(|known| known == group) {
                self.tries.remove(&machine.id);
            } else if can_join(machine) && self.tries.get(&machine.id).is_none_or(|tried| tried.is_over(now)) {
                let failures = self.tries.get(&machine.id).map_or(0, |tried| tried.failures);
                self.tries.insert(machine.id.clone(), Try { at: now, failures });
                joins.push(machine.id.clone());
            }
        }
        joins
    }

    /// How a try went.
    pub(crate) fn tried(&mut self, server: &str, well: bool) {
        if let Some(tried) = self.tries.get_mut(server) {
            tried.failures = if well { 0 } else { tried.failures.saturating_add(1) };
        }
    }

    /// The servers whose nodes left a cluster. Each is told once, and not while another cluster has it.
    pub(crate) fn left(&mut self, cluster: &str, now: Instant) -> Vec<String> {
        let Some(known) = self.asked.get_mut(cluster) else { return Vec::new() };
        let silent: Vec<String> = known.keys().filter(|server| is_passed_over(known, server, now)).cloned().collect();
        known.retain(|server, _| !silent.contains(server));
        let elsewhere = |server: &String| self.asked.values().any(|servers| servers.contains_key(server));
        silent.into_iter().filter(|server| !elsewhere(server)).collect()
    }
}

/// A server that is still being made has no network card yet, and one that goes needs no group.
fn can_join(machine: &Machine) -> bool {
    !machine.is_leaving() && machine.status != "BUILD"
}

/// Whether most others were asked about several times since this one was.
fn is_passed_over(known: &HashMap<String, Vec<Instant>>, server: &str, now: Instant) -> bool {
    let Some(last) = known.get(server).and_then(|times| times.first()) else { return false };
    let others = known.len() - 1;
    let often = known.values().filter(|times| times.get(ROUNDS - 1).is_some_and(|third| third > last)).count();
    now.saturating_duration_since(*last) >= LEAST_SILENCE && often * 2 > others
}

impl Try {
    fn is_over(&self, now: Instant) -> bool {
        let pause = match self.failures {
            0 => SETTLING,
            failures => PAUSE.saturating_mul(1 << (failures - 1).min(10)).min(LONGEST_PAUSE),
        };
        now.saturating_duration_since(self.at) >= pause
    }
}

#[cfg(test)]
mod tests {
    use super::{super::machine::testing::machine, *};

    const MINUTE: Duration = Duration::from_mins(1);

    fn server(id: &str, groups: &[&str]) -> Machine {
        Machine { security_groups: groups.iter().map(ToString::to_string).collect(), ..machine(id, id, "10.0.0.1") }
    }

    #[test]
    fn who_is_in_costs_nothing_and_who_is_not_is_put_in_once() {
        let (mut tracker, start) = (Tracker::default(), Instant::now());
        let all = [server("in", &["other", "nodes"]), server("out", &["other"])];
        let mut joins = |after: Duration| tracker.joins(all.iter(), "nodes", start + after);
        assert_eq!(joins(Duration::ZERO), ["out"]);
        assert!(joins(MINUTE).is_empty(), "the listing may lag");
        assert_eq!(joins(2 * MINUTE), ["out"], "it did not help");
    }

    #[test]
    fn failures_are_repeated_at_growing_intervals() {
        let (mut tracker, mut now) = (Tracker::default(), Instant::now());
        let all = [server("a", &[])];
        for pause in [30, 60, 120, 240, 480, 600, 600] {
            assert_eq!(tracker.joins(all.iter(), "nodes", now), ["a"]);
            tracker.tried("a", false);
            assert!(tracker.joins(all.iter(), "nodes", now + Duration::from_secs(pause - 1)).is_empty(), "{pause}");
            now += Duration::from_secs(pause);
        }
    }

    #[test]
    fn servers_that_come_or_go_are_left_alone() {
        let with = |status: &str| Machine { status: status.to_owned(), ..server("a", &[]) };
        for status in ["BUILD", "DELETED", "SOFT_DELETED"] {
            assert!(Tracker::default().joins([with(status)].iter(), "nodes", Instant::now()).is_empty(), "{status}");
        }
        assert_eq!(Tracker::default().joins([with("SHUTOFF")].iter(), "nodes", Instant::now()), ["a"]);
    }

    #[test]
    fn a_node_left_when_the_others_were_asked_about_three_times_since() {
        let (mut tracker, start) = (Tracker::default(), Instant::now());
        let at = |minutes: u32| start + MINUTE * minutes;
        tracker.asked("c", ["a", "b", "x"].into_iter(), at(0));
        for minutes in [5, 10] {
            tracker.asked("c", ["a", "b"].into_iter(), at(minutes));
            assert!(tracker.left("c", at(minutes)).is_empty(), "{minutes}");
        }
        tracker.asked("c", ["a", "b"].into_iter(), at(15));
        assert_eq!(tracker.left("c", at(15)), ["x"]);
        assert!(tracker.left("c", at(60)).is_empty(), "told once, and silence alone says nothing");
    }

    #[test]
    fn few_that_are_asked_about_often_say_nothing_about_the_rest() {
        let (mut tracker, start) = (Tracker::default(), Instant::now());
        tracker.asked("c", ["a", "b", "x", "y"].into_iter(), start);
        for minutes in 1..60 {
            tracker.asked("c", ["a"].into_iter(), start + MINUTE * minutes);
        }
        assert!(tracker.left("c", start + MINUTE * 60).is_empty());
        let mut alone = Tracker::default();
        alone.asked("c", ["a"].into_iter(), start);
        assert!(alone.left("c", start + MINUTE * 600).is_empty());
    }

    #[test]
    fn a_server_that_another_cluster_has_stays() {
        let (mut tracker, start) = (Tracker::default(), Instant::now());
        tracker.asked("d", ["x"].into_iter(), start);
        tracker.asked("c", ["a", "b", "x"].into_iter(), start);
        for minutes in [5, 10, 15] {
            tracker.asked("c", ["a", "b"].into_iter(), start + MINUTE * minutes);
        }
        assert!(tracker.left("c", start + MINUTE * 16).is_empty());
    }
}
