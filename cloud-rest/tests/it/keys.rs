//! Keys that are wrong, that change, and the clock.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use cloud_rest::{Client, Credentials, Effect, Kind, Settings, Source, SourceError};
use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::server::{Asked, Reply, Server, client, settings};

/// A source whose key can be changed.
struct Changing(Mutex<String>);

impl Changing {
    fn new(id: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(id.to_owned())))
    }

    fn set(&self, id: &str) {
        id.clone_into(&mut self.0.lock().unwrap());
    }
}

impl Source for Changing {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        let id = self.0.lock().unwrap().clone();
        Box::pin(async move { Ok(Credentials::lasting(id, "marker-secret")) })
    }

    fn describe(&self) -> String {
        "a test".to_owned()
    }
}

fn signed_with(asked: &Asked, id: &str) -> bool {
    asked.headers["authorization"].to_str().unwrap().starts_with(&format!("{id} "))
}

/// A server that knows one key, which can be changed.
async fn server_that_knows(id: &str) -> (Server, Arc<Mutex<String>>) {
    let (server, known) = (Server::start().await, Arc::new(Mutex::new(id.to_owned())));
    let right = known.clone();
    server.rule(move |asked| {
        let right = right.lock().unwrap();
        (!signed_with(asked, &right)).then(|| Reply::json(401, "verify aksk signature fail"))
    });
    (server, known)
}

#[tokio::test]
async fn a_wrong_key_costs_a_call_and_not_one_for_each_caller() {
    let (server, _) = server_that_knows("GOOD").await;
    let client = client(Changing::new("BAD"));
    let calls = (0..50).map(|_| client.run(server.call(Effect::Read)));
    for outcome in futures::future::join_all(calls).await {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind, Kind::Unauthenticated);
        assert!(error.message.contains("verify aksk signature fail"), "{error}");
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_key_that_was_replaced_at_its_source_is_found_by_the_call_that_fails() {
    let (server, known) = server_that_knows("OLD").await;
    let source = Changing::new("OLD");
    let client = client(source.clone());
    client.run(server.call(Effect::Write)).await.unwrap();
    source.set("NEW");
    *known.lock().unwrap() = "NEW".to_owned();
    client.run(server.call(Effect::Write)).await.unwrap();
    assert_eq!(server.asked().iter().filter(|asked| signed_with(asked, "OLD")).count(), 2);
}

#[tokio::test]
async fn a_bad_new_key_is_refused_and_the_old_one_goes_on() {
    let (server, _) = server_that_knows("GOOD").await;
    let source = Changing::new("GOOD");
    let probe = Some(server.call(Effect::Read));
    let client = Client::new(Settings { probe, ..settings(source.clone()) });
    client.run(server.call(Effect::Read)).await.unwrap();
    source.set("BAD");
    client.reload_credentials().await;
    let status = client.credentials().borrow().clone();
    assert_eq!((status.id.as_str(), status.replaced), ("GOOD", 1));
    assert!(status.fault.unwrap().contains("refuses the new access key BAD"));
    client.run(server.call(Effect::Read)).await.unwrap();
    assert_eq!(server.asked().iter().filter(|asked| signed_with(asked, "BAD")).count(), 1);
}

#[tokio::test]
async fn a_good_new_key_is_tried_once_and_used_from_then_on() {
    let server = Server::start().await;
    let source = Changing::new("OLD");
    let probe = Some(server.call(Effect::Read));
    let client = Client::new(Settings { probe, ..settings(source.clone()) });
    client.run(server.call(Effect::Read)).await.unwrap();
    source.set("NEW");
    client.reload_credentials().await;
    client.run(server.call(Effect::Read)).await.unwrap();
    assert_eq!(server.asked().iter().filter(|asked| signed_with(asked, "NEW")).count(), 2);
    assert_eq!(client.credentials().borrow().fault, None);
}

#[tokio::test]
async fn a_clock_that_is_off_is_named_when_the_key_is_refused() {
    let (server, _) = server_that_knows("GOOD").await;
    let clock = Arc::new(|| Timestamp::now() + std::time::Duration::from_secs(1_200));
    let client = Client::new(Settings { clock, ..settings(Changing::new("BAD")) });
    let error = client.run(server.call(Effect::Read)).await.unwrap_err();
    assert!(error.message.contains("clock is 20 minutes ahead of the cloud's"), "{error}");
}

/// A source that has nothing, and counts how often it was asked.
struct Empty(AtomicU32);

impl Source for Empty {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Err(SourceError::Refused("the machine has no role".to_owned())) })
    }

    fn describe(&self) -> String {
        "nowhere".to_owned()
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_sent_and_the_source_is_left_in_peace() {
    let server = Server::start().await;
    let source = Arc::new(Empty(AtomicU32::new(0)));
    let client = client(source.clone());
    for _ in 0..50 {
        let error = client.run(server.call(Effect::Read)).await.unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (Kind::Unauthenticated, "no credentials: the machine has no role")
        );
    }
    assert_eq!((server.asked().len(), source.0.load(Ordering::Relaxed)), (0, 1));
}
