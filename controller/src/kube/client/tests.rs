use std::{
    convert::Infallible,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, WatchParams},
    client::Body,
};
use serde_json::json;
use tokio::time::Instant;
use tower::{BoxError, ServiceExt as _};

use super::*;

type Answer = (u16, Option<u32>, Duration);

/// An apiserver that answers each request with the next of `answers` (code, Retry-After, time it takes), then with 200.
#[derive(Clone, Default)]
struct Server {
    answers: Arc<Mutex<Vec<Answer>>>,
    requests: Arc<AtomicUsize>,
    under_way: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Server {
    fn client(&self, limiter: Option<Limiter>, standing: Option<Standing>) -> (Client, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new());
        let shared =
            Arc::new(service::Shared { host: "api:443".into(), limiter, standing, metrics: Arc::clone(&metrics) });
        let server = self.clone();
        let inner = tower::service_fn(move |_: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer().await) }
        })
        .map_err(BoxError::from);
        (Client::new(ApiService { inner, shared }, "default"), metrics)
    }

    async fn answer(&self) -> Response<Full<Bytes>> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let next = {
            let mut answers = self.answers.lock().expect("not poisoned");
            if answers.is_empty() { (200, None, Duration::from_millis(10)) } else { answers.remove(0) }
        };
        tokio::time::sleep(next.2).await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let body = match next.0 {
            200 => json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n"}, "items": []}),
            code => json!({"kind": "Status", "status": "Failure", "code": code, "reason": "R", "message": "m"}),
        };
        let mut response = Response::builder().status(next.0);
        if let Some(seconds) = next.1 {
            response = response.header("retry-after", seconds.to_string());
        }
        response.body(Full::from(body.to_string())).expect("a response")
    }

    fn then(&self, code: u16, retry_after: Option<u32>, takes: Duration) -> &Self {
        self.answers.lock().expect("not poisoned").push((code, retry_after, takes));
        self
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

const QUICK: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn too_many_is_tried_again_after_the_time_given() {
    let server = Server::default();
    server.then(429, Some(3), QUICK).then(503, Some(2), QUICK);
    let (client, metrics) = server.client(Some(Limiter::adaptive()), None);
    let began = Instant::now();
    Api::<Node>::all(client).get("n").await.expect("the third try is answered");
    assert_eq!(server.requests(), 3);
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(metrics.rest_client.retries.with(["429", "GET", "api:443"]).get(), 1);
    assert_eq!(metrics.rest_client.requests.with(["429", "GET", "api:443"]).get(), 1);
    assert_eq!(metrics.rest_client.requests.with(["200", "GET", "api:443"]).get(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_for_good_is_not_tried_again() {
    for code in [400, 403, 404, 409, 422, 500, 503] {
        let server = Server::default();
        server.then(code, None, QUICK);
        let (client, _) = server.client(None, None);
        Api::<Node>::all(client).get("n").await.expect_err("refused");
        assert_eq!(server.requests(), 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn tries_end_some_time() {
    let server = Server::default();
    for _ in 0..20 {
        server.then(429, Some(1), QUICK);
    }
    let (client, _) = server.client(None, None);
    Api::<Node>::all(client).get("n").await.expect_err("still too many");
    assert_eq!(server.requests(), 11);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let server = Server::default();
    server.then(200, None, Duration::from_secs(3600));
    let (client, metrics) = server.client(Some(Limiter::adaptive()), None);
    let error = Api::<Node>::all(client).get("n").await.expect_err("timed out");
    assert!(error.to_string().contains("no answer from the apiserver within 60s"), "{error}");
    assert_eq!(metrics.rest_client.requests.with(["<error>", "GET", "api:443"]).get(), 1);
}

/// Sends `count` patches at once.
async fn burst(client: &Client, count: usize) {
    let patches = (0..count).map(|_| {
        let api = Api::<Node>::all(client.clone());
        async move { api.patch("n", &PatchParams::default(), &Patch::Merge(json!({}))).await }
    });
    futures::future::join_all(patches).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_are_under_way_than_the_limit_and_none_is_lost() {
    let server = Server::default();
    let (client, metrics) = server.client(Some(Limiter::adaptive()), None);
    burst(&client, 1000).await;
    assert_eq!(server.requests(), 1000);
    let most = server.most.load(Ordering::SeqCst);
    assert!((64..=80).contains(&most), "{most}");
    assert!(metrics.rest_client.concurrency_limit.get() > 64.0);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_client_sends_less_and_recovers() {
    let server = Server::default();
    for _ in 0..10 {
        server.then(429, Some(1), QUICK);
    }
    let (client, metrics) = server.client(Some(Limiter::adaptive()), None);
    burst(&client, 200).await;
    assert_eq!(server.requests(), 210);
    assert!(metrics.rest_client.concurrency_limit.get() < 64.0);
    burst(&client, 5000).await;
    assert!(metrics.rest_client.concurrency_limit.get() > 64.0);
}

#[tokio::test(start_paused = true)]
async fn a_fixed_rate_is_kept_when_asked_for() {
    let server = Server::default();
    let (client, _) = server.client(Some(Limiter::fixed(20.0, 30)), None);
    let began = Instant::now();
    burst(&client, 130).await;
    let took = began.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_millis(5200)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn watches_take_no_place() {
    let server = Server::default();
    for _ in 0..100 {
        server.then(200, None, Duration::from_secs(50));
    }
    let (client, _) = server.client(Some(Limiter::adaptive()), None);
    let watches: Vec<_> = (0..100)
        .map(|_| {
            let api = Api::<Node>::all(client.clone());
            tokio::spawn(async move { api.watch(&WatchParams::default(), "0").await.map(|_| ()) })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    tokio::time::timeout(Duration::from_secs(1), Api::<Node>::all(client.clone()).list(&ListParams::default()))
        .await
        .expect("not held back by the watches")
        .expect("listed");
    assert_eq!(server.most.load(Ordering::SeqCst), 101);
    for watch in watches {
        watch.await.expect("no panic").expect("watching");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_without_the_lease() {
    let server = Server::default();
    let (client, _) = server.client(Some(Limiter::adaptive()), Some(Standing::standby()));
    let api = Api::<Node>::all(client);
    api.get("n").await.expect("reading is open to all");
    let error = api.patch("n", &PatchParams::default(), &Patch::Merge(json!({}))).await.expect_err("not leading");
    assert!(error.to_string().contains("does not hold the leader lease"), "{error}");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn the_ways_to_the_apiserver() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let nowhere = KubeConfig::default();
    let error = load(&nowhere).await.expect_err("no pod");
    assert!(format!("{error:#}").contains("give --kubeconfig"), "{error:#}");

    let master = KubeConfig { master: Some("10.0.0.1:8080".into()), ..KubeConfig::default() };
    assert_eq!(load(&master).await.expect("a URL").cluster_url.to_string(), "http://10.0.0.1:8080/");

    let missing = KubeConfig { kubeconfig: Some("/nowhere/kubeconfig".into()), ..KubeConfig::default() };
    let error = load(&missing).await.expect_err("no file");
    assert!(format!("{error:#}").contains("/nowhere/kubeconfig"), "{error:#}");
}
