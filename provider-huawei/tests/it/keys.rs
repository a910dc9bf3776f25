//! Keys from a file that changes, and keys of an agency.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use cloud_rest::Kind;
use provider_huawei::{
    cloud::Cloud,
    config::{self, Config},
    endpoints::Service,
};
use tokio::time::{Instant, sleep};

use crate::server::Server;

const REFUSED: &str =
    r#"{"error_msg":"Incorrect IAM authentication information: verify aksk signature fail","error_code":"APIGW.0301"}"#;

/// A server that knows some keys.
async fn server_that_knows(known: &[&'static str]) -> (Server, Arc<Mutex<Vec<&'static str>>>) {
    let known = Arc::new(Mutex::new(known.to_vec()));
    let list = known.clone();
    let server = Server::start(move |asked| {
        let known = list.lock().unwrap().iter().any(|id| asked.signed_with(id));
        if known { (200, r#"{"vpcs":[]}"#.to_owned()) } else { (401, REFUSED.to_owned()) }
    });
    (server.await, known)
}

fn load(file: &Path) -> Config {
    config::load(file, &|_| None).unwrap().config
}

async fn call(cloud: &Cloud) -> Result<(), cloud_rest::Error> {
    cloud.get(Service::Vpc, "ListVpcs", &["v1", "p", "vpcs"]).run().await.map(drop)
}

/// Waits for something that comes about by itself, for a few seconds.
async fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what} within ten seconds");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_new_key_in_the_file_is_in_use_within_seconds_and_a_bad_one_is_refused() {
    let (server, known) = server_that_knows(&["AK1"]).await;
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("cloud-config");
    let write = |id: &str| {
        let keys = format!("project-id=p\naccess-key={id}\nsecret-key=marker-secret");
        std::fs::write(&file, server.config(&keys)).unwrap();
    };
    write("AK1");
    let cloud = Cloud::new("test", load(&file)).unwrap();
    let _watch = cloud.follow_keys().unwrap();
    call(&cloud).await.unwrap();
    let status = cloud.client().credentials();

    write("BAD");
    soon("the bad key is refused", || status.borrow().fault.is_some()).await;
    let fault = status.borrow().fault.clone().unwrap();
    assert!(fault.contains("access key BAD") && fault.contains("verify aksk signature fail"), "{fault}");
    call(&cloud).await.unwrap();
    assert_eq!(status.borrow().id, "AK1");

    std::fs::write(&file, "[Global\n").unwrap();
    soon("the broken file is told", || status.borrow().fault.as_ref().is_some_and(|f| f.contains("cloud-config")))
        .await;
    call(&cloud).await.unwrap();

    known.lock().unwrap().push("AK2");
    write("AK2");
    soon("the good key is in use", || status.borrow().id == "AK2").await;
    known.lock().unwrap().remove(0);
    call(&cloud).await.unwrap();
    assert_eq!(status.borrow().fault, None);
}

#[tokio::test]
async fn a_mounted_secret_that_changes_is_followed() {
    let (server, known) = server_that_knows(&["AK1", "AK2"]).await;
    let folder = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("access-key", "AK1");
    write("secret-key", "SK");
    let text = server.config(&format!("project-id=p\nsecret-folder={}", folder.path().display()));
    let cloud = Cloud::new("test", config::parse(&text, &|_| None).unwrap().config).unwrap();
    let _watch = cloud.follow_keys().unwrap();
    call(&cloud).await.unwrap();
    write("access-key", "AK2");
    let status = cloud.client().credentials();
    soon("the new key is in use", || status.borrow().id == "AK2").await;
    drop(known);
}

#[tokio::test]
async fn a_wrong_key_is_told_clearly_and_does_not_spin() {
    let (server, _) = server_that_knows(&[]).await;
    let text = server.config("project-id=p\naccess-key=AK\nsecret-key=marker-secret");
    let cloud = Cloud::new("test", config::parse(&text, &|_| None).unwrap().config).unwrap();
    for _ in 0..50 {
        let error = call(&cloud).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Unauthenticated, "APIGW.0301"));
        assert!(error.message.contains("verify aksk signature fail"), "{error}");
        assert!(!format!("{error:?}").contains("marker"));
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn an_agency_is_assumed_and_its_keys_are_used_with_their_token() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/v3.0/OS-CREDENTIAL/securitytokens" if asked.signed_with("AK") => {
            let keys = r#"{"credential":{"access":"TMP","secret":"s","securitytoken":"tmp-token","expires_at":"2099-01-01T00:00:00.000000Z"}}"#;
            (201, keys.to_owned())
        }
        _ if asked.signed_with("TMP") && asked.header("x-security-token") == "tmp-token" => (200, "{}".to_owned()),
        _ => (401, REFUSED.to_owned()),
    })
    .await;
    let keys = "project-id=p\naccess-key=AK\nsecret-key=SK\nagency-name=a\nagency-domain-id=d\nagency-duration=15m";
    let cloud = Cloud::new("test", config::parse(&server.config(keys), &|_| None).unwrap().config).unwrap();
    for _ in 0..3 {
        call(&cloud).await.unwrap();
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 4, "keys are fetched once");
    let body: serde_json::Value = serde_json::from_str(&asked[0].body).unwrap();
    let role = &body["auth"]["identity"]["assume_role"];
    assert_eq!(*role, serde_json::json!({ "agency_name": "a", "domain_id": "d", "duration_seconds": 900 }));
    assert!(asked[1].header("authorization").contains("SignedHeaders=x-project-id;x-sdk-date;x-security-token,"));
}
