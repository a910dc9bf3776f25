//! Where a daemon listens and a controller connects, written as gRPC names it.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    path::{Path, PathBuf},
    str::FromStr,
};

/// The longest path a Unix socket can have on Linux: `sun_path` without its final zero.
const MAX_SOCKET_PATH: usize = 107;

/// An address of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `unix:PATH` or `unix:///PATH`: a socket in the file system. The path may be relative.
    Unix(PathBuf),
    /// `https://HOST:PORT`: mutual TLS.
    Tls(HostPort),
    /// `http://HOST:PORT`: no protection at all. Loopback only, and only where a switch allows it:
    /// see [`Endpoint::require_secure`].
    Plain(HostPort),
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A DNS name or an IP literal, without the brackets of IPv6.
    pub host: String,
    /// The port. Zero on a listener: any free one.
    pub port: u16,
}

/// Why a text is no endpoint. The message names the text and the cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("endpoint {text:?}: {problem}")]
pub struct EndpointError {
    text: String,
    problem: String,
}

impl Endpoint {
    /// Refuses a plaintext endpoint unless `allow_insecure_loopback` says that this is wanted.
    pub fn require_secure(&self, allow_insecure_loopback: bool) -> Result<(), EndpointError> {
        if matches!(self, Self::Plain(_)) && !allow_insecure_loopback {
            return Err(EndpointError {
                text: self.to_string(),
                problem: "plaintext is refused; use https:// with certificates or a unix: socket, or, for \
                          development on this machine only, --allow-insecure-loopback"
                    .to_owned(),
            });
        }
        Ok(())
    }

    /// The socket's path, of a Unix endpoint.
    pub fn socket_path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Tls(_) | Self::Plain(_) => None,
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let parsed = if let Some(rest) = text.strip_prefix("unix:") {
            parse_unix(rest).map(Self::Unix)
        } else if let Some(rest) = text.strip_prefix("https://") {
            parse_host_port(rest).map(Self::Tls)
        } else if let Some(rest) = text.strip_prefix("http://") {
            parse_host_port(rest).and_then(require_loopback).map(Self::Plain)
        } else {
            Err("must be unix:PATH, unix:///PATH or https://HOST:PORT".to_owned())
        };
        parsed.map_err(|problem| EndpointError { text: text.to_owned(), problem })
    }
}

fn parse_unix(rest: &str) -> Result<PathBuf, String> {
    let path = match rest.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => {
            return Err(
                "after unix:// the path must be absolute (unix:///run/…); a relative one is unix:PATH".to_owned()
            );
        }
        None => rest,
    };
    if path.is_empty() || path.ends_with('/') {
        return Err("names no socket file".to_owned());
    }
    if path.contains('\0') {
        return Err("the path holds a zero byte".to_owned());
    }
    if path.len() > MAX_SOCKET_PATH {
        return Err(format!("the path has {} bytes, the most a Unix socket can have is {MAX_SOCKET_PATH}", path.len()));
    }
    Ok(PathBuf::from(path))
}

fn parse_host_port(rest: &str) -> Result<HostPort, String> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = rest.rsplit_once(':').ok_or("the port is missing: HOST:PORT")?;
    let port = port.parse().map_err(|_| format!("{port:?} is no port (0-65535)"))?;
    let host = match host.strip_prefix('[') {
        Some(inner) => {
            let inner = inner.strip_suffix(']').ok_or("the closing ] of the IPv6 address is missing")?;
            inner.parse::<Ipv6Addr>().map_err(|_| format!("{inner:?} is no IPv6 address"))?;
            inner
        }
        None if host.contains(':') => return Err("an IPv6 address stands in brackets: [::1]:PORT".to_owned()),
        None => host,
    };
    if host.is_empty() {
        return Err("the host is missing: HOST:PORT".to_owned());
    }
    if host.contains(['/', '@', '?', '#']) || host.chars().any(char::is_whitespace) {
        return Err(format!("{host:?} is no host name; only HOST:PORT may follow the scheme"));
    }
    Ok(HostPort { host: host.to_owned(), port })
}

fn require_loopback(at: HostPort) -> Result<HostPort, String> {
    if at.is_loopback() {
        Ok(at)
    } else {
        Err(format!("plaintext is possible on loopback only, and {} is not; use https://{at}", at.host))
    }
}

impl HostPort {
    /// Whether the host can only be this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tls(at) => write!(f, "https://{at}"),
            Self::Plain(at) => write!(f, "http://{at}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        match (text.parse::<Endpoint>(), expected) {
            (Ok(endpoint), Ok(shown)) => assert_eq!(endpoint.to_string(), shown, "{text}"),
            (Err(error), Err(part)) => {
                let error = error.to_string();
                assert!(error.contains(part), "{text}: {error:?} does not say {part:?}");
                assert!(error.contains(&format!("{text:?}")), "{error:?} does not name the value");
            }
            (got, expected) => panic!("{text}: got {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn accepts_what_grpc_naming_writes() {
        check("unix:/run/p.sock", Ok("unix:/run/p.sock"));
        check("unix:///run/p.sock", Ok("unix:/run/p.sock"));
        check("unix:p.sock", Ok("unix:p.sock"));
        check("https://provider.example:8443", Ok("https://provider.example:8443"));
        check("https://10.0.0.1:8443/", Ok("https://10.0.0.1:8443"));
        check("https://[2001:db8::1]:8443", Ok("https://[2001:db8::1]:8443"));
        check("http://127.0.0.1:0", Ok("http://127.0.0.1:0"));
        check("http://[::1]:8080", Ok("http://[::1]:8080"));
        check("http://localhost:8080", Ok("http://localhost:8080"));
    }

    #[test]
    fn rejects_with_the_cure() {
        check("", Err("unix:PATH"));
        check("/run/p.sock", Err("unix:PATH"));
        check("tcp://h:1", Err("https://HOST:PORT"));
        check("unix:", Err("names no socket file"));
        check("unix:///", Err("names no socket file"));
        check("unix://run/p.sock", Err("unix:///run"));
        check(&format!("unix:/{}", "a".repeat(120)), Err("107"));
        check("https://host", Err("port is missing"));
        check("https://host:https", Err("is no port"));
        check("https://:1", Err("host is missing"));
        check("https://::1:1", Err("brackets"));
        check("https://[::1:1", Err("closing ]"));
        check("https://host/path:1", Err("only HOST:PORT"));
        check("http://10.0.0.1:80", Err("loopback only"));
        check("http://localhost.example:80", Err("loopback only"));
    }

    #[test]
    fn plaintext_needs_the_switch() {
        let plain: Endpoint = "http://127.0.0.1:1".parse().unwrap();
        assert!(plain.require_secure(false).unwrap_err().to_string().contains("--allow-insecure-loopback"));
        plain.require_secure(true).unwrap();
        "unix:p".parse::<Endpoint>().unwrap().require_secure(false).unwrap();
    }
}
