//! Monitors, which are the listeners of v1's load balancers.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::load_balancers::{EdgeBlb, answer_page, change, listed, named, told};
use crate::{
    baidu::{
        State,
        calls::{C, body},
        errors::{bad, over},
    },
    engine::{Answer, Problem, Reply, Route, Service},
};

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Monitor {
    /// `TCP` or `UDP`.
    pub protocol: String,
    /// Where it listens.
    pub port: u16,
    /// Where it sends to.
    pub backend_port: u16,
    /// `wrr`, `minconn` or `srch`.
    pub lb_mode: String,
    /// Seconds.
    pub keepalive_timeout: u32,
    /// How backends are checked.
    pub health_check: HealthCheck,
}

/// How backends are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HealthCheck {
    /// Seconds.
    pub timeout_in_seconds: u32,
    /// Seconds.
    pub interval_in_seconds: u32,
    /// So many failures in a row.
    pub unhealthy_threshold: u32,
    /// So many successes in a row.
    pub healthy_threshold: u32,
    /// What is sent over UDP.
    #[serde(rename = "healthCheckString")]
    pub string: Option<String>,
    /// `TCP`, `UDP` or `HTTP`.
    #[serde(rename = "healthCheckType")]
    pub kind: String,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            timeout_in_seconds: 3,
            interval_in_seconds: 3,
            unhealthy_threshold: 3,
            healthy_threshold: 3,
            string: None,
            kind: String::new(),
        }
    }
}

pub(super) fn routes(service: Service<State>) -> Service<State> {
    let path = "/v1/blb/{id}/monitor";
    service
        .route(Route::post(path, "CreateBecBlbMonitor", create))
        .route(Route::put(path, "UpdateBecBlbMonitor", update))
        .route(Route::delete(path, "DeleteBecBlbMonitor", delete))
        .route(Route::get(path, "ListBecBlbMonitors", list).query(&["pageNo", "pageSize"]))
        .route(Route::get("/v1/blb/{id}/monitor/port", "GetBecBlbMonitor", show).query(&["protocol", "port"]))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Said {
    frontend_port: Front,
    backend_port: Option<u16>,
    lb_mode: Option<String>,
    keepalive_timeout: Option<u32>,
    health_check: Option<HealthCheck>,
    #[serde(default, rename = "enableCipTTM")]
    _enable_cip_ttm: bool,
    #[serde(default, rename = "enableVipTTM")]
    _enable_vip_ttm: bool,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Front {
    protocol: String,
    port: u16,
}

impl Said {
    fn on(self, old: Option<&Monitor>) -> Result<Monitor, Problem> {
        let Front { protocol, port } = self.frontend_port;
        if !["TCP", "UDP"].contains(&protocol.as_str()) || port == 0 {
            return Err(bad("frontendPort", "a TCP or UDP port is needed"));
        }
        let backend_port = self.backend_port.or(old.map(|old| old.backend_port)).filter(|port| *port > 0);
        let lb_mode = self.lb_mode.or_else(|| old.map(|old| old.lb_mode.clone())).unwrap_or_else(|| "wrr".to_owned());
        if !["wrr", "minconn", "srch"].contains(&lb_mode.as_str()) {
            return Err(bad("lbMode", format!("{lb_mode} is not one of wrr, minconn, srch")));
        }
        let health_check = self.health_check.or_else(|| old.map(|old| old.health_check.clone())).unwrap_or_default();
        let ranges = (1..=60).contains(&health_check.timeout_in_seconds)
            && (1..=10).contains(&health_check.interval_in_seconds)
            && (2..=5).contains(&health_check.unhealthy_threshold)
            && (2..=5).contains(&health_check.healthy_threshold);
        if !ranges {
            return Err(bad("healthCheck", "a time or threshold is out of range"));
        }
        if protocol == "UDP" && health_check.string.as_deref().unwrap_or_default().is_empty() {
            return Err(bad("healthCheck.healthCheckString", "UDP needs it"));
        }
        Ok(Monitor {
            protocol,
            port,
            backend_port: backend_port.ok_or_else(|| bad("backendPort", "it is missing"))?,
            lb_mode,
            keepalive_timeout: self.keepalive_timeout.or(old.map(|old| old.keepalive_timeout)).unwrap_or(900),
            health_check,
        })
    }
}

fn no_monitor(front: &Front) -> Problem {
    let message = format!("There is no monitor of {} port {}.", front.protocol, front.port);
    Problem::refused(404, "MonitorNotFound", message)
}

fn position(blb: &EdgeBlb, front: &Front) -> Option<usize> {
    blb.monitors.iter().position(|monitor| monitor.port == front.port && monitor.protocol == front.protocol)
}

fn create(call: &mut C<'_>) -> Reply {
    let said: Said = body(call)?;
    let quota = call.quota("listeners_per_blb");
    let front = said.frontend_port.clone();
    let monitor = said.on(None)?;
    change(call, |blb| {
        if position(blb, &front).is_some() {
            let message = format!("There is a monitor of {} port {} already.", front.protocol, front.port);
            return Err(Problem::refused(400, "MonitorAlreadyExist", message));
        }
        if blb.monitors.len() >= quota {
            return Err(over("ListenerExceeded", "monitors of a BLB", quota));
        }
        blb.monitors.push(monitor);
        Ok(())
    })?;
    told("create", &json!({}))
}

fn update(call: &mut C<'_>) -> Reply {
    let said: Said = body(call)?;
    let front = said.frontend_port.clone();
    change(call, |blb| {
        let at = position(blb, &front).ok_or_else(|| no_monitor(&front))?;
        blb.monitors[at] = said.on(Some(&blb.monitors[at]))?;
        Ok(())
    })?;
    told("update", &json!({}))
}

fn delete(call: &mut C<'_>) -> Reply {
    let fronts: Vec<Front> = body(call)?;
    change(call, |blb| {
        for front in &fronts {
            let at = position(blb, front).ok_or_else(|| no_monitor(front))?;
            blb.monitors.remove(at);
        }
        Ok(())
    })?;
    told("delete", &json!({}))
}

fn list(call: &mut C<'_>) -> Reply {
    let rows = call.shown(listed(call)?.monitors.iter().collect());
    answer_page(call, rows, |monitor: &&Monitor| {
        json!({
            "protocol": monitor.protocol, "port": monitor.port, "backendPort": monitor.backend_port, "scheduler": monitor.lb_mode,
            "keepaliveTimeout": monitor.keepalive_timeout, "healthCheckInterval": monitor.health_check.interval_in_seconds,
            "healthCheckRetry": monitor.health_check.unhealthy_threshold,
            "healthCheckTimeout": monitor.health_check.timeout_in_seconds,
            "udpHealthCheckString": monitor.health_check.string, "healthCheckType": monitor.health_check.kind,
        })
    })
}

fn show(call: &mut C<'_>) -> Reply {
    let port: u16 = call.parsed("port")?.ok_or_else(|| bad("port", "it is missing"))?;
    let protocol = call.query("protocol").ok_or_else(|| bad("protocol", "it is missing"))?.to_owned();
    let front = Front { protocol, port };
    let blb = named(call)?;
    let monitor = &blb.monitors[position(blb, &front).ok_or_else(|| no_monitor(&front))?];
    Ok(Answer::ok(&json!({
        "frontendPort": { "protocol": monitor.protocol, "port": monitor.port }, "backendPort": monitor.backend_port,
        "lbMode": monitor.lb_mode, "keepaliveTimeout": monitor.keepalive_timeout, "healthCheck": monitor.health_check,
    })))
}
