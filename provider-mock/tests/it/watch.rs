use std::time::Duration;

use cloud_provider_api::v1::{self, instances_server::Instances as _, watch_instances_response::Event};
use futures::StreamExt as _;
use provider_mock::cloud::MachineState;
use tonic::Request;

use crate::requests::*;

#[tokio::test(start_paused = true)]
async fn a_watcher_hears_of_changes_and_of_nothing_every_ten_seconds() {
    let provider = provider("");
    found(&provider, "node-1", "").await;
    let request = v1::WatchInstancesRequest { cluster: Some(cluster()) };
    let mut stream = provider.watch_instances(Request::new(request)).await.unwrap().into_inner();
    let mut next = async || stream.next().await.unwrap().unwrap().event.unwrap();
    assert!(matches!(next().await, Event::Heartbeat(_)), "a sign of life at once");
    provider.cloud().set_machine_state("node-1", MachineState::Stopped).unwrap();
    let Event::Changed(changed) = next().await else { panic!() };
    assert_eq!(changed.node_name, "node-1");
    assert!(changed.provider_id.starts_with("mock://i-"));
    found(&provider, "node-2", "").await;
    let before = tokio::time::Instant::now();
    assert!(matches!(next().await, Event::Heartbeat(_)), "a machine made for who asked is no news");
    assert_eq!(before.elapsed(), Duration::from_secs(10));
    for _ in 0..2_000 {
        provider.cloud().set_machine_state("node-1", MachineState::Running).unwrap();
    }
    assert!(matches!(next().await, Event::Lost(_)), "who cannot keep up is told to look at everything");
}
