//! What one call across the hop costs, over the socket and over mutual TLS.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use cloud_provider_api::v1::{BatchGetInstancesRequest, Cluster, NodeReference, instances_client::InstancesClient};
use provider_hop::{
    Endpoint,
    connect::{Channel, ConnectOptions},
    testing::Authority,
    tls::Tls,
};
use testkit::{Binaries, Profile, eventually, mock::MockSettings, scratch_folder};

use crate::{
    lab::{Cloud, free_address, text},
    report::{Report, Target, percentile},
};

const WARM_UP: usize = 500;
const CALLS: usize = 10_000;
/// A bench is a caller that the daemon's guard against runaway callers would stop.
const UNLIMITED: &str = "--caller-requests-per-second=0";
/// Calls to one and the other in turn, so that both see the same machine.
const TURN: usize = 500;

/// p50 and p99 of a `BatchGetInstances` with one item, one call after the other on one connection.
pub async fn hop() -> Result<Report> {
    let mut report = Report::new("hop");
    let folder = scratch_folder("bench-hop")?;
    let binaries = Binaries::build(Profile::Release).await?;
    let over_socket = MockSettings {
        name: "socket".to_owned(),
        keeps_state: false,
        args: vec![UNLIMITED.to_owned()],
        ..MockSettings::default()
    };
    let over_socket = Cloud::start(binaries, folder.path(), &over_socket).await?;
    let mut socket_client = client(over_socket.endpoint(), &ConnectOptions::default())?;

    let authority = Authority::new("bench");
    let files = authority.write(folder.path(), &["localhost"])?;
    let over_tls = MockSettings {
        name: "tls".to_owned(),
        listen: Some(format!("https://localhost:{}", free_address()?.port())),
        keeps_state: false,
        args: vec![
            format!("--tls-cert-file={}", text(&files.certificate)),
            format!("--tls-private-key-file={}", text(&files.private_key)),
            format!("--client-ca-file={}", text(&files.ca)),
            "--allowed-peer-san=localhost".to_owned(),
            UNLIMITED.to_owned(),
        ],
        ..MockSettings::default()
    };
    let over_tls = Cloud::start(binaries, folder.path(), &over_tls).await?;
    let tls: Arc<Tls> = Tls::load(files.clone())?;
    let mut tls_client = client(over_tls.endpoint(), &ConnectOptions { tls: Some(tls), ..ConnectOptions::default() })?;

    for client in [&mut socket_client, &mut tls_client] {
        let probe = client.clone();
        eventually("the daemon answers", Duration::from_secs(10), async || call(&mut probe.clone()).await.map(drop))
            .await?;
    }
    let (mut socket_times, mut tls_times) = (Vec::new(), Vec::new());
    measure(&mut socket_client, WARM_UP).await?;
    measure(&mut tls_client, WARM_UP).await?;
    for _ in 0..CALLS / TURN {
        socket_times.extend(measure(&mut socket_client, TURN).await?);
        tls_times.extend(measure(&mut tls_client, TURN).await?);
    }
    for (what, times) in [("socket", &mut socket_times), ("mTLS", &mut tls_times)] {
        report.figure(format!("{what}, p50"), percentile(times, 0.5), "µs", Target::None);
        report.figure(format!("{what}, p99"), percentile(times, 0.99), "µs", Target::None);
    }
    let ratio = percentile(&mut tls_times, 0.5) / percentile(&mut socket_times, 0.5);
    report.figure("mTLS to socket, p50", ratio, "", Target::None);
    report.remark(format!(
        "{CALLS} calls each, in turns of {TURN}, one after the other on one connection, one item a batch."
    ));
    Ok(report)
}

fn client(endpoint: &str, options: &ConnectOptions) -> Result<InstancesClient<Channel>> {
    let endpoint: Endpoint = endpoint.parse()?;
    Ok(InstancesClient::new(Channel::new(&endpoint, options)?))
}

async fn measure(client: &mut InstancesClient<Channel>, calls: usize) -> Result<Vec<f64>> {
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        times.push(call(client).await?.as_secs_f64() * 1e6);
    }
    Ok(times)
}

async fn call(client: &mut InstancesClient<Channel>) -> Result<Duration> {
    let mut request = tonic::Request::new(BatchGetInstancesRequest {
        cluster: Some(Cluster { id: "bench".to_owned(), name: "bench".to_owned() }),
        nodes: vec![NodeReference {
            node_name: "node".to_owned(),
            node_uid: "uid".to_owned(),
            ..NodeReference::default()
        }],
        max_age: None,
    });
    request.set_timeout(Duration::from_secs(5));
    let started = Instant::now();
    let response = client.batch_get_instances(request).await.context("BatchGetInstances")?;
    let took = started.elapsed();
    anyhow::ensure!(response.get_ref().results.len() == 1, "one result is due");
    Ok(took)
}
