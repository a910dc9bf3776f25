//! Listeners. BLB's hold the port of the servers and the health check; those of the other kinds leave both to groups.

use cloud_rest::Error;
use provider_kit::load_balancers::PortKey;
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::{
    api::{
        page::{ByMarker, Listed},
        text::{number, number_or_none, or_default},
    },
    cloud::{BY_MARKER, Cloud},
};

/// A listener as it is on the wire.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Wire {
    #[serde(deserialize_with = "number")]
    listener_port: u16,
    #[serde(deserialize_with = "or_default")]
    listener_type: String,
    #[serde(deserialize_with = "number")]
    backend_port: u16,
    #[serde(deserialize_with = "or_default")]
    scheduler: String,
    #[serde(deserialize_with = "number_or_none")]
    health_check_timeout_in_second: Option<u16>,
    #[serde(deserialize_with = "number_or_none")]
    health_check_interval: Option<u16>,
    #[serde(deserialize_with = "number_or_none")]
    unhealthy_threshold: Option<u16>,
    #[serde(deserialize_with = "number_or_none")]
    healthy_threshold: Option<u16>,
    #[serde(deserialize_with = "or_default")]
    health_check_string: Option<String>,
}

/// A listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Wire")]
pub(crate) struct Listener {
    id: String,
    pub(crate) port: u16,
    /// `TCP`, `UDP`, `HTTP`, `HTTPS`, `SSL`.
    pub(crate) protocol: String,
    pub(crate) settings: ListenerChange,
}

/// What can be set of a listener; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListenerChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backend_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scheduler: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health_check_timeout_in_second: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health_check_interval: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unhealthy_threshold: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) healthy_threshold: Option<u16>,
    /// What is sent to a UDP server, which has to answer it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health_check_string: Option<String>,
}

/// A listener to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewListener {
    #[serde(rename = "listenerPort")]
    pub(crate) port: u16,
    #[serde(flatten)]
    pub(crate) settings: ListenerChange,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Gone {
    port_type_list: Vec<PortType>,
}

#[derive(Serialize)]
struct PortType {
    port: u16,
    r#type: &'static str,
}

impl From<Wire> for Listener {
    fn from(wire: Wire) -> Self {
        Self {
            id: format!("{}/{}", wire.listener_type, wire.listener_port),
            port: wire.listener_port,
            protocol: wire.listener_type.to_ascii_uppercase(),
            settings: ListenerChange {
                backend_port: Some(wire.backend_port).filter(|port| *port > 0),
                scheduler: Some(wire.scheduler).filter(|scheduler| !scheduler.is_empty()),
                health_check_timeout_in_second: wire.health_check_timeout_in_second,
                health_check_interval: wire.health_check_interval,
                unhealthy_threshold: wire.unhealthy_threshold,
                healthy_threshold: wire.healthy_threshold,
                health_check_string: wire.health_check_string,
            },
        }
    }
}

impl Listener {
    /// One of a Service's kind, for the plan's model of a cloud.
    #[cfg(test)]
    pub(crate) fn of(key: PortKey, settings: ListenerChange) -> Self {
        Self { id: key.to_string(), port: key.port, protocol: key.transport().to_owned(), settings }
    }

    /// `None`: it is for no Service's port.
    pub(crate) fn key(&self) -> Option<PortKey> {
        match self.protocol.as_str() {
            "TCP" => Some(PortKey { udp: false, port: self.port }),
            "UDP" => Some(PortKey { udp: true, port: self.port }),
            _ => None,
        }
    }
}

impl Listed for Listener {
    fn id(&self) -> &str {
        &self.id
    }
}

impl ListenerChange {
    /// What of `wanted` is not as it is.
    pub(crate) fn towards(&self, wanted: &Self) -> Option<Self> {
        fn differs<T: Clone + PartialEq>(is: Option<&T>, wanted: Option<&T>) -> Option<T> {
            wanted.filter(|_| wanted != is).cloned()
        }
        let change = Self {
            backend_port: differs(self.backend_port.as_ref(), wanted.backend_port.as_ref()),
            scheduler: differs(self.scheduler.as_ref(), wanted.scheduler.as_ref()),
            health_check_timeout_in_second: differs(
                self.health_check_timeout_in_second.as_ref(),
                wanted.health_check_timeout_in_second.as_ref(),
            ),
            health_check_interval: differs(self.health_check_interval.as_ref(), wanted.health_check_interval.as_ref()),
            unhealthy_threshold: differs(self.unhealthy_threshold.as_ref(), wanted.unhealthy_threshold.as_ref()),
            healthy_threshold: differs(self.healthy_threshold.as_ref(), wanted.healthy_threshold.as_ref()),
            health_check_string: differs(self.health_check_string.as_ref(), wanted.health_check_string.as_ref()),
        };
        Some(change).filter(|change| *change != Self::default())
    }
}

fn segment(key: PortKey) -> &'static str {
    if key.udp { "UDPlistener" } else { "TCPlistener" }
}

impl Cloud {
    /// All listeners of a load balancer.
    pub(crate) async fn listeners(&self, kind: Kind, balancer: &str) -> Result<Vec<Listener>, Error> {
        if kind == Kind::Edge {
            let (tcp, udp) = Box::pin(futures::future::try_join(
                self.edge_listeners(balancer, "DescribeTCPListeners", "TCPlistener", "TCP"),
                self.edge_listeners(balancer, "DescribeUDPListeners", "UDPlistener", "UDP"),
            ))
            .await?;
            return Ok(tcp.into_iter().chain(udp).collect());
        }
        let request = self.balancer_get(kind, "DescribeListeners", &[balancer, "listener"]);
        Ok(request.list::<ByMarker<Listener>>(BY_MARKER).await?.into_inner())
    }

    /// The edge lists each protocol apart, and does not say which it is.
    async fn edge_listeners(
        &self,
        balancer: &str,
        name: &'static str,
        segment: &str,
        protocol: &str,
    ) -> Result<Vec<Listener>, Error> {
        let request = self.balancer_get(Kind::Edge, name, &[balancer, segment]);
        let listed = request.list::<ByMarker<Listener>>(BY_MARKER).await?;
        Ok(listed.into_iter().map(|listener| Listener { protocol: protocol.to_owned(), ..listener }).collect())
    }

    /// Makes a listener.
    pub(crate) async fn create_listener(
        &self,
        kind: Kind,
        balancer: &str,
        key: PortKey,
        new: &NewListener,
    ) -> Result<(), Error> {
        let name = if key.udp { "CreateUDPListener" } else { "CreateTCPListener" };
        self.balancer_post(kind, name, &[balancer, segment(key)]).body(new).run().await.map(drop)
    }

    /// Changes a listener.
    pub(crate) async fn update_listener(
        &self,
        kind: Kind,
        balancer: &str,
        key: PortKey,
        change: &ListenerChange,
    ) -> Result<(), Error> {
        let name = if key.udp { "UpdateUDPListener" } else { "UpdateTCPListener" };
        let request = self.balancer_put(kind, name, &[balancer, segment(key)]).query("listenerPort", key.port);
        request.body(change).run().await.map(drop)
    }

    /// Deletes listeners. Success if there are none.
    pub(crate) async fn delete_listeners(&self, kind: Kind, balancer: &str, keys: &[PortKey]) -> Result<(), Error> {
        let port_type_list = keys.iter().map(|key| PortType { port: key.port, r#type: key.transport() }).collect();
        let request = self.balancer_put(kind, "DeleteListeners", &[balancer, "listener"]).action("batchdelete");
        crate::api::all_gone(keys.len(), request.body(&Gone { port_type_list }).run().await)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_may_be_texts_and_only_what_differs_is_changed() {
        let wire = json!({"listenerPort": "80", "listenerType": "TCP", "backendPort": 30080, "scheduler": "Hash",
            "healthCheckInterval": 3, "tcpSessionTimeout": 900});
        let listener: Listener = serde_json::from_value(wire).unwrap();
        assert_eq!(listener.key(), Some(PortKey { udp: false, port: 80 }));
        let wanted = ListenerChange { backend_port: Some(30080), ..ListenerChange::default() };
        assert_eq!(listener.settings.towards(&wanted), None);
        let wanted = ListenerChange { scheduler: Some("RoundRobin".to_owned()), ..wanted };
        let change = listener.settings.towards(&wanted).unwrap();
        assert_eq!(serde_json::to_value(change).unwrap(), json!({"scheduler": "RoundRobin"}));
        let other: Listener = serde_json::from_value(json!({"listenerPort": 443, "listenerType": "HTTPS"})).unwrap();
        assert_eq!(other.key(), None);
    }
}
