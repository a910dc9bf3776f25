//! What tells two ports of a Service apart.

use std::fmt;

use cloud_provider_api::v1;

/// A port of a Service: transport protocol and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey {
    /// UDP; else TCP.
    pub udp: bool,
    /// The number.
    pub port: u16,
}

impl fmt::Display for PortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.transport(), self.port)
    }
}

impl PortKey {
    /// Kubernetes' word for the protocol.
    pub fn transport(self) -> &'static str {
        if self.udp { "UDP" } else { "TCP" }
    }

    /// What `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (transport, port) = text.split_once('/')?;
        Some(Self { udp: transport == "UDP", port: port.parse().ok()? })
    }
}

/// Transport and number, or the field that is wrong and what is wrong with it. `cloud`: whose load balancers, for people.
pub fn port_key(port: &v1::ServicePort, cloud: &str) -> Result<PortKey, (&'static str, String)> {
    let udp = match port.protocol() {
        v1::Protocol::Tcp => false,
        v1::Protocol::Udp => true,
        v1::Protocol::Sctp => {
            return Err(("protocol", format!("SCTP: {cloud}'s load balancers carry TCP and UDP only")));
        }
        v1::Protocol::Unspecified => return Err(("protocol", "is unspecified or unknown".to_owned())),
    };
    let number = u16::try_from(port.port).ok().filter(|number| *number > 0);
    let port = number.ok_or_else(|| ("port", format!("{} is not within 1 to 65535", port.port)))?;
    Ok(PortKey { udp, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_written_and_read_alike() {
        for (udp, port, text) in [(false, 80, "TCP/80"), (true, 53, "UDP/53")] {
            let key = PortKey { udp, port };
            assert_eq!((key.to_string().as_str(), PortKey::parse(text)), (text, Some(key)));
        }
        assert_eq!(PortKey::parse("TCP/99999"), None);
    }

    #[test]
    fn what_cannot_be_carried_is_told_by_field() {
        let port = |protocol: v1::Protocol, port| {
            let port = v1::ServicePort { protocol: protocol.into(), port, ..v1::ServicePort::default() };
            port_key(&port, "Cumulus")
        };
        assert_eq!(port(v1::Protocol::Udp, 53), Ok(PortKey { udp: true, port: 53 }));
        let (field, problem) = port(v1::Protocol::Sctp, 1).unwrap_err();
        assert!(field == "protocol" && problem.contains("Cumulus"), "{problem}");
        assert_eq!(port(v1::Protocol::Unspecified, 1).unwrap_err().0, "protocol");
        for number in [0, 65_536] {
            assert_eq!(port(v1::Protocol::Tcp, number).unwrap_err().0, "port");
        }
    }
}
