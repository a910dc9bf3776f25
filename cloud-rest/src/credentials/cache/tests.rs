use std::sync::atomic::AtomicU32;

use super::*;

/// A source that gives what it is told to, and counts.
#[derive(Default)]
struct Scripted {
    gives: Mutex<Option<Result<Credentials, SourceError>>>,
    asked: AtomicU32,
}

impl Source for Scripted {
    fn fetch(&self) -> BoxFuture<'_, Result<Credentials, SourceError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let gives = self.gives.lock().unwrap().clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            gives.unwrap()
        })
    }

    fn describe(&self) -> String {
        "a script".to_owned()
    }
}

struct Bench {
    source: Arc<Scripted>,
    cache: Arc<Cache>,
    verdict: Arc<Mutex<Verdict>>,
    probed: Arc<AtomicU32>,
}

/// The clock of the credentials' ends runs with tokio's, which is paused.
fn bench() -> Bench {
    let source = Arc::new(Scripted::default());
    let verdict = Arc::new(Mutex::new(Verdict::Good));
    let probed = Arc::new(AtomicU32::new(0));
    let (begun, answer, count) = (Instant::now(), verdict.clone(), probed.clone());
    let clock = Arc::new(move || Timestamp::UNIX_EPOCH + begun.elapsed());
    let probe: Probe = Box::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        let verdict = answer.lock().unwrap().clone();
        Box::pin(async move { verdict })
    });
    let cache = Arc::new(Cache::new(source.clone(), clock, probe));
    Bench { source, cache, verdict, probed }
}

impl Bench {
    fn give(&self, id: &str) {
        *self.source.gives.lock().unwrap() = Some(Ok(Credentials::lasting(id, "secret")));
    }

    fn give_for(&self, id: &str, seconds: i64) {
        let expires_at = Some(Timestamp::from_second(seconds).unwrap());
        *self.source.gives.lock().unwrap() = Some(Ok(Credentials { expires_at, ..Credentials::lasting(id, "secret") }));
    }

    fn fail(&self) {
        *self.source.gives.lock().unwrap() = Some(Err(SourceError::Unavailable("away".to_owned())));
    }

    fn asked(&self) -> u32 {
        self.source.asked.load(Ordering::Relaxed)
    }

    async fn id(&self) -> String {
        self.cache.get().await.unwrap().credentials.id.clone()
    }

    /// What is in use once background work has had its time.
    async fn id_after(&self, seconds: u64) -> String {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let _ = self.cache.get().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.id().await
    }

    fn fault(&self) -> Option<String> {
        self.cache.status().borrow().fault.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn many_who_need_them_at_once_ask_once() {
    let bench = bench();
    bench.give("A");
    let all = futures::future::join_all((0..50).map(|_| bench.id())).await;
    assert!(all.iter().all(|id| id == "A"));
    assert_eq!(bench.asked(), 1);
    assert_eq!(bench.id_after(100_000).await, "A", "what lasts is not asked for again");
    assert_eq!(bench.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn temporary_ones_are_renewed_early_and_nobody_waits() {
    let bench = bench();
    bench.give_for("A", 7_200);
    assert_eq!(bench.id().await, "A");
    bench.give_for("B", 14_400);
    assert_eq!(bench.id_after(4_700).await, "A", "40 minutes before the end, and not earlier");
    tokio::time::sleep(Duration::from_secs(200)).await;
    let begun = Instant::now();
    assert_eq!(bench.id().await, "A");
    assert_eq!(begun.elapsed(), Duration::ZERO, "the old ones serve while new ones are fetched");
    assert_eq!(bench.id_after(1).await, "B");
    assert_eq!(bench.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_short_life_is_renewed_halfway() {
    let bench = bench();
    bench.give_for("A", 900);
    assert_eq!(bench.id().await, "A");
    bench.give_for("B", 1_800);
    assert_eq!(bench.id_after(440).await, "A");
    assert_eq!(bench.id_after(20).await, "B");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_not_hammered_and_the_old_ones_serve_to_their_end() {
    let bench = bench();
    bench.give_for("A", 3_600);
    assert_eq!(bench.id().await, "A");
    bench.fail();
    for _ in 0..3_500 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.id().await, "A");
    }
    assert!(bench.asked() < 80, "asked {} times", bench.asked());
    assert!(bench.fault().unwrap().contains("away"));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(bench.cache.get().await.unwrap_err(), SourceError::Unavailable("away".to_owned()));
    let asked = bench.asked();
    for _ in 0..100 {
        bench.cache.get().await.unwrap_err();
    }
    assert_eq!(bench.asked(), asked, "the failure is answered from memory for a while");
    bench.give("B");
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(bench.id().await, "B");
    assert_eq!(bench.fault(), None);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_replaces_the_old_only_if_the_cloud_knows_it() {
    let bench = bench();
    bench.give("A");
    assert_eq!(bench.id().await, "A");
    assert_eq!(bench.probed.load(Ordering::Relaxed), 0, "the first has nothing to be compared with");
    bench.give("B");
    *bench.verdict.lock().unwrap() = Verdict::Bad("verify aksk signature fail".to_owned());
    bench.cache.reload().await;
    assert_eq!(bench.id().await, "A");
    assert!(bench.fault().unwrap().contains("the new access key B"), "{:?}", bench.fault());
    for _ in 0..3_600 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.id().await, "A");
    }
    let probed = bench.probed.load(Ordering::Relaxed);
    assert!(probed < 20, "a refused key was tried {probed} times in an hour");
    *bench.verdict.lock().unwrap() = Verdict::Good;
    bench.cache.reload().await;
    assert_eq!(bench.id().await, "B");
    assert_eq!(bench.fault(), None);
    assert_eq!(bench.cache.status().borrow().replaced, 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_cannot_be_tried_waits_unless_the_old_one_is_bad() {
    let bench = bench();
    bench.give("A");
    assert_eq!(bench.id().await, "A");
    bench.give("B");
    *bench.verdict.lock().unwrap() = Verdict::Unclear("no connection".to_owned());
    bench.cache.reload().await;
    assert_eq!(bench.id().await, "A");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let version = bench.cache.get().await.unwrap().version;
    assert!(bench.cache.refused(version).await, "the old one was refused: the new one is taken untried");
    assert_eq!(bench.id().await, "B");
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_makes_the_source_be_asked_but_not_over_and_over() {
    let bench = bench();
    bench.give("A");
    let version = bench.cache.get().await.unwrap().version;
    for _ in 0..100 {
        assert!(!bench.cache.refused(version).await);
    }
    assert_eq!(bench.asked(), 2);
    bench.give("B");
    bench.cache.reload().await;
    assert!(bench.cache.refused(version).await, "replaced meanwhile");
    assert_eq!(bench.asked(), 3);
}
