use super::*;
use crate::{
    config::{Config, LeaderElectionConfig, MigrationConfig},
    provider::testing::{self, Daemon},
    reconcile::fixtures,
};

const SECOND: Duration = Duration::from_secs(1);

/// A loop of this behaviour that needs instances.
fn one(run: fn(Arc<Context>) -> BoxFuture<'static, ()>) -> Loop {
    Loop { controller: Controller::Node, needs: Capability::Instances, run }
}

/// A loop that ends in order.
fn orderly() -> Loop {
    let run: fn(Arc<Context>) -> BoxFuture<'static, ()> = |ctx| Box::pin(async move { ctx.stop.cancelled().await });
    Loop { controller: Controller::Service, needs: Capability::LoadBalancers, run }
}

fn context(daemon: &Daemon, config: Config) -> Arc<Context> {
    fixtures::context_with(daemon, config).0
}

/// Runs the loops; none of them is moved.
async fn supervised(ctx: Arc<Context>, loops: Vec<Loop>) -> anyhow::Result<()> {
    supervise(ctx, Health::default(), loops, &CancellationToken::new()).await
}

fn running(ctx: &Context, controller: Controller) -> i64 {
    ctx.metrics.app.running.with([controller.name(), MANAGER]).get()
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_panics_takes_the_process_with_it() {
    let ctx = context(&Daemon::new(), Config::default());
    let panicking = one(|_| Box::pin(async { panic!("out of ideas") }));
    let supervised = supervised(Arc::clone(&ctx), vec![orderly(), panicking]);
    let text = supervised.await.expect_err("panicked").to_string();
    assert!(text.contains("cloud-node-controller panicked") && text.contains("out of ideas"), "{text}");
    assert_eq!(running(&ctx, Controller::Service), 0, "the others have ended in order");
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_ends_by_itself_is_a_failure() {
    let ctx = context(&Daemon::new(), Config::default());
    let ending = one(|_| Box::pin(async {}));
    let error = supervised(ctx, vec![orderly(), ending]).await.expect_err("ended");
    assert_eq!(error.to_string(), "cloud-node-controller ended though it was not stopped");
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_work_under_way() {
    let ctx = context(&Daemon::new(), Config::default());
    let slow = one(|ctx| {
        Box::pin(async move {
            ctx.stop.cancelled().await;
            tokio::time::sleep(20 * SECOND).await;
        })
    });
    let supervised = tokio::spawn(supervised(Arc::clone(&ctx), vec![slow, orderly()]));
    tokio::time::sleep(SECOND).await;
    assert_eq!((running(&ctx, Controller::Node), running(&ctx, Controller::Service)), (1, 1));
    let stopped = tokio::time::Instant::now();
    ctx.stop.cancel();
    supervised.await.expect("no panic").expect("an orderly end");
    assert_eq!(stopped.elapsed().as_secs(), 20);
    assert_eq!((running(&ctx, Controller::Node), running(&ctx, Controller::Service)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_no_longer_than_the_drain_timeout() {
    let config = Config { drain_timeout: 3 * SECOND, ..Config::default() };
    let ctx = context(&Daemon::new(), config);
    let stuck = one(|_| Box::pin(std::future::pending()));
    let supervised = tokio::spawn(supervised(Arc::clone(&ctx), vec![stuck]));
    tokio::time::sleep(SECOND).await;
    let stopped = tokio::time::Instant::now();
    ctx.stop.cancel();
    supervised.await.expect("no panic").expect("work under way is cut off, which is no failure");
    assert_eq!(stopped.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_loop_waits_for_a_provider_that_offers_what_it_needs() {
    let daemon = Daemon::new();
    daemon.on_handshake(|_| async {
        let mut answer = testing::handshake("test");
        answer.capabilities.clear();
        Ok(answer)
    });
    let ctx = context(&daemon, Config::default());
    let supervised = tokio::spawn(supervised(Arc::clone(&ctx), vec![orderly()]));
    tokio::time::sleep(5 * SECOND).await;
    assert!(ctx.providers.all()[0].info().is_some(), "it shook hands");
    assert_eq!(running(&ctx, Controller::Service), 0);

    daemon.on_handshake(|_| async { Ok(testing::handshake("test")) });
    daemon.restart("e2");
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(running(&ctx, Controller::Service), 1, "the new version of the daemon can do it");
    ctx.stop.cancel();
    supervised.await.expect("no panic").expect("an orderly end");
}

#[tokio::test(start_paused = true)]
async fn a_loop_without_a_sign_of_life_makes_the_process_unhealthy() {
    let ctx = context(&Daemon::new(), Config::default());
    let health = Health::default();
    let wedged = one(|_| Box::pin(std::future::pending()));
    tokio::spawn({
        let (ctx, health) = (Arc::clone(&ctx), health.clone());
        async move { supervise(ctx, health, vec![wedged], &CancellationToken::new()).await }
    });
    tokio::time::sleep(SECOND).await;
    assert!(health.is_live());
    tokio::time::sleep(STUCK + SECOND).await;
    assert!(!health.is_live());
    ctx.progress.beat(Controller::Node.name());
    assert!(health.is_live());
}

#[tokio::test(start_paused = true)]
async fn loops_start_apart_when_asked_to() {
    let config = Config { controller_start_interval: 10 * SECOND, ..Config::default() };
    let ctx = context(&Daemon::new(), config);
    let waiting = one(|ctx| Box::pin(async move { ctx.stop.cancelled().await }));
    let supervised = tokio::spawn(supervised(Arc::clone(&ctx), vec![orderly(), waiting]));
    tokio::time::sleep(9 * SECOND).await;
    assert_eq!((running(&ctx, Controller::Service), running(&ctx, Controller::Node)), (1, 0));
    tokio::time::sleep(12 * SECOND).await;
    assert_eq!((running(&ctx, Controller::Service), running(&ctx, Controller::Node)), (1, 1));
    ctx.stop.cancel();
    supervised.await.expect("no panic").expect("an orderly end");
}

#[tokio::test(start_paused = true)]
async fn routes_need_their_flags() {
    let ctx = context(&Daemon::new(), Config::default());
    assert!(!is_on(Controller::Route, &ctx));
    let mut config = Config::default();
    config.route.enabled = true;
    assert!(is_on(Controller::Route, &context(&Daemon::new(), config.clone())));
    config.controllers.remove(&Controller::Route);
    assert!(!is_on(Controller::Route, &context(&Daemon::new(), config)));
}

#[tokio::test(start_paused = true)]
async fn what_is_moved_waits_for_the_second_lease_and_nothing_else_does() {
    let mut config = Config::default();
    let migration = MigrationConfig { lease: "second".into(), moved: [Controller::Service].into() };
    config.leader_election =
        Some(LeaderElectionConfig { migration: Some(migration), ..LeaderElectionConfig::default() });
    let ctx = context(&Daemon::new(), config);
    let granted = CancellationToken::new();
    let stays = one(|ctx| Box::pin(async move { ctx.stop.cancelled().await }));
    let running_loops = tokio::spawn({
        let (ctx, granted) = (Arc::clone(&ctx), granted.clone());
        async move { supervise(ctx, Health::default(), vec![orderly(), stays], &granted).await }
    });
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!((running(&ctx, Controller::Node), running(&ctx, Controller::Service)), (1, 0));
    granted.cancel();
    tokio::time::sleep(SECOND).await;
    assert_eq!(running(&ctx, Controller::Service), 1);
    ctx.stop.cancel();
    running_loops.await.expect("no panic").expect("an orderly end");
}
