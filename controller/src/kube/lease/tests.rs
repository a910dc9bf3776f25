use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

/// The one Lease of a cluster, kept as the apiserver keeps it: a write must match the resource version.
#[derive(Clone, Default)]
struct FakeCluster(Arc<Mutex<FakeLease>>);

#[derive(Default)]
struct FakeLease {
    lease: Option<Value>,
    version: u64,
    /// Who wrote with success, in order.
    writers: Vec<String>,
}

/// What happens to a candidate's next requests.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The request does not arrive, and no answer comes.
    Hangs,
    /// The request takes effect, and no answer comes.
    AnswerLost,
}

/// The line between one candidate and the cluster.
#[derive(Clone)]
struct Line(Arc<Mutex<Fault>>);

impl Line {
    fn set(&self, fault: Fault) {
        *self.0.lock().expect("not poisoned") = fault;
    }
}

impl FakeCluster {
    fn client(&self) -> (Client, Line) {
        let line = Line(Arc::new(Mutex::new(Fault::None)));
        let (cluster, faults) = (self.clone(), line.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (cluster, faults) = (cluster.clone(), faults.clone());
            async move {
                let fault = *faults.0.lock().expect("not poisoned");
                if fault == Fault::Hangs {
                    std::future::pending::<()>().await;
                }
                let (parts, body) = request.into_parts();
                let body = body.collect().await.expect("a body").to_bytes();
                let (code, answer) = cluster.handle(&parts.method, parts.uri.path(), &body);
                if fault == Fault::AnswerLost {
                    std::future::pending::<()>().await;
                }
                let body = Full::<Bytes>::from(answer.to_string());
                Ok::<_, Infallible>(Response::builder().status(code).body(body).expect("a response"))
            }
        });
        (Client::new(service, "default"), line)
    }

    fn handle(&self, method: &Method, path: &str, body: &[u8]) -> (u16, Value) {
        if path.contains("/events") {
            return (201, serde_json::from_slice(body).unwrap_or_default());
        }
        let mut state = self.0.lock().expect("not poisoned");
        let status = |code: u16, reason: &str| {
            (code, json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason}))
        };
        let mut sent: Value = serde_json::from_slice(body).unwrap_or_default();
        match (method.as_str(), &state.lease) {
            ("GET", Some(lease)) => return (200, lease.clone()),
            ("GET" | "PUT", None) => return status(404, "NotFound"),
            ("POST", Some(_)) => return status(409, "AlreadyExists"),
            ("PUT", Some(lease)) if sent["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"] => {
                return status(409, "Conflict");
            }
            _ => {}
        }
        state.version += 1;
        sent["metadata"]["resourceVersion"] = json!(state.version.to_string());
        state.writers.push(sent["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned());
        state.lease = Some(sent.clone());
        (200, sent)
    }

    fn holder(&self) -> String {
        let state = self.0.lock().expect("not poisoned");
        state.lease.as_ref().map(|lease| lease["spec"]["holderIdentity"].to_string()).unwrap_or_default()
    }

    fn candidate(&self, identity: &str) -> (Candidate, Line, Arc<Metrics>) {
        let (client, line) = self.client();
        let metrics = Arc::new(Metrics::new());
        let recorder = Recorder::new(&client, Arc::clone(&metrics));
        let config = LeaderElectionConfig::default();
        (Candidate::new(&client, &config, identity.to_owned(), recorder, Arc::clone(&metrics)), line, metrics)
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_first_leads_and_the_second_takes_over_at_once_after_a_release() {
    let cluster = FakeCluster::default();
    let (mut a, _, metrics) = cluster.candidate("a");
    let (mut b, ..) = cluster.candidate("b");
    let stop = CancellationToken::new();
    assert!(a.acquire(&stop).await);
    assert_eq!(metrics.app.leader.with(["cloud-controller-manager"]).get(), 1);

    let standing = b.standing();
    let waiting = tokio::spawn(async move { b.acquire(&CancellationToken::new()).await });
    tokio::time::sleep(5 * SECOND).await;
    assert!(!standing.is_leader() && standing.leader().as_deref() == Some("a"));

    let began = Instant::now();
    a.release().await;
    assert_eq!(cluster.holder(), "\"\"");
    assert!(waiting.await.expect("no panic"));
    assert!(began.elapsed() <= 5 * SECOND, "one retry period with its jitter, not the whole lease");
    assert!(standing.is_leader());
    assert_eq!(metrics.app.leader.with(["cloud-controller-manager"]).get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_leader_cut_off_steps_down_before_another_takes_over() {
    let cluster = FakeCluster::default();
    let (mut a, line, _) = cluster.candidate("a");
    let (mut b, ..) = cluster.candidate("b");
    let stop = CancellationToken::new();
    assert!(a.acquire(&stop).await);
    let a_standing = a.standing();
    let renewing = tokio::spawn(async move { a.renew(&CancellationToken::new()).await });
    tokio::time::sleep(7 * SECOND).await;
    let taking = tokio::spawn(async move { b.acquire(&CancellationToken::new()).await });
    tokio::time::sleep(7 * SECOND).await;

    let cut = Instant::now();
    line.set(Fault::Hangs);
    assert_eq!(renewing.await.expect("no panic"), Ended::Lost);
    let stepped_down = cut.elapsed();
    assert!(!a_standing.is_leader());
    assert!(stepped_down <= 10 * SECOND, "{stepped_down:?}");
    assert!(!taking.is_finished(), "nobody leads in between");
    assert!(taking.await.expect("no panic"));
    assert!(cut.elapsed() <= 20 * SECOND, "the lease, and one retry period with its jitter");
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_task_is_stuck_leads_no_more_by_the_clock_alone() {
    let cluster = FakeCluster::default();
    let (mut a, ..) = cluster.candidate("a");
    assert!(a.acquire(&CancellationToken::new()).await);
    let standing = a.standing();
    // Nobody calls `renew`.
    tokio::time::sleep(11 * SECOND).await;
    assert!(!standing.is_leader());
    assert!(!standing.is_overdue());
    tokio::time::sleep(25 * SECOND).await;
    assert!(standing.is_overdue());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_costs_nothing() {
    let cluster = FakeCluster::default();
    let (mut a, line, metrics) = cluster.candidate("a");
    assert!(a.acquire(&CancellationToken::new()).await);
    let standing = a.standing();
    let stop = CancellationToken::new();
    let child = stop.clone();
    let renewing = tokio::spawn(async move { a.renew(&child).await });
    line.set(Fault::AnswerLost);
    tokio::time::sleep(5 * SECOND).await;
    line.set(Fault::None);
    tokio::time::sleep(60 * SECOND).await;
    assert!(standing.is_leader());
    assert!(metrics.app.leader_slow_path.with(["cloud-controller-manager"]).get() > 0);
    stop.cancel();
    assert_eq!(renewing.await.expect("no panic"), Ended::Stopped);
    assert_eq!(cluster.holder(), "\"a\"", "stopping does not release by itself");
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_when_stopped() {
    let cluster = FakeCluster::default();
    let (mut a, ..) = cluster.candidate("a");
    let (mut b, line, _) = cluster.candidate("b");
    assert!(a.acquire(&CancellationToken::new()).await);
    let stop = CancellationToken::new();
    let child = stop.clone();
    line.set(Fault::Hangs);
    let waiting = tokio::spawn(async move { b.acquire(&child).await });
    tokio::time::sleep(SECOND).await;
    stop.cancel();
    assert!(!waiting.await.expect("no panic"));
}

/// Three candidates, lines that fail at random: never two that may act at once, and somebody leads again in the end.
#[tokio::test(start_paused = true)]
async fn never_two_leaders_whatever_the_lines_do() {
    for round in 0..10 {
        let cluster = FakeCluster::default();
        let mut lines = Vec::new();
        let mut standings = Vec::new();
        for name in ["a", "b", "c"] {
            let (mut candidate, line, _) = cluster.candidate(name);
            lines.push(line);
            standings.push(candidate.standing());
            tokio::spawn(async move {
                loop {
                    candidate.acquire(&CancellationToken::new()).await;
                    candidate.renew(&CancellationToken::new()).await;
                }
            });
        }
        for step in 0..400 {
            if step % 8 == 0 && step < 300 {
                for line in &lines {
                    line.set(match rand::random_range(0..5) {
                        0 | 1 => Fault::Hangs,
                        2 => Fault::AnswerLost,
                        _ => Fault::None,
                    });
                }
            } else if step == 300 {
                for line in &lines {
                    line.set(Fault::None);
                }
            }
            tokio::time::sleep(SECOND / 2).await;
            let leaders = standings.iter().filter(|standing| standing.is_leader()).count();
            assert!(leaders <= 1, "round {round}, step {step}: {leaders} leaders");
        }
        let leaders = standings.iter().filter(|standing| standing.is_leader()).count();
        assert_eq!(leaders, 1, "round {round}: somebody leads once the lines are good again");
    }
}

#[test]
fn the_identity_is_the_hostname_and_something_unique() {
    let (a, b) = (identity(), identity());
    assert_ne!(a, b);
    let (host, unique) = a.rsplit_once('_').expect("an underscore");
    assert!(!host.is_empty() && unique.len() == 36, "{a}");
}

#[tokio::test(start_paused = true)]
async fn who_has_taken_a_second_lease_leads_only_with_both() {
    let (first, second) = (FakeCluster::default(), FakeCluster::default());
    let (mut leader, _, _) = first.candidate("a");
    let (mut moved, line, _) = second.candidate("a");
    let stop = CancellationToken::new();
    assert!(leader.acquire(&stop).await && leader.standing().is_leader());
    assert!(moved.acquire(&stop).await);
    leader.standing().depend_on(moved.standing());
    assert!(leader.standing().is_leader());
    line.set(Fault::Hangs);
    let renewing = leader.standing();
    let (ended, ()) = tokio::join!(moved.renew(&stop), async {
        for _ in 0..8 {
            tokio::time::sleep(SECOND).await;
            leader.attempt().await;
        }
    });
    assert_eq!(ended, Ended::Lost);
    assert!(!renewing.is_leader(), "its own lease is fresh, the second is lost");
}
