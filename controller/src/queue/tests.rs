//! Time is paused: no test waits.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const BACKOFF: Backoff = Backoff { base: Duration::from_secs(5), max: Duration::from_secs(300) };

/// Runs a queue with a scripted handler and keeps what it did: key and seconds since the start.
struct Bench {
    queue: Queue,
    done: Arc<Mutex<Vec<(String, u64)>>>,
    stop: CancellationToken,
}

impl Bench {
    fn start(workers: usize, script: impl Fn(&str, usize) -> Outcome + Send + Sync + 'static) -> Self {
        let queue = Queue::new("test", BACKOFF, ());
        let (done, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let (running, log, stopping) = (queue.clone(), Arc::clone(&done), stop.clone());
        let (start, script) = (Instant::now(), Arc::new(script));
        tokio::spawn(async move {
            running
                .run(workers, stopping, move |key| {
                    let (log, script) = (Arc::clone(&log), Arc::clone(&script));
                    async move {
                        let nth = {
                            let mut log = log.lock().expect("lock");
                            log.push((key.clone(), start.elapsed().as_secs()));
                            log.iter().filter(|(k, _)| *k == key).count() - 1
                        };
                        script(&key, nth)
                    }
                })
                .await;
        });
        Self { queue, done, stop }
    }

    async fn after(&self, seconds: u64) -> Vec<(String, u64)> {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.done.lock().expect("lock").clone()
    }

    async fn keys_after(&self, seconds: u64) -> Vec<String> {
        self.after(seconds).await.into_iter().map(|(key, _)| key).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_added_many_times_is_worked_on_once() {
    let bench = Bench::start(1, |_, _| Outcome::Done);
    for _ in 0..5 {
        bench.queue.add("a");
    }
    assert_eq!(bench.keys_after(1).await, ["a"]);
    assert!(bench.queue.is_empty(), "a finished key leaves nothing behind");
}

#[tokio::test(start_paused = true)]
async fn failures_back_off_and_success_forgets_them() {
    let bench = Bench::start(1, |_, nth| if nth < 3 { Outcome::Backoff } else { Outcome::Done });
    bench.queue.add("a");
    let times: Vec<u64> = bench.after(100).await.into_iter().map(|(_, at)| at).collect();
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps.len(), 3);
    for (gap, full) in gaps.into_iter().zip([5, 10, 20]) {
        assert!(gap <= full && gap + 1 >= full / 2, "waited {gap} s where at most {full} s are due");
    }
    assert!(bench.queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn changes_go_before_audits() {
    let queue = Queue::new("test", BACKOFF, ());
    queue.add_audit("audit");
    queue.add("change");
    queue.add_audit("raised");
    queue.add("raised");
    let order = [queue.next().await, queue.next().await, queue.next().await];
    assert_eq!(order, ["change", "raised", "audit"]);
}

#[tokio::test(start_paused = true)]
async fn one_key_is_never_worked_on_twice_at_once_and_is_repeated_when_added_meanwhile() {
    let queue = Queue::new("test", BACKOFF, ());
    let (running, most, runs) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let stop = CancellationToken::new();
    let worker = {
        let (queue, stop) = (queue.clone(), stop.clone());
        let (running, most, runs) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&runs));
        tokio::spawn(async move {
            queue
                .run(4, stop, move |_| {
                    let (running, most, runs) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&runs));
                    async move {
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        tokio::time::sleep(Duration::from_secs(10)).await;
                        running.fetch_sub(1, Ordering::SeqCst);
                        runs.fetch_add(1, Ordering::SeqCst);
                        Outcome::Done
                    }
                })
                .await;
        })
    };
    queue.add("a");
    tokio::time::sleep(Duration::from_secs(1)).await;
    queue.add("a");
    queue.add("a");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((most.load(Ordering::SeqCst), runs.load(Ordering::SeqCst)), (1, 2));
    stop.cancel();
    worker.await.expect("the queue ends");
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_work_under_way() {
    let finished = Arc::new(AtomicUsize::new(0));
    let (queue, stop) = (Queue::new("test", BACKOFF, ()), CancellationToken::new());
    queue.add("a");
    let run = {
        let (queue, stop, finished) = (queue.clone(), stop.clone(), Arc::clone(&finished));
        tokio::spawn(async move {
            queue
                .run(1, stop, move |_| {
                    let finished = Arc::clone(&finished);
                    async move {
                        tokio::time::sleep(Duration::from_secs(3)).await;
                        finished.fetch_add(1, Ordering::SeqCst);
                        Outcome::Done
                    }
                })
                .await;
        })
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.cancel();
    run.await.expect("the queue ends");
    assert_eq!(finished.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn parked_keys_wait_for_their_provider_without_growing_older() {
    let bench = Bench::start(1, |key, nth| match (key, nth) {
        ("a" | "b", 0) => Outcome::Park("huawei".to_owned()),
        ("c", 0) => Outcome::Park("baidu".to_owned()),
        _ => Outcome::Done,
    });
    for key in ["a", "b", "c"] {
        bench.queue.add(key);
    }
    assert_eq!(bench.keys_after(3600).await, ["a", "b", "c"]);
    bench.queue.thaw("huawei", true);
    assert_eq!(bench.keys_after(2).await, ["a", "b", "c", "a", "b"]);
    assert_eq!(bench.queue.len(), 1, "the other provider's key stays parked");
}

#[tokio::test(start_paused = true)]
async fn a_halted_key_wakes_only_when_it_is_added() {
    let bench = Bench::start(1, |_, nth| if nth == 0 { Outcome::Halt } else { Outcome::Done });
    bench.queue.add("a");
    assert_eq!(bench.keys_after(36_000).await, ["a"]);
    bench.queue.add("a");
    assert_eq!(bench.keys_after(1).await, ["a", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_of_that_key_alone() {
    let bench = Bench::start(1, |key, nth| {
        assert!(key != "bad" || nth > 0, "scripted");
        Outcome::Done
    });
    bench.queue.add("bad");
    bench.queue.add("good");
    assert_eq!(bench.keys_after(10).await, ["bad", "good", "bad"]);
    bench.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn after_keeps_the_given_delay() {
    let bench =
        Bench::start(1, |_, nth| if nth == 0 { Outcome::After(Duration::from_secs(42)) } else { Outcome::Done });
    bench.queue.add("a");
    let done = bench.after(60).await;
    assert!(done[1].1 >= 42 && done[1].1 <= 46, "came back after {} s", done[1].1);
}

#[tokio::test(start_paused = true)]
async fn a_change_wakes_a_key_that_waits_for_its_backoff() {
    let bench = Bench::start(1, |_, nth| if nth == 0 { Outcome::Slow } else { Outcome::Done });
    bench.queue.add("a");
    bench.after(1).await;
    bench.queue.add("a");
    assert_eq!(bench.keys_after(1).await, ["a", "a"]);
}

const BATCHING: Batching = Batching { size: 100, at_once: 2, linger: Duration::from_millis(5) };

#[tokio::test(start_paused = true)]
async fn keys_added_one_after_the_other_come_in_full_batches() {
    let queue = Queue::new("test", BACKOFF, ());
    let (sizes, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
    let (running, log, stopping) = (queue.clone(), Arc::clone(&sizes), stop.clone());
    tokio::spawn(async move {
        let work = move |batch: Vec<Taken>| {
            log.lock().expect("lock").push(batch.len());
            async move {
                tokio::time::sleep(Duration::from_millis(30)).await;
                for taken in batch {
                    taken.finish(Outcome::Done);
                }
            }
        };
        running.run_batches(BATCHING, stopping, work).await;
    });
    for n in 0..250 {
        queue.add(&n.to_string());
        if n % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(*sizes.lock().expect("lock"), [100, 100, 50]);
    assert!(queue.is_empty());
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_key_of_a_batch_comes_back_without_waiting_for_the_others() {
    let queue = Queue::new("test", BACKOFF, ());
    queue.add("slow");
    queue.add("quick");
    let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
    let (running, log, stopping) = (queue.clone(), Arc::clone(&seen), stop.clone());
    tokio::spawn(async move {
        let work = move |batch: Vec<Taken>| {
            let mut keys: Vec<_> = batch.iter().map(|taken| taken.key().to_owned()).collect();
            keys.sort();
            log.lock().expect("lock").push(keys);
            async move {
                let (slow, quick): (Vec<_>, Vec<_>) = batch.into_iter().partition(|taken| taken.key() == "slow");
                for taken in quick {
                    taken.finish(Outcome::Done);
                }
                tokio::time::sleep(Duration::from_secs(60)).await;
                drop(slow);
            }
        };
        running.run_batches(BATCHING, stopping, work).await;
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    queue.add("quick");
    queue.add("slow");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(*seen.lock().expect("lock"), [vec!["quick", "slow"], vec!["quick"]]);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(seen.lock().expect("lock").last(), Some(&vec!["slow".to_owned()]), "dropped unfinished, it failed");
    stop.cancel();
}

/// Keys are `GROUP/NAME`.
fn grouped() -> Queue {
    Queue::fair("test", BACKOFF, (), |key| key.split_once('/').map(|(group, _)| group.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn groups_are_served_in_turns_whoever_came_first() {
    let queue = grouped();
    for n in 0..100 {
        queue.add(&format!("a/{n}"));
    }
    for n in 0..3 {
        queue.add(&format!("b/{n}"));
    }
    let mut order = Vec::new();
    for _ in 0..8 {
        order.push(queue.next().await);
    }
    // Nothing is finished meanwhile, so whoever has fewer under way is next.
    assert_eq!(order, ["a/0", "b/0", "a/1", "b/1", "a/2", "b/2", "a/3", "a/4"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_leaves_some_workers_to_the_others() {
    let queue = grouped();
    let (started, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
    let (running, log, stopping) = (queue.clone(), Arc::clone(&started), stop.clone());
    let worker = tokio::spawn(async move {
        running
            .run(8, stopping, move |key| {
                log.lock().expect("lock").push(key);
                async { std::future::pending::<Outcome>().await }
            })
            .await;
    });
    for n in 0..100 {
        queue.add(&format!("a/{n}"));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(started.lock().expect("lock").len(), 6, "of eight");
    queue.add("b/first");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(started.lock().expect("lock").last().map(String::as_str), Some("b/first"));
    worker.abort();
}

#[tokio::test(start_paused = true)]
async fn keys_without_a_group_have_all_workers() {
    assert_eq!([1, 2, 8, 10, 128].map(most_of_a_group), [1, 1, 6, 7, 96]);
    let bench = Bench::start(4, |_, _| Outcome::Done);
    for n in 0..50 {
        bench.queue.add(&n.to_string());
    }
    assert_eq!(bench.keys_after(1).await.len(), 50);
    assert!(bench.queue.is_empty());
}
