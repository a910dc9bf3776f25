//! Starts the control loops and watches over them: a loop that ends or panics takes the process with it, for a process with
//! a dead loop looks healthy and does half its work.

use std::{collections::HashMap, sync::Arc, time::Duration};

use controller_core::{controllers_flag::Controller, provider::Capability};
use futures::future::{BoxFuture, select_all};
use rand::seq::SliceRandom as _;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Health, Scope},
    context::Context,
    progress::STUCK,
    reconcile,
};

/// The manager's name in `running_managed_controllers`.
const MANAGER: &str = "cloud-controller-manager";

/// A loop to be run.
#[derive(Clone, Copy)]
struct Loop {
    controller: Controller,
    /// What some provider must offer for the loop to have anything to do.
    needs: Capability,
    /// Returns when the context is stopped.
    run: fn(Arc<Context>) -> BoxFuture<'static, ()>,
}

/// What a loop waits for before it starts.
#[derive(Clone, Debug, Default)]
struct Start {
    /// This time.
    after: Duration,
    /// The second lease of a leader migration.
    granted: Option<CancellationToken>,
}

const ALL: &[Loop] = &[
    Loop { controller: Controller::Node, needs: Capability::Instances, run: |ctx| Box::pin(reconcile::node::run(ctx)) },
    Loop {
        controller: Controller::NodeLifecycle,
        needs: Capability::Instances,
        run: |ctx| Box::pin(reconcile::lifecycle::run(ctx)),
    },
    Loop {
        controller: Controller::Service,
        needs: Capability::LoadBalancers,
        run: |ctx| Box::pin(reconcile::service::run(ctx)),
    },
    Loop { controller: Controller::Route, needs: Capability::Routes, run: |ctx| Box::pin(reconcile::route::run(ctx)) },
];

/// Whether the loop is on, as configured.
fn is_on(controller: Controller, ctx: &Context) -> bool {
    let on = ctx.config.controllers.contains(&controller);
    if on && controller == Controller::Route && !ctx.config.route.enabled {
        tracing::info!("no routes are kept: --allocate-node-cidrs and --configure-cloud-routes are not both true");
        return false;
    }
    on
}

/// Runs the loops that are on until the context is stopped and they have ended, at most `--drain-timeout` later. Those that
/// leader migration moves wait until `granted` is cancelled.
pub(super) async fn run(ctx: Arc<Context>, health: Health, granted: &CancellationToken) -> anyhow::Result<()> {
    let mut loops: Vec<_> = ALL.iter().copied().filter(|one| is_on(one.controller, &ctx)).collect();
    // As upstream: in no order that anyone could come to rely on.
    loops.shuffle(&mut rand::rng());
    supervise(ctx, health, loops, granted).await
}

async fn supervise(
    ctx: Arc<Context>,
    health: Health,
    loops: Vec<Loop>,
    granted: &CancellationToken,
) -> anyhow::Result<()> {
    if loops.is_empty() {
        tracing::warn!("no control loop is on");
    }
    let mut running = Running::default();
    let mut after = Duration::ZERO;
    let migration = ctx.config.leader_election.as_ref().and_then(|election| election.migration.as_ref());
    for one in loops {
        let moved = migration.is_some_and(|migration| migration.moved.contains(&one.controller));
        let start = Start { after, granted: moved.then(|| granted.clone()) };
        running.start(one, start, Arc::clone(&ctx), health.clone());
        after += ctx.config.controller_start_interval.mul_f64(1.0 + rand::random::<f64>());
    }
    tokio::select! {
        // First: a loop that ends because it was stopped has not failed.
        biased;
        () = ctx.stop.cancelled() => running.drain(ctx.config.drain_timeout).await,
        failure = running.first_failure() => {
            // The others end in order before the lease is given back.
            ctx.stop.cancel();
            tracing::error!(error = %failure, "a control loop failed");
            running.drain(ctx.config.drain_timeout).await?;
            Err(failure)
        }
    }
}

#[derive(Default)]
struct Running {
    set: JoinSet<()>,
    names: HashMap<Id, Controller>,
}

impl Running {
    fn start(&mut self, one: Loop, start: Start, ctx: Arc<Context>, health: Health) {
        let controller = one.controller;
        let handle = self.set.spawn(async move {
            let may_start = async {
                tokio::time::sleep(start.after).await;
                if let Some(granted) = start.granted {
                    tracing::info!(controller = controller.name(), "waits for the lease of leader migration");
                    granted.cancelled().await;
                }
            };
            if ctx.stop.run_until_cancelled(may_start).await.is_none() {
                return;
            }
            if !offered(one.needs, controller, &ctx).await {
                return;
            }
            tracing::info!(controller = controller.name(), "started");
            let running = ctx.metrics.app.running.with([controller.name(), MANAGER]);
            running.set(1);
            watch_progress(&health, controller, &ctx);
            (one.run)(Arc::clone(&ctx)).await;
            running.set(0);
        });
        self.names.insert(handle.id(), controller);
    }

    fn name(&self, id: Id) -> &'static str {
        self.names.get(&id).map_or("", |controller| controller.name())
    }

    /// The first loop that ends though nobody stopped it.
    async fn first_failure(&mut self) -> anyhow::Error {
        match self.set.join_next_with_id().await {
            Some(Ok((id, ()))) => anyhow::anyhow!("{} ended though it was not stopped", self.name(id)),
            Some(Err(panic)) => self.panicked(&panic),
            None => std::future::pending().await,
        }
    }

    fn panicked(&self, panic: &JoinError) -> anyhow::Error {
        anyhow::anyhow!("{} panicked: {panic}", self.name(panic.id()))
    }

    /// Waits until all have ended in order.
    async fn drain(mut self, limit: Duration) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + limit;
        let mut outcome = Ok(());
        loop {
            match tokio::time::timeout_at(deadline, self.set.join_next_with_id()).await {
                Ok(Some(Ok((id, ())))) => tracing::info!(controller = self.name(id), "stopped"),
                Ok(Some(Err(panic))) => outcome = Err(self.panicked(&panic)),
                Ok(None) => return outcome,
                Err(_) => {
                    let loops = self.set.len();
                    tracing::warn!(loops, ?limit, "work under way is cut off: it took longer than --drain-timeout");
                    return outcome;
                }
            }
        }
    }
}

/// A loop that shows no sign of life makes the process unhealthy.
fn watch_progress(health: &Health, controller: Controller, ctx: &Context) {
    let progress = ctx.progress.clone();
    progress.beat(controller.name());
    health.add(controller.name(), Scope::Live, move || match progress.ages().get(controller.name()) {
        Some(age) if *age > STUCK => Err(format!("no sign of life for {} s", age.as_secs())),
        _ => Ok(()),
    });
}

/// Waits until some provider offers what the loop needs; says once that the loop is off when none does. `false`: stopped.
async fn offered(needs: Capability, controller: Controller, ctx: &Context) -> bool {
    let mut statuses: Vec<_> = ctx.providers.all().iter().map(crate::provider::Provider::status).collect();
    let mut said = false;
    loop {
        let infos: Vec<_> = statuses.iter_mut().map(|status| status.borrow_and_update().info().cloned()).collect();
        if infos.iter().flatten().any(|info| info.can(needs)) {
            return true;
        }
        if !said && infos.iter().all(Option::is_some) {
            tracing::info!(controller = controller.name(), ?needs, "off: no provider offers this");
            said = true;
        }
        let changes = select_all(statuses.iter_mut().map(|status| Box::pin(status.changed())));
        if ctx.stop.run_until_cancelled(changes).await.is_none() {
            return false;
        }
    }
}

#[cfg(test)]
mod tests;
