//! Listeners, of either kind of load balancer.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Blb, Front, change,
    fields::{self, Field, Fields},
    listed,
};
use crate::{
    baidu::{
        State,
        calls::{C, body, done, page},
        errors::{bad, over},
    },
    engine::{Problem, Reply, Route, Service},
};

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Where it listens.
    pub port: u16,
    /// `TCP`, `UDP`, `HTTP`, `HTTPS` or `SSL`.
    pub protocol: String,
    /// What else it is.
    pub fields: Fields,
}

impl Listener {
    /// A field that is a number; 0 when it is not there.
    pub fn number(&self, field: &str) -> u64 {
        self.fields.get(field).and_then(Value::as_u64).unwrap_or_default()
    }

    /// A field that is a text; empty when it is not there.
    pub fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    fn view(&self, with_type: bool) -> Value {
        let mut view = self.fields.clone();
        view.insert("listenerPort".to_owned(), self.port.into());
        view.insert("getBlbIp".to_owned(), false.into());
        if with_type {
            view.insert("listenerType".to_owned(), self.protocol.clone().into());
        }
        Value::Object(view)
    }

    /// Whether both cannot be at one load balancer.
    fn excludes(&self, port: u16, protocol: &str) -> bool {
        self.port == port && (self.protocol == "UDP") == (protocol == "UDP")
    }
}

impl Blb {
    /// A listener by port and protocol.
    pub fn listener(&self, port: u16, protocol: &str) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.port == port && listener.protocol == protocol)
    }
}

/// The routes of listeners below `/v1/blb/{id}` or `/v1/appblb/{id}`.
pub(super) fn routes<F: Front>(service: Service<State>) -> Service<State> {
    let (all, some) = (F::path("/{id}/listener"), F::path("/{id}/{listener}"));
    let delete_all = F::path("/{id}/listener?batchdelete");
    service
        .route(Route::get(all, "ListListeners", list_all::<F>).query(&["listenerPort", "marker", "maxKeys"]))
        .route(Route::put(delete_all, "DeleteListeners", delete::<F>).query(&["clientToken"]))
        .route(Route::get(some, "ListListenersOfProtocol", list::<F>).query(&["listenerPort", "marker", "maxKeys"]))
        .route(Route::post(some, "CreateListener", create::<F>).query(&["clientToken"]))
        .route(Route::put(some, "UpdateListener", update::<F>).query(&["clientToken", "listenerPort"]))
}

/// The protocol that the path's `TCPlistener` names, and the fields that listeners of it have.
fn protocol<F: Front>(call: &C<'_>) -> Result<(String, Vec<Field>), Problem> {
    let name = call.parameter("listener").strip_suffix("listener").unwrap_or_default();
    let fields = fields::of_listener(F::KIND, name);
    if fields.is_empty() { Err(Problem::NoSuchApi) } else { Ok((name.to_owned(), fields)) }
}

fn missing(port: u16, protocol: &str) -> Problem {
    Problem::refused(404, "ListenerNotFound", format!("There is no {protocol} listener at port {port}."))
}

/// The port, taken out of a body's fields.
fn take_port(fields: &mut Fields) -> Result<u16, Problem> {
    let port = fields.remove("listenerPort").ok_or_else(|| bad("listenerPort", "it is missing"))?;
    let number = port.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    number.ok_or_else(|| bad("listenerPort", format!("{port} is not from 1 to 65535")))
}

fn list_all<F: Front>(call: &mut C<'_>) -> Reply {
    show(call, listed::<F>(call)?, |_| true, true)
}

fn list<F: Front>(call: &mut C<'_>) -> Reply {
    let (protocol, _) = protocol::<F>(call)?;
    show(call, listed::<F>(call)?, |listener| listener.protocol == protocol, false)
}

fn show(call: &C<'_>, blb: &Blb, wanted: impl Fn(&Listener) -> bool, with_type: bool) -> Reply {
    let port: Option<u16> = call.parsed("listenerPort")?;
    let rows =
        blb.listeners.iter().filter(|listener| wanted(listener) && port.is_none_or(|port| port == listener.port));
    let rows: Vec<_> = rows.map(|listener| (format!("{}{}", listener.protocol, listener.port), listener)).collect();
    page(call, "listenerList", call.shown(rows), |(id, _)| id, |(_, listener)| listener.view(with_type))
}

fn create<F: Front>(call: &mut C<'_>) -> Reply {
    let (protocol, known) = protocol::<F>(call)?;
    let mut said: Fields = body(call)?;
    let port = take_port(&mut said)?;
    let fields = fields::new(&known, &said)?;
    let quota = call.quota("listeners_per_blb");
    change::<F, _>(call, |blb| {
        if blb.listeners.iter().any(|listener| listener.excludes(port, &protocol)) {
            let message = format!("There is a listener at port {port} already.");
            return Err(Problem::refused(400, "ListenerAlreadyExist", message));
        }
        if blb.listeners.len() >= quota {
            return Err(over("ListenerExceeded", "listeners of a BLB", quota));
        }
        blb.listeners.push(Listener { port, protocol, fields });
        Ok(())
    })?;
    done()
}

fn update<F: Front>(call: &mut C<'_>) -> Reply {
    let (protocol, known) = protocol::<F>(call)?;
    let port: u16 = call.parsed("listenerPort")?.ok_or_else(|| bad("listenerPort", "it is missing"))?;
    let mut said: Fields = body(call)?;
    // Some clients say it here, too.
    said.remove("listenerPort");
    change::<F, _>(call, |blb| {
        let mut found = blb.listeners.iter_mut();
        let listener = found.find(|listener| listener.port == port && listener.protocol == protocol);
        let listener = listener.ok_or_else(|| missing(port, &protocol))?;
        listener.fields = fields::changed(&known, &listener.fields, &said)?;
        Ok(())
    })?;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Which {
    port_list: Option<Vec<u16>>,
    port_type_list: Option<Vec<PortType>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PortType {
    port: u16,
    #[serde(rename = "type")]
    protocol: String,
}

fn delete<F: Front>(call: &mut C<'_>) -> Reply {
    let Which { port_list, port_type_list } = body(call)?;
    let mut wanted: Vec<_> = port_list.unwrap_or_default().into_iter().map(|port| (port, None)).collect();
    wanted.extend(port_type_list.unwrap_or_default().into_iter().map(|one| (one.port, Some(one.protocol))));
    if wanted.is_empty() {
        return Err(bad("portList", "it or portTypeList is needed"));
    }
    change::<F, _>(call, |blb| {
        for (port, protocol) in &wanted {
            let meant = |listener: &Listener| {
                listener.port == *port && protocol.as_ref().is_none_or(|protocol| *protocol == listener.protocol)
            };
            if !blb.listeners.iter().any(meant) {
                return Err(missing(*port, protocol.as_deref().unwrap_or("")));
            }
            blb.listeners.retain(|listener| !meant(listener));
            let listeners = &blb.listeners;
            blb.policies.retain(|policy| listeners.iter().any(|listener| policy.is_of(listener)));
        }
        Ok(())
    })?;
    done()
}

/// The view of a listener, for comparison.
pub(super) fn look(listener: &Listener) -> Value {
    json!({ "port": listener.port, "protocol": listener.protocol, "fields": listener.fields })
}
