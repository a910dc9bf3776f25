//! Writes and the callers that leave them, over a socket.

use std::time::Duration;

use provider_kit::Settings;
use tonic::Code;

use crate::rig::{Rig, count, ensure, reason, until};

#[tokio::test]
async fn a_write_survives_its_caller_and_the_retry_joins_it() {
    let rig = Rig::start(Settings::default()).await;
    let mut client = rig.load_balancers();
    let caller = tokio::spawn(async move { client.ensure_load_balancer(ensure("s")).await });
    until("the work begins", || count(&rig.work.begun) == 1).await;
    caller.abort();
    until("the handler is dropped", || count(&rig.work.dropped) == 1).await;
    assert_eq!(count(&rig.work.ended), 0);

    let mut client = rig.load_balancers();
    let retry = tokio::spawn(async move { client.ensure_load_balancer(ensure("s")).await });
    rig.work.let_one_end();
    assert_eq!(retry.await.unwrap().unwrap().into_inner().state.unwrap().handle, "lb-of-");
    assert_eq!((count(&rig.work.begun), count(&rig.work.ended)), (1, 1), "the work was done once");
}

#[tokio::test]
async fn a_write_that_ends_unheard_is_answered_to_the_retry() {
    let rig = Rig::start(Settings::default()).await;
    let mut request = ensure("s");
    request.set_timeout(Duration::from_millis(100));
    let status = rig.load_balancers().ensure_load_balancer(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    until("the handler is dropped", || count(&rig.work.dropped) == 1).await;
    rig.work.let_one_end();
    until("the work ends", || rig.running.kit().writes().running() == 0).await;
    rig.load_balancers().ensure_load_balancer(ensure("s")).await.unwrap();
    assert_eq!(count(&rig.work.begun), 1);
}

#[tokio::test]
async fn another_change_of_the_same_object_has_to_wait() {
    let rig = Rig::start(Settings::default()).await;
    let mut client = rig.load_balancers();
    let first = tokio::spawn(async move { client.ensure_load_balancer(ensure("s")).await });
    until("the work begins", || count(&rig.work.begun) == 1).await;
    let mut other = ensure("s");
    other.get_mut().spec_hash = "changed".to_owned();
    let status = rig.load_balancers().ensure_load_balancer(other).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "provider-api/BUSY"));
    rig.work.let_one_end();
    first.await.unwrap().unwrap();
}
