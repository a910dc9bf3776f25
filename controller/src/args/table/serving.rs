//! Flags of the HTTPS server, of who may call it, and of upstream's webhook server.

use super::{Flag, Kind};

pub(super) const SERVING: &[Flag] = &[
    Flag::new(
        "bind-address",
        Kind::Text,
        "0.0.0.0",
        "IP address that the HTTPS server listens on; :: is both families.",
    ),
    Flag::new("secure-port", Kind::Int, "10258", "Port of the HTTPS server. 0 turns it off."),
    Flag::new(
        "cert-dir",
        Kind::File,
        "",
        "Folder of cloud-controller-manager.crt and .key, made there when they are missing. Not read when --tls-cert-file is \
         given. When both are empty, a certificate is made at each start and kept in memory.",
    ),
    Flag::new(
        "tls-cert-file",
        Kind::File,
        "",
        "PEM certificate of the server, with its chain. Read again when it changes.",
    ),
    Flag::new("tls-private-key-file", Kind::File, "", "PEM key of --tls-cert-file. Read again when it changes."),
    Flag::new(
        "tls-sni-cert-key",
        Kind::Repeated,
        "",
        "CERT,KEY or CERT,KEY:NAME,NAME: a further certificate and the names it is shown for. Repeat it for several.",
    ),
    Flag::new(
        "tls-min-version",
        Kind::Text,
        "",
        "Lowest TLS version: VersionTLS12 (as when empty) or VersionTLS13. Lower ones are refused.",
    ),
    Flag::new(
        "tls-cipher-suites",
        Kind::List,
        "",
        "Cipher suites for TLS 1.2, in the IANA's names. Those of TLS 1.3 cannot be chosen, as upstream.",
    ),
    Flag::new("tls-curve-preferences", Kind::List, "", "Key exchange groups, in order of preference.")
        .no_effect("the groups of the TLS library are used: X25519, P-256, P-384"),
    Flag::new("disable-http2-serving", Kind::Bool, "false", "Serve HTTP/1.1 only."),
    Flag::new(
        "http2-max-streams-per-connection",
        Kind::Int,
        "0",
        "Requests at once on one HTTP/2 connection. 0 is the server's own limit.",
    ),
    Flag::new("permit-port-sharing", Kind::Bool, "false", "Let several processes listen on the port (SO_REUSEPORT)."),
    Flag::new(
        "permit-address-sharing",
        Kind::Bool,
        "false",
        "Let the port be taken while old connections to it linger (SO_REUSEADDR).",
    )
    .no_effect("it always is so: a restart would otherwise wait for the kernel"),
];

pub(super) const AUTHENTICATION: &[Flag] = &[
    Flag::new(
        "authentication-kubeconfig",
        Kind::File,
        "",
        "Kubeconfig of the apiserver that reviews callers' tokens. When empty, the pod's; outside a pod, that of --kubeconfig.",
    ),
    Flag::new(
        "authentication-token-webhook-cache-ttl",
        Kind::Duration,
        "10s",
        "How long a reviewed token is remembered.",
    ),
    Flag::new(
        "authentication-skip-lookup",
        Kind::Bool,
        "false",
        "Do not read the apiserver's own CAs from configmap kube-system/extension-apiserver-authentication.",
    ),
    Flag::new(
        "authentication-tolerate-lookup-failure",
        Kind::Bool,
        "false",
        "Serve without the apiserver's CAs when that configmap cannot be read, in place of ending with an error.",
    ),
    Flag::new("client-ca-file", Kind::File, "", "PEM bundle of CAs whose client certificates are taken."),
    Flag::new(
        "requestheader-client-ca-file",
        Kind::File,
        "",
        "PEM bundle of CAs that vouch for a front proxy, whose word on the caller is then taken.",
    ),
    Flag::new(
        "requestheader-allowed-names",
        Kind::List,
        "",
        "Common names that the front proxy's certificate may have. When empty, any.",
    ),
    Flag::new("requestheader-username-headers", Kind::List, "x-remote-user", "Headers with the caller's name."),
    Flag::new("requestheader-uid-headers", Kind::List, "", "Headers with the caller's uid."),
    Flag::new("requestheader-group-headers", Kind::List, "x-remote-group", "Headers with the caller's groups."),
    Flag::new(
        "requestheader-extra-headers-prefix",
        Kind::List,
        "x-remote-extra-",
        "Prefixes of headers with anything else about the caller.",
    ),
];

pub(super) const AUTHORIZATION: &[Flag] = &[
    Flag::new(
        "authorization-kubeconfig",
        Kind::File,
        "",
        "Kubeconfig of the apiserver that says what callers may do. When empty, the pod's; outside a pod, that of --kubeconfig.",
    ),
    Flag::new("authorization-webhook-cache-authorized-ttl", Kind::Duration, "10s", "How long a yes is remembered."),
    Flag::new("authorization-webhook-cache-unauthorized-ttl", Kind::Duration, "10s", "How long a no is remembered."),
    Flag::new(
        "authorization-always-allow-paths",
        Kind::List,
        "/healthz,/readyz,/livez",
        "Paths open to anyone. One that ends in * stands for all that begin like it.",
    ),
];

const NO_WEBHOOKS: &str = "no webhooks are served; upstream has none to serve, either";

pub(super) const WEBHOOK: &[Flag] = &[
    Flag::new("webhooks", Kind::List, "", "Webhooks to serve.").refused(NO_WEBHOOKS),
    Flag::new("webhook-bind-address", Kind::Text, "0.0.0.0", "Address of the webhook server.").no_effect(NO_WEBHOOKS),
    Flag::new("webhook-secure-port", Kind::Int, "10260", "Port of the webhook server.").no_effect(NO_WEBHOOKS),
    Flag::new("webhook-disable-http2-serving", Kind::Bool, "false", "HTTP/1.1 only.").no_effect(NO_WEBHOOKS),
    Flag::new("webhook-cert-dir", Kind::File, "", "Folder of the webhook server's certificate.").no_effect(NO_WEBHOOKS),
    Flag::new("webhook-tls-cert-file", Kind::File, "", "Certificate of the webhook server.").no_effect(NO_WEBHOOKS),
    Flag::new("webhook-tls-private-key-file", Kind::File, "", "Its key.").no_effect(NO_WEBHOOKS),
    Flag::new("webhook-tls-cipher-suites", Kind::List, "", "Its cipher suites.").no_effect(NO_WEBHOOKS),
    Flag::new("webhook-tls-curve-preferences", Kind::List, "", "Its key exchange groups.").no_effect(NO_WEBHOOKS),
    Flag::new("webhook-tls-min-version", Kind::Text, "", "Its lowest TLS version.").no_effect(NO_WEBHOOKS),
    Flag::new("webhook-tls-sni-cert-key", Kind::Repeated, "", "Its further certificates.").no_effect(NO_WEBHOOKS),
];
