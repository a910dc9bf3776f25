//! The project's id.

use cloud_rest::Kind;
use provider_huawei::{
    cloud::{Cloud, PROJECT},
    config,
    endpoints::Service,
};

use crate::server::Server;

fn cloud(server: &Server, more: &str) -> Cloud {
    let text = server.config(&format!("access-key=AK\nsecret-key=SK\n{more}"));
    Cloud::new("test", config::parse(&text, &|_| None).unwrap().config).unwrap()
}

fn projects(list: &str) -> (u16, String) {
    (200, format!(r#"{{"projects":[{list}],"links":{{}}}}"#))
}

#[tokio::test]
async fn is_looked_up_once_and_put_in_paths_and_headers() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/v3/projects" => projects(r#"{"id":"p1","name":"test-1","enabled":true},{"id":"p2","name":"test-1_sub"}"#),
        _ => (200, "{}".to_owned()),
    })
    .await;
    let cloud = cloud(&server, "");
    for _ in 0..3 {
        let list = cloud.get(Service::Elb, "ListListeners", &["v3", PROJECT, "elb", "listeners"]).query("limit", 2000);
        list.send::<serde_json::Value>().await.unwrap();
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 4);
    assert!(asked[0].header("x-project-id").is_empty());
    for call in &asked[1..] {
        assert_eq!((call.path.as_str(), call.header("x-project-id")), ("/v3/p1/elb/listeners", "p1"));
        assert!(call.header("authorization").contains("SignedHeaders=x-project-id;x-sdk-date,"));
    }
}

#[tokio::test]
async fn is_not_looked_up_when_it_is_given() {
    let server = Server::start(|_| (200, "{}".to_owned())).await;
    let cloud = cloud(&server, "project-id=p9");
    assert_eq!(&*cloud.project_id().await.unwrap(), "p9");
    assert_eq!(server.asked().len(), 0);
}

/// The error's kind and words when the look-up is answered with this, after being asked for many times.
async fn failure(status: u16, body: &'static str) -> (Kind, String) {
    let server = Server::start(move |_| (status, body.to_owned())).await;
    let cloud = cloud(&server, "");
    for _ in 0..20 {
        cloud.project_id().await.unwrap_err();
    }
    assert_eq!(server.asked().len(), 1, "a look-up that fails is not repeated at once");
    let error = cloud.project_id().await.unwrap_err();
    (error.kind, error.to_string())
}

#[tokio::test]
async fn none_and_several_are_errors_that_say_what_to_do() {
    let (kind, words) = failure(200, r#"{"projects":[]}"#).await;
    assert!(
        kind == Kind::Invalid && words.contains("no project named `test-1`: check region, or set project-id"),
        "{words}"
    );
    let several = r#"{"projects":[{"id":"a","name":"test-1"},{"id":"b","name":"test-1"}]}"#;
    let (kind, words) = failure(200, several).await;
    assert!(kind == Kind::Invalid && words.contains("set project-id to one of a, b"), "{words}");
    let (kind, words) = failure(404, r#"{"error_msg":"not published","error_code":"APIGW.0101"}"#).await;
    assert!(kind == Kind::NoSuchApi && words.contains("APIGW.0101"), "{words}");
    let (kind, _) = failure(403, r#"{"error_msg":"no","error_code":"IAM.0003"}"#).await;
    assert_eq!(kind, Kind::PermissionDenied);
}
