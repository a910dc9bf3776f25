//! The process: from the command line to the control loops and back to an orderly end.
//!
//! Order at start: flags, log, apiserver, HTTPS server, leader election, providers, watch caches, control loops. So a standby is
//! healthy and can be looked at, and only the leader costs the apiserver a watch. Order at the end: the loops take no new work,
//! work under way ends, Events are written, the lease is given back.

mod cluster;
mod loops;
mod pods;
mod providers;
mod signals;

use std::{io::Write as _, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use controller_core::view;
use kube::{Api, Client};
use provider_hop::telemetry::{LogFormat, TelemetryOptions, Verbosity};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::providers::Remotes;
use crate::{
    admin::{self, Health, Scope},
    args::{self, Command, Flags},
    config::{self, Config, LeaderElectionConfig},
    context::Context,
    kube::{
        cache::Cache,
        client,
        events::Recorder,
        lease::{self, Candidate, Ended, Standing},
    },
    metrics::Metrics,
    progress::Progress,
    provider::{Providers, Status},
    tenants::Tenants,
    version,
};

/// Longest wait for Events still unwritten at the end.
const FLUSH: Duration = Duration::from_secs(2);

/// Runs the command with these arguments, the program's name left out.
pub fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let (command, unreadable) = args::parse(arguments);
    match command {
        Command::Help => printed(&args::usage()),
        Command::Version { raw: false } => {
            printed(&format!("cloud-controller-manager {}\n", version::info().git_version))
        }
        Command::Version { raw: true } => printed(&format!("{:#?}\n", version::info())),
        Command::Run(flags) => match config::from_flags(&flags, unreadable) {
            Ok(config) => started(flags, config),
            Err(faults) => refused(&faults),
        },
    }
}

fn printed(text: &str) -> ExitCode {
    // Whoever asked may have closed the pipe already.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn refused(reason: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "cloud-controller-manager: {reason}");
    ExitCode::FAILURE
}

fn started(flags: Flags, config: Config) -> ExitCode {
    // Fails only where it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Err(error) = provider_hop::harden_process() {
        return refused(&format!("memory cannot be kept from other processes: {error}"));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refused(&format!("threads cannot be started: {error}")),
    };
    let code = runtime.block_on(async {
        let telemetry = match provider_hop::telemetry::init(&telemetry_options(&config)) {
            Ok(telemetry) => telemetry,
            Err(error) => return refused(&error),
        };
        log_start(&flags);
        let code = match run(flags, config, telemetry.verbosity()).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "ending");
                ExitCode::FAILURE
            }
        };
        // Sends the last traces, which needs the runtime.
        let _ = tokio::task::spawn_blocking(move || drop(telemetry)).await;
        code
    });
    // Whatever is still under way has had its time.
    runtime.shutdown_background();
    code
}

fn telemetry_options(config: &Config) -> TelemetryOptions {
    TelemetryOptions {
        service_name: "cloud-controller-manager",
        service_version: env!("CARGO_PKG_VERSION"),
        format: if config.telemetry.json { LogFormat::Json } else { LogFormat::Text },
        verbosity: config.telemetry.verbosity,
        otlp_endpoint: config.telemetry.otlp_endpoint.clone(),
        sampling_ratio: config.telemetry.sampling_ratio,
    }
}

fn log_start(flags: &Flags) {
    let build = version::info();
    tracing::info!(version = build.git_version, commit = build.git_commit, platform = build.platform, "starting");
    tracing::info!(flags = flags.echo().collect::<Vec<_>>().join(" "), "flags");
    for (flag, why) in flags.without_effect() {
        tracing::warn!(flag = format!("--{flag}"), why, "this flag has no effect");
    }
    for (flag, what) in flags.partly() {
        tracing::warn!(flag = format!("--{flag}"), what, "this flag does only a part of what it does upstream");
    }
}

/// Runs until told to stop (`Ok`), or until going on is not possible.
async fn run(flags: Flags, config: Config, verbosity: Verbosity) -> anyhow::Result<()> {
    let stop = signals::watch().context("signals cannot be received")?;
    let config = Arc::new(config);
    let metrics = Arc::new(Metrics::new());
    let remotes = providers::remotes(&config.provider)?;
    remotes.show_certificate(&metrics.provider, &stop);
    let kube = client::load(&config.kube).await?;
    let unlimited = client::unlimited(kube.clone(), &metrics)?;
    let events = Recorder::new(&unlimited, Arc::clone(&metrics));
    let health = Health::default();
    let identity = lease::identity();
    let candidate_for = |election: &LeaderElectionConfig, check: &str| {
        let candidate = Candidate::new(&unlimited, election, identity.clone(), events.clone(), Arc::clone(&metrics));
        let standing = candidate.standing();
        health.add(check, Scope::Live, move || {
            ok_unless(standing.is_overdue(), "the lease ran out and the process still runs")
        });
        candidate
    };
    let mut candidate = config.leader_election.as_ref().map(|election| candidate_for(election, "leaderElection"));
    let second = config.leader_election.as_ref().and_then(|election| {
        let name = election.migration.as_ref()?.lease.clone();
        Some(candidate_for(&LeaderElectionConfig { name, ..election.clone() }, "leaderMigration"))
    });
    let standing = candidate.as_ref().map(Candidate::standing);
    let draining = stop.clone();
    health.add("shutdown", Scope::Ready, move || ok_unless(draining.is_cancelled(), "the process is stopping"));
    if let Some(settings) = &config.admin {
        let kube_flags = &config.kube;
        let (config, health, metrics) = (Arc::clone(&config), health.clone(), Arc::clone(&metrics));
        let served = admin::Served { config, flags, health, metrics, verbosity: Some(verbosity) };
        match stop.run_until_cancelled(admin::start(settings, served, kube_flags)).await {
            Some(address) => _ = address?,
            None => return Ok(()),
        }
    }

    if let Some(candidate) = &mut candidate
        && !candidate.acquire(&stop).await
    {
        return Ok(());
    }
    let granted = CancellationToken::new();
    let mut second = HeldLease::second(second, standing.clone(), granted.clone());
    let mut lease = HeldLease::new(candidate);
    let client = client::limited(kube, &config.kube, standing.clone(), &metrics)?;
    let parts =
        Parts { client, standing, granted, config, metrics, events: events.clone(), health, stop: stop.clone() };
    let outcome = tokio::select! {
        outcome = lead(parts, remotes) => outcome,
        () = lease.lost() => {
            // What is under way may end, but nothing new begins while the process goes down.
            stop.cancel();
            anyhow::bail!("leader election lost");
        }
        () = second.lost() => {
            stop.cancel();
            anyhow::bail!("the lease of leader migration is lost");
        }
    };
    events.flush(FLUSH).await;
    second.release().await;
    lease.release().await;
    events.flush(FLUSH).await;
    outcome
}

/// The lease while we lead, and the task that renews it; nothing without leader election.
struct HeldLease {
    stop: CancellationToken,
    renewing: Option<JoinHandle<(Candidate, Ended)>>,
}

impl HeldLease {
    fn new(candidate: Option<Candidate>) -> Self {
        let stop = CancellationToken::new();
        let token = stop.clone();
        let renewing = candidate.map(|mut candidate| {
            tokio::spawn(async move {
                let ended = candidate.renew(&token).await;
                (candidate, ended)
            })
        });
        Self { stop, renewing }
    }

    /// As [`Self::new`] for the second lease of a leader migration, which is still to be taken: `granted` is cancelled when it is
    /// ours, and `first` depends on it from then on.
    fn second(candidate: Option<Candidate>, first: Option<Standing>, granted: CancellationToken) -> Self {
        let stop = CancellationToken::new();
        let token = stop.clone();
        let renewing = candidate.map(|mut candidate| {
            tokio::spawn(async move {
                if !candidate.acquire(&token).await {
                    return (candidate, Ended::Stopped);
                }
                if let Some(first) = first {
                    first.depend_on(candidate.standing());
                }
                granted.cancel();
                let ended = candidate.renew(&token).await;
                (candidate, ended)
            })
        });
        Self { stop, renewing }
    }

    /// Returns when the lease is ours no more.
    async fn lost(&mut self) {
        match &mut self.renewing {
            // Whatever ended the task, nobody renews any more.
            Some(renewing) => _ = renewing.await,
            None => std::future::pending().await,
        }
    }

    async fn release(self) {
        self.stop.cancel();
        if let Some(renewing) = self.renewing
            && let Ok((mut candidate, Ended::Stopped)) = renewing.await
        {
            candidate.release().await;
        }
    }
}

/// What leading needs.
struct Parts {
    client: Client,
    standing: Option<Standing>,
    /// Cancelled when the second lease of a leader migration is ours.
    granted: CancellationToken,
    config: Arc<Config>,
    metrics: Arc<Metrics>,
    events: Recorder,
    health: Health,
    stop: CancellationToken,
}

/// Runs the control loops until stopped.
async fn lead(parts: Parts, remotes: Remotes) -> anyhow::Result<()> {
    let Parts { client, standing, granted, config, metrics, events, health, stop } = parts;
    let Some(cluster_id) = cluster::id(config.cluster_id.as_deref(), &client, &stop).await? else { return Ok(()) };
    tracing::info!(cluster_id, cluster_name = config.cluster_name, "leading");

    // Work under way after `stop` still needs providers and caches; they end with the process.
    let process = CancellationToken::new();
    let settings = providers::settings(&config, cluster_id, standing);
    let providers = Providers::start(remotes.all, &settings, &metrics.provider, &process);
    watch_providers(&health, &providers);
    let (nodes, services) = (Cache::<view::Node>::new(), Cache::<view::Service>::new());
    watch_caches(&health, &nodes, &services);
    let slices = pods::follow(&client, &providers, &health, &process);
    tokio::spawn({
        let (cache, api, end) = (nodes.clone(), Api::all(client.clone()), process.clone());
        async move { cache.follow(api, end).await }
    });
    tokio::spawn({
        let (cache, api, end) = (services.clone(), Api::all(client.clone()), process.clone());
        async move { cache.follow(api, end).await }
    });
    let tenants = Tenants::new(config.provider.tenants.clone());
    let tenant_map = config.provider.tenant_map.clone();
    let _reload = tenant_map.map(|file| tenants.watch(file, metrics.service.tenant_map.clone()));
    let context = Context {
        client,
        nodes,
        services,
        slices,
        providers,
        events,
        metrics,
        tenants,
        config,
        progress: Progress::default(),
        stop,
    };
    loops::run(Arc::new(context), health, &granted).await
}

/// A provider that is away makes the process not ready, and never unhealthy: a restart would not bring it back.
fn watch_providers(health: &Health, providers: &Providers) {
    for (nth, provider) in providers.all().iter().cloned().enumerate() {
        health.add(format!("provider-{nth}"), Scope::Ready, move || match &*provider.status().borrow() {
            Status::Ready(_) => Ok(()),
            Status::Away { fault, .. } => {
                let why = fault.as_ref().map_or("not connected yet".to_owned(), ToString::to_string);
                Err(format!("{}: {why}", provider.name()))
            }
        });
    }
}

fn watch_caches(health: &Health, nodes: &Cache<view::Node>, services: &Cache<view::Service>) {
    let (nodes, services) = (nodes.clone(), services.clone());
    health.add("caches", Scope::Ready, move || {
        ok_unless(!nodes.is_synced() || !services.is_synced(), "Nodes and Services are not listed yet")
    });
}

fn ok_unless(failed: bool, reason: &str) -> Result<(), String> {
    if failed { Err(reason.to_owned()) } else { Ok(()) }
}
