//! What is sent, what is sent again, and what the caller learns.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use cloud_rest::{Actor, Audit, AuditEntry, Client, Effect, Executed, Kind, Metrics, Settings};
use prometheus_client::registry::Registry;
use serde::Deserialize;
use tokio::time::Instant;

use crate::server::{Reply, Server, client, key, settings};

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Thing {
    id: String,
}

#[tokio::test]
async fn an_answer_is_read_with_its_request_id() {
    let server = Server::start().await;
    server.script([Reply::json(200, r#"{"id":"a"}"#)]);
    let answer = client(key("AK")).send::<Thing>(server.call(Effect::Read)).await.unwrap();
    assert_eq!(answer.value, Thing { id: "a".to_owned() });
    assert_eq!(answer.request_id.as_deref(), Some("request-1"));
    assert_eq!(server.asked()[0].uri, "/v1/things");
}

#[tokio::test]
async fn nothing_reads_as_nothing() {
    let server = Server::start().await;
    server.script([Reply::json(204, "")]);
    client(key("AK")).send::<()>(server.call(Effect::RepeatableWrite)).await.unwrap();
}

/// Sends one call against the replies; answers its error's kind and whether it was carried out, and how often the server was asked.
async fn outcome(effect: Effect, replies: Vec<Reply>) -> (Option<(Kind, Executed)>, usize) {
    let server = Server::start().await;
    server.script(replies);
    let outcome = client(key("AK")).send::<serde_json::Value>(server.call(effect)).await;
    (outcome.err().map(|error| (error.kind, error.executed)), server.asked().len())
}

#[tokio::test]
async fn only_what_cannot_be_done_twice_by_it_is_sent_again() {
    use Effect::{Read, RepeatableWrite, Write};
    let fails = || Reply::json(503, "down");
    let works = || Reply::json(200, "{}");
    assert_eq!(outcome(Read, vec![fails(), works()]).await, (None, 2));
    assert_eq!(outcome(RepeatableWrite, vec![fails(), works()]).await, (None, 2));
    assert_eq!(outcome(Write, vec![fails(), works()]).await, (Some((Kind::Server, Executed::Unknown)), 1));
    assert_eq!(outcome(Read, vec![Reply::Drop, works()]).await, (None, 2));
    assert_eq!(outcome(Write, vec![Reply::Drop, works()]).await, (Some((Kind::Connect, Executed::Unknown)), 1));
    let throttled = || Reply::json(429, "slowly");
    assert_eq!(outcome(Write, vec![throttled(), throttled(), works()]).await, (None, 3));
    assert_eq!(outcome(Read, vec![Reply::json(200, "{\"cut"), works()]).await, (None, 2));
    let garbled = Some((Kind::Garbled, Executed::Yes));
    assert_eq!(outcome(RepeatableWrite, vec![Reply::json(200, "{\"cut")]).await, (garbled, 1));
    let missing = Some((Kind::NotFound, Executed::No));
    assert_eq!(outcome(Read, vec![Reply::json(404, "none")]).await, (missing, 1));
    // What may have happened earlier is not forgotten for what surely did not happen last.
    let mixed = vec![fails(), Reply::json(403, "no")];
    assert_eq!(outcome(RepeatableWrite, mixed).await, (Some((Kind::PermissionDenied, Executed::Unknown)), 2));
}

#[tokio::test]
async fn attempts_end() {
    let server = Server::start().await;
    server.rule(|_| Some(Reply::json(500, "down")));
    let error = client(key("AK")).run(server.call(Effect::Read)).await.unwrap_err();
    assert_eq!((error.attempts, server.asked().len()), (4, 4));
    assert!(error.to_string().contains("4 attempts"), "{error}");
}

#[tokio::test]
async fn every_attempt_is_signed_with_its_own_time() {
    let server = Server::start().await;
    server.script([Reply::json(500, ""), Reply::json(500, "")]);
    client(key("AK")).run(server.call(Effect::Read)).await.unwrap();
    let mut signatures: Vec<_> = server.asked().iter().map(|asked| asked.headers["authorization"].clone()).collect();
    signatures.dedup();
    assert_eq!(signatures.len(), 3, "{signatures:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start().await;
    let elsewhere = format!("http://{}/elsewhere", server.address);
    server.script([Reply::Answer(302, vec![("location", elsewhere)], String::new())]);
    client(key("AK")).run(server.call(Effect::Read)).await.unwrap_err();
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn the_deadline_of_the_caller_holds_whatever_happens() {
    let server = Server::start().await;
    server.rule(|asked| match asked.method.as_str() {
        "GET" => Some(Reply::Late(Duration::from_secs(5), 200, "{}".to_owned())),
        _ => Some(Reply::Answer(429, vec![("retry-after", "30".to_owned())], String::new())),
    });
    let begun = Instant::now();
    let client = client(key("AK"));
    let client = client.on_behalf_of(Actor { deadline: Some(begun + Duration::from_millis(400)), ..Actor::daemon() });
    let error = client.run(server.call(Effect::Read)).await.unwrap_err();
    assert_eq!((error.kind, error.executed), (Kind::Timeout, Executed::Unknown));
    assert!(begun.elapsed() < Duration::from_secs(1));
    let client =
        client.on_behalf_of(Actor { deadline: Some(Instant::now() + Duration::from_secs(2)), ..Actor::daemon() });
    let error = client.run(server.call(Effect::Write)).await.unwrap_err();
    assert_eq!((error.kind, error.executed, error.attempts), (Kind::Throttled, Executed::No, 1));
    assert!(error.retry_after > Some(Duration::from_secs(20)), "{:?}", error.retry_after);
    assert!(begun.elapsed() < Duration::from_secs(2), "known at once to be too late");
}

#[tokio::test]
async fn an_attempt_without_an_answer_ends() {
    let server = Server::start().await;
    server.rule(|_| Some(Reply::Late(Duration::from_secs(60), 200, "{}".to_owned())));
    let error = client(key("AK")).run(server.call(Effect::Write)).await.unwrap_err();
    assert_eq!((error.kind, error.executed), (Kind::Timeout, Executed::Unknown));
}

#[tokio::test]
async fn what_the_cloud_says_loses_the_secret() {
    let server = Server::start().await;
    server.script([Reply::json(403, "your key marker-secret may not")]);
    let error = client(key("AK")).run(server.call(Effect::Read)).await.unwrap_err();
    assert_eq!(error.message, "your key [redacted] may not");
    assert!(!format!("{error:?}").contains("marker"));
}

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Audit for Lines {
    fn record(&self, entry: &AuditEntry<'_>) {
        let AuditEntry { account, actor, call, method, path, cloud_request_id, result, .. } = entry;
        let line =
            format!("{account} {} {} {call} {method} {path} {cloud_request_id} {result}", actor.caller, actor.key);
        self.0.lock().unwrap().push(line);
    }
}

#[tokio::test]
async fn what_changes_something_is_recorded_attempt_by_attempt_and_counted() {
    let server = Server::start().await;
    let (lines, metrics) = (Arc::new(Lines::default()), Metrics::default());
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let settings = Settings { audit: Some(lines.clone()), metrics, ..settings(key("AK")) };
    let client = Client::new(settings).on_behalf_of(Actor {
        caller: "uid:7".into(),
        key: "cluster/service".into(),
        ..Actor::daemon()
    });
    server.script([Reply::json(200, "{}"), Reply::json(500, ""), Reply::json(200, "{}")]);
    client.run(server.call(Effect::Read)).await.unwrap();
    client.run(server.call(Effect::RepeatableWrite)).await.unwrap();
    assert_eq!(
        *lines.0.lock().unwrap(),
        [
            "test uid:7 cluster/service TestCall POST /v1/things request-1 T.500",
            "test uid:7 cluster/service TestCall POST /v1/things request-1 OK"
        ]
    );
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for (outcome, count) in [("ok", 2), ("server", 1)] {
        let line = format!(
            "cloud_calls_total{{account=\"test\",family=\"test\",call=\"TestCall\",outcome=\"{outcome}\"}} {count}\n"
        );
        assert!(text.contains(&line), "{line} is not in {text}");
    }
}
