//! The end of a daemon, in order and not.

use std::time::Duration;

use cloud_provider_api::v1::{GetLoadBalancerRequest, GetStatusRequest, WatchInstancesRequest};
use provider_kit::Settings;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::rig::{Rig, count, ensure, reason, timed, until};

#[tokio::test]
async fn a_shutdown_ends_watches_refuses_new_writes_and_waits_for_running_ones() {
    let rig = Rig::start(Settings::default()).await;
    let (channel, work, kit) = (rig.channel(), rig.work.clone(), rig.running.kit().clone());
    let mut load_balancers = rig.load_balancers();
    let mut health = HealthClient::new(channel.clone());
    let mut statuses = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(statuses.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let mut watch =
        rig.instances().watch_instances(timed(WatchInstancesRequest::default())).await.unwrap().into_inner();
    watch.message().await.unwrap().expect("a heartbeat");
    let mut client = rig.load_balancers();
    let running_write = tokio::spawn(async move { client.ensure_load_balancer(ensure("s")).await });
    until("the work begins", || count(&work.begun) == 1).await;

    let socket = rig.folder.path().join("p.sock");
    let Rig { running, folder: _folder, .. } = rig;
    let stopping = tokio::spawn(running.stop());
    kit.draining().cancelled().await;
    let end = watch.message().await.unwrap_err();
    assert_eq!((end.code(), reason(&end).as_str()), (Code::Unavailable, "provider-api/DRAINING"));
    let told = loop {
        match statuses.message().await {
            Ok(Some(status)) if status.status() == ServingStatus::NotServing => break true,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break false,
        }
    };
    let refused = load_balancers.ensure_load_balancer(ensure("t")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "provider-api/DRAINING"));
    load_balancers.get_load_balancer(timed(GetLoadBalancerRequest::default())).await.expect("reads are served");
    let now = health.check(timed(HealthCheckRequest::default())).await.unwrap().into_inner().status();
    assert_eq!(now, ServingStatus::NotServing);
    assert!(!stopping.is_finished());

    work.let_one_end();
    running_write.await.unwrap().expect("the running write is answered");
    assert!(stopping.await.unwrap(), "nothing was left behind");
    assert!(!socket.exists());
    let gone = load_balancers.get_load_balancer(timed(GetLoadBalancerRequest::default())).await.unwrap_err();
    assert_eq!(gone.code(), Code::Unavailable);
    assert!(told, "those who watch health are told before their watch ends");
}

#[tokio::test]
async fn a_write_that_does_not_end_is_left_behind() {
    let rig = Rig::start(Settings { drain_timeout: Duration::from_millis(50), ..Settings::default() }).await;
    let mut client = rig.load_balancers();
    let write = tokio::spawn(async move { client.ensure_load_balancer(ensure("s")).await });
    until("the work begins", || count(&rig.work.begun) == 1).await;
    assert!(!rig.running.stop().await);
    assert_eq!(write.await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert_eq!(count(&rig.work.ended), 0);
}

#[tokio::test]
async fn a_daemon_that_is_dropped_is_gone_at_once_as_after_a_crash() {
    let rig = Rig::start(Settings::default()).await;
    let mut client = rig.load_balancers();
    let write = tokio::spawn(async move { client.ensure_load_balancer(ensure("s")).await });
    until("the work begins", || count(&rig.work.begun) == 1).await;
    let mut identity = rig.identity();
    identity.get_status(timed(GetStatusRequest {})).await.unwrap();
    let Rig { running, work, folder: _folder, .. } = rig;
    drop(running);
    assert_eq!(write.await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert_eq!(identity.get_status(timed(GetStatusRequest {})).await.unwrap_err().code(), Code::Unavailable);
    work.let_one_end();
    tokio::task::yield_now().await;
    assert_eq!(count(&work.ended), 0, "the work died with it");
}

#[tokio::test]
async fn clients_find_a_daemon_that_came_back() {
    let rig = Rig::start(Settings::default()).await;
    let mut identity = rig.identity();
    let before = identity.get_status(timed(GetStatusRequest {})).await.unwrap().into_inner().epoch;
    let endpoint = rig.endpoint();
    let Rig { running, work, folder: _folder, .. } = rig;
    drop(running);
    // The listener's task is aborted, which takes effect when it is next scheduled.
    until("the socket is gone", || !endpoint.socket_path().unwrap().exists()).await;
    let settings = Settings { listen: vec![endpoint], ..Settings::default() };
    let _again = crate::rig::daemon(settings, &work).start().await.unwrap();
    let after = identity.get_status(timed(GetStatusRequest {})).await.unwrap().into_inner().epoch;
    assert_ne!(before, after);
}
