//! What one call across the hop costs, over the socket and over mutual TLS.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use cloud_provider_api::v1::{BatchGetInstancesRequest, Cluster, NodeReference, instances_client::InstancesClient};
use control_plane::scratch_folder;
use provider_hop::{
    Endpoint,
    connect::{Channel, ConnectOptions},
    testing::Authority,
    tls::Tls,
};
use testkit::wait::eventually;

use crate::{
    lab::{Daemons, free_address},
    report::{Report, Target, percentile},
};

const WARM_UP: usize = 500;
const CALLS: usize = 10_000;
/// Calls to one and the other in turn, so that both see the same machine.
const TURN: usize = 500;

/// p50 and p99 of a `BatchGetInstances` with one item, one call after the other on one connection.
pub async fn hop() -> Result<Report> {
    let mut report = Report::new("hop");
    let folder = scratch_folder("bench-hop")?;
    let daemons = Daemons::build(folder.path()).await?;

    let socket = format!("unix://{}/hop/provider.sock", folder.path().display());
    let over_socket = daemons.mock("socket", &socket, &[]).await?;
    let mut socket_client = client(&over_socket.endpoint, &ConnectOptions::default())?;

    let authority = Authority::new("bench");
    let files = authority.write(folder.path(), &["localhost"])?;
    let (cert, key, ca) = (&files.certificate, &files.private_key, &files.ca);
    let address = format!("https://localhost:{}", free_address()?.port());
    let over_tls = daemons
        .mock(
            "tls",
            &address,
            &[
                "--tls-cert-file",
                &cert.display().to_string(),
                "--tls-private-key-file",
                &key.display().to_string(),
                "--client-ca-file",
                &ca.display().to_string(),
                "--allowed-peer-san",
                "localhost",
            ],
        )
        .await?;
    let tls: Arc<Tls> = Tls::load(files.clone())?;
    let mut tls_client = client(&over_tls.endpoint, &ConnectOptions { tls: Some(tls), ..ConnectOptions::default() })?;

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
