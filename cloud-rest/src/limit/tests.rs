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

fn all() -> Share {
    Share::default()
}

fn share(name: &str) -> Share {
    Share { name: name.into(), calls_per_second: None }
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
            limits.acquire(&read("List"), &all(), None).await.unwrap();
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
        limits.acquire(&read("List"), &all(), None).await.unwrap();
    }
    let begun = Instant::now();
    limits.acquire(&call("Create", "elb", Effect::Write), &all(), None).await.unwrap();
    limits.acquire(&call("List", "vpc", Effect::Read), &all(), None).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_would_come_too_late_is_told_at_once() {
    let limits = limits();
    let create = call("Create", "elb", Effect::Write);
    for _ in 0..4 {
        limits.acquire(&create, &all(), None).await.unwrap();
    }
    let now = Instant::now();
    let TooLate(wait) = limits.acquire(&create, &all(), Some(now + Duration::from_millis(500))).await.unwrap_err();
    assert_eq!((now.elapsed(), wait), (Duration::ZERO, Duration::from_secs(1)));
    limits.acquire(&create, &all(), Some(now + Duration::from_secs(2))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_the_cloud_asks_for_is_kept_by_the_call_it_asked_and_doubles() {
    let limits = limits();
    let (told, begun) = (Some(Duration::from_secs(10)), Instant::now());
    limits.acquire(&read("List"), &all(), None).await.unwrap().report(Some(Kind::Throttled), told);
    limits.acquire(&read("Show"), &all(), None).await.unwrap().report(None, None);
    assert!(begun.elapsed() < Duration::from_secs(2), "another call of the family goes on");
    limits.acquire(&read("List"), &all(), None).await.unwrap().report(Some(Kind::Throttled), told);
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    limits.acquire(&read("List"), &all(), None).await.unwrap().report(None, None);
    assert_eq!(begun.elapsed(), Duration::from_secs(30));
    let again = Instant::now();
    limits.acquire(&read("List"), &all(), None).await.unwrap();
    assert!(again.elapsed() < Duration::from_secs(2), "accepted: the wait is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_the_queue() {
    let limits = limits();
    let create = call("Create", "elb", Effect::Write);
    for _ in 0..4 {
        limits.acquire(&create, &all(), None).await.unwrap();
    }
    let impatient = tokio::time::timeout(Duration::from_millis(100), limits.acquire(&create, &all(), None)).await;
    assert!(impatient.is_err());
    assert_eq!(lock(&limits.kinds(&create).fair).queue(&all()), 0);
    let begun = Instant::now();
    limits.acquire(&create, &all(), None).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(1));
}

/// Makes calls without end, side by side, and counts those that were let pass.
fn flood(limits: &Arc<Limits>, share: &Share) -> Arc<std::sync::atomic::AtomicU32> {
    let passed = Arc::new(std::sync::atomic::AtomicU32::new(0));
    for _ in 0..50 {
        let (limits, share, passed) = (limits.clone(), share.clone(), passed.clone());
        tokio::spawn(async move {
            loop {
                // Nothing is accepted or refused: the rate stays what it is.
                limits.acquire(&read("List"), &share, None).await.unwrap();
                passed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        });
    }
    passed
}

/// One call after the other, as a Service's are.
async fn one_service(limits: &Limits, share: &Share) -> Duration {
    let begun = Instant::now();
    for _ in 0..6 {
        limits.acquire(&read("List"), share, None).await.unwrap();
        sleep(Duration::from_millis(250)).await;
    }
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_one_share_does_not_keep_another_waiting() {
    let alone = one_service(&limits(), &share("b")).await;
    let limits = Arc::new(limits());
    let passed = flood(&limits, &share("a"));
    sleep(Duration::from_secs(30)).await;
    let beside = one_service(&limits, &share("b")).await;
    assert!(beside < alone.mul_f64(1.1), "{alone:?} alone, {beside:?} beside the flood");
    let all = passed.load(std::sync::atomic::Ordering::Relaxed);
    assert!((118..=126).contains(&all), "the flood had every token but those: {all} of about 4 a second in 31 s");
}

#[tokio::test(start_paused = true)]
async fn two_floods_get_equal_parts_of_all_there_is() {
    let limits = Arc::new(limits());
    let (a, b) = (flood(&limits, &share("a")), flood(&limits, &share("b")));
    sleep(Duration::from_secs(100)).await;
    let (a, b) = (a.load(std::sync::atomic::Ordering::Relaxed), b.load(std::sync::atomic::Ordering::Relaxed));
    assert!(a.abs_diff(b) <= 4 && (396..=408).contains(&(a + b)), "{a} and {b} of 400");
}

#[tokio::test(start_paused = true)]
async fn a_share_never_passes_its_own_limit() {
    let limits = Arc::new(limits());
    let passed = flood(&limits, &Share { calls_per_second: Some(1), ..share("a") });
    sleep(Duration::from_secs(60)).await;
    let all = passed.load(std::sync::atomic::Ordering::Relaxed);
    assert!((58..=62).contains(&all), "{all} in 60 s");
}

#[tokio::test(start_paused = true)]
async fn while_everything_is_refused_a_newcomer_is_the_next_to_knock_and_opens_for_all() {
    let limits = Arc::new(limits());
    let storm = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let passed = Arc::new(std::sync::atomic::AtomicU32::new(0));
    for _ in 0..50 {
        let (limits, storm, passed) = (limits.clone(), storm.clone(), passed.clone());
        tokio::spawn(async move {
            loop {
                let permit = limits.acquire(&read("List"), &share("a"), None).await.unwrap();
                sleep(Duration::from_millis(30)).await;
                if storm.load(std::sync::atomic::Ordering::Relaxed) {
                    permit.report(Some(Kind::Throttled), None);
                } else {
                    permit.report(None, None);
                    passed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            }
        });
    }
    sleep(Duration::from_secs(60)).await;
    storm.store(false, std::sync::atomic::Ordering::Relaxed);
    let over = Instant::now();
    limits.acquire(&read("List"), &share("b"), None).await.unwrap().report(None, None);
    assert!(over.elapsed() <= Duration::from_secs(5), "{:?} until the next knock", over.elapsed());
    sleep(Duration::from_secs(20)).await;
    let passed = passed.load(std::sync::atomic::Ordering::Relaxed);
    assert!(passed >= 40, "{passed} in 20 s, at four a second before the storm");
}
