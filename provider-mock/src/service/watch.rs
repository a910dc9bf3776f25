//! Hints about machines, as a stream.

use std::time::Duration;

use cloud_provider_api::v1::{self, watch_instances_response::Event};
use futures::stream;
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::timeout,
};

use super::pages::Answers;
use crate::cloud::MachineHint;

/// Pause after which a sign of life is sent.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The hints, with a heartbeat when there are none. It begins with a heartbeat, so that the caller knows it is served.
pub(super) fn stream(hints: broadcast::Receiver<MachineHint>) -> Answers<v1::WatchInstancesResponse> {
    let message = |event| Ok(v1::WatchInstancesResponse { event: Some(event) });
    Box::pin(stream::unfold((hints, true), move |(mut hints, first)| async move {
        let event = if first { Event::Heartbeat(v1::Heartbeat {}) } else { next(&mut hints).await? };
        Some((message(event), (hints, false)))
    }))
}

/// `None`: the cloud is gone.
async fn next(hints: &mut broadcast::Receiver<MachineHint>) -> Option<Event> {
    match timeout(HEARTBEAT, hints.recv()).await {
        Ok(Ok(hint)) => {
            Some(Event::Changed(v1::InstanceChanged { provider_id: hint.provider_id, node_name: hint.node_name }))
        }
        Ok(Err(RecvError::Lagged(_))) => Some(Event::Lost(v1::HintsLost {})),
        Ok(Err(RecvError::Closed)) => None,
        Err(_) => Some(Event::Heartbeat(v1::Heartbeat {})),
    }
}
