//! The flags every daemon has.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use provider_hop::{
    Endpoint,
    listen::{ListenOptions, SocketOptions},
    telemetry::{LogFormat, TelemetryOptions},
    tls::{San, Tls, TlsFiles},
};

use crate::{
    access::{Access, AccessSource},
    audit::Audit,
    caller::Identity,
    class::Class,
    daemon::Settings,
    rate::Rate,
};

// The comments are help texts, shown as they are.
#[allow(clippy::doc_markdown)]
/// Flags for `#[command(flatten)]`. Values are read by [`DaemonArgs::settings`], which reports every fault at once.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Daemon")]
pub struct DaemonArgs {
    /// Where to take calls: unix:PATH, unix:///PATH or https://HOST:PORT. Repeat for several.
    #[arg(long, value_name = "URI", default_value = "unix:///run/cloud-provider/provider.sock")]
    pub listen: Vec<String>,
    /// Certificate chain shown to clients of https://, PEM. Reloaded when it changes, as the next two.
    #[arg(long, value_name = "FILE")]
    pub tls_cert_file: Option<PathBuf>,
    /// Private key of the certificate, PEM.
    #[arg(long, value_name = "FILE")]
    pub tls_private_key_file: Option<PathBuf>,
    /// Private CAs of the clients' certificates, PEM; several while one replaces another.
    #[arg(long, value_name = "FILE")]
    pub client_ca_file: Option<PathBuf>,
    /// Exact SAN (URI, DNS name or IP) of a client that may read and write. Repeat for several.
    #[arg(long, value_name = "SAN")]
    pub allowed_peer_san: Vec<String>,
    /// Uid of a client on a Unix socket that may read and write, besides this process's own. Repeat for several.
    #[arg(long, value_name = "UID")]
    pub allowed_peer_uid: Vec<String>,
    /// Exact SAN of a client that may have kubeconfigs and registry credentials issued. Repeat for several.
    #[arg(long, value_name = "SAN")]
    pub secret_peer_san: Vec<String>,
    /// Uid of a client that may have kubeconfigs and registry credentials issued. Repeat for several.
    #[arg(long, value_name = "UID")]
    pub secret_peer_uid: Vec<String>,
    /// YAML file of callers with their classes, clusters, tenants and limits, besides those named by flags.
    #[arg(long, value_name = "FILE")]
    pub access_file: Option<PathBuf>,
    /// Calls a second of one caller, bursts of twice that; 0 is no limit.
    #[arg(long, value_name = "N", default_value = "1000")]
    pub caller_requests_per_second: String,
    /// Permission bits of the Unix socket, octal.
    #[arg(long, value_name = "MODE", default_value = "0660")]
    pub socket_mode: String,
    /// Group of the Unix socket, by name or number. Empty: as the system gives it.
    #[arg(long, value_name = "GROUP", default_value = "")]
    pub socket_group: String,
    /// Serve http:// on loopback, to anybody on this machine. For development only.
    #[arg(long)]
    pub allow_insecure_loopback: bool,
    /// Most time a shutdown waits for running writes.
    #[arg(long, value_name = "DURATION", default_value = "25s")]
    pub drain_timeout: String,
    /// HOST:PORT of /livez, /readyz and /metrics, plain HTTP. Empty: not served.
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    pub metrics_bind_address: String,
    /// File that gets a line for every change made; "-" is standard error. Empty: none is kept.
    #[arg(long, value_name = "FILE", default_value = "")]
    pub audit_log: String,
    /// text or json.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: String,
    /// Verbosity: 0-3 information, 4-5 debugging, 6 and more everything.
    #[arg(short = 'v', long = "v", value_name = "N", default_value = "0")]
    pub verbosity: String,
    /// OTLP gRPC endpoint for traces, http://HOST:PORT or https://HOST:PORT (the system's CAs count). Default: $OTEL_EXPORTER_OTLP_ENDPOINT, else none are sent.
    #[arg(long, value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

/// Everything that is wrong with the flags.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Faults(pub Vec<String>);

/// Reads values one by one and keeps what is wrong with each.
#[derive(Default)]
struct Reader(Vec<String>);

impl Reader {
    fn read<T, E: std::fmt::Display>(&mut self, flag: &str, outcome: Result<T, E>) -> Option<T> {
        outcome.map_err(|error| self.0.push(format!("--{flag}: {error}"))).ok()
    }

    fn read_all<T, E: std::fmt::Display>(
        &mut self,
        flag: &str,
        texts: &[String],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        texts.iter().filter_map(|text| self.read(flag, parse(text))).collect()
    }

    fn wrong_file(&mut self, flag: &str, faults: Vec<String>) {
        self.0.extend(faults.into_iter().map(|fault| format!("--{flag}: {fault}")));
    }

    fn wrong(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }
}

impl DaemonArgs {
    /// Reads, checks and opens everything the flags name. No listener is bound yet.
    pub fn settings(&self) -> Result<Settings, Faults> {
        let mut reader = Reader::default();
        let listen = self.endpoints(&mut reader);
        let rate = reader.read("caller-requests-per-second", number(&self.caller_requests_per_second));
        let rate = rate.and_then(Rate::per_second);
        let others = self.peers(&mut reader);
        let access_source = self.access_file.clone().map(|file| AccessSource { file, others: others.clone(), rate });
        let access = match &access_source {
            None => Some(Access::nobody().allow_besides(&others, rate)),
            Some(source) => source.read().map_err(|faults| reader.wrong_file("access-file", faults)).ok(),
        };
        self.require_clients(&mut reader, &listen, access.as_ref());
        let tls = self.tls(&mut reader, &listen);
        let socket = self.socket(&mut reader);
        let drain_timeout = reader.read("drain-timeout", duration(&self.drain_timeout));
        let metrics_address = match self.metrics_bind_address.as_str() {
            "" => None,
            text => reader.read("metrics-bind-address", address(text)),
        };
        let audit = match self.audit_log.as_str() {
            "" => Some(Audit::off()),
            path => reader.read("audit-log", Audit::open(Path::new(path)).map_err(|error| format!("{path}: {error}"))),
        };
        self.read_telemetry(&mut reader);
        let defaults = Settings::default();
        match (reader.0.is_empty(), access, socket, drain_timeout, audit) {
            (true, Some(access), Some(socket), Some(drain_timeout), Some(audit)) => Ok(Settings {
                listen,
                listen_options: ListenOptions {
                    socket,
                    tls,
                    allow_insecure_loopback: self.allow_insecure_loopback,
                    ..ListenOptions::default()
                },
                access,
                access_source,
                drain_timeout,
                metrics_address,
                audit,
                ..defaults
            }),
            _ => Err(Faults(reader.0)),
        }
    }

    /// How to set logs and traces up. Wrong values are reported by [`DaemonArgs::settings`] and stand for the defaults
    /// here, so that the faults themselves can be logged.
    pub fn telemetry(&self, service_name: &'static str, service_version: &'static str) -> TelemetryOptions {
        let (format, verbosity) = self.read_telemetry(&mut Reader::default());
        TelemetryOptions {
            service_name,
            service_version,
            format: format.unwrap_or_default(),
            verbosity: verbosity.unwrap_or_default(),
            otlp_endpoint: self.otlp_endpoint.clone(),
            sampling_ratio: 1.0,
        }
    }

    fn read_telemetry(&self, reader: &mut Reader) -> (Option<LogFormat>, Option<u8>) {
        (
            reader.read("log-format", self.log_format.parse()),
            reader.read(
                "v",
                self.verbosity.parse().map_err(|_| format!("{:?} is no number from 0 to 255", self.verbosity)),
            ),
        )
    }

    fn endpoints(&self, reader: &mut Reader) -> Vec<Endpoint> {
        reader.read_all("listen", &self.listen, |text| {
            let endpoint: Endpoint = text.parse()?;
            endpoint.require_secure(self.allow_insecure_loopback)?;
            Ok::<_, provider_hop::EndpointError>(endpoint)
        })
    }

    /// Whom the flags let in, besides this process's own user.
    fn peers(&self, reader: &mut Reader) -> Vec<(Identity, Vec<Class>)> {
        let mut named = Vec::new();
        for (flag, texts, classes) in [
            ("allowed-peer-san", &self.allowed_peer_san, [Class::Read, Class::Write]),
            ("secret-peer-san", &self.secret_peer_san, [Class::Read, Class::Secret]),
        ] {
            let sans = reader.read_all(flag, texts, str::parse::<San>);
            named.extend(sans.into_iter().map(|san| (Identity::San(san), classes.to_vec())));
        }
        for (flag, texts, classes) in [
            ("allowed-peer-uid", &self.allowed_peer_uid, [Class::Read, Class::Write]),
            ("secret-peer-uid", &self.secret_peer_uid, [Class::Read, Class::Secret]),
        ] {
            let uids = reader.read_all(flag, texts, number);
            named.extend(uids.into_iter().map(|uid| (Identity::Uid(uid), classes.to_vec())));
        }
        if self.allow_insecure_loopback {
            named.push((Identity::InsecureLoopback, vec![Class::Read, Class::Write]));
        }
        named
    }

    fn require_clients(&self, reader: &mut Reader, listen: &[Endpoint], access: Option<&Access>) {
        let tls = listen.iter().any(|endpoint| matches!(endpoint, Endpoint::Tls(_)));
        let nobody = access.is_some_and(|access| !access.allows_any_san());
        if tls && nobody && self.allowed_peer_san.is_empty() {
            reader.wrong("--listen https://… serves nobody: name the clients with --allowed-peer-san or --access-file");
        }
    }

    fn tls(&self, reader: &mut Reader, listen: &[Endpoint]) -> Option<std::sync::Arc<Tls>> {
        let wanted = listen.iter().any(|endpoint| matches!(endpoint, Endpoint::Tls(_)));
        let files = [
            ("tls-cert-file", &self.tls_cert_file),
            ("tls-private-key-file", &self.tls_private_key_file),
            ("client-ca-file", &self.client_ca_file),
        ];
        for (flag, file) in files {
            match (wanted, file) {
                (true, None) => reader.wrong(format!("--{flag} is required by --listen https://…")),
                (false, Some(_)) => reader.wrong(format!("--{flag} has no effect without --listen https://…")),
                (true, Some(_)) | (false, None) => {}
            }
        }
        let files = TlsFiles {
            certificate: self.tls_cert_file.clone()?,
            private_key: self.tls_private_key_file.clone()?,
            ca: self.client_ca_file.clone()?,
        };
        wanted.then(|| reader.read("tls-cert-file", Tls::load(files)))?
    }

    fn socket(&self, reader: &mut Reader) -> Option<SocketOptions> {
        let mode = reader.read("socket-mode", mode(&self.socket_mode));
        let gid = match self.socket_group.as_str() {
            "" => Some(None),
            group => reader.read("socket-group", gid(group)).map(Some),
        };
        Some(SocketOptions { mode: mode?, gid: gid? })
    }
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text:?} is no number from 0 to {}", u32::MAX))
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.ok_or_else(|| format!("{text:?} is no duration such as 25s or 1m30s"))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is no IP:PORT such as 127.0.0.1:9808"))
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    let mode = mode.ok_or_else(|| format!("{text:?} is no octal mode such as 0660"))?;
    if mode & 0o007 != 0 {
        return Err(format!("{text:?} lets every user of this machine in; use a group"));
    }
    Ok(mode)
}

fn gid(group: &str) -> Result<u32, String> {
    if let Ok(gid) = group.parse() {
        return Ok(gid);
    }
    let file = std::fs::read_to_string("/etc/group").map_err(|error| format!("/etc/group: {error}"))?;
    gid_in(&file, group).ok_or_else(|| format!("there is no group {group:?}"))
}

/// A line of `/etc/group` is `name:password:gid:members`.
fn gid_in(file: &str, group: &str) -> Option<u32> {
    file.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == group).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        daemon: DaemonArgs,
    }

    fn settings(flags: &[&str]) -> Result<Settings, Vec<String>> {
        let cli = Cli::parse_from(["daemon"].iter().chain(flags));
        cli.daemon.settings().map_err(|Faults(faults)| faults)
    }

    #[test]
    fn defaults_are_a_socket_for_this_user() {
        let settings = settings(&[]).unwrap_or_else(|faults| panic!("{faults:?}"));
        assert_eq!(settings.listen, ["unix:/run/cloud-provider/provider.sock".parse().unwrap()]);
        assert_eq!(settings.drain_timeout, Duration::from_secs(25));
        assert_eq!(settings.listen_options.socket, SocketOptions { mode: 0o660, gid: None });
        assert_eq!(settings.metrics_address, None);
    }

    #[test]
    fn every_fault_is_reported_with_its_flag() {
        let faults = settings(&[
            "--listen=tcp://x",
            "--listen=https://0.0.0.0:1",
            "--tls-cert-file=/nowhere",
            "--allowed-peer-san=*.example",
            "--allowed-peer-uid=root",
            "--socket-mode=0666",
            "--socket-group=no-such-group",
            "--drain-timeout=soon",
            "--metrics-bind-address=9808",
            "--caller-requests-per-second=-1",
            "--audit-log=/nowhere/audit.log",
            "--log-format=xml",
            "--v=loud",
            "--access-file=/nowhere/access.yaml",
        ])
        .err()
        .unwrap();
        for flag in [
            "--listen: endpoint \"tcp://x\"",
            "--tls-private-key-file is required",
            "--client-ca-file is required",
            "--allowed-peer-san",
            "--allowed-peer-uid",
            "--socket-mode",
            "--socket-group",
            "--drain-timeout",
            "--metrics-bind-address",
            "--caller-requests-per-second",
            "--audit-log",
            "--log-format",
            "--v",
            "--access-file",
        ] {
            assert!(faults.iter().any(|fault| fault.contains(flag)), "{flag} not in {faults:#?}");
        }
    }

    #[test]
    fn a_listener_for_nobody_and_flags_without_effect_are_refused() {
        let check = |flags: &[&str], part: &str| {
            let faults = settings(flags).err().unwrap_or_else(|| panic!("{flags:?} must be refused"));
            assert!(faults.iter().any(|fault| fault.contains(part)), "{part} not in {faults:?}");
        };
        check(&["--listen=https://0.0.0.0:1"], "serves nobody");
        check(&["--client-ca-file=ca.crt"], "no effect");
        check(&["--listen=http://127.0.0.1:1"], "--allow-insecure-loopback");
    }

    #[test]
    fn durations_are_gos() {
        for (text, seconds) in [("25s", 25), ("1m30s", 90), ("1m0s", 60), ("1h", 3600), ("0s", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for wrong in ["", "25", "-1s", "s"] {
            duration(wrong).unwrap_err();
        }
    }

    #[test]
    fn groups_have_names_and_numbers() {
        assert_eq!(gid("1234"), Ok(1234));
        let file = "root:x:0:\ncloud-provider:x:990:ccm,provider\n";
        assert_eq!(gid_in(file, "cloud-provider"), Some(990));
        assert_eq!(gid_in(file, "cloud"), None);
    }
}
