//! From flags to [`Config`]: what values mean, alone and together. Every fault is gathered.

mod migration;

use std::{collections::BTreeMap, io, net::IpAddr, path::Path};

use controller_core::{
    controllers_flag::{self, Controller},
    leader_migration::{self, Split},
    lease::Timing,
    provider::Account,
    removal::RemovalSettings,
    selector::{InvalidSelector, Selector},
    tenancy::TenantMap,
};
use ipnet::IpNet;
use provider_hop::{Endpoint, tls::San};

use super::{
    AdminConfig, AuthenticationConfig, AuthorizationConfig, CertificateSource, Config, KubeConfig,
    LeaderElectionConfig, LifecycleConfig, MigrationConfig, NodeConfig, PathBuf, ProviderConfig, RequestHeaderConfig,
    RouteConfig, ServiceConfig, SniCertificate, TelemetryConfig,
};
use crate::{
    args::{Fault, Faults, Flags, Kind, SECTIONS, Value},
    tenants,
};

/// Reads files; the tests give another.
type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<Vec<u8>>;

/// What the flags say, or everything that is wrong with them, files and what could not be read of them (`unreadable`) included.
pub fn from_flags(flags: &Flags, unreadable: Faults) -> Result<Config, Faults> {
    read(flags, unreadable, &|path| if path.is_dir() { Ok(Vec::new()) } else { std::fs::read(path) })
}

fn read(flags: &Flags, unreadable: Faults, file: ReadFile<'_>) -> Result<Config, Faults> {
    let mut reader = Reader { flags, file, faults: unreadable.0 };
    let config = reader.config();
    reader.check_files();
    if reader.faults.is_empty() { Ok(config) } else { Err(Faults(reader.faults)) }
}

struct Reader<'a> {
    flags: &'a Flags,
    file: ReadFile<'a>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn config(&mut self) -> Config {
        let migration = self.leader_migration();
        let elsewhere = migration.as_ref().map(|(_, split)| split.elsewhere.clone()).unwrap_or_default();
        let mut controllers = self.controllers();
        controllers.retain(|controller| !elsewhere.contains(controller));
        let migration = migration.map(|(lease, split)| MigrationConfig { lease, moved: split.moved });
        Config {
            kube: self.kube(),
            cluster_name: self.cluster_name(),
            cluster_id: self.cluster_id(),
            provider: self.provider(),
            controllers,
            leader_election: self.leader_election().map(|election| LeaderElectionConfig { migration, ..election }),
            node: self.node(),
            lifecycle: self.lifecycle(),
            service: self.service(),
            route: self.route(),
            controller_start_interval: self.value("controller-start-interval").duration(),
            drain_timeout: self.value("drain-timeout").duration(),
            admin: self.admin(),
            telemetry: self.telemetry(),
        }
    }

    fn value(&self, name: &str) -> &Value {
        self.flags.value(name)
    }

    fn text(&self, name: &str) -> Option<String> {
        Some(self.value(name).text()).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    fn wrong(&mut self, name: &str, problem: impl Into<String>) {
        let value = self.value(name).to_string();
        self.faults.push(Fault::new(name, value, problem));
    }

    /// A duration that must not be zero.
    fn period(&mut self, name: &str) -> std::time::Duration {
        let period = self.value(name).duration();
        if period.is_zero() {
            self.wrong(name, "must be longer than zero");
        }
        period
    }

    /// How many at once, at least one; `automatic` when not given.
    fn workers(&mut self, name: &str, automatic: usize) -> usize {
        if !self.flags.is_given(name) {
            return automatic;
        }
        match usize::try_from(self.value(name).int()) {
            Ok(count) if count > 0 => count,
            _ => {
                self.wrong(name, "must be at least 1; leave the flag out for as many as the apiserver bears");
                automatic
            }
        }
    }

    fn kube(&mut self) -> KubeConfig {
        let qps = self.value("kube-api-qps").float();
        if qps < 0.0 {
            self.wrong("kube-api-qps", "is negative; 0 is as much as the apiserver bears");
        }
        let burst = u32::try_from(self.value("kube-api-burst").int()).unwrap_or_else(|_| {
            self.wrong("kube-api-burst", "must be a number from 0");
            0
        });
        KubeConfig {
            kubeconfig: self.path("kubeconfig"),
            master: self.text("master"),
            qps: Some(qps).filter(|qps| *qps > 0.0),
            burst,
        }
    }

    fn cluster_name(&mut self) -> String {
        let name = self.value("cluster-name").text().to_owned();
        if name.is_empty() {
            self.wrong("cluster-name", "must not be empty");
        }
        name
    }

    fn cluster_id(&mut self) -> Option<String> {
        let id = self.text("cluster-id")?;
        let letters = id.bytes().all(|b| b == b'-' || b.is_ascii_digit() || b.is_ascii_lowercase());
        if !letters || id.len() > 63 {
            self.wrong("cluster-id", "must be 1-63 of a-z, 0-9 and '-'");
        }
        Some(id)
    }

    fn provider(&mut self) -> ProviderConfig {
        let endpoints = self.endpoints();
        if let Some(name) = self.text("provider-server-name")
            && let Err(error) = name.parse::<San>()
        {
            self.wrong("provider-server-name", error.to_string());
        }
        ProviderConfig {
            endpoints,
            ca_file: self.path("provider-ca-file"),
            cert_file: self.path("provider-cert-file"),
            key_file: self.path("provider-key-file"),
            server_name: self.text("provider-server-name"),
            socket_uids: self.socket_uids(),
            allow_insecure_loopback: self.value("allow-insecure-loopback").bool(),
            default_provider: self.default_provider(),
            load_balancer_classes: self.load_balancer_classes(),
            accounts: self.accounts(),
            node_selectors: self.node_selectors(),
            tenants: self.tenants(),
            tenant_map: self.path("tenant-map"),
        }
    }

    fn endpoints(&mut self) -> Vec<String> {
        let endpoints = self.value("provider").list().to_vec();
        if endpoints.is_empty() {
            self.wrong("provider", "is needed at least once: unix:PATH or https://HOST:PORT of a provider daemon");
        }
        let insecure = self.value("allow-insecure-loopback").bool();
        let mut tls = false;
        for (at, text) in endpoints.iter().enumerate() {
            if endpoints[..at].contains(text) {
                self.faults.push(Fault::new("provider", text, "is given twice"));
            }
            let parsed =
                text.parse::<Endpoint>().and_then(|endpoint| endpoint.require_secure(insecure).map(|()| endpoint));
            match parsed {
                Ok(endpoint) => tls |= matches!(endpoint, Endpoint::Tls(_)),
                Err(error) => self.faults.push(Fault::new("provider", text, error.to_string())),
            }
        }
        if tls {
            for name in ["provider-ca-file", "provider-cert-file", "provider-key-file"] {
                if self.text(name).is_none() {
                    self.wrong(name, "is needed for an https:// provider: both sides are verified");
                }
            }
        }
        endpoints
    }

    fn socket_uids(&mut self) -> Vec<u32> {
        let mut uids = Vec::new();
        for text in self.value("provider-socket-uid").list().to_vec() {
            match text.parse() {
                Ok(uid) => uids.push(uid),
                Err(_) => self.faults.push(Fault::new("provider-socket-uid", text, "is not the number of a user")),
            }
        }
        uids
    }

    fn default_provider(&mut self) -> Option<String> {
        let default = self.text("default-provider");
        let upstream = self.text("cloud-provider").filter(|name| name != "external");
        if let (Some(ours), Some(theirs)) = (&default, &upstream)
            && ours != theirs
        {
            let problem = format!("differs from --default-provider={ours:?}; give one of them, or \"external\" here");
            self.wrong("cloud-provider", problem);
        }
        default.or(upstream)
    }

    fn load_balancer_classes(&mut self) -> BTreeMap<String, String> {
        let mut classes = BTreeMap::new();
        for text in self.value("load-balancer-class").list().to_vec() {
            let wrong = |problem: &str| Fault::new("load-balancer-class", text.clone(), problem);
            match text.split_once('=') {
                Some((class, provider)) if !class.is_empty() && !provider.is_empty() => {
                    if classes.insert(class.to_owned(), provider.to_owned()).is_some() {
                        self.faults.push(wrong("gives this class to a second provider"));
                    }
                }
                _ => self.faults.push(wrong("is not CLASS=PROVIDER")),
            }
        }
        classes
    }

    fn accounts(&mut self) -> Vec<Account> {
        let mut accounts = Vec::new();
        for text in self.value("provider-account").list().to_vec() {
            match text.split_once('/') {
                Some((id, region)) if !id.is_empty() && !region.is_empty() => {
                    accounts.push(Account { id: id.to_owned(), region: region.to_owned() });
                }
                _ => self.faults.push(Fault::new("provider-account", text, "is not ACCOUNT/REGION")),
            }
        }
        accounts
    }

    fn node_selectors(&mut self) -> BTreeMap<String, Selector> {
        let mut selectors = BTreeMap::new();
        for text in self.value("provider-node-selector").list().to_vec() {
            let mut wrong =
                |problem: &str| self.faults.push(Fault::new("provider-node-selector", text.clone(), problem));
            match text.split_once('=').map(|(name, selector)| (name, selector.parse())) {
                Some((name, Ok(selector))) if !name.is_empty() => {
                    if selectors.insert(name.to_owned(), selector).is_some() {
                        wrong("is a second selector of this provider; join them with a comma");
                    }
                }
                Some((_, Err(error))) => wrong(&InvalidSelector::to_string(&error)),
                _ => wrong("is not NAME=SELECTOR"),
            }
        }
        selectors
    }

    /// A file that cannot be read is reported with the others.
    fn tenants(&mut self) -> TenantMap {
        let Some(Ok(bytes)) = self.path("tenant-map").map(|path| (self.file)(&path)) else {
            return TenantMap::default();
        };
        tenants::parse(&bytes).unwrap_or_else(|fault| {
            self.wrong("tenant-map", format!("does not map namespaces to tenants: {fault}"));
            TenantMap::default()
        })
    }

    fn controllers(&mut self) -> std::collections::BTreeSet<Controller> {
        match controllers_flag::enabled(self.value("controllers").list()) {
            Ok(enabled) => enabled,
            Err(unknown) => {
                for name in unknown {
                    let all = Controller::ALL.map(|known| format!("{known} ({})", known.alias())).join(", ");
                    let problem = format!("is no control loop; there are {all}");
                    self.faults.push(Fault::new("controllers", name, problem));
                }
                std::collections::BTreeSet::new()
            }
        }
    }

    fn leader_election(&mut self) -> Option<LeaderElectionConfig> {
        if !self.value("leader-elect").bool() {
            return None;
        }
        let timing = Timing {
            lease_duration: self.value("leader-elect-lease-duration").duration(),
            renew_deadline: self.value("leader-elect-renew-deadline").duration(),
            retry_period: self.value("leader-elect-retry-period").duration(),
        };
        for fault in timing.faults() {
            self.wrong(
                "leader-elect-lease-duration",
                format!(
                    "with --leader-elect-renew-deadline={} and --leader-elect-retry-period={}: {fault}",
                    self.value("leader-elect-renew-deadline"),
                    self.value("leader-elect-retry-period"),
                ),
            );
        }
        if self.value("leader-elect-resource-lock").text() != "leases" {
            self.wrong("leader-elect-resource-lock", "must be leases");
        }
        for name in ["leader-elect-resource-name", "leader-elect-resource-namespace"] {
            if self.text(name).is_none() {
                self.wrong(name, "must not be empty");
            }
        }
        Some(LeaderElectionConfig {
            timing,
            name: self.value("leader-elect-resource-name").text().to_owned(),
            namespace: self.value("leader-elect-resource-namespace").text().to_owned(),
            migration: None,
        })
    }

    /// The second lease and what runs under it, if there is one.
    fn leader_migration(&mut self) -> Option<(String, Split)> {
        let path = self.path("leader-migration-config");
        if !self.value("enable-leader-migration").bool() {
            if path.is_some() {
                self.wrong("leader-migration-config", "is only read with --enable-leader-migration");
            }
            return None;
        }
        if !self.value("leader-elect").bool() {
            self.wrong("enable-leader-migration", "needs --leader-elect: it is about a second lease");
        }
        let (lease, assignments) = match path.map(|path| (self.file)(&path)) {
            None => (leader_migration::DEFAULT_LEASE.to_owned(), leader_migration::default_assignments()),
            // A file that cannot be read is reported with the others.
            Some(Err(_)) => return None,
            Some(Ok(bytes)) => match migration::read(&bytes) {
                Ok(read) => read,
                Err(problems) => {
                    for problem in problems {
                        self.wrong("leader-migration-config", problem);
                    }
                    return None;
                }
            },
        };
        if lease == self.value("leader-elect-resource-name").text() {
            self.wrong("leader-migration-config", format!("leaderName {lease:?} is that of the first lease"));
        }
        Some((lease, leader_migration::split(&assignments)))
    }

    fn node(&mut self) -> NodeConfig {
        let default = NodeConfig::default();
        let workers = self.workers("concurrent-node-syncs", default.workers);
        let status_workers = match usize::try_from(self.value("concurrent-node-status-updates").int()) {
            Ok(0) => workers,
            Ok(count) => count,
            Err(_) => {
                self.wrong("concurrent-node-status-updates", "is negative; 0 is as many as --concurrent-node-syncs");
                workers
            }
        };
        let status_update_frequency = self.period("node-status-update-frequency");
        let adopt_untainted = self.value("node-adopt-untainted").bool();
        NodeConfig { workers, status_workers, status_update_frequency, adopt_untainted }
    }

    fn lifecycle(&mut self) -> LifecycleConfig {
        let workers = self.workers("concurrent-node-lifecycle-syncs", LifecycleConfig::default().workers);
        let monitor_period = self.period("node-monitor-period");
        let percent = u8::try_from(self.value("node-removal-max-percent").int()).ok().filter(|percent| *percent <= 100);
        if percent.is_none() {
            self.wrong("node-removal-max-percent", "must be a number from 0 to 100");
        }
        let removal = RemovalSettings {
            not_ready_grace: self.value("node-removal-not-ready-grace").duration(),
            min_node_age: self.value("node-removal-min-node-age").duration(),
            confirm_interval: self.period("node-removal-confirm-interval"),
            max_answer_age: self.period("node-removal-max-answer-age"),
            auth_hold: self.value("node-removal-auth-hold").duration(),
            window: self.period("node-removal-window"),
            max_percent: percent.unwrap_or_default(),
        };
        let out_of_service_after =
            Some(self.value("node-out-of-service-after").duration()).filter(|after| !after.is_zero());
        LifecycleConfig { workers, monitor_period, out_of_service_after, removal }
    }

    fn service(&mut self) -> ServiceConfig {
        ServiceConfig {
            workers: self.workers("concurrent-service-syncs", ServiceConfig::default().workers),
            audit_period: self.period("load-balancer-audit-period"),
        }
    }

    fn route(&mut self) -> RouteConfig {
        let enabled = self.value("allocate-node-cidrs").bool() && self.value("configure-cloud-routes").bool();
        RouteConfig { enabled, period: self.period("route-reconciliation-period"), cluster_cidrs: self.cluster_cidrs() }
    }

    fn cluster_cidrs(&mut self) -> Vec<IpNet> {
        let mut cidrs: Vec<IpNet> = Vec::new();
        for text in self.value("cluster-cidr").list().to_vec() {
            match text.trim().parse::<IpNet>() {
                Ok(cidr) => cidrs.push(cidr.trunc()),
                Err(_) => self.faults.push(Fault::new("cluster-cidr", text, "is not a network such as 10.0.0.0/8")),
            }
        }
        let v4 = cidrs.iter().filter(|cidr| cidr.addr().is_ipv4()).count();
        if v4 > 1 || cidrs.len() - v4 > 1 {
            self.wrong("cluster-cidr", "has two networks of one family; one of each is allowed");
        }
        cidrs
    }

    fn admin(&mut self) -> Option<AdminConfig> {
        let port = u16::try_from(self.value("secure-port").int()).unwrap_or_else(|_| {
            self.wrong("secure-port", "is not a port from 0 to 65535; 0 turns the server off");
            0
        });
        let admin = AdminConfig {
            address: self.address(),
            port,
            certificate: self.certificate(),
            sni: self.sni(),
            tls13_only: self.tls13_only(),
            cipher_suites: self.cipher_suites(),
            http2: !self.value("disable-http2-serving").bool(),
            http2_max_streams: self.max_streams(),
            share_port: self.value("permit-port-sharing").bool(),
            authentication: self.authentication(),
            authorization: self.authorization(),
            profiling: self.value("profiling").bool(),
        };
        Some(admin).filter(|_| port != 0)
    }

    fn address(&mut self) -> IpAddr {
        self.value("bind-address").text().parse().unwrap_or_else(|_| {
            self.wrong("bind-address", "is not an IP address");
            IpAddr::from([0, 0, 0, 0])
        })
    }

    fn certificate(&mut self) -> CertificateSource {
        match (self.path("tls-cert-file"), self.path("tls-private-key-file")) {
            (Some(certificate), Some(key)) => CertificateSource::Files { certificate, key },
            (None, None) => self.path("cert-dir").map_or(CertificateSource::InMemory, CertificateSource::Folder),
            (Some(_), None) => {
                self.wrong("tls-private-key-file", "is needed with --tls-cert-file");
                CertificateSource::InMemory
            }
            (None, Some(_)) => {
                self.wrong("tls-cert-file", "is needed with --tls-private-key-file");
                CertificateSource::InMemory
            }
        }
    }

    fn sni(&mut self) -> Vec<SniCertificate> {
        let mut pairs = Vec::new();
        for text in self.value("tls-sni-cert-key").list().to_vec() {
            let (files, names) = text.split_once(':').unwrap_or((&text, ""));
            match files.split_once(',') {
                Some((certificate, key)) if !certificate.is_empty() && !key.is_empty() => pairs.push(SniCertificate {
                    certificate: certificate.into(),
                    key: key.into(),
                    names: names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
                }),
                _ => self.faults.push(Fault::new("tls-sni-cert-key", &*text, "is not CERT,KEY or CERT,KEY:NAME,NAME")),
            }
        }
        pairs
    }

    fn tls13_only(&mut self) -> bool {
        match self.value("tls-min-version").text() {
            "VersionTLS13" => true,
            "" | "VersionTLS12" => false,
            "VersionTLS10" | "VersionTLS11" => {
                self.wrong("tls-min-version", "is broken and not served; use VersionTLS12 or VersionTLS13");
                false
            }
            _ => {
                self.wrong("tls-min-version", "is neither VersionTLS12 nor VersionTLS13");
                false
            }
        }
    }

    fn cipher_suites(&mut self) -> Vec<String> {
        let suites = self.value("tls-cipher-suites").list().to_vec();
        let known = crate::admin::tls::suite_names();
        for name in &suites {
            if !known.contains(name) {
                let problem = format!("is not served; safe ones for TLS 1.2 are {}", known.join(", "));
                self.faults.push(Fault::new("tls-cipher-suites", name, problem));
            }
        }
        suites
    }

    fn max_streams(&mut self) -> Option<u32> {
        match u32::try_from(self.value("http2-max-streams-per-connection").int()) {
            Ok(0) => None,
            Ok(count) => Some(count),
            Err(_) => {
                self.wrong("http2-max-streams-per-connection", "must be a number from 0");
                None
            }
        }
    }

    fn authentication(&mut self) -> AuthenticationConfig {
        let list = |name: &str| self.value(name).list().to_vec();
        AuthenticationConfig {
            kubeconfig: self.path("authentication-kubeconfig"),
            cache_ttl: self.value("authentication-token-webhook-cache-ttl").duration(),
            skip_lookup: self.value("authentication-skip-lookup").bool(),
            tolerate_lookup_failure: self.value("authentication-tolerate-lookup-failure").bool(),
            client_ca_file: self.path("client-ca-file"),
            request_header: self.path("requestheader-client-ca-file").map(|ca_file| RequestHeaderConfig {
                ca_file,
                allowed_names: list("requestheader-allowed-names"),
                username_headers: list("requestheader-username-headers"),
                uid_headers: list("requestheader-uid-headers"),
                group_headers: list("requestheader-group-headers"),
                extra_prefixes: list("requestheader-extra-headers-prefix"),
            }),
        }
    }

    fn authorization(&mut self) -> AuthorizationConfig {
        let paths = self.value("authorization-always-allow-paths").list().to_vec();
        for path in &paths {
            if path.strip_suffix('*').unwrap_or(path).contains('*') {
                let problem = "has a * before its end; only a last one stands for anything";
                self.faults.push(Fault::new("authorization-always-allow-paths", path, problem));
            }
        }
        AuthorizationConfig {
            kubeconfig: self.path("authorization-kubeconfig"),
            allowed_ttl: self.value("authorization-webhook-cache-authorized-ttl").duration(),
            denied_ttl: self.value("authorization-webhook-cache-unauthorized-ttl").duration(),
            always_allow_paths: paths,
        }
    }

    fn telemetry(&mut self) -> TelemetryConfig {
        let verbosity = u8::try_from(self.value("v").int()).unwrap_or_else(|_| {
            self.wrong("v", "must be a number from 0 to 255");
            0
        });
        let json = match self.value("logging-format").text() {
            "json" => true,
            "text" => false,
            _ => {
                self.wrong("logging-format", "must be text or json");
                false
            }
        };
        let sampling_ratio = self.value("trace-sampling-ratio").float();
        if !(0.0..=1.0).contains(&sampling_ratio) {
            self.wrong("trace-sampling-ratio", "must be a number from 0 to 1");
        }
        if let Some(endpoint) = self.text("otlp-endpoint")
            && !endpoint.starts_with("http://")
        {
            self.wrong(
                "otlp-endpoint",
                "must be http://HOST:PORT of a collector nearby, which may speak TLS from there on",
            );
        }
        TelemetryConfig { verbosity, json, otlp_endpoint: self.text("otlp-endpoint"), sampling_ratio }
    }

    /// Every file that is named can be read.
    fn check_files(&mut self) {
        let named = SECTIONS.iter().flat_map(|section| section.flags).filter(|flag| flag.kind == Kind::File);
        for flag in named {
            // The folder is made when it is not there.
            let Some(path) = self.path(flag.name).filter(|_| flag.name != "cert-dir") else { continue };
            if self.flags.without_effect().any(|(name, _)| name == flag.name) {
                continue;
            }
            if let Err(error) = (self.file)(&path) {
                self.wrong(flag.name, format!("cannot be read: {error}"));
            }
        }
        let faults = self.sni_files();
        self.faults.extend(faults);
    }

    fn sni_files(&self) -> Vec<Fault> {
        let pairs = self.value("tls-sni-cert-key").list().iter();
        pairs
            .filter_map(|text| text.split(':').next()?.split_once(','))
            .flat_map(|(certificate, key)| [certificate, key])
            .filter(|path| !path.is_empty())
            .filter_map(|path| {
                let error = (self.file)(Path::new(path)).err()?;
                Some(Fault::new("tls-sni-cert-key", path, format!("cannot be read: {error}")))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
