//! One throttled provider: left in peace, and nobody else's matter.

use std::time::Duration;

use cloud_provider_api::v1;
use controller_core::{
    fault::{Code, Retry, reason},
    provider::InstanceAnswer,
};
use tokio::time::{Instant, sleep};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::provider::testing::{Daemon, Facade, all_found, key, node, settings, spec};

fn throttled(pause: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(pause));
    Status::with_error_details(tonic::Code::ResourceExhausted, "too many calls", details)
}

#[tokio::test(start_paused = true)]
async fn a_throttled_provider_is_left_in_peace_and_others_are_not() {
    let busy = Daemon::new();
    busy.on_ensure(|_| async { Err(throttled(Duration::from_secs(20))) });
    let idle = Daemon::named("idle");
    let facade = Facade::start(vec![busy.remote(), idle.remote()], &settings());
    let [busy_provider, idle_provider] = [0, 1].map(|n| facade.providers.all()[n].clone());
    busy_provider.until_ready().await;
    idle_provider.until_ready().await;

    let fault = busy_provider.ensure_load_balancer(&key(), &spec(), &[], &[], "h").await.expect_err("throttled");
    assert_eq!(fault.retry(), Retry::After(Duration::from_secs(20)));

    sleep(Duration::from_secs(5)).await;
    let start = Instant::now();
    let fault = busy_provider.instance(node("a"), None).await.expect_err("not this call either");
    assert_eq!((fault.code, fault.reason.as_str()), (Code::ResourceExhausted, reason::THROTTLED));
    let Retry::After(left) = fault.retry() else { panic!("{fault:?}") };
    assert_eq!(left.as_millis().div_ceil(1000), 15, "what is left of the pause");
    assert!(busy.calls("BatchGetInstances").is_empty());
    assert!(start.elapsed() < Duration::from_millis(50), "no worker of a queue is held meanwhile");
    assert_eq!(facade.metrics.provider.throttles.with(["test"]).get(), 1);

    idle_provider.ensure_load_balancer(&key(), &spec(), &[], &[], "h").await.expect("the other is not throttled");

    sleep(left).await;
    busy_provider.instance(node("a"), None).await.expect("the pause is over");
}

#[tokio::test(start_paused = true)]
async fn a_short_pause_is_waited_out_inside_the_call() {
    let daemon = Daemon::new();
    daemon.on_ensure(|_| async { Err(throttled(Duration::from_millis(700))) });
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    provider.ensure_load_balancer(&key(), &spec(), &[], &[], "h").await.expect_err("throttled");
    let start = Instant::now();
    provider.instances(vec![node("a")], None).await.expect("after the pause");
    assert_eq!(start.elapsed().as_millis(), 700);
}

#[tokio::test(start_paused = true)]
async fn one_throttled_item_is_a_throttled_provider() {
    let daemon = Daemon::new();
    daemon.on_instances(|request| async move {
        let mut answer = all_found(&request);
        answer.results[0].answer = Some(v1::instance_result::Answer::Unknown(v1::ItemStatus {
            code: 8,
            reason: "THROTTLED".into(),
            retry_after: Some(prost_types::Duration { seconds: 9, nanos: 0 }),
            ..v1::ItemStatus::default()
        }));
        Ok(answer)
    });
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    let answers = provider.instances(vec![node("a"), node("b")], None).await.expect("answers");
    assert!(matches!(answers["b"].answer, InstanceAnswer::Found(_)));
    let fault = provider.instances(vec![node("b")], None).await.expect_err("paused");
    assert_eq!(fault.reason, reason::THROTTLED);
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_pauses_nobody() {
    let daemon = Daemon::new();
    daemon.on_ensure(|_| async {
        let mut details = ErrorDetails::with_retry_info(Some(Duration::from_secs(20)));
        details.add_quota_failure_violation("load balancers", "limit 50");
        Err(Status::with_error_details(tonic::Code::ResourceExhausted, "quota", details))
    });
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    let fault = provider.ensure_load_balancer(&key(), &spec(), &[], &[], "h").await.expect_err("quota");
    assert_eq!(fault.retry(), Retry::Slow);
    provider.instances(vec![node("a")], None).await.expect("not paused");
}
