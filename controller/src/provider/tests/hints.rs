//! Hints: passed on, and never missed silently.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cloud_provider_api::v1::{self, watch_instances_response::Event};
use futures::{StreamExt, stream};
use tokio::time::{Instant, sleep};
use tokio_stream::wrappers::IntervalStream;

use crate::provider::{
    Hint,
    testing::{Daemon, Facade, pages},
};

fn changed(name: &str) -> v1::WatchInstancesResponse {
    let changed = v1::InstanceChanged { provider_id: String::new(), node_name: name.into() };
    v1::WatchInstancesResponse { event: Some(Event::Changed(changed)) }
}

fn heartbeat() -> v1::WatchInstancesResponse {
    v1::WatchInstancesResponse { event: Some(Event::Heartbeat(v1::Heartbeat {})) }
}

fn of(name: &str) -> Hint {
    Hint::Changed { provider_id: String::new(), node_name: name.into() }
}

#[tokio::test(start_paused = true)]
async fn changes_are_passed_on_and_a_living_stream_is_left_alone() {
    let daemon = Daemon::new();
    daemon.on_watch(|_| async {
        let beats = IntervalStream::new(tokio::time::interval(Duration::from_secs(30)));
        let beats = beats.enumerate().map(|(n, _)| Ok(if n == 2 { changed("a") } else { heartbeat() }));
        Ok(pages(beats))
    });
    let facade = Facade::over(&daemon).await;
    let mut hints = facade.provider().hints();
    assert_eq!(hints.recv().await, Ok(of("a")), "the first stream says nothing of lost hints");
    sleep(Duration::from_secs(1800)).await;
    assert_eq!(daemon.calls("WatchInstances").len(), 1);
    assert!(hints.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_opened_again_and_everything_looked_at() {
    let daemon = Daemon::new();
    let opened = Arc::new(AtomicUsize::new(0));
    daemon.on_watch(move |_| {
        let first = opened.fetch_add(1, Ordering::Relaxed) == 0;
        let hint = async move {
            sleep(Duration::from_secs(1)).await;
            first.then(|| Ok(changed("a")))
        };
        let hint = stream::once(hint).filter_map(futures::future::ready);
        async move { Ok(pages(hint.chain(stream::pending()))) }
    });
    let facade = Facade::over(&daemon).await;
    let mut hints = facade.provider().hints();
    assert_eq!(hints.recv().await, Ok(of("a")));
    let start = Instant::now();
    assert_eq!(hints.recv().await, Ok(Hint::All));
    let silence = start.elapsed().as_secs();
    assert!((90..93).contains(&silence), "{silence} s");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_is_opened_for_ever() {
    let daemon = Daemon::new();
    daemon.on_watch(|_| async { Ok(pages(stream::empty())) });
    let _facade = Facade::over(&daemon).await;
    sleep(Duration::from_secs(3600)).await;
    let opened = daemon.calls("WatchInstances").len();
    assert!((110..260).contains(&opened), "{opened} streams in an hour: 15 to 30 s apart");
    assert_eq!(daemon.calls("Handshake").len(), 1, "the connection has nothing to do with it");
}

#[tokio::test(start_paused = true)]
async fn after_a_new_connection_everything_is_looked_at() {
    let daemon = Daemon::new();
    let facade = Facade::over(&daemon).await;
    let mut hints = facade.provider().hints();
    sleep(Duration::from_secs(5)).await;
    assert!(hints.is_empty());
    daemon.restart("e2");
    assert_eq!(hints.recv().await, Ok(Hint::All));
}
