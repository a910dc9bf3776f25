//! The controller's HTTPS server, as those who watch it call it.

use std::path::Path;

use anyhow::{Context, Result};
use kube::{
    Client, Config, Error,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

/// The token in a kubeconfig of the control plane.
pub fn token(kubeconfig: &Path) -> Result<String> {
    let kubeconfig: Value = serde_json::from_str(&std::fs::read_to_string(kubeconfig)?)?;
    Ok(kubeconfig["users"][0]["user"]["token"].as_str().context("a token")?.to_owned())
}

/// A client of the controller's server, as this user or as nobody.
pub async fn client(port: u16, ca: &Path, token: Option<&str>) -> Result<Client> {
    let mut user = json!({});
    if let Some(token) = token {
        user["token"] = token.into();
    }
    let kubeconfig: Kubeconfig = serde_json::from_value(json!({
        "clusters": [{"name": "c", "cluster": {"server": format!("https://127.0.0.1:{port}"), "certificate-authority": ca}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }))?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    Ok(Client::try_from(config)?)
}

/// Status and text of `GET path`.
pub async fn get(client: &Client, path: &str) -> Result<(u16, String)> {
    let request = http::Request::get(path).body(Vec::new())?;
    match client.request_text(request).await {
        Ok(text) => Ok((200, text)),
        Err(Error::Api(status)) => Ok((status.code, status.message)),
        Err(error) => Err(error.into()),
    }
}
