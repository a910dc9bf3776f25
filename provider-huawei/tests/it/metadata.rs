//! Keys of the machine's agency.

use std::sync::atomic::{AtomicU32, Ordering};

use cloud_rest::{Credentials, SourceError};
use provider_huawei::credentials::Metadata;

use crate::server::{Asked, Server};

const TOKEN: &str = "/meta-data/latest/api/token";
const KEYS: &str = r#"{"credential":{"access":"AK","secret":"marker-secret","securitytoken":"marker-token","expires_at":"2026-11-20T10:00:00.000000Z"}}"#;

fn keys() -> (u16, String) {
    (200, KEYS.to_owned())
}

async fn fetch(server: &Server) -> Result<Credentials, SourceError> {
    Metadata::new().unwrap().fetch(&server.url().parse().unwrap(), true).await
}

fn calls(server: &Server) -> Vec<String> {
    let call = |asked: &Asked| format!("{} {} {}", asked.method, asked.path, asked.header("x-metadata-token"));
    server.asked().iter().map(call).collect()
}

#[tokio::test]
async fn a_token_is_fetched_once_and_sent_along() {
    let server = Server::start(|asked| if asked.path == TOKEN { (200, "token-1".to_owned()) } else { keys() }).await;
    let metadata = Metadata::new().unwrap();
    for _ in 0..2 {
        let keys = metadata.fetch(&server.url().parse().unwrap(), true).await.unwrap();
        assert_eq!((keys.id.as_str(), keys.secret.expose()), ("AK", "marker-secret"));
        assert_eq!(keys.token.unwrap().expose(), "marker-token");
        assert_eq!(keys.expires_at.unwrap().to_string(), "2026-11-20T10:00:00Z");
    }
    let get = "GET /openstack/latest/securitykey token-1";
    assert_eq!(calls(&server), [&format!("PUT {TOKEN} "), get, get]);
    assert_eq!(server.asked()[0].header("x-metadata-token-ttl-seconds"), "21600");
}

#[tokio::test]
async fn a_service_without_tokens_is_asked_the_old_way() {
    for status in [404, 405, 503] {
        let server =
            Server::start(move |asked| if asked.path == TOKEN { (status, String::new()) } else { keys() }).await;
        fetch(&server).await.unwrap();
        assert_eq!(calls(&server), [format!("PUT {TOKEN} "), "GET /openstack/latest/securitykey ".to_owned()]);
    }
}

#[tokio::test]
async fn a_token_that_ended_is_replaced_once() {
    let tokens = AtomicU32::new(0);
    let server = Server::start(move |asked| match asked.path.as_str() {
        TOKEN => (200, format!("token-{}", tokens.fetch_add(1, Ordering::Relaxed) + 1)),
        _ if asked.header("x-metadata-token") == "token-2" => keys(),
        _ => (401, "Unauthorized".to_owned()),
    })
    .await;
    fetch(&server).await.unwrap();
    let never = Server::start(|asked| if asked.path == TOKEN { (200, "t".to_owned()) } else { (401, String::new()) });
    let never = never.await;
    assert!(matches!(fetch(&never).await, Err(SourceError::Unavailable(_))));
    assert_eq!(never.asked().len(), 4);
}

#[tokio::test]
async fn a_machine_without_an_agency_is_told_so() {
    let server = Server::start(|asked| match asked.path.as_str() {
        TOKEN => (200, "t".to_owned()),
        _ => (401, "Please configure Cloud Service Agency first".to_owned()),
    })
    .await;
    let error = fetch(&server).await.unwrap_err();
    assert!(matches!(&error, SourceError::Refused(why) if why.contains("no agency")), "{error}");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn other_answers_are_faults_that_pass_and_show_nothing_secret() {
    for (status, body) in [(500, KEYS), (200, "marker-secret"), (200, r#"{"credential":{"secret":"marker-secret"}}"#)] {
        let server = Server::start(move |asked| match asked.path.as_str() {
            TOKEN => (404, String::new()),
            _ => (status, body.to_owned()),
        })
        .await;
        let error = fetch(&server).await.unwrap_err();
        assert!(matches!(error, SourceError::Unavailable(_)), "{error}");
        assert!(!format!("{error} {error:?}").contains("marker"));
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_fault_that_passes() {
    let error = Metadata::new().unwrap().fetch(&"http://127.0.0.1:1".parse().unwrap(), true).await.unwrap_err();
    assert!(matches!(&error, SourceError::Unavailable(why) if why.contains("does not answer")), "{error}");
}
