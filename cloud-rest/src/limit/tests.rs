use http::{HeaderMap, Method};

use super::*;
use crate::call::Effect;

fn call(name: &'static str, family: &'static str, effect: Effect) -> Call {
    Call {
        name,
        family,
        method: Method::GET,
        base: "https://a.test".parse().unwrap(),
        path: Vec::new(),
        query: Vec::new(),
        headers: HeaderMap::new(),
        body: None,
        effect,
    }
}

fn read(name: &'static str) -> Call {
    call(name, "elb", Effect::Read)
}

fn limits() -> Limits {
    Limits::new(|_, mutates| if mutates { 1.0 } else { 4.0 })
}

#[tokio::test(start_paused = true)]
async fn callers_are_served_in_the_order_they_came() {
    let limits = Arc::new(limits());
    let order = Arc::new(Mutex::new(Vec::new()));
    let callers = (0..20).map(|number| {
        let (limits, order) = (limits.clone(), order.clone());
        async move {
            limits.acquire(&read("List"), None).await.unwrap();
            lock(&order).push(number);
        }
    });
    let begun = Instant::now();
    futures::future::join_all(callers).await;
    assert_eq!(*lock(&order), (0..20).collect::<Vec<_>>());
    // A burst of four, then four a second.
    assert_eq!(begun.elapsed().as_millis() / 100, 40, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn families_and_verb_classes_do_not_wait_for_each_other() {
    let limits = limits();
    for _ in 0..4 {
        limits.acquire(&read("List"), None).await.unwrap();
    }
    let begun = Instant::now();
    limits.acquire(&call("Create", "elb", Effect::Write), None).await.unwrap();
    limits.acquire(&call("List", "vpc", Effect::Read), None).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_would_come_too_late_is_told_at_once() {
    let limits = limits();
    let create = call("Create", "elb", Effect::Write);
    for _ in 0..4 {
        limits.acquire(&create, None).await.unwrap();
    }
    let now = Instant::now();
    let TooLate(wait) = limits.acquire(&create, Some(now + Duration::from_millis(500))).await.unwrap_err();
    assert_eq!((now.elapsed(), wait), (Duration::ZERO, Duration::from_secs(1)));
    limits.acquire(&create, Some(now + Duration::from_secs(2))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_the_cloud_asks_for_is_kept_by_the_call_it_asked_and_doubles() {
    let limits = limits();
    let (told, begun) = (Some(Duration::from_secs(10)), Instant::now());
    limits.acquire(&read("List"), None).await.unwrap().report(Some(Kind::Throttled), told);
    limits.acquire(&read("Show"), None).await.unwrap().report(None, None);
    assert!(begun.elapsed() < Duration::from_secs(2), "another call of the family goes on");
    limits.acquire(&read("List"), None).await.unwrap().report(Some(Kind::Throttled), told);
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    limits.acquire(&read("List"), None).await.unwrap().report(None, None);
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
    let again = Instant::now();
    limits.acquire(&read("List"), None).await.unwrap();
    assert!(again.elapsed() < Duration::from_secs(2), "accepted: the wait is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_the_queue() {
    let limits = limits();
    let create = call("Create", "elb", Effect::Write);
    for _ in 0..4 {
        limits.acquire(&create, None).await.unwrap();
    }
    let impatient = tokio::time::timeout(Duration::from_millis(100), limits.acquire(&create, None)).await;
    assert!(impatient.is_err());
    assert_eq!(limits.kinds(&create).waiting.load(Ordering::Relaxed), 0);
    let begun = Instant::now();
    limits.acquire(&create, None).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(1));
}
