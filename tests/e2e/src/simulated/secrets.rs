//! Everything both programs have said, and what may be nowhere in it.

use std::fs;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Event;
use kube::{Api, api::ListParams};
use serde::Deserialize;
use testkit::process::Exit;

use super::{Site, World};
use crate::admin;

/// Shorter ones may be found by chance.
const SHORTEST: usize = 20;

/// A key as the cloud has it.
#[derive(Deserialize)]
struct Key {
    secret: String,
    // Each cloud has its own name for it.
    #[serde(alias = "sessionToken")]
    security_token: Option<String>,
}

impl<C: Site> World<C> {
    /// The end: both programs end well when asked to, and have told no secret. Asked for once what is to be seen was seen.
    pub async fn ends_well(&mut self) -> Result<()> {
        let secrets = self.secrets().await?;
        let all = ListParams::default();
        let events = Api::<Event>::all(self.client.clone()).list(&all).await?.items;
        let mut said = vec![
            ("the Events", serde_json::to_string(&events)?),
            ("the nodes", serde_json::to_string(&self.nodes().list(&all).await?.items)?),
            ("the Services", serde_json::to_string(&self.services().list(&all).await?.items)?),
            ("the daemon's metrics", self.cloud.metrics().await?),
            ("the controller's metrics", self.ask_controller("/metrics").await?),
            ("the controller's /configz", self.ask_controller("/configz").await?),
        ];
        let exits =
            [("controller", self.controller_mut()?.stop().await?), ("daemon", self.cloud.daemon_mut().stop().await?)];
        for (who, exit) in exits {
            ensure!(exit == Exit::Code(0), "the {who} ended with {exit}");
        }
        for (who, log) in
            [("the controller's log", self.controller()?.log()), ("the daemon's log", self.cloud.daemon().log())]
        {
            ensure!(log.contains("DEBUG"), "{who} does not say all it could");
            said.push((who, log));
        }
        said.push(("the audit log", self.audit()?));
        for (place, text) in &said {
            for secret in &secrets {
                ensure!(!text.contains(secret.as_str()), "a secret is in {place}");
            }
        }
        Ok(())
    }

    /// The lines of the daemon's audit log.
    pub fn audit(&self) -> Result<String> {
        fs::read_to_string(&self.audit).with_context(|| format!("read {}", self.audit.display()))
    }

    /// All secrets there are: of every key the cloud has ever given, of keys a test made up, and of the controller.
    async fn secrets(&self) -> Result<Vec<String>> {
        let keys: Vec<Key> = self.cloud.simulator().objects("/keys").await?;
        ensure!(!keys.is_empty(), "the cloud has no key");
        let mut secrets = self.wrong_secrets.clone();
        secrets.push(admin::token(&self.kubeconfig)?);
        secrets.extend(keys.into_iter().flat_map(|key| [Some(key.secret), key.security_token]).flatten());
        ensure!(secrets.iter().all(|secret| secret.len() >= SHORTEST), "a secret that short may be found by chance");
        Ok(secrets)
    }
}
