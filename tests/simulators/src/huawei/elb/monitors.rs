//! Health monitors.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    At, Elb, Fields,
    fields::{patch, read, show, yes},
    load_balancers::time,
    refusals::{check_one_of, check_range, check_text, conflict, invalid},
    rules,
};
use crate::engine::Problem;

const CHANGEABLE: &[&str] = &[
    "name",
    "admin_state_up",
    "type",
    "delay",
    "timeout",
    "max_retries",
    "max_retries_down",
    "monitor_port",
    "url_path",
    "domain_name",
    "expected_codes",
    "http_method",
];

/// A health monitor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Monitor {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project: String,
    /// The rest, in the API's words.
    pub fields: MonitorFields,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

/// Fields of a health monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorFields {
    /// Its pool.
    pub pool_id: String,
    /// `TCP`, `UDP_CONNECT`, `HTTP` and more.
    #[serde(rename = "type")]
    pub kind: String,
    /// Seconds between checks.
    pub delay: u32,
    /// Seconds to wait.
    pub timeout: u32,
    /// Successes until a member is taken in.
    pub max_retries: u32,
    /// Failures until a member is left out.
    #[serde(default = "three")]
    pub max_retries_down: u32,
    /// The port checked. `None`: the member's own.
    pub monitor_port: Option<u16>,
    /// What is asked for.
    pub url_path: Option<String>,
    /// The host asked for.
    pub domain_name: Option<String>,
    /// Statuses that are well.
    pub expected_codes: Option<String>,
    /// How it is asked.
    pub http_method: Option<String>,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// It works.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
}

fn three() -> u32 {
    3
}

impl Elb {
    /// Makes the monitor of a pool.
    pub fn create_monitor(&mut self, at: &At, body: Fields) -> Result<String, Problem> {
        let mut fields: MonitorFields = read(body)?;
        self.pool_settled(at, &fields.pool_id)?;
        if let Some(old) = self.monitor_of(&fields.pool_id) {
            return Err(conflict(format!("Pool {} already has the health monitor {}.", fields.pool_id, old.id)));
        }
        self.check_monitor(at, &mut fields)?;
        self.room_for(at, "healthmonitor", 1)?;
        let id = self.new_id();
        let made =
            Monitor { id: id.clone(), project: at.project.clone(), fields, created_at: at.now, updated_at: at.now };
        self.monitors.insert(at.now, &id, made);
        Ok(id)
    }

    /// Changes a monitor.
    pub fn update_monitor(&mut self, at: &At, id: &str, change: Fields) -> Result<(), Problem> {
        let old = &self.monitor(at, id)?.fields;
        let mut fields: MonitorFields = patch(old, change, CHANGEABLE)?;
        if fields.kind != old.kind && !asks(&fields.kind) {
            // What only a request has goes with the type.
            (fields.url_path, fields.domain_name) = (None, None);
            (fields.expected_codes, fields.http_method) = (None, None);
        }
        self.pool_settled(at, &fields.pool_id)?;
        self.check_monitor(at, &mut fields)?;
        if let Some(object) = self.monitors.change(at.now, id) {
            object.fields = fields;
            object.updated_at = at.now;
        }
        Ok(())
    }

    /// Takes a monitor away.
    pub fn delete_monitor(&mut self, at: &At, id: &str) -> Result<(), Problem> {
        let pool = self.monitor(at, id)?.fields.pool_id.clone();
        self.pool_settled(at, &pool)?;
        self.monitors.remove(at.now, id);
        Ok(())
    }

    fn check_monitor(&self, at: &At, fields: &mut MonitorFields) -> Result<(), Problem> {
        let pool = self.pool(at, &fields.pool_id)?;
        let dedicated = self.load_balancer_of(pool).is_none_or(|owner| owner.guaranteed);
        check_one_of("type", &fields.kind, rules::monitors_for(&pool.fields.protocol, dedicated))?;
        check_text("name", &fields.name)?;
        check_range("delay", Some(fields.delay), 1, 50)?;
        check_range("timeout", Some(fields.timeout), 1, 50)?;
        check_range("max_retries", Some(fields.max_retries), 1, 10)?;
        check_range("max_retries_down", Some(fields.max_retries_down), 1, 10)?;
        check_range("monitor_port", fields.monitor_port.map(u32::from), 1, 65535)?;
        let requests = [&fields.url_path, &fields.expected_codes, &fields.http_method];
        if !asks(&fields.kind) && requests.iter().any(|field| field.is_some()) {
            return Err(invalid("url_path", format!("a monitor of type {} sends no request", fields.kind)));
        }
        if asks(&fields.kind) {
            let path = fields.url_path.get_or_insert_with(|| "/".to_owned());
            if !path.starts_with('/') {
                return Err(invalid("url_path", "it does not start with a slash"));
            }
            fields.expected_codes.get_or_insert_with(|| "200".to_owned());
            fields.http_method.get_or_insert_with(|| "GET".to_owned());
        }
        Ok(())
    }

    /// A monitor as v3 shows it.
    pub fn show_monitor(object: &Monitor) -> Fields {
        let mut view = show(&object.fields);
        view.remove("pool_id");
        for (name, value) in [
            ("id", json!(object.id)),
            ("project_id", json!(object.project)),
            ("pools", json!([{ "id": object.fields.pool_id }])),
            ("created_at", json!(time(object.created_at))),
            ("updated_at", json!(time(object.updated_at))),
        ] {
            view.insert(name.to_owned(), value);
        }
        view
    }
}

/// Whether a monitor of the type sends a request.
fn asks(kind: &str) -> bool {
    matches!(kind, "HTTP" | "HTTPS" | "GRPC")
}
