//! Kills and cuts at random steps of a Service's life: in the end the cloud holds one load balancer for each Service.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Service;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use testkit::{mock::MockSettings, program::Program, services};

use crate::{
    lab::{Cloud, Lab, tail},
    nodes::register,
    report::{Report, Target, as_f64},
    watch::all_initialised,
};

/// Clouds, daemons and controllers of their own, side by side on one apiserver; a run mostly waits.
const LANES: u32 = 8;
const SETTLE: Duration = Duration::from_secs(60);
const CALLS: [&str; 3] = ["EnsureLoadBalancer", "UpdateLoadBalancerMembers", "DeleteLoadBalancer"];

/// `runs` lives of a Service, each with one kill or cut at a random step. `seed` makes the choices repeatable.
pub async fn crash(runs: u32, seed: u64) -> Result<Report> {
    let mut report = Report::new(format!("crash {runs}"));
    let lab = Lab::start().await?;
    register(&lab.client, 3).await?;
    let initial = lab.cloud(&MockSettings { name: "initial".to_owned(), ..MockSettings::default() }).await?;
    let mut controller = lab.controller("initial-controller", initial.endpoint(), &["--controllers=cloud-node"])?;
    all_initialised(&lab.client, 3, Duration::from_secs(60)).await?;
    controller.stop().await?;
    drop(initial);

    let started = Instant::now();
    let lanes = (0..LANES).map(|lane| run_lane(&lab, lane, runs.div_ceil(LANES), seed));
    let tallies = try_join_all(lanes).await?;
    let sum = |of: fn(&Tally) -> usize| as_f64(tallies.iter().map(of).sum::<usize>());
    report.figure("runs with a kill or cut", sum(|t| t.runs), "", Target::None);
    report.figure("Services at the end", sum(|t| t.services), "", Target::None);
    report.figure("load balancers orphaned", sum(|t| t.orphaned), "", Target::Exactly(0.0));
    report.figure("load balancers doubled", sum(|t| t.doubled), "", Target::Exactly(0.0));
    report.figure("Services without one", sum(|t| t.missing), "", Target::Exactly(0.0));
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (kind, count) in tallies.iter().flat_map(|tally| &tally.kinds) {
        *kinds.entry(kind).or_default() += count;
    }
    report.remark(format!(
        "Seed {seed}; {LANES} clouds side by side; {:.0} s. Kinds: {kinds:?}.",
        started.elapsed().as_secs_f64()
    ));
    Ok(report)
}

#[derive(Default)]
struct Tally {
    runs: usize,
    services: usize,
    orphaned: usize,
    doubled: usize,
    missing: usize,
    kinds: BTreeMap<&'static str, usize>,
}

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug)]
enum Cut {
    KillController,
    KillBoth,
    KillDaemon,
    /// The daemon dies in the nth call, before or after its effect.
    Crash {
        nth: u64,
        after: bool,
    },
    /// The connection is cut in the nth call, before or after its effect.
    LoseAnswer {
        nth: u64,
        after: bool,
    },
}

impl Cut {
    fn choose(random: &mut StdRng) -> Self {
        let (nth, after) = (random.random_range(1..=4), random.random());
        match random.random_range(0..7) {
            0 => Self::KillController,
            1 => Self::KillBoth,
            2 => Self::KillDaemon,
            3 | 4 => Self::Crash { nth, after },
            _ => Self::LoseAnswer { nth, after },
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::KillController => "controller killed",
            Self::KillBoth => "both killed",
            Self::KillDaemon => "daemon killed",
            Self::Crash { after: false, .. } => "daemon died before an effect",
            Self::Crash { after: true, .. } => "daemon died after an effect",
            Self::LoseAnswer { after: false, .. } => "call cut before its effect",
            Self::LoseAnswer { after: true, .. } => "answer lost after the effect",
        }
    }

    fn rules(self) -> Option<Value> {
        let at = |after: bool| if after { "after" } else { "before" };
        let (nth, effect) = match self {
            Self::Crash { nth, after } => (nth, json!({"crash": at(after)})),
            Self::LoseAnswer { nth, after } => (nth, json!({"loseAnswer": {"at": at(after)}})),
            _ => return None,
        };
        Some(json!([{"match": {"method": CALLS}, "when": {"nth": nth}, "effects": [effect]}]))
    }
}

/// A cloud, its daemon and a controller that serves one class of Services.
struct Lane<'a> {
    lab: &'a Lab,
    name: String,
    cloud: Cloud,
    controller: Program,
}

impl<'a> Lane<'a> {
    async fn start(lab: &'a Lab, lane: u32) -> Result<Self> {
        let name = format!("lane-{lane}");
        let settings = MockSettings {
            name: name.clone(),
            scenario: json!({"loadBalancers": {"provisioning": "100ms", "parallel": 10}}),
            args: vec!["--no-traffic".to_owned()],
            ..MockSettings::default()
        };
        let cloud = lab.cloud(&settings).await?;
        let class = format!("--load-balancer-class=example.com/{name}=mock");
        let controller =
            lab.controller(&format!("{name}-controller"), cloud.endpoint(), &["--controllers=service", &class])?;
        Ok(Self { lab, name, cloud, controller })
    }

    /// Brings back whatever has died.
    async fn revive(&mut self) -> Result<()> {
        if self.cloud.mock.program().ensure_running().is_err() {
            self.cloud.mock.program_mut().restart()?;
            self.cloud.mock.wait_until_ready().await?;
        }
        if self.controller.ensure_running().is_err() {
            self.controller.restart()?;
        }
        Ok(())
    }

    async fn kill(&mut self, cut: Cut) {
        if matches!(cut, Cut::KillController | Cut::KillBoth) {
            self.controller.kill().await;
        }
        if matches!(cut, Cut::KillDaemon | Cut::KillBoth) {
            self.cloud.mock.program_mut().kill().await;
        }
    }

    async fn set_rules(&self, rules: &Value) -> Result<()> {
        self.cloud.mock.control().set_rules(rules).await
    }

    fn logs(&self) -> String {
        format!("{}\n--\n{}", tail(&self.controller), tail(self.cloud.mock.program()))
    }
}

async fn run_lane(lab: &Lab, lane: u32, runs: u32, seed: u64) -> Result<Tally> {
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1000) + u64::from(lane));
    let mut tally = Tally::default();
    let mut state = Lane::start(lab, lane).await?;
    for run in 0..runs {
        let cut = Cut::choose(&mut random);
        life(&mut state, run, cut, &mut random)
            .await
            .with_context(|| format!("{} run {run} {cut:?}\n{}", state.name, state.logs()))?;
        tally.runs += 1;
        *tally.kinds.entry(cut.name()).or_default() += 1;
    }
    count(&state, &mut tally).await?;
    Ok(tally)
}

/// One life of a Service: made, changed, and in two of three runs removed, with one cut somewhere.
async fn life(lane: &mut Lane<'_>, run: u32, cut: Cut, random: &mut StdRng) -> Result<()> {
    let api = Api::<Service>::namespaced(lane.lab.client.clone(), "default");
    let name = format!("{}-{run}", lane.name);
    let steps = if random.random_range(0..3) == 0 { 2 } else { 3 };
    let cut_at = random.random_range(0..steps);
    for step in 0..steps {
        if step == cut_at
            && let Some(rules) = cut.rules()
        {
            lane.set_rules(&rules).await?;
        }
        match step {
            0 => make(&api, &lane.name, &name).await?,
            1 => change(&api, &name).await?,
            _ => drop(api.delete(&name, &DeleteParams::default()).await?),
        }
        if step == cut_at {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..400))).await;
            lane.kill(cut).await;
        }
        settle(lane, &api, &name, step).await?;
    }
    // A rule that was not reached must not strike the next run.
    lane.set_rules(&json!([])).await?;
    Ok(())
}

async fn make(api: &Api<Service>, lane: &str, name: &str) -> Result<()> {
    let mut service = services::load_balancer(name, 8080);
    if let Some(spec) = &mut service.spec {
        spec.load_balancer_class = Some(format!("example.com/{lane}"));
    }
    api.create(&PostParams::default(), &service).await?;
    Ok(())
}

async fn change(api: &Api<Service>, name: &str) -> Result<()> {
    let patch = json!({"spec": {"ports": [{"port": 9090, "protocol": "TCP"}]}});
    api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// Waits until the step has its effect in the cluster and in the cloud; whatever died is started again.
async fn settle(lane: &mut Lane<'_>, api: &Api<Service>, name: &str, step: u32) -> Result<()> {
    let deadline = Instant::now() + SETTLE;
    loop {
        lane.revive().await?;
        let settled = settled(lane, api, name, step).await;
        match settled {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error.context(format!("step {step} did not settle"))),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn settled(lane: &Lane<'_>, api: &Api<Service>, name: &str, step: u32) -> Result<()> {
    let service = api.get_opt(name).await?;
    if step == 2 {
        ensure!(service.is_none(), "the Service is still there");
        return Ok(());
    }
    let service = service.context("no such Service")?;
    ensure!(!services::ingress_ips(&service).is_empty(), "it has no address");
    let uid = service.uid().unwrap_or_default();
    let balancers = lane.cloud.mock.control().load_balancers().await?;
    let own: Vec<_> = balancers.iter().filter(|balancer| balancer.service_uid == uid).collect();
    ensure!(own.len() == 1, "it has {} load balancers", own.len());
    let port = if step == 0 { 8080 } else { 9090 };
    ensure!(own[0].ports == [port], "the load balancer has another port");
    Ok(())
}

async fn count(lane: &Lane<'_>, tally: &mut Tally) -> Result<()> {
    let services: Vec<Service> = own_services(&lane.lab.client, &lane.name).await?;
    let mut per_service: BTreeMap<String, usize> = services.iter().map(|s| (s.uid().unwrap_or_default(), 0)).collect();
    tally.services = services.len();
    for balancer in lane.cloud.mock.control().load_balancers().await? {
        match per_service.get_mut(&balancer.service_uid) {
            Some(count) => *count += 1,
            None => tally.orphaned += 1,
        }
    }
    tally.missing = per_service.values().filter(|count| **count == 0).count();
    tally.doubled = per_service.values().filter(|count| **count > 1).count();
    Ok(())
}

async fn own_services(client: &Client, lane: &str) -> Result<Vec<Service>> {
    let all = Api::<Service>::namespaced(client.clone(), "default").list(&kube::api::ListParams::default()).await?;
    let prefix = format!("{lane}-");
    Ok(all.items.into_iter().filter(|service| service.name_any().starts_with(&prefix)).collect())
}
