//! Which cluster this is: the id that tells its objects in a cloud from those of all others.

use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Error};
use tokio_util::sync::CancellationToken;

use crate::kube::explained;

/// The namespace whose UID is the cluster's id: it is made with the cluster and cannot be deleted.
const NAMESPACE: &str = "kube-system";
/// Between two attempts to reach the apiserver.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The cluster's id: as configured, else the UID of namespace `kube-system`. `None`: stopped before it was known.
pub(super) async fn id(
    configured: Option<&str>,
    client: &Client,
    stop: &CancellationToken,
) -> anyhow::Result<Option<String>> {
    if let Some(id) = configured {
        return Ok(Some(id.to_owned()));
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    loop {
        let Some(read) = stop.run_until_cancelled(namespaces.get(NAMESPACE)).await else { return Ok(None) };
        match read {
            Ok(namespace) => {
                let uid = namespace.metadata.uid.context("namespace kube-system has no UID; give --cluster-id")?;
                return Ok(Some(uid));
            }
            Err(Error::Api(status)) if (400..500).contains(&status.code) && status.code != 429 => {
                bail!(
                    "the cluster's id cannot be read, the UID of namespace {NAMESPACE}: {} ({}). Allow `get` on it \
                     (deploy/rbac.yaml does), or give --cluster-id",
                    status.message,
                    status.code
                );
            }
            Err(error) => tracing::warn!(error = explained(&error), "the apiserver cannot be reached yet"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(TRY_AGAIN)).await.is_none() {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kube::scripted::ScriptedApi;

    #[tokio::test(start_paused = true)]
    async fn it_is_the_uid_of_kube_system_once_the_apiserver_answers() {
        let (client, mut api) = ScriptedApi::new();
        let asking = tokio::spawn(async move { id(None, &client, &CancellationToken::new()).await });
        api.next().await.cut();
        let call = api.next().await;
        assert_eq!(call.path, "/api/v1/namespaces/kube-system");
        call.answer(200, &json!({"metadata": {"name": "kube-system", "uid": "b0b-1"}}));
        assert_eq!(asking.await.expect("no panic").expect("found").as_deref(), Some("b0b-1"));
    }

    #[tokio::test]
    async fn a_configured_one_is_not_looked_up() {
        let (client, mut api) = ScriptedApi::new();
        let id = id(Some("c-1"), &client, &CancellationToken::new()).await.expect("known");
        assert_eq!(id.as_deref(), Some("c-1"));
        assert!(api.try_next().is_none());
    }

    #[tokio::test]
    async fn without_the_right_to_read_it_the_error_says_what_to_do() {
        let (client, mut api) = ScriptedApi::new();
        let asking = tokio::spawn(async move { id(None, &client, &CancellationToken::new()).await });
        api.next().await.refuse(403, "Forbidden");
        let error = asking.await.expect("no panic").expect_err("forbidden").to_string();
        assert!(error.contains("--cluster-id") && error.contains("Forbidden"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_the_apiserver_ends_when_stopped() {
        let (client, mut api) = ScriptedApi::new();
        let stop = CancellationToken::new();
        let child = stop.clone();
        let asking = tokio::spawn(async move { id(None, &client, &child).await });
        api.next().await.cut();
        stop.cancel();
        assert_eq!(asking.await.expect("no panic").expect("no error"), None);
    }
}
