use std::sync::atomic::{AtomicUsize, Ordering};

use controller_core::{
    fault::{Code, Origin},
    provider::InstanceAnswer,
    time::Timestamp,
};
use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::*;

/// Answers after a while; keeps what it was asked.
#[derive(Clone)]
struct Script(Arc<Asked>);

#[derive(Default)]
struct Asked {
    takes: Duration,
    fails: Option<fn(&[NodeReference]) -> bool>,
    questions: Mutex<Vec<(usize, MaxAge)>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

const MOST: usize = 100;

impl Ask for Script {
    fn most(&self) -> usize {
        MOST
    }

    async fn ask(&self, nodes: Vec<NodeReference>, max_age: MaxAge) -> Result<HashMap<String, Observed>, Fault> {
        let this = &self.0;
        this.questions.lock().unwrap().push((nodes.len(), max_age));
        let at_once = this.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        this.most_at_once.fetch_max(at_once, Ordering::Relaxed);
        sleep(this.takes).await;
        this.at_once.fetch_sub(1, Ordering::Relaxed);
        if this.fails.is_some_and(|fails| fails(&nodes)) {
            return Err(Fault::new(Code::Unavailable, Origin::Cloud, "script", "told to fail"));
        }
        Ok(nodes.into_iter().map(|node| (node.node_name.clone(), answer(&node.provider_id))).collect())
    }
}

fn answer(about: &str) -> Observed {
    let answer = InstanceAnswer::NotOurs { reason: about.to_owned() };
    Observed { answer, at: Timestamp::default() }
}

fn unknown(fault: Fault) -> Observed {
    Observed { answer: InstanceAnswer::Unknown(fault), at: Timestamp::default() }
}

fn node(name: impl std::fmt::Display) -> NodeReference {
    NodeReference {
        node_name: name.to_string(),
        node_uid: String::new(),
        provider_id: format!("test://{name}"),
        addresses: vec![],
        annotations: [].into(),
    }
}

fn script(takes: Duration) -> (Arc<Lookups>, Script) {
    (Arc::default(), Script(Arc::new(Asked { takes, ..Asked::default() })))
}

impl Script {
    fn sizes(&self) -> Vec<usize> {
        self.0.questions.lock().unwrap().iter().map(|(size, _)| *size).collect()
    }
}

const ROUND_TRIP: Duration = Duration::from_millis(30);

#[tokio::test(start_paused = true)]
async fn many_single_lookups_cost_a_few_full_questions() {
    let (lookups, script) = script(ROUND_TRIP);
    let start = Instant::now();
    let answers = join_all((0..1000).map(|n| lookups.one(&script, node(n), None))).await;
    for (n, seen) in answers.into_iter().enumerate() {
        assert_eq!(seen, Some(Ok(answer(&format!("test://{n}")))), "each gets its own answer");
    }
    assert_eq!(script.sizes(), [MOST; 10]);
    assert_eq!(script.0.most_at_once.load(Ordering::Relaxed), FLIGHTS, "bounded");
    assert_eq!(start.elapsed(), 2 * ROUND_TRIP, "a full question waits for nobody");
}

#[tokio::test(start_paused = true)]
async fn a_lone_lookup_waits_only_a_moment() {
    let (lookups, script) = script(Duration::ZERO);
    let start = Instant::now();
    lookups.one(&script, node("a"), None).await.unwrap().unwrap();
    assert_eq!(start.elapsed(), WINDOW);
}

#[tokio::test(start_paused = true)]
async fn wishes_for_freshness_do_not_mix() {
    let (lookups, script) = script(ROUND_TRIP);
    let minute = Some(Duration::from_secs(60));
    let ages = [None, Some(Duration::ZERO), minute, minute];
    join_all(ages.into_iter().enumerate().map(|(n, age)| lookups.one(&script, node(n), age))).await;
    let mut asked = script.0.questions.lock().unwrap().clone();
    asked.sort();
    assert_eq!(asked, [(1, None), (1, Some(Duration::ZERO)), (2, minute)]);
}

#[tokio::test(start_paused = true)]
async fn two_lookups_of_one_node_share_an_answer() {
    let (lookups, script) = script(ROUND_TRIP);
    let age = Some(Duration::ZERO);
    let (first, second) = tokio::join!(lookups.one(&script, node("a"), age), lookups.one(&script, node("a"), age));
    assert_eq!(first, second);
    assert_eq!(script.sizes(), [1]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_under_way_is_shared_where_any_age_will_do() {
    let (lookups, script) = script(ROUND_TRIP);
    let later = async {
        sleep(WINDOW + ROUND_TRIP / 2).await;
        lookups.one(&script, node("a"), None).await
    };
    tokio::join!(lookups.one(&script, node("a"), None), later);
    assert_eq!(script.sizes(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_removal_is_never_decided_by_an_earlier_question() {
    for age in [Duration::ZERO, Duration::from_secs(5)] {
        let (lookups, script) = script(ROUND_TRIP);
        let later = async {
            sleep(WINDOW + ROUND_TRIP / 2).await;
            lookups.one(&script, node("a"), Some(age)).await
        };
        tokio::join!(lookups.one(&script, node("a"), Some(age)), later);
        assert_eq!(script.sizes(), [1, 1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_changed_is_asked_about_anew() {
    let (lookups, script) = script(ROUND_TRIP);
    let changed = NodeReference { provider_id: "test://other".into(), ..node("a") };
    let (before, after) = tokio::join!(lookups.one(&script, node("a"), None), lookups.one(&script, changed, None));
    assert_eq!(before, Some(Ok(answer("test://a"))));
    assert_eq!(after, Some(Ok(answer("test://other"))));
    assert_eq!(script.sizes(), [1, 1], "names in one question are unique");
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_takes_nobody_elses_answer_along() {
    let (lookups, script) = script(ROUND_TRIP);
    let first = tokio::spawn({
        let (lookups, script) = (lookups.clone(), script.clone());
        async move { lookups.one(&script, node("a"), None).await }
    });
    let second = tokio::spawn({
        let (lookups, script) = (lookups.clone(), script.clone());
        async move { lookups.one(&script, node("b"), None).await }
    });
    sleep(WINDOW + ROUND_TRIP / 2).await;
    first.abort();
    assert_eq!(second.await.unwrap(), Some(Ok(answer("test://b"))));
    assert_eq!(script.sizes(), [2]);
    assert!(lookups.lock().all.is_empty(), "nothing is left behind");
}

#[tokio::test(start_paused = true)]
async fn a_failed_question_fails_all_who_asked_it() {
    let lookups = Arc::<Lookups>::default();
    let script = Script(Arc::new(Asked { fails: Some(|_| true), ..Asked::default() }));
    let answers = join_all((0..3).map(|n| lookups.one(&script, node(n), None))).await;
    assert!(answers.iter().all(|seen| matches!(seen, Some(Err(fault)) if fault.code == Code::Unavailable)));
    assert!(lookups.lock().all.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flight_that_crashes_keeps_nobody_waiting() {
    let lookups = Arc::<Lookups>::default();
    let script = Script(Arc::new(Asked { fails: Some(|_| panic!("told to crash")), ..Asked::default() }));
    let answers = join_all((0..3).map(|n| lookups.one(&script, node(n), None))).await;
    assert_eq!(answers, [None, None, None]);
    assert!(lookups.lock().all.is_empty());
    assert_eq!(lookups.flights.available_permits(), FLIGHTS);
}

#[tokio::test(start_paused = true)]
async fn a_large_question_is_cut_and_bounded() {
    let (lookups, script) = script(ROUND_TRIP);
    let start = Instant::now();
    let answers = lookups.many(&script, (0..1950).map(node).collect(), None, unknown).await.unwrap();
    assert_eq!(answers.len(), 1950);
    let mut sizes = script.sizes();
    sizes.sort_unstable();
    assert_eq!((sizes.len(), sizes[0], sizes[1]), (20, 50, MOST));
    assert_eq!(start.elapsed(), 3 * ROUND_TRIP, "eight at a time");
}

#[tokio::test(start_paused = true)]
async fn one_failed_part_leaves_its_nodes_unknown() {
    let lookups = Lookups::default();
    let has_first: fn(&[NodeReference]) -> bool = |nodes| nodes.iter().any(|node| node.node_name == "0");
    let script = Script(Arc::new(Asked { fails: Some(has_first), ..Asked::default() }));
    let answers = lookups.many(&script, (0..150).map(node).collect(), None, unknown).await.unwrap();
    assert_eq!(answers.len(), 150, "every name asked for is in the answer");
    let lost = answers.values().filter(|seen| matches!(seen.answer, InstanceAnswer::Unknown(_))).count();
    assert_eq!(lost, 100);
}

#[tokio::test(start_paused = true)]
async fn when_every_part_fails_there_is_only_the_fault() {
    let lookups = Lookups::default();
    let script = Script(Arc::new(Asked { fails: Some(|_| true), ..Asked::default() }));
    let fault = lookups.many(&script, (0..150).map(node).collect(), None, unknown).await.unwrap_err();
    assert_eq!(fault.code, Code::Unavailable);
    assert_eq!(lookups.many(&script, vec![], None, unknown).await, Ok(HashMap::new()), "nothing asked, nothing failed");
}
