//! The way to the kube-apiserver: where it is, who we are there, and how much is asked of it at once.

mod limiter;
mod service;

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use http::{HeaderValue, header};
use kube::{
    Client,
    client::ClientBuilder,
    config::{KubeConfigOptions, Kubeconfig},
};
use tower::{buffer::BufferLayer, layer::layer_fn};

use self::{limiter::Limiter, service::ApiService};
use super::lease::Standing;
use crate::{config::KubeConfig, metrics::Metrics, version};

/// Requests that may wait between the limiter and the connection pool.
const BUFFER: usize = 1024;

/// Where the apiserver is and who we are there: from `--kubeconfig`, `--master`, or the pod's service account.
pub async fn load(config: &KubeConfig) -> anyhow::Result<kube::Config> {
    let mut loaded = match (&config.kubeconfig, &config.master) {
        (Some(path), _) => from_file(path).await?,
        (None, Some(_)) => kube::Config::new("http://localhost".parse()?),
        (None, None) => kube::Config::incluster().context(
            "neither --kubeconfig nor --master is given, and this is not a pod with a service account; give --kubeconfig",
        )?,
    };
    if let Some(master) = &config.master {
        loaded.cluster_url = master_url(master)?;
    }
    loaded.headers.push((header::USER_AGENT, HeaderValue::from_str(&version::user_agent())?));
    // Answers that ask for another try are seen by the limiter, which tries again itself.
    loaded.default_retry = false;
    Ok(loaded)
}

/// As [`load`], from one kubeconfig file.
pub async fn from_file(path: &Path) -> anyhow::Result<kube::Config> {
    let read = || format!("kubeconfig {}", path.display());
    let file = Kubeconfig::read_from(path).with_context(read)?;
    kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.with_context(read)
}

/// `--master` may be written without a scheme, as upstream's may.
fn master_url(master: &str) -> anyhow::Result<http::Uri> {
    let url = if master.contains("://") { master.to_owned() } else { format!("http://{master}") };
    url.parse().with_context(|| format!("--master {master:?} is no URL"))
}

/// A client for the control loops: limited, and fenced by `standing`, so that whatever a loop still has in hand is not
/// written once the lease has run out.
pub fn limited(
    config: kube::Config,
    limits: &KubeConfig,
    standing: Option<Standing>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Client> {
    let limiter = match limits.qps {
        Some(qps) => Limiter::fixed(qps, limits.burst),
        None => Limiter::adaptive(),
    };
    build(config, Some(limiter), standing, metrics)
}

/// A client that nothing holds back: for the lease, for Events and for reviews, which must not queue behind other work.
pub fn unlimited(config: kube::Config, metrics: &Arc<Metrics>) -> anyhow::Result<Client> {
    build(config, None, None, metrics)
}

fn build(
    config: kube::Config,
    limiter: Option<Limiter>,
    standing: Option<Standing>,
    metrics: &Arc<Metrics>,
) -> anyhow::Result<Client> {
    let host = config.cluster_url.authority().map(ToString::to_string).unwrap_or_default();
    let shared = Arc::new(service::Shared { host, limiter, standing, metrics: Arc::clone(metrics) });
    let client = ClientBuilder::try_from(config)
        .context("the connection to the apiserver cannot be set up")?
        // Makes the connection pool cheap to clone, so that each request can be tried again on its own.
        .with_layer(&BufferLayer::new(BUFFER))
        .with_layer(&layer_fn(move |inner| ApiService { inner, shared: Arc::clone(&shared) }))
        .build();
    Ok(client)
}

#[cfg(test)]
mod tests;
