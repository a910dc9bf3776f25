//! Hints that machines changed, where the daemon gives them.
//!
//! A hint is never a fact, so none is worth waiting for: a stream that breaks or falls silent is opened again for ever, and
//! every look that must happen happens without it.

use std::{convert::Infallible, future::pending, sync::atomic::Ordering, time::Duration};

use cloud_provider_api::v1::{WatchInstancesResponse, instances_client::InstancesClient};
use controller_core::provider::Capability;
use tokio::time::{Instant, sleep, timeout};
use tonic::Streaming;

use super::{
    Hint, Inner,
    convert::instances,
    exchange::{Kind, Method, STREAM},
    session::Session,
};

/// A daemon sends something every 30 s. One that is silent this long is taken for broken.
const SILENCE: Duration = Duration::from_secs(90);
/// First and longest wait before the stream is opened again.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

const WATCH_INSTANCES: Method =
    Method { name: "WatchInstances", kind: Kind::Stream, needs: Some(Capability::InstanceWatch) };

/// Passes on hints.
pub(super) async fn watch(provider: &Inner, session: &Session) -> Infallible {
    if !session.info.can(Capability::InstanceWatch) {
        return pending().await;
    }
    let mut failures = 0;
    loop {
        let request = instances::watch_request(&provider.settings.cluster);
        let asking = provider.asking(&session.info.name);
        let opened = asking.ask(&session.link, WATCH_INSTANCES, request, |link, request| async move {
            InstancesClient::with_origin(link.clone(), link.origin()).watch_instances(request).await
        });
        match opened.await {
            Ok(stream) => {
                // What happened between the last stream and this one is not known.
                if provider.hinted.swap(true, Ordering::Relaxed) {
                    pass_on(provider, session, Hint::All);
                }
                if follow(provider, session, stream.into_inner()).await > 0 {
                    failures = 0;
                }
            }
            Err(failure) => {
                tracing::debug!(provider = session.info.name, fault = %failure.fault, "no hints");
            }
        }
        sleep(backoff(failures)).await;
        failures += 1;
    }
}

/// Reads one stream to its end. Answers how many messages it brought.
async fn follow(provider: &Inner, session: &Session, mut stream: Streaming<WatchInstancesResponse>) -> usize {
    let end = Instant::now() + STREAM;
    let mut messages = 0;
    while Instant::now() < end {
        match timeout(SILENCE, stream.message()).await {
            Ok(Ok(Some(message))) => {
                messages += 1;
                if let Some(hint) = instances::hint(message) {
                    pass_on(provider, session, hint);
                }
            }
            Ok(Ok(None)) => break,
            Ok(Err(status)) => {
                tracing::debug!(provider = session.info.name, code = ?status.code(), "hints ended");
                break;
            }
            Err(_) => {
                tracing::info!(provider = session.info.name, silent_for = ?SILENCE, "hints fell silent, asking again");
                break;
            }
        }
    }
    messages
}

fn pass_on(provider: &Inner, session: &Session, hint: Hint) {
    provider.metrics.hints.with([&session.info.name]).inc();
    // Nobody listening is nobody's loss.
    let _ = provider.hints.send(hint);
}

fn backoff(failures: u32) -> Duration {
    BACKOFF.0.saturating_mul(1 << failures.min(16)).min(BACKOFF.1).mul_f64(0.5 + rand::random::<f64>() / 2.0)
}
