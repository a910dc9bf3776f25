//! Kubeconfig files, and clients made from them.

use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::pki::Identity;

/// What a client shows the apiserver.
pub(crate) enum Credential<'a> {
    Certificate(&'a Identity),
    Token(&'a str),
}

impl Credential<'_> {
    fn render(&self) -> Value {
        match self {
            Self::Certificate(identity) => json!({
                "client-certificate-data": BASE64.encode(&identity.certificate_pem),
                "client-key-data": BASE64.encode(&identity.key_pem),
            }),
            Self::Token(token) => json!({ "token": token }),
        }
    }
}

/// A kubeconfig with everything inline, so that the file can be copied. JSON is YAML.
pub(crate) fn render(server: &str, ca_pem: &str, credential: &Credential<'_>) -> String {
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "local",
            "cluster": { "server": server, "certificate-authority-data": BASE64.encode(ca_pem) },
        }],
        "users": [{ "name": "user", "user": credential.render() }],
        "contexts": [{ "name": "local", "context": { "cluster": "local", "user": "user" } }],
        "current-context": "local",
    });
    format!("{kubeconfig:#}\n")
}

/// A client that uses this kubeconfig.
pub async fn client_from_kubeconfig(path: &Path) -> Result<kube::Client> {
    // Another part of the process may have installed it before; there is only one kind in the tree.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(path).with_context(|| format!("read the kubeconfig {}", path.display()))?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(kube::Client::try_from(config)?)
}
