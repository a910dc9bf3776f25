//! Connections: made, lost, replaced, refused.

use std::time::Duration;

use cloud_provider_api::v1;
use controller_core::{
    fault::{Code, Origin, Retry, reason},
    provider::Account,
};
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_types::{ErrorDetails, StatusExt};

use crate::provider::{
    Status as State,
    testing::{Daemon, Facade, handshake, info, node, settings},
};

#[tokio::test(start_paused = true)]
async fn the_first_call_on_a_connection_is_the_handshake() {
    let daemon = Daemon::new();
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    assert_eq!(provider.name(), "test");
    assert_eq!(*provider.until_ready().await, info());
    assert_eq!(daemon.calls("Handshake").len(), 1);
    assert_eq!(daemon.dials(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_before_the_first_connection_say_that_the_provider_is_away() {
    let daemon = Daemon::new();
    daemon.refuse(true);
    let facade = Facade::start(vec![daemon.remote()], &settings());
    let provider = facade.provider();
    assert_eq!(provider.name(), "unix:/run/test.sock", "the endpoint, until it has a name");
    let fault = provider.instance(node("a"), None).await.expect_err("away");
    assert!(fault.is_away(), "{fault}");

    let why = provider.until_away().await;
    assert!(why.message.contains("cannot connect to unix:/run/test.sock"), "{why}");
    let fault = provider.instance(node("a"), None).await.expect_err("away");
    assert!(fault.is_away() && fault.message.contains("connection refused"), "the cause is named: {fault}");

    daemon.refuse(false);
    provider.until_ready().await;
    provider.instance(node("a"), None).await.expect("without a restart");
}

#[tokio::test(start_paused = true)]
async fn attempts_are_spread_and_never_end() {
    let daemon = Daemon::new();
    daemon.refuse(true);
    let facade = Facade::start(vec![daemon.remote()], &settings());
    sleep(Duration::from_secs(3600)).await;
    let dials = daemon.dials();
    // Full jitter up to 15 s: 7.5 s on average.
    assert!((300..800).contains(&dials), "{dials} attempts in an hour");
    daemon.refuse(false);
    timeout(Duration::from_secs(16), facade.provider().until_ready()).await.expect("within the longest wait");
}

#[tokio::test(start_paused = true)]
async fn a_restarted_daemon_is_shaken_hands_with_and_what_it_said_is_forgotten() {
    let daemon = Daemon::new();
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    let mut status = provider.status();
    status.mark_unchanged();
    sleep(Duration::from_secs(5)).await;

    daemon
        .on_handshake(|_| async { Ok(v1::HandshakeResponse { provider_version: "2.0".into(), ..handshake("test") }) });
    daemon.restart("e2");
    let renewed = |status: &State| matches!(status, State::Ready(info) if info.epoch == "e2" && info.version == "2.0");
    status.wait_for(renewed).await.expect("the provider lives");
    assert_eq!(facade.metrics.provider.restarts.with(["test"]).get(), 1);
    let text = facade.metrics.prometheus_text();
    assert!(text.contains(r#"cloudprovider_info{provider="test",version="2.0",api="1"} 1"#), "{text}");
    assert!(!text.contains(r#"version="1.0""#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn another_epoch_on_an_answer_discards_it_and_renews_the_handshake() {
    let daemon = Daemon::new();
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    sleep(Duration::from_secs(5)).await;

    daemon.change_epoch("e2");
    let fault = provider.instances(vec![node("a")], None).await.expect_err("an answer without a handshake");
    assert_eq!((fault.code, fault.origin, fault.reason.as_str()), (Code::Unavailable, Origin::Provider, "UNREACHABLE"));
    provider.instances(vec![node("a")], None).await.expect("over the new session");
    assert_eq!(daemon.calls("Handshake").len(), 2);
    assert_eq!(provider.until_ready().await.epoch, "e2");

    daemon.change_epoch("e3");
    daemon.on_instances(|_| async { Err(Status::not_found("from a stranger")) });
    let fault = provider.instances(vec![node("a")], None).await.expect_err("a stranger's fault");
    assert_eq!(fault.code, Code::Unavailable, "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_sends_no_epoch_is_not_taken_for_another() {
    let daemon = Daemon::new();
    let facade = Facade::over(&daemon).await;
    sleep(Duration::from_secs(5)).await;
    daemon.on_instances({
        let daemon = daemon.clone();
        move |request| {
            daemon.change_epoch("");
            async move { Ok(crate::provider::testing::all_found(&request)) }
        }
    });
    facade.provider().instances(vec![node("a")], None).await.expect("found");
    facade.provider().instances(vec![node("a")], None).await.expect("found");
    assert_eq!(daemon.calls("Handshake").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_polite_close_fails_no_call_and_nobody_is_told() {
    let daemon = Daemon::new();
    daemon.on_instances(|request| async move {
        sleep(Duration::from_millis(30)).await;
        Ok(crate::provider::testing::all_found(&request))
    });
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    let mut status = provider.status();
    status.mark_unchanged();

    let load = async {
        for n in 0..2000 {
            provider.instance(node(&format!("n{n}")), None).await.expect("no call fails");
        }
    };
    let closes = async {
        for _ in 0..10 {
            sleep(Duration::from_millis(5011)).await;
            daemon.say_goodbye();
        }
    };
    tokio::join!(load, closes);
    assert_eq!(daemon.dials(), 11);
    assert_eq!(daemon.calls("Handshake").len(), 11, "a handshake for each connection");
    assert!(!status.has_changed().expect("the provider lives"), "{:?}", status.borrow());
}

#[tokio::test(start_paused = true)]
async fn a_lost_daemon_is_away_and_comes_back_by_itself() {
    let daemon = Daemon::new();
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    sleep(Duration::from_secs(5)).await;
    daemon.refuse(true);
    daemon.cut();
    let fault = provider.until_away().await;
    assert_eq!((fault.code, fault.origin), (Code::Unavailable, Origin::Provider), "{fault}");
    assert_eq!(provider.info(), None);
    assert_eq!(provider.name(), "test", "it keeps its name");
    assert_eq!(provider.last_info().expect("known").schemes, ["test"], "and its nodes");
    assert_eq!(facade.metrics.provider.ready.with(["test"]).get(), 0);

    let start = Instant::now();
    let fault = provider.instance(node("a"), None).await.expect_err("away");
    assert!(fault.is_away());
    assert!(start.elapsed() < Duration::from_millis(100), "who is away is not waited for");

    daemon.refuse(false);
    provider.until_ready().await;
    provider.instance(node("a"), None).await.expect("found");
    assert_eq!(facade.metrics.provider.ready.with(["test"]).get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_drops_every_connection_is_not_hammered() {
    let daemon = Daemon::new();
    daemon.on_status({
        let daemon = daemon.clone();
        move |_| {
            daemon.cut();
            futures::future::pending()
        }
    });
    let _facade = Facade::start(vec![daemon.remote()], &settings());
    sleep(Duration::from_secs(600)).await;
    let dials = daemon.dials();
    assert!((40..200).contains(&dials), "{dials} connections in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn a_hung_daemon_is_away_soon_after_a_call_got_no_answer() {
    let daemon = Daemon::new();
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    sleep(Duration::from_secs(5)).await;
    daemon.on_instances(|_| futures::future::pending());
    daemon.on_status(|_| futures::future::pending());
    daemon.on_handshake(|_| futures::future::pending());

    let start = Instant::now();
    provider.instances(vec![node("a")], None).await.expect_err("silence");
    let fault = provider.until_away().await;
    assert_eq!(fault.code, Code::DeadlineExceeded, "{fault}");
    assert!(
        start.elapsed() < Duration::from_secs(23),
        "15 s for the call, twice 3 s for the probe: {:?}",
        start.elapsed()
    );

    daemon.on_status(|_| async { Ok(v1::GetStatusResponse::default()) });
    daemon.on_handshake(|_| async { Ok(handshake("test")) });
    provider.until_ready().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_cloud_does_not_make_a_daemon_hung() {
    let daemon = Daemon::new();
    daemon.on_instances(|_| futures::future::pending());
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    for _ in 0..5 {
        provider.instances(vec![node("a")], None).await.expect_err("silence");
    }
    assert!(provider.info().is_some(), "its own state it tells at once");
    assert_eq!(daemon.calls("Handshake").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_api_minor_in_common_is_said_and_not_stormed() {
    let refuse = |_: v1::HandshakeRequest| async {
        let details = ErrorDetails::with_error_info("API_VERSION", "provider-api", []);
        Err(Status::with_error_details(tonic::Code::FailedPrecondition, "I speak minor 9 only", details))
    };
    let daemon = Daemon::new();
    daemon.on_handshake(refuse);
    let facade = Facade::start(vec![daemon.remote()], &settings());
    let fault = facade.provider().until_away().await;
    assert_eq!((fault.code, fault.reason.as_str()), (Code::FailedPrecondition, reason::API_VERSION));
    assert_eq!(fault.retry(), Retry::Slow);
    sleep(Duration::from_secs(600)).await;
    let attempts = daemon.calls("Handshake").len();
    assert!((8..=14).contains(&attempts), "{attempts} attempts in ten minutes");

    daemon.on_handshake(|_| async { Ok(handshake("test")) });
    daemon.restart("e2");
    timeout(Duration::from_secs(16), facade.provider().until_ready()).await.expect("an updated daemon is seen at once");
}

#[tokio::test(start_paused = true)]
async fn a_minor_nobody_offered_is_distrusted() {
    let daemon = Daemon::new();
    daemon.on_handshake(|_| async { Ok(v1::HandshakeResponse { api_minor: 9, ..handshake("test") }) });
    let facade = Facade::start(vec![daemon.remote()], &settings());
    let fault = facade.provider().until_away().await;
    assert_eq!((fault.origin, fault.reason.as_str()), (Origin::Distrust, reason::API_VERSION), "{fault}");
    assert!(daemon.calls("GetStatus").is_empty(), "nothing else is asked of it");
}

#[tokio::test(start_paused = true)]
async fn a_provider_of_another_account_is_not_used() {
    let daemon = Daemon::new();
    let configured = Account { id: "a1".into(), region: "r2".into() };
    let facade =
        Facade::start(vec![daemon.remote()], &crate::provider::Settings { accounts: vec![configured], ..settings() });
    let provider = facade.provider();
    let fault = provider.until_away().await;
    assert_eq!((fault.origin, fault.reason.as_str()), (Origin::Distrust, reason::WRONG_ACCOUNT), "{fault}");
    assert!(fault.is_auth(), "removals stay locked");
    assert!(provider.instance(node("a"), None).await.expect_err("away").is_away());
    assert!(daemon.calls("BatchGetInstances").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_not_allowed_is_told_and_tried_again() {
    let daemon = Daemon::new();
    daemon.on_handshake(|_| async { Err(Status::permission_denied("uid 1000 is not on the list")) });
    let facade = Facade::start(vec![daemon.remote()], &settings());
    let fault = facade.provider().until_away().await;
    assert_eq!((fault.code, fault.origin), (Code::PermissionDenied, Origin::Provider));
    sleep(Duration::from_secs(300)).await;
    let attempts = daemon.calls("Handshake").len();
    assert!((7..=14).contains(&attempts), "{attempts} attempts in five minutes");
    daemon.on_handshake(|_| async { Ok(handshake("test")) });
    timeout(Duration::from_secs(37), facade.provider().until_ready()).await.expect("it heals without a restart");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_does_not_serve_is_away_until_it_does() {
    let daemon = Daemon::new();
    let facade = Facade::over(&daemon).await;
    let provider = facade.provider();
    daemon.set_health(ServingStatus::NotServing);
    let fault = provider.until_away().await;
    assert!(fault.message.contains("does not serve"), "{fault}");
    assert!(provider.instance(node("a"), None).await.expect_err("away").is_away());
    daemon.set_health(ServingStatus::Serving);
    provider.until_ready().await;
    provider.instance(node("a"), None).await.expect("found");
    assert_eq!(daemon.dials(), 1, "over the same connection");
}

#[tokio::test(start_paused = true)]
async fn conditions_are_shown_and_looked_at_more_often_while_bad() {
    let daemon = Daemon::new();
    let condition = |status| v1::Condition { r#type: "CredentialsValid".into(), status, ..v1::Condition::default() };
    daemon.on_status(move |_| async move {
        Ok(v1::GetStatusResponse { conditions: vec![condition(Some(false))], ..v1::GetStatusResponse::default() })
    });
    let facade = Facade::over(&daemon).await;
    sleep(Duration::from_secs(59)).await;
    assert_eq!(daemon.calls("GetStatus").len(), 6, "every 10 s");
    let shown = || facade.metrics.provider.condition.with(["test", "CredentialsValid"]).get();
    assert_eq!(shown(), 0);

    daemon.on_status(move |_| async move {
        Ok(v1::GetStatusResponse { conditions: vec![condition(Some(true))], ..v1::GetStatusResponse::default() })
    });
    sleep(Duration::from_secs(11)).await;
    let before = daemon.calls("GetStatus").len();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(shown(), 1);
    assert_eq!(daemon.calls("GetStatus").len() - before, 10, "every 60 s at the latest");
}

#[tokio::test(start_paused = true)]
async fn conditions_of_a_daemon_that_is_away_are_not_shown() {
    let daemon = Daemon::new();
    daemon.on_status(|_| async {
        let condition = v1::Condition { r#type: "CloudReachable".into(), status: None, ..v1::Condition::default() };
        Ok(v1::GetStatusResponse { conditions: vec![condition], ..v1::GetStatusResponse::default() })
    });
    let facade = Facade::over(&daemon).await;
    sleep(Duration::from_secs(5)).await;
    let line = r#"cloudprovider_condition{provider="test",condition="CloudReachable"} -1"#;
    assert!(facade.metrics.prometheus_text().contains(line));
    daemon.refuse(true);
    daemon.cut();
    facade.provider().until_away().await;
    assert!(!facade.metrics.prometheus_text().contains("CloudReachable"));
}

#[tokio::test(start_paused = true)]
async fn work_that_is_being_finished_still_gets_answers_after_the_stop() {
    let daemon = Daemon::new();
    let facade = Facade::over(&daemon).await;
    facade.stop.cancel();
    sleep(Duration::from_secs(60)).await;
    facade.provider().instance(node("a"), None).await.expect("over the last session");
    daemon.refuse(true);
    daemon.cut();
    sleep(Duration::from_secs(1)).await;
    let fault = timeout(Duration::from_secs(4), facade.provider().instance(node("a"), None)).await.expect("in time");
    assert!(fault.expect_err("gone").is_away());
    assert_eq!(daemon.dials(), 1, "nothing is opened any more");
}

#[tokio::test(start_paused = true)]
async fn what_a_daemon_says_of_its_credentials_and_limits_is_shown_while_it_is_there() {
    let daemon = Daemon::new();
    let said = |valid_until: Option<i64>, throttled: Option<u64>| {
        let at = |seconds| prost_types::Timestamp { seconds, nanos: 0 };
        v1::GetStatusResponse {
            credentials_valid_until: valid_until.map(at),
            throttled_for: throttled.map(|s| prost_types::Duration { seconds: s.cast_signed(), nanos: 0 }),
            last_cloud_success: Some(at(1_900_000_000)),
            ..v1::GetStatusResponse::default()
        }
    };
    daemon.on_status(move |_| async move { Ok(said(Some(2_000_000_000), Some(30))) });
    let facade = Facade::over(&daemon).await;
    let shown = |what: &str| {
        let text = facade.metrics.prometheus_text();
        let line = text.lines().find(|line| line.starts_with(&format!("cloudprovider_{what}{{provider=\"test\"}}")));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    sleep(Duration::from_secs(1)).await;
    assert_eq!(shown("credentials_expiry_timestamp_seconds"), Some(2e9));
    assert_eq!(shown("throttled_seconds"), Some(30.0));
    assert_eq!(shown("last_cloud_success_timestamp_seconds"), Some(1.9e9));

    daemon.on_status(move |_| async move { Ok(said(None, None)) });
    sleep(Duration::from_secs(60)).await;
    assert_eq!(shown("credentials_expiry_timestamp_seconds"), None, "for ever");
    assert_eq!(shown("throttled_seconds"), Some(0.0));

    daemon.refuse(true);
    daemon.cut();
    facade.provider().until_away().await;
    assert_eq!((shown("throttled_seconds"), shown("last_cloud_success_timestamp_seconds")), (None, None));
}
