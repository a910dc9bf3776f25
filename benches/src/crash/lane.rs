//! A cloud, its daemon and a controller that serves one class of Services.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use testkit::{mock::MockSettings, program::Program, services};

use super::cut::Cut;
use crate::lab::{Cloud, Lab, tail};

pub(super) struct Lane {
    pub(super) name: String,
    pub(super) services: Api<Service>,
    cloud: Cloud,
    controller: Program,
}

impl Lane {
    /// Everything takes a moment, so that there is something to be cut in the middle of.
    pub(super) async fn start(lab: &Lab, lane: u32) -> Result<Self> {
        let name = format!("lane-{lane}");
        let settings = MockSettings {
            name: name.clone(),
            scenario: json!({"loadBalancers": {
                "provisioning": "100ms", "deletion": "100ms", "parallel": 10, "callDuration": "20ms"}}),
            args: vec!["--no-traffic".to_owned()],
            ..MockSettings::default()
        };
        let cloud = lab.cloud(&settings).await?;
        let class = format!("--load-balancer-class={}=mock", class(&name));
        let controller =
            lab.controller(&format!("{name}-controller"), cloud.endpoint(), &["--controllers=service", &class])?;
        Ok(Self { name, services: Api::namespaced(lab.client.clone(), "default"), cloud, controller })
    }

    /// A Service of this lane.
    pub(super) fn service(&self, name: &str, port: u16) -> Service {
        let mut service = services::load_balancer(name, port);
        if let Some(spec) = &mut service.spec {
            spec.load_balancer_class = Some(class(&self.name));
        }
        service
    }

    /// Brings back whatever has died; whether something had.
    pub(super) async fn revive(&mut self) -> Result<bool> {
        let mut died = false;
        if self.cloud.mock.program().ensure_running().is_err() {
            self.cloud.mock.program_mut().restart()?;
            self.cloud.mock.wait_until_ready().await?;
            died = true;
        }
        if self.controller.ensure_running().is_err() {
            self.controller.restart()?;
            died = true;
        }
        Ok(died)
    }

    /// Does a kill from outside, when its time has come.
    pub(super) async fn kill(&mut self, cut: Cut) {
        let Cut::Kill { controller, daemon, after } = cut else { return };
        tokio::time::sleep(Duration::from_millis(after)).await;
        if controller {
            self.controller.kill().await;
        }
        if daemon {
            self.cloud.mock.program_mut().kill().await;
        }
    }

    pub(super) async fn set_rules(&self, rules: &Value) -> Result<()> {
        self.cloud.mock.control().set_rules(rules).await
    }

    /// Takes back the rules; whether they had hit a call, as far as the daemon remembers.
    pub(super) async fn take_back_rules(&self) -> Result<bool> {
        let rules = self.cloud.mock.control().rules().await?;
        self.set_rules(&json!([])).await?;
        Ok(rules.as_array().into_iter().flatten().any(|rule| rule["hit"].as_u64().unwrap_or(0) > 0))
    }

    /// Fails unless the Service has an address and exactly one load balancer, which listens on this port alone.
    pub(super) async fn has_its_own(&self, name: &str, port: u16) -> Result<()> {
        let service = self.services.get_opt(name).await?.context("no such Service")?;
        ensure!(!services::ingress_ips(&service).is_empty(), "it has no address");
        let uid = service.uid().unwrap_or_default();
        let balancers = self.cloud.mock.control().load_balancers().await?;
        let own: Vec<_> = balancers.iter().filter(|balancer| balancer.service_uid == uid).collect();
        ensure!(own.len() == 1, "it has {} load balancers", own.len());
        ensure!(own[0].ports == [port], "the load balancer listens on {:?}, not on {port}", own[0].ports);
        Ok(())
    }

    /// UIDs of the lane's Services, and of the Services its cloud's load balancers belong to.
    pub(super) async fn both_sides(&self) -> Result<(Vec<String>, Vec<String>)> {
        let all = self.services.list(&kube::api::ListParams::default()).await?;
        let own = class(&self.name);
        let is_own = |service: &Service| {
            service.spec.as_ref().and_then(|spec| spec.load_balancer_class.as_ref()).is_some_and(|class| *class == own)
        };
        let services = all.items.iter().filter(|service| is_own(service)).map(|s| s.uid().unwrap_or_default());
        let balancers = self.cloud.mock.control().load_balancers().await?;
        Ok((services.collect(), balancers.into_iter().map(|balancer| balancer.service_uid).collect()))
    }

    pub(super) fn logs(&self) -> String {
        format!("{}\n--\n{}", tail(&self.controller), tail(self.cloud.mock.program()))
    }
}

fn class(lane: &str) -> String {
    format!("example.com/{lane}")
}
