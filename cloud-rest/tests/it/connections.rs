//! How the server is reached.

use std::{sync::Arc, time::Duration};

use cloud_rest::{Client, Effect, Executed, Kind, Settings, Transport, TransportError, TransportSettings};
use tokio::net::TcpListener;

use crate::server::{Reply, Server, client, key, settings};

#[tokio::test]
async fn a_handful_of_connections_carries_any_number_of_calls() {
    let server = Server::start().await;
    server.rule(|_| Some(Reply::Late(Duration::from_millis(2), 200, "{}".to_owned())));
    let client = client(key("AK"));
    let calls = (0..300).map(|_| client.run(server.call(Effect::Read)));
    for outcome in futures::future::join_all(calls).await {
        outcome.unwrap();
    }
    assert_eq!(server.asked().len(), 300);
    assert!(server.connections() <= 8, "{} connections", server.connections());
}

#[tokio::test]
async fn a_call_that_was_never_sent_is_known_not_to_be_carried_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let server = Server::start().await;
    let mut call = server.call(Effect::Write);
    call.base = format!("http://{nobody}").parse().unwrap();
    let error = client(key("AK")).run(call).await.unwrap_err();
    assert_eq!((error.kind, error.executed, error.attempts), (Kind::Connect, Executed::No, 4));
    assert!(error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_proxy_is_used_when_it_is_named() {
    let server = Server::start().await;
    let transport =
        TransportSettings { proxy: Some(format!("http://{}", server.address)), ..TransportSettings::default() };
    let transport = Transport::new(&transport).unwrap();
    let client = Client::new(Settings { transport, ..settings(key("AK")) });
    let mut call = server.call(Effect::Read);
    call.base = "http://cloud.example.test".parse().unwrap();
    client.run(call).await.unwrap();
    assert_eq!(server.asked()[0].headers["host"], "cloud.example.test");
    let odd = TransportSettings { proxy: Some("::".to_owned()), ..TransportSettings::default() };
    assert!(matches!(Transport::new(&odd), Err(TransportError::Proxy(_))));
}

#[tokio::test]
async fn a_client_is_shared_among_tasks() {
    let server = Server::start().await;
    let client = Arc::new(client(key("AK")));
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (client, call) = (client.clone(), server.call(Effect::Read));
            tokio::spawn(async move { client.run(call).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}
