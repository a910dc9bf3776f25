//! A whole control loop between an API server in memory and a daemon made of a script.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    context::Context,
    kube::{events::Recorder, fake::FakeApi},
    metrics::Metrics,
    progress::Progress,
    provider::{
        Providers, Settings,
        testing::{Daemon, settings},
    },
    tenants::Tenants,
};

/// Longer than anything takes, in time that is paused.
const PATIENCE: Duration = Duration::from_secs(7200);

/// A cluster, its daemons, and what a loop is given.
pub(crate) struct Rig {
    pub(crate) api: FakeApi,
    pub(crate) context: Arc<Context>,
    running: Option<JoinHandle<()>>,
    process: CancellationToken,
}

impl Rig {
    /// Over these daemons, with nothing running yet.
    pub(crate) fn new(daemons: &[&Daemon], settings: &Settings, config: Config) -> Self {
        let (client, api) = FakeApi::new();
        let metrics = Arc::new(Metrics::new());
        let process = CancellationToken::new();
        let remotes = daemons.iter().map(|daemon| daemon.remote()).collect();
        let providers = Providers::start(remotes, settings, &metrics.provider, &process);
        let context = Context {
            events: Recorder::new(&client, Arc::clone(&metrics)),
            client,
            nodes: api.nodes.clone(),
            services: api.services.clone(),
            slices: api.slices.clone(),
            providers,
            metrics,
            tenants: Tenants::new(config.provider.tenants.clone()),
            config: Arc::new(config),
            progress: Progress::default(),
            stop: CancellationToken::new(),
        };
        Self { api, context: Arc::new(context), running: None, process }
    }

    /// Over one daemon, as configured by default.
    pub(crate) fn over(daemon: &Daemon) -> Self {
        Self::new(&[daemon], &settings(), Config::default())
    }

    /// Starts the loop; a second time: as another process over the same cluster.
    pub(crate) fn start<F>(&mut self, run: fn(Arc<Context>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        self.context = Arc::new(Context { stop, ..(*self.context).clone() });
        self.running = Some(tokio::spawn(run(Arc::clone(&self.context))));
    }

    /// Stops the loop in order.
    pub(crate) async fn stop(&mut self) {
        self.context.stop.cancel();
        self.running.take().expect("it runs").await.expect("no panic");
    }

    /// Waits until this holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&FakeApi) -> bool) {
        let started = Instant::now();
        let mut pause = Duration::from_millis(10);
        while !holds(&self.api) {
            assert!(started.elapsed() < PATIENCE, "never: {what}; Events: {:#?}", self.api.events());
            tokio::time::sleep(pause).await;
            // Fine at first, so that what takes moments can be measured; coarse when it takes long.
            pause = (pause + pause / 100).min(Duration::from_secs(1));
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.context.stop.cancel();
        self.process.cancel();
    }
}
