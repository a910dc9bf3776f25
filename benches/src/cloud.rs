//! The figures of daemons for real clouds, on the simulated ones: calls of their REST APIs, as the journals have them. What is
//! measured is the same everywhere; a [`Site`] says what differs.

mod baidu;
pub mod calls;
mod huawei;
pub mod limited;
pub mod memory;
pub mod nodes;
pub mod tenants;

use std::{
    collections::BTreeMap,
    ops::Range,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};
use testkit::{
    Binaries, Profile,
    cloud::{Cloud, Kind},
    kubelet::{NodeSettings, register_all},
    program::Program,
    services,
    simulator::{CallView, Simulator},
};

pub use self::{baidu::BAIDU, huawei::HUAWEI};

use crate::{
    lab::{Lab, tail},
    nodes::name,
};

/// What each call takes.
const LATENCY_MS: u64 = 30;
/// Servers added in one request to the simulator.
const SEEDED: usize = 1000;
/// Registrations under way at once.
const REGISTER: usize = 32;
/// Nodes with this label are members of no load balancer.
const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// How large a measurement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// As the figures say, with release builds.
    Full,
    /// A twentieth of it, with the programs that tests have built.
    Trial,
}

impl Extent {
    fn of(self, count: u32) -> u32 {
        match self {
            Self::Full => count,
            Self::Trial => count.div_ceil(20),
        }
    }

    fn profile(self) -> Profile {
        match self {
            Self::Full => Profile::Release,
            Self::Trial => Profile::Test,
        }
    }
}

/// A cloud and its daemon, as far as they differ from others.
pub struct Site {
    /// Begins the names of its benches.
    pub name: &'static str,
    /// The daemon's name.
    pub daemon: &'static str,
    kind: Kind,
    binary: fn(&Binaries) -> &Path,
    /// Machines of these names, for the simulator.
    machines: fn(&[String]) -> Value,
    /// Services of the cloud that are asked about nodes; all others but the next are about load balancers.
    of_nodes: &'static [&'static str],
    /// Those that are asked about the cluster, once by a daemon that changes anything, however many Services it has.
    of_cluster: &'static [&'static str],
    classes: &'static [Class],
    /// The cheapest load balancers: one of each kind, told apart by the number.
    cheap: fn(u32) -> Service,
    /// A load balancer of the plainest kind with a public address of its own, and the calls that make its objects, one each.
    public: fn(u32) -> Service,
    made: &'static [&'static str],
    full: Full,
    /// How many members all load balancers have together.
    members: fn(&[Value]) -> usize,
    /// The kind of objects in which the simulator shows members, as a JSON pointer.
    members_in: &'static str,
}

/// A load balancer with as many members as it can have.
struct Full {
    members: u32,
    /// Most members in one call.
    batch: u32,
    /// The call.
    action: &'static str,
}

/// A class of load balancers.
struct Class {
    name: &'static str,
    /// The least number of calls possible on a daemon that has just started, for one port. The docs say what they are.
    least: u64,
    /// What has to be in the cloud before the first so many Services.
    needs: fn(u32) -> Value,
    service: fn(u32) -> Service,
}

/// Nothing.
fn none(_: u32) -> Value {
    json!({})
}

/// A control plane, a simulated cloud and its daemon.
struct World {
    site: &'static Site,
    lab: Lab,
    cloud: Cloud,
}

impl World {
    /// Starts them. The cloud takes 30 ms a call, carries no traffic, and has room for everything.
    async fn start(site: &'static Site, extent: Extent) -> Result<Self> {
        Self::start_in(Lab::start_with(extent.profile()).await?, site, Vec::new()).await
    }

    /// The same in a lab that is there, with further flags of the daemon.
    async fn start_in(lab: Lab, site: &'static Site, args: Vec<String>) -> Result<Self> {
        let cloud = Cloud::start_without_traffic(site.kind, lab.binaries(), lab.plane.folder(), args).await?;
        cloud.simulator()?.turn(&json!({ "latencyMs": LATENCY_MS, "quotas": { "*": 1_000_000 } })).await?;
        Ok(Self { site, lab, cloud })
    }

    fn simulator(&self) -> Result<&Simulator> {
        self.cloud.simulator()
    }

    /// Machines, and their nodes as kubelets register them. Those from `members` on are members of no load balancer.
    async fn machines(&self, numbers: Range<u32>, members: u32) -> Result<()> {
        let names: Vec<String> = numbers.clone().map(name).collect();
        for some in names.chunks(SEEDED) {
            self.simulator()?.seed(&(self.site.machines)(some)).await?;
        }
        let nodes = numbers.map(|n| {
            let excluded = (n >= members).then(|| (EXCLUDE.to_owned(), "true".to_owned()));
            NodeSettings { labels: excluded.into_iter().collect(), ..NodeSettings::named(name(n)) }
        });
        register_all(&self.lab.client, &nodes.collect::<Vec<_>>(), REGISTER).await
    }

    /// A controller with default flags.
    fn controller(&self) -> Result<Program> {
        self.lab.controller("controller", self.cloud.endpoint(), &["--leader-elect=true"])
    }

    /// Calls with numbers above this.
    async fn calls(&self, after: u64) -> Result<Vec<CallView>> {
        self.cloud.calls(after).await
    }

    /// The number of the last call.
    async fn last_call(&self) -> Result<u64> {
        Ok(self.calls(0).await?.last().map_or(0, |call| call.number))
    }

    /// Waits until there has been no call for so long, and answers those after `after`.
    async fn at_rest(&self, after: u64, rest: Duration, controller: &Program) -> Result<Vec<CallView>> {
        let (started, mut last) = (Instant::now(), (after, Instant::now()));
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            controller.ensure_running()?;
            let calls = self.calls(after).await?;
            let newest = calls.last().map_or(after, |call| call.number);
            if newest != last.0 {
                last = (newest, Instant::now());
            } else if last.1.elapsed() >= rest {
                return Ok(calls);
            }
            ensure!(
                started.elapsed() < Duration::from_secs(300),
                "the calls do not end: {:?}\n{}",
                Tally::of(&calls),
                tail(controller)
            );
        }
    }

    /// Calls about load balancers.
    fn about_services<'a>(&self, calls: &'a [CallView]) -> impl Iterator<Item = &'a CallView> {
        let (of_nodes, of_cluster) = (self.site.of_nodes, self.site.of_cluster);
        calls.iter().filter(move |call| !of_nodes.iter().chain(of_cluster).any(|of| *of == call.service))
    }

    /// What went wrong, with the ends of both logs.
    fn explained(&self, controller: &Program) -> String {
        format!("{}\n--- {}\n{}", tail(controller), self.site.daemon, tail(self.cloud.daemon()))
    }
}

/// Calls, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally {
    reads: u64,
    writes: u64,
    /// Answered 429, which are neither.
    throttled: u64,
    /// Answered that a change before is not finished: neither, too, and said again.
    unfinished: u64,
    /// All but those, by the cloud's names.
    by_action: BTreeMap<String, u64>,
}

impl Tally {
    fn of<'a>(calls: impl IntoIterator<Item = &'a CallView>) -> Self {
        let mut tally = Self::default();
        for call in calls {
            match (call.status, call.mutating) {
                (Some(429), _) => {
                    tally.throttled += 1;
                    continue;
                }
                (Some(409), _) => {
                    tally.unfinished += 1;
                    continue;
                }
                (_, true) => tally.writes += 1,
                (_, false) => tally.reads += 1,
            }
            *tally.by_action.entry(call.action.clone()).or_default() += 1;
        }
        tally
    }

    fn all(&self) -> u64 {
        self.reads + self.writes
    }

    fn action(&self, name: &str) -> u64 {
        self.by_action.get(name).copied().unwrap_or(0)
    }
}

/// A Service with these annotations.
fn service(n: u32, annotations: &[(&str, &str)]) -> Service {
    let mut service = services::load_balancer(&format!("service-{n}"), 8080);
    let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    service.metadata.annotations = Some(annotations.collect());
    service
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_calls_are_neither_reads_nor_writes() {
        let call = |number: u64, mutating: bool, status: u16| {
            let call = json!({"number": number, "service": "elb", "action": if mutating { "CreatePool" } else { "ListPools" },
                "mutating": mutating, "path": "/v3/pools", "query": [], "at": "2026-11-20T00:00:00Z", "status": status});
            serde_json::from_value::<CallView>(call).expect("a call")
        };
        let calls = [call(1, true, 201), call(2, true, 429), call(3, false, 200), call(4, false, 404)];
        let tally = Tally::of(&calls);
        assert_eq!((tally.reads, tally.writes, tally.throttled), (2, 1, 1));
        assert_eq!((tally.all(), tally.action("ListPools"), tally.action("CreatePool")), (3, 2, 1));
    }
}
