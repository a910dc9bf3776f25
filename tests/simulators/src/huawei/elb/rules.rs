//! Which protocols go together.

/// Protocols of listeners by kind of load balancer.
pub(super) fn listener_protocols(dedicated: bool) -> &'static [&'static str] {
    if dedicated {
        &["TCP", "UDP", "HTTP", "HTTPS", "QUIC", "TLS"]
    } else {
        &["TCP", "UDP", "HTTP", "TERMINATED_HTTPS"]
    }
}

/// Protocols of pools by kind of load balancer.
pub(super) fn pool_protocols(dedicated: bool) -> &'static [&'static str] {
    if dedicated { &["TCP", "UDP", "HTTP", "HTTPS", "GRPC", "QUIC", "TLS"] } else { &["TCP", "UDP", "HTTP"] }
}

/// Either kind has a word of its own for TLS that ends at the load balancer, and turns the other's into it.
pub(super) fn word_of(protocol: String, dedicated: bool) -> String {
    match (protocol.as_str(), dedicated) {
        ("HTTPS", false) => "TERMINATED_HTTPS".to_owned(),
        ("TERMINATED_HTTPS", true) => "HTTPS".to_owned(),
        _ => protocol,
    }
}

/// Whether listeners of two protocols may not have one port.
pub(super) fn share_ports(one: &str, other: &str) -> bool {
    over_udp(one) == over_udp(other)
}

/// Whether it runs over UDP.
pub(super) fn over_udp(protocol: &str) -> bool {
    matches!(protocol, "UDP" | "QUIC")
}

/// Whether the load balancer understands requests.
pub(super) fn is_layer_7(protocol: &str) -> bool {
    matches!(protocol, "HTTP" | "HTTPS" | "TERMINATED_HTTPS" | "QUIC" | "GRPC")
}

/// Whether TLS ends at the listener.
pub(super) fn ends_tls(protocol: &str) -> bool {
    matches!(protocol, "HTTPS" | "TERMINATED_HTTPS" | "QUIC" | "TLS")
}

/// Protocols of pools that a listener can send to.
pub(super) fn pools_for(listener: &str) -> &'static [&'static str] {
    match listener {
        "TCP" => &["TCP"],
        "UDP" => &["UDP", "QUIC"],
        "HTTP" | "TERMINATED_HTTPS" => &["HTTP"],
        "HTTPS" | "QUIC" => &["HTTP", "HTTPS", "GRPC"],
        "TLS" => &["TLS", "TCP"],
        _ => &[],
    }
}

/// Types of monitors for a pool.
pub(super) fn monitors_for(pool: &str, dedicated: bool) -> &'static [&'static str] {
    match (over_udp(pool), dedicated) {
        (true, _) => &["UDP_CONNECT"],
        (false, true) => &["TCP", "HTTP", "HTTPS", "TLS", "GRPC"],
        (false, false) => &["TCP", "HTTP"],
    }
}
