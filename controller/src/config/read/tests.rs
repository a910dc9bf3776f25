use std::time::Duration;

use super::*;
use crate::args::{Command, parse};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Every file is there, and holds this.
fn from(arguments: &[&str], file: &str) -> Result<Config, Faults> {
    let (command, unreadable) = parse(arguments.iter().copied());
    let Command::Run(flags) = command else { panic!("{arguments:?} does not run") };
    read(&flags, unreadable, &|path| {
        if path.starts_with("/missing") { Err(io::ErrorKind::NotFound.into()) } else { Ok(file.as_bytes().to_vec()) }
    })
}

fn config(arguments: &[&str]) -> Config {
    let all: Vec<_> = ["--provider=unix:p.sock"].into_iter().chain(arguments.iter().copied()).collect();
    from(&all, "").unwrap_or_else(|faults| panic!("{arguments:?}: {faults}"))
}

fn faults(arguments: &[&str]) -> Vec<String> {
    let all: Vec<_> = ["--provider=unix:p.sock"].into_iter().chain(arguments.iter().copied()).collect();
    let faults = from(&all, "- not\n- a map").expect_err("refused");
    faults.0.iter().map(ToString::to_string).collect()
}

#[test]
fn without_flags_the_defaults_hold() {
    let mut want = Config::default();
    want.provider.endpoints = vec!["unix:p.sock".to_owned()];
    assert_eq!(config(&[]), want);
}

#[test]
fn every_flag_reaches_the_config() {
    let config = config(&[
        "--provider=https://10.0.0.1:9443",
        "--provider-ca-file=/ca",
        "--provider-cert-file=/cert",
        "--provider-key-file=/key",
        "--provider-server-name=spiffe://x/daemon",
        "--provider-socket-uid=1,2",
        "--default-provider=huawei",
        "--cloud-provider=huawei",
        "--load-balancer-class=a.example/fast=huawei",
        "--provider-account=p-1/region-1",
        "--provider-node-selector=huawei=cloud in (a,b),!edge",
        "--cluster-name=c",
        "--cluster-id=c-1",
        "--controllers=*,-route",
        "--leader-elect-lease-duration=30s",
        "--leader-elect-renew-deadline=20s",
        "--leader-elect-retry-period=5s",
        "--leader-elect-resource-name=ccm",
        "--leader-elect-resource-namespace=ns",
        "--concurrent-node-syncs=3",
        "--node-adopt-untainted",
        "--node-status-update-frequency=1m0s",
        "--concurrent-node-lifecycle-syncs=4",
        "--node-monitor-period=7s",
        "--node-out-of-service-after=1m",
        "--node-removal-max-percent=20",
        "--node-removal-window=1h",
        "--concurrent-service-syncs=5",
        "--load-balancer-audit-period=1h",
        "--allocate-node-cidrs",
        "--cluster-cidr=10.1.2.3/8,fd00::/48",
        "--route-reconciliation-period=10s",
        "--kube-api-qps=20",
        "--kube-api-burst=40",
        "--kubeconfig=/kc",
        "--master=https://api",
        "--controller-start-interval=1s",
        "--drain-timeout=9s",
        "--bind-address=::1",
        "--secure-port=1234",
        "--tls-cert-file=/tls.crt",
        "--tls-private-key-file=/tls.key",
        "--tls-sni-cert-key=/a.crt,/a.key:a.example,b.example",
        "--tls-min-version=VersionTLS13",
        "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "--disable-http2-serving",
        "--http2-max-streams-per-connection=7",
        "--permit-port-sharing",
        "--client-ca-file=/client-ca",
        "--requestheader-client-ca-file=/proxy-ca",
        "--requestheader-allowed-names=proxy",
        "--authentication-skip-lookup",
        "--authentication-token-webhook-cache-ttl=1s",
        "--authorization-webhook-cache-authorized-ttl=2s",
        "--authorization-webhook-cache-unauthorized-ttl=3s",
        "--authorization-always-allow-paths=",
        "--profiling=false",
        "-v=4",
        "--logging-format=json",
        "--otlp-endpoint=http://collector:4317",
        "--trace-sampling-ratio=0.5",
    ]);
    let provider = &config.provider;
    assert_eq!(provider.endpoints, ["unix:p.sock", "https://10.0.0.1:9443"]);
    assert_eq!(provider.socket_uids, [1, 2]);
    assert_eq!(provider.default_provider.as_deref(), Some("huawei"));
    assert_eq!(provider.load_balancer_classes["a.example/fast"], "huawei");
    assert_eq!(provider.node_selectors["huawei"].to_string(), "cloud in (a,b),!edge");
    assert_eq!(provider.accounts, [Account { id: "p-1".into(), region: "region-1".into() }]);
    assert_eq!(provider.server_name.as_deref(), Some("spiffe://x/daemon"));
    assert_eq!((config.cluster_name.as_str(), config.cluster_id.as_deref()), ("c", Some("c-1")));
    assert!(!config.controllers.contains(&Controller::Route) && config.controllers.len() == 3);
    let election = config.leader_election.as_ref().expect("on");
    assert_eq!(election.timing, Timing { lease_duration: secs(30), renew_deadline: secs(20), retry_period: secs(5) });
    assert_eq!((election.name.as_str(), election.namespace.as_str()), ("ccm", "ns"));
    let node = NodeConfig { workers: 3, status_workers: 3, status_update_frequency: secs(60), adopt_untainted: true };
    assert_eq!(config.node, node);
    assert_eq!((config.lifecycle.workers, config.lifecycle.monitor_period), (4, secs(7)));
    assert_eq!((config.lifecycle.removal.max_percent, config.lifecycle.removal.window), (20, secs(3600)));
    assert_eq!(config.lifecycle.out_of_service_after, Some(secs(60)));
    assert_eq!(config.service, ServiceConfig { workers: 5, audit_period: secs(3600) });
    assert!(config.route.enabled);
    assert_eq!(config.route.period, secs(10));
    let cidrs: Vec<_> = config.route.cluster_cidrs.iter().map(ToString::to_string).collect();
    assert_eq!(cidrs, ["10.0.0.0/8", "fd00::/48"]);
    assert_eq!((config.kube.qps, config.kube.burst), (Some(20.0), 40));
    assert_eq!(config.kube.master.as_deref(), Some("https://api"));
    assert_eq!((config.controller_start_interval, config.drain_timeout), (secs(1), secs(9)));
    let admin = config.admin.as_ref().expect("on");
    assert_eq!((admin.address.to_string().as_str(), admin.port), ("::1", 1234));
    assert_eq!(admin.sni[0].names, ["a.example", "b.example"]);
    assert!(admin.tls13_only && !admin.http2 && admin.share_port && !admin.profiling);
    assert_eq!((admin.http2_max_streams, admin.cipher_suites.len()), (Some(7), 1));
    assert_eq!(admin.authentication.cache_ttl, secs(1));
    assert!(admin.authentication.skip_lookup);
    let proxy = admin.authentication.request_header.as_ref().expect("given");
    assert_eq!(
        (proxy.allowed_names.as_slice(), proxy.username_headers.as_slice()),
        (&["proxy".to_owned()][..], &["x-remote-user".to_owned()][..])
    );
    assert_eq!((admin.authorization.allowed_ttl, admin.authorization.denied_ttl), (secs(2), secs(3)));
    assert!(admin.authorization.always_allow_paths.is_empty());
    assert_eq!(
        config.telemetry,
        TelemetryConfig {
            verbosity: 4,
            json: true,
            otlp_endpoint: Some("http://collector:4317".into()),
            sampling_ratio: 0.5
        }
    );
}

#[test]
fn all_faults_are_found_at_once() {
    let found = faults(&[
        "--provider=tcp://x",
        "--provider=https://h:1",
        "--provider=http://127.0.0.1:1",
        "--provider=unix:p.sock",
        "--provider-server-name=*.example.com",
        "--provider-socket-uid=root",
        "--default-provider=a",
        "--cloud-provider=b",
        "--load-balancer-class=x",
        "--provider-account=x",
        "--provider-node-selector=huawei",
        "--provider-node-selector=huawei=a b",
        "--tenant-map=/t",
        "--cluster-name=",
        "--cluster-id=UPPER",
        "--controllers=service-controller,*",
        "--leader-elect-renew-deadline=20s",
        "--leader-elect-resource-lock=endpoints",
        "--concurrent-node-syncs=0",
        "--concurrent-node-status-updates=-1",
        "--concurrent-service-syncs=-3",
        "--concurrent-node-lifecycle-syncs=0",
        "--node-monitor-period=0s",
        "--node-removal-max-percent=101",
        "--cluster-cidr=10.0.0.0/8,10.1.0.0/16,x",
        "--kube-api-qps=-1",
        "--secure-port=70000",
        "--bind-address=localhost",
        "--tls-cert-file=/c",
        "--tls-min-version=VersionTLS11",
        "--tls-cipher-suites=TLS_RSA_WITH_RC4_128_SHA",
        "--tls-sni-cert-key=/missing/a.crt",
        "--tls-sni-cert-key=/missing/a.crt,/a.key",
        "--authorization-always-allow-paths=/a*b",
        "--kubeconfig=/missing/kubeconfig",
        "--logging-format=xml",
        "--otlp-endpoint=collector:4317",
        "--trace-sampling-ratio=2",
        "-v=-1",
    ]);
    let has = |flag: &str| found.iter().filter(|fault| fault.starts_with(flag)).count();
    for (flag, count) in [
        ("--provider=\"tcp://x\"", 1),
        ("--provider=\"http://127.0.0.1:1\"", 1),
        ("--provider=\"unix:p.sock\": is given twice", 1),
        ("--provider-ca-file: is needed", 1),
        ("--provider-cert-file: is needed", 1),
        ("--provider-key-file: is needed", 1),
        ("--provider-server-name", 1),
        ("--provider-socket-uid", 1),
        ("--cloud-provider=\"b\": differs from --default-provider=\"a\"", 1),
        ("--load-balancer-class", 1),
        ("--provider-account", 1),
        ("--provider-node-selector", 2),
        ("--tenant-map=\"/t\": does not map", 1),
        ("--cluster-name: must not be empty", 1),
        ("--cluster-id", 1),
        ("--controllers=\"service-controller\": is no control loop", 1),
        ("--leader-elect-lease-duration=\"15s\": with --leader-elect-renew-deadline=20s", 1),
        ("--leader-elect-resource-lock", 1),
        ("--concurrent-node-syncs=\"0\": must be at least 1", 1),
        ("--concurrent-node-status-updates=\"-1\": is negative", 1),
        ("--concurrent-service-syncs", 1),
        ("--concurrent-node-lifecycle-syncs", 1),
        ("--node-monitor-period=\"0s\": must be longer than zero", 1),
        ("--node-removal-max-percent", 1),
        ("--cluster-cidr", 2),
        ("--kube-api-qps", 1),
        ("--secure-port", 1),
        ("--bind-address", 1),
        ("--tls-private-key-file: is needed with --tls-cert-file", 1),
        ("--tls-min-version=\"VersionTLS11\": is broken", 1),
        ("--tls-cipher-suites", 1),
        ("--tls-sni-cert-key=\"/missing/a.crt\": is not CERT,KEY", 1),
        ("--tls-sni-cert-key=\"/missing/a.crt\": cannot be read", 1),
        ("--authorization-always-allow-paths", 1),
        ("--kubeconfig=\"/missing/kubeconfig\": cannot be read", 1),
        ("--logging-format", 1),
        ("--otlp-endpoint", 1),
        ("--trace-sampling-ratio", 1),
        ("--v=\"-1\"", 1),
    ] {
        assert_eq!(has(flag), count, "{flag} in {found:#?}");
    }
    assert_eq!(found.len(), 41, "and nothing else: {found:#?}");
}

#[test]
fn what_could_not_be_read_is_told_once_and_with_the_rest() {
    let found = faults(&["--concurrent-node-syncs=many", "--node-monitor-period=5", "--secure-port=70000"]);
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn a_provider_is_needed() {
    let faults = from(&[], "").expect_err("refused");
    assert!(faults.to_string().starts_with("--provider: is needed at least once"), "{faults}");
}

#[test]
fn external_and_a_providers_name_are_taken_for_cloud_provider() {
    assert_eq!(config(&["--cloud-provider=external"]).provider.default_provider, None);
    assert_eq!(config(&["--cloud-provider=mock"]).provider.default_provider.as_deref(), Some("mock"));
}

#[test]
fn plaintext_needs_the_switch_and_loopback() {
    let loopback = config(&["--provider=http://127.0.0.1:1", "--allow-insecure-loopback"]);
    assert!(loopback.provider.allow_insecure_loopback);
    assert_eq!(faults(&["--provider=http://10.0.0.1:1", "--allow-insecure-loopback"]).len(), 1);
}

#[test]
fn loops_and_servers_can_be_turned_off() {
    assert_eq!(config(&["--leader-elect=false", "--leader-elect-retry-period=1h"]).leader_election, None);
    assert_eq!(config(&["--secure-port=0"]).admin, None);
    assert!(config(&["--controllers="]).controllers.is_empty());
}

/// Upstream's `TestNodeControllerValidation`.
#[test]
fn the_number_of_node_workers_is_checked() {
    for (case, arguments, workers, status_workers) in [
        ("empty options", &[][..], 512, 512),
        ("positive value with default 0", &["--concurrent-node-syncs=5"], 5, 5),
        ("positive status updates", &["--concurrent-node-syncs=5", "--concurrent-node-status-updates=2"], 5, 2),
    ] {
        let node = config(arguments).node;
        assert_eq!((node.workers, node.status_workers), (workers, status_workers), "{case}");
    }
    for (case, wrong) in [
        ("concurrent-node-syncs negative value", "--concurrent-node-syncs=-1"),
        ("concurrent-node-syncs zero value", "--concurrent-node-syncs=0"),
        ("negative status updates", "--concurrent-node-status-updates=-1"),
    ] {
        assert_eq!(faults(&[wrong]).len(), 1, "{case}");
    }
}

/// Upstream's generic options.
#[test]
fn the_list_of_controllers_is_checked() {
    for (case, argument, count) in [
        ("no controllers", "--cluster-name=x", 4),
        ("empty controllers", "--controllers=", 0),
        ("valid controllers", "--controllers=cloud-node-controller,service-lb-controller", 2),
        ("disabled controllers", "--controllers=*,-node-route-controller", 3),
        ("aliased controllers", "--controllers=cloud-node,-service,route", 2),
        ("duplicate controllers", "--controllers=service,service-lb-controller", 1),
    ] {
        assert_eq!(config(&[argument]).controllers.len(), count, "{case}");
    }
    for (case, argument, named) in [
        ("unknown controller", "--controllers=*,nonsense", "nonsense"),
        ("unknown controller beside aliases", "--controllers=service,-nonsense", "-nonsense"),
        ("lock other than leases", "--leader-elect-resource-lock=configmaps", "configmaps"),
    ] {
        let found = faults(&[argument]);
        assert!(found.len() == 1 && found[0].contains(&format!("{named:?}")), "{case}: {found:?}");
    }
}

#[test]
fn namespaces_are_mapped_to_tenants() {
    let arguments = ["--provider=unix:p.sock", "--tenant-map=/t"];
    let config = from(&arguments, "shop: tenant-a\n\"bank\": tenant-b\n").expect("a map");
    assert_eq!(config.provider.tenants.of("shop"), Some("tenant-a"));
    assert_eq!(config.provider.tenants.of("other"), Some(""));
    assert_eq!(config.provider.tenant_map.as_deref(), Some(Path::new("/t")));
}

#[test]
fn files_of_flags_without_effect_are_not_looked_at() {
    config(&["--webhook-tls-cert-file=/missing/x", "--cert-dir=/missing/folder"]);
}

const MIGRATION: &str = r"
apiVersion: controllermanager.config.k8s.io/v1
kind: LeaderMigrationConfiguration
leaderName: moving
controllerLeaders:
  - {name: service-lb-controller, component: cloud-controller-manager}
  - {name: route, component: kube-controller-manager}
";

#[test]
fn leader_migration_says_what_runs_where() {
    let all = ["--provider=unix:p.sock", "--enable-leader-migration", "--leader-migration-config=/m"];
    let config = from(&all, MIGRATION).expect("valid");
    let migration = config.leader_election.and_then(|election| election.migration).expect("on");
    assert_eq!((migration.lease.as_str(), migration.moved), ("moving", [Controller::Service].into()));
    assert!(!config.controllers.contains(&Controller::Route), "another component's");
    assert_eq!(config.controllers.len(), 3);

    let config = self::config(&["--enable-leader-migration"]);
    let migration = config.leader_election.and_then(|election| election.migration).expect("on");
    assert_eq!((migration.lease.as_str(), migration.moved.len()), ("cloud-provider-extraction-migration", 3));
    assert_eq!(config.controllers.len(), 4);
    assert_eq!(self::config(&[]).leader_election.and_then(|election| election.migration), None);
}

#[test]
fn leader_migration_that_cannot_be_is_refused() {
    let check = |arguments: &[&str], words: &str| {
        let found = faults(arguments);
        assert!(found.iter().any(|fault| fault.contains(words)), "{arguments:?}: {found:?} does not say {words}");
    };
    check(&["--leader-migration-config=/m"], "only read with --enable-leader-migration");
    check(&["--enable-leader-migration", "--leader-elect=false"], "needs --leader-elect");
    check(&["--enable-leader-migration", "--leader-migration-config=/m"], "is no LeaderMigrationConfiguration");
    check(&["--enable-leader-migration", "--leader-migration-config=/missing/m"], "cannot be read");
    check(
        &["--enable-leader-migration", "--leader-elect-resource-name=cloud-provider-extraction-migration"],
        "is that of the first lease",
    );
}
