//! From the configuration to the provider facade.

use std::{collections::BTreeSet, sync::Arc, time::UNIX_EPOCH};

use anyhow::Context as _;
use provider_hop::{
    Endpoint, ReloadTask,
    connect::ConnectOptions,
    tls::{Tls, TlsFiles},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, ProviderConfig},
    kube::lease::Standing,
    provider::{Cluster, Deadlines, Metrics, Remote, Settings},
};

/// The daemons, and the task that keeps this side's certificate up to date.
pub(super) struct Remotes {
    pub(super) all: Vec<Remote>,
    /// This side's certificate; `None`: all daemons are on this machine.
    tls: Option<Arc<Tls>>,
    _reload: Option<ReloadTask>,
}

impl Remotes {
    /// Shows when this side's certificate ends, also after it was renewed, until `stop`.
    pub(super) fn show_certificate(&self, metrics: &Metrics, stop: &CancellationToken) {
        let Some(tls) = &self.tls else { return };
        let (mut status, metric, stop) = (tls.status(), metrics.certificate_expiry.with([]), stop.clone());
        tokio::spawn(async move {
            loop {
                let end = status.borrow_and_update().not_after.duration_since(UNIX_EPOCH).unwrap_or_default();
                metric.set(end.as_secs_f64());
                match stop.run_until_cancelled(status.changed()).await {
                    Some(Ok(())) => {}
                    _ => return,
                }
            }
        });
    }
}

/// Where the daemons are. Connects to nothing yet, but reads the certificates.
pub(super) fn remotes(config: &ProviderConfig) -> anyhow::Result<Remotes> {
    let tls = match (&config.cert_file, &config.key_file, &config.ca_file) {
        (Some(certificate), Some(private_key), Some(ca)) => {
            let (certificate, private_key, ca) = (certificate.clone(), private_key.clone(), ca.clone());
            let files = TlsFiles { certificate, private_key, ca };
            Some(Tls::load(files).context("--provider-cert-file, --provider-key-file, --provider-ca-file")?)
        }
        _ => None,
    };
    let options = ConnectOptions {
        allowed_server_uids: config.socket_uids.iter().copied().collect::<BTreeSet<_>>(),
        tls: tls.clone(),
        server_san: config.server_name.as_deref().map(str::parse).transpose()?,
        allow_insecure_loopback: config.allow_insecure_loopback,
        user_agent: concat!("cloud-controller-manager/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..ConnectOptions::default()
    };
    let all = config.endpoints.iter().map(|text| remote(text, &options)).collect::<anyhow::Result<_>>()?;
    let reload = tls.as_ref().map(Tls::watch);
    Ok(Remotes { all, tls, _reload: reload })
}

fn remote(text: &str, options: &ConnectOptions) -> anyhow::Result<Remote> {
    let endpoint: Endpoint = text.parse()?;
    Remote::new(&endpoint, options).with_context(|| format!("--provider={text:?}"))
}

/// What the facade is told once.
pub(super) fn settings(config: &Config, cluster_id: String, standing: Option<Standing>) -> Settings {
    Settings {
        cluster: Cluster { id: cluster_id, name: config.cluster_name.clone() },
        default_provider: config.provider.default_provider.clone(),
        classes: config.provider.load_balancer_classes.clone(),
        accounts: config.provider.accounts.clone(),
        node_selectors: config.provider.node_selectors.clone(),
        deadlines: Deadlines::default(),
        standing,
    }
}
