//! The figures of `provider-huawei`, on the simulated Huawei Cloud: calls of its REST APIs, as its journal has them.

pub mod calls;
pub mod limited;
pub mod memory;
pub mod nodes;

use std::{
    collections::BTreeMap,
    ops::Range,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};
use testkit::{
    cloud::huawei::Huawei,
    kubelet::{NodeSettings, register_all},
    program::Program,
    services,
    simulator::CallView,
};

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

/// A control plane, the simulated cloud and the daemon.
struct World {
    lab: Lab,
    cloud: Huawei,
}

impl World {
    /// Starts them. The cloud takes 30 ms a call, carries no traffic, and has room for everything.
    async fn start() -> Result<Self> {
        let lab = Lab::start().await?;
        let cloud = Huawei::start(lab.binaries(), lab.plane.folder(), None).await?;
        cloud.simulator().turn(&json!({ "latencyMs": LATENCY_MS, "quotas": { "*": 1_000_000 } })).await?;
        Ok(Self { lab, cloud })
    }

    /// Servers, and their nodes as kubelets register them. Those from `members` on are members of no load balancer.
    async fn machines(&self, numbers: Range<u32>, members: u32) -> Result<()> {
        let servers: Vec<Value> = numbers.clone().map(|n| json!({ "name": name(n) })).collect();
        for some in servers.chunks(SEEDED) {
            self.cloud.simulator().seed(&json!({ "servers": some })).await?;
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
        self.cloud.simulator().calls(after).await
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

    /// What went wrong, with the ends of both logs.
    fn explained(&self, controller: &Program) -> String {
        format!("{}\n--- provider-huawei\n{}", tail(controller), tail(self.cloud.daemon()))
    }
}

/// Calls, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tally {
    reads: u64,
    writes: u64,
    /// Answered 429, which are neither.
    throttled: u64,
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

/// Calls about load balancers: nodes are what ECS is asked about.
fn about_services(calls: &[CallView]) -> impl Iterator<Item = &CallView> {
    calls.iter().filter(|call| call.service != "ecs")
}

/// A Service with these annotations.
fn service(name: &str, annotations: &[(&str, &str)]) -> Service {
    let mut service = services::load_balancer(name, 8080);
    let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    service.metadata.annotations = Some(annotations.collect());
    service
}

const SHARED: (&str, &str) = ("kubernetes.io/elb.class", "shared");
const DEDICATED: (&str, &str) = ("kubernetes.io/elb.class", "dedicated");
const ZONES: (&str, &str) = ("kubernetes.io/elb.availability-zones", "ap-southeast-1a");
const EIP: (&str, &str) = (
    "kubernetes.io/elb.eip-auto-create-option",
    r#"{"ip_type":"5_bgp","bandwidth_size":5,"share_type":"PER","charge_mode":"traffic"}"#,
);

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
