//! Health checks of a group's backends, one for each port and protocol that is sent to.

use serde::Serialize;
use serde_json::Value;

use super::fields::{self, Fields};
use crate::{baidu::errors::bad, engine::Problem};

/// A health check, and with it the permission to send there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Its id.
    pub id: String,
    /// The port of a group of machines; 0 in a group of addresses, whose members have ports of their own.
    pub port: u16,
    /// `TCP`, `UDP` or `HTTP`.
    pub protocol: String,
    /// What else it is.
    pub fields: Fields,
}

impl Check {
    /// A new one, as callers say it.
    pub(super) fn new(id: String, port: u16, mut said: Fields) -> Result<Self, Problem> {
        let protocol = said.remove("type").ok_or_else(|| bad("type", "it is missing"))?;
        let known = fields::of_check(protocol.as_str().unwrap_or_default());
        if known.is_empty() {
            return Err(bad("type", format!("{protocol} is not one of TCP, UDP, HTTP")));
        }
        let fields = fields::new(&known, &said)?;
        Ok(Self { id, port, protocol: protocol.as_str().unwrap_or_default().to_owned(), fields })
    }

    /// Changes it.
    pub(super) fn change(&mut self, said: &Fields) -> Result<(), Problem> {
        self.fields = fields::changed(&fields::of_check(&self.protocol), &self.fields, said)?;
        Ok(())
    }

    pub(super) fn view(&self) -> Value {
        let mut view = self.fields.clone();
        view.insert("id".to_owned(), self.id.clone().into());
        view.insert("type".to_owned(), self.protocol.clone().into());
        view.insert("status".to_owned(), "Alive".into());
        if self.port > 0 {
            view.insert("port".to_owned(), self.port.into());
        }
        Value::Object(view)
    }

    /// Whether listeners of a protocol can send there.
    pub(super) fn serves(&self, listener: &str) -> bool {
        match listener {
            "HTTP" | "HTTPS" => self.protocol == "HTTP",
            "TCP" | "SSL" => self.protocol == "TCP",
            other => self.protocol == other,
        }
    }
}

/// The one of an id.
pub(super) fn find<'c>(checks: &'c mut [Check], id: &str) -> Result<&'c mut Check, Problem> {
    let found = checks.iter_mut().find(|check| check.id == id);
    found.ok_or_else(|| Problem::refused(404, "NoSuchObject", format!("The health check {id} does not exist.")))
}

/// Takes some away.
pub(super) fn remove(checks: &mut Vec<Check>, ids: &[String]) -> Result<(), Problem> {
    for id in ids {
        find(checks, id)?;
    }
    checks.retain(|check| !ids.contains(&check.id));
    Ok(())
}

/// A text taken out of a body's fields.
pub(super) fn take_text(fields: &mut Fields, name: &str) -> Result<String, Problem> {
    match fields.remove(name) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(bad(name, format!("{other} is no text"))),
        None => Err(bad(name, "it is missing")),
    }
}
