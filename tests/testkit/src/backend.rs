//! What answers behind a load balancer: a small HTTP server on a node's address and node port, as kube-proxy would forward to.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::ConnectInfo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running backend; dropping it closes its port.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl Backend {
    /// Serves on the node's address, which has to be one of this machine's (any of `127.0.0.0/8` is on Linux).
    pub async fn start(node: &str, address: IpAddr, node_port: u16) -> Result<Self> {
        let listener = TcpListener::bind((address, node_port))
            .await
            .with_context(|| format!("listen on {address}:{node_port} for {node}"))?;
        let address = listener.local_addr()?;
        let node = node.to_owned();
        let app = Router::new().fallback(move |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
            format!("served by {node} to {}\n", peer.ip())
        });
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move {
            // Ends with the task; accepting does not fail for good.
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { address, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The node named in a backend's answer.
pub fn served_by(answer: &str) -> Option<&str> {
    answer.strip_prefix("served by ")?.split(' ').next()
}

/// Asks so often that each backend has had its turn several times, and fails unless exactly these nodes, in order, have answered.
pub async fn answered_by(entrance: SocketAddr, nodes: &[&str]) -> Result<()> {
    let mut answered = BTreeSet::new();
    for _ in 0..4 * nodes.len() {
        let answer = crate::http::get(entrance, "/").await?;
        answered.insert(served_by(&answer).with_context(|| format!("an unknown answer: {answer}"))?.to_owned());
    }
    ensure!(answered.iter().eq(nodes.iter()), "answered by {answered:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_which_node_served_and_closes_on_drop() {
        let backend = Backend::start("node-1", "127.3.0.1".parse().expect("an address"), 0).await.expect("started");
        let address = backend.address();
        assert_eq!(address.ip().to_string(), "127.3.0.1");
        let answer = crate::http::get(address, "/").await.expect("answered");
        assert_eq!(served_by(&answer), Some("node-1"));
        drop(backend);
        crate::eventually("the port is closed", std::time::Duration::from_secs(10), async || {
            anyhow::ensure!(crate::http::get(address, "/").await.is_err(), "still answers");
            Ok(())
        })
        .await
        .expect("closed");
    }
}
