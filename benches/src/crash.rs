//! Kills and cuts at random steps of a Service's life: in the end the cloud holds one load balancer for each Service.

mod cut;
mod lane;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use testkit::mock::MockSettings;

use self::{
    cut::{Cut, Step},
    lane::Lane,
};
use crate::{
    lab::Lab,
    nodes::register,
    report::{Report, Target, as_f64},
    watch::all_initialised,
};

/// Clouds, daemons and controllers of their own, side by side on one apiserver; a run mostly waits.
const LANES: u32 = 12;
/// How long a step may take with whatever went wrong in it.
const SETTLE: Duration = Duration::from_secs(120);
/// Time between two looks at whether a step is done.
const LOOK: Duration = Duration::from_millis(100);
const PORT: u16 = 8080;
const OTHER_PORT: u16 = 9090;

/// `runs` lives of a Service, each with one kill or cut at a random step. `seed` makes the choices repeatable.
pub async fn crash(runs: u32, seed: u64) -> Result<Report> {
    let mut report = Report::new(format!("crash {runs}"));
    let lab = Lab::start().await?;
    prepare_nodes(&lab).await?;

    let started = Instant::now();
    let lanes = LANES.min(runs.max(1));
    let share = |lane| runs / lanes + u32::from(lane < runs % lanes);
    let tallies = try_join_all((0..lanes).map(|lane| run_lane(&lab, lane, share(lane), seed))).await?;
    let sum = |of: fn(&Tally) -> usize| as_f64(tallies.iter().map(of).sum::<usize>());
    report.figure("runs with a kill or cut that struck", sum(|t| t.runs), "", Target::Exactly(f64::from(runs)));
    report.figure("runs that did not come to their end", sum(|t| t.stuck.len()), "", Target::Exactly(0.0));
    report.figure("Services at the end", sum(|t| t.services), "", Target::None);
    report.figure("load balancers at the end", sum(|t| t.balancers), "", Target::Exactly(sum(|t| t.services)));
    report.figure("load balancers orphaned", sum(|t| t.orphaned), "", Target::Exactly(0.0));
    report.figure("load balancers doubled", sum(|t| t.doubled), "", Target::Exactly(0.0));
    report.figure("Services without one", sum(|t| t.missing), "", Target::Exactly(0.0));
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (kind, count) in tallies.iter().flat_map(|tally| &tally.kinds) {
        *kinds.entry(kind).or_default() += count;
    }
    let missed: usize = tallies.iter().map(|tally| tally.missed).sum();
    report.remark(format!(
        "Seed {seed}; {lanes} clouds side by side; {:.0} s. {kinds:?}. {missed} lives more, whose cut was not reached, are not counted.",
        started.elapsed().as_secs_f64()
    ));
    for stuck in tallies.iter().flat_map(|tally| &tally.stuck) {
        report.remark(stuck);
    }
    Ok(report)
}

/// Three nodes, for load balancers to have members.
async fn prepare_nodes(lab: &Lab) -> Result<()> {
    register(&lab.client, 3).await?;
    let cloud = lab.cloud(&MockSettings { name: "initial".to_owned(), ..MockSettings::default() }).await?;
    let mut controller = lab.controller("initial-controller", cloud.endpoint(), &["--controllers=cloud-node"])?;
    all_initialised(&lab.client, 3, Duration::from_secs(60)).await?;
    controller.stop().await?;
    Ok(())
}

#[derive(Default)]
struct Tally {
    runs: usize,
    /// Lives whose cut was never reached.
    missed: usize,
    stuck: Vec<String>,
    services: usize,
    balancers: usize,
    orphaned: usize,
    doubled: usize,
    missing: usize,
    kinds: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// Compares the UIDs of Services with those that load balancers carry.
    fn compare(&mut self, services: &[String], balancers: &[String]) {
        let mut per_service: BTreeMap<&str, usize> = services.iter().map(|uid| (uid.as_str(), 0)).collect();
        for uid in balancers {
            match per_service.get_mut(uid.as_str()) {
                Some(count) => *count += 1,
                None => self.orphaned += 1,
            }
        }
        self.services = services.len();
        self.balancers = balancers.len();
        self.missing = per_service.values().filter(|count| **count == 0).count();
        self.doubled = per_service.values().filter(|count| **count > 1).count();
    }
}

async fn run_lane(lab: &Lab, number: u32, runs: u32, seed: u64) -> Result<Tally> {
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1000) + u64::from(number));
    let mut tally = Tally::default();
    let mut lane = Lane::start(lab, number).await?;
    let mut life = 0;
    // A cut can miss: a call that is sometimes made was not made this time. Half as many again is plenty.
    while tally.runs < runs as usize && life < runs + runs / 2 + 10 {
        let plan = Plan::choose(&mut random);
        let name = format!("{}-{life}", lane.name);
        life += 1;
        match plan.live(&mut lane, &name).await {
            Ok(true) => {
                tally.runs += 1;
                *tally.kinds.entry(plan.cut.name()).or_default() += 1;
            }
            Ok(false) => tally.missed += 1,
            Err(error) => tally.stuck.push(format!("{name} {plan:?}: {error:#}\n{}", lane.logs())),
        }
    }
    let (services, balancers) = lane.both_sides().await?;
    tally.compare(&services, &balancers);
    Ok(tally)
}

/// One life of a Service: made, changed, and in two of three runs removed, with one cut somewhere.
#[derive(Clone, Copy, Debug)]
struct Plan {
    removed: bool,
    cut: Cut,
    /// The step with the cut.
    cut_in: Step,
    /// The step after the one with the cut begins before that has settled.
    hurry: bool,
}

impl Plan {
    fn choose(random: &mut StdRng) -> Self {
        let removed = random.random_range(0..3) > 0;
        let cut_in = Step::ALL[random.random_range(0..if removed { 3 } else { 2 })];
        Self { removed, cut: Cut::choose(cut_in, random), cut_in, hurry: random.random() }
    }

    /// Lives it; whether the cut struck.
    async fn live(self, lane: &mut Lane, name: &str) -> Result<bool> {
        let mut struck = false;
        let last = if self.removed { Step::Delete } else { Step::Update };
        for step in Step::ALL.into_iter().take_while(|step| self.removed || *step != Step::Delete) {
            let cut_here = step == self.cut_in;
            if cut_here {
                lane.set_rules(&self.cut.rules(&format!("default/{name}"))).await?;
            }
            begin(lane, name, step).await?;
            if cut_here {
                lane.kill(self.cut).await;
                struck |= matches!(self.cut, Cut::Kill { .. });
            }
            // The cut may come a step later then; it is a cut all the same.
            let hurries = self.hurry && cut_here && step != last;
            if !hurries {
                struck |= settle(lane, name, step).await.with_context(|| format!("{step:?} did not settle"))?;
            }
        }
        // A rule that was not reached must not strike the next run.
        Ok(disarm(lane).await? || struck)
    }
}

async fn begin(lane: &Lane, name: &str, step: Step) -> Result<()> {
    match step {
        Step::Create => drop(lane.services.create(&PostParams::default(), &lane.service(name, PORT)).await?),
        Step::Update => {
            let patch = json!({"spec": {"ports": [{"port": OTHER_PORT, "protocol": "TCP"}]}});
            lane.services.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        }
        Step::Delete => drop(lane.services.delete(name, &DeleteParams::default()).await?),
    }
    Ok(())
}

/// Waits until the step has its effect in the cluster and in the cloud; whatever died is started again. Whether something
/// had died.
async fn settle(lane: &mut Lane, name: &str, step: Step) -> Result<bool> {
    let deadline = Instant::now() + SETTLE;
    let mut died = false;
    loop {
        died |= lane.revive().await?;
        match settled(lane, name, step).await {
            Ok(()) => return Ok(died),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// Takes back the rules; whether they had struck. The daemon may die of them at this very moment, after all was done.
async fn disarm(lane: &mut Lane) -> Result<bool> {
    let deadline = Instant::now() + SETTLE;
    let mut died = false;
    loop {
        died |= lane.revive().await?;
        match lane.take_back_rules().await {
            Ok(hit) => return Ok(hit || died),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

async fn settled(lane: &Lane, name: &str, step: Step) -> Result<()> {
    match step {
        Step::Create => lane.has_its_own(name, PORT).await,
        Step::Update => lane.has_its_own(name, OTHER_PORT).await,
        Step::Delete => {
            ensure!(lane.services.get_opt(name).await?.is_none(), "the Service is still there");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_load_balancer_that_should_not_be_there_or_is_not_is_counted() {
        let check = |services: &[&str], balancers: &[&str], expected: (usize, usize, usize)| {
            let strings = |uids: &[&str]| uids.iter().map(|uid| (*uid).to_owned()).collect::<Vec<_>>();
            let mut tally = Tally::default();
            tally.compare(&strings(services), &strings(balancers));
            assert_eq!((tally.orphaned, tally.doubled, tally.missing), expected, "{services:?} {balancers:?}");
        };
        check(&[], &[], (0, 0, 0));
        check(&["a", "b"], &["b", "a"], (0, 0, 0));
        check(&["a"], &["a", "a"], (0, 1, 0));
        check(&["a"], &["b"], (1, 0, 1));
        check(&[], &["a", "a"], (2, 0, 0));
    }
}
