use std::{collections::BTreeSet, path::Path};

use super::*;

fn flags(arguments: &[&str]) -> Flags {
    match parse(arguments.iter().copied()) {
        (Command::Run(flags), Faults(faults)) if faults.is_empty() => flags,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn faults(arguments: &[&str]) -> Vec<String> {
    let (_, Faults(faults)) = parse(arguments.iter().copied());
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn values_are_written_as_upstream_takes_them() {
    for (arguments, name, want) in [
        (&["--cluster-name=a"][..], "cluster-name", "a"),
        (&["--cluster-name", "a"], "cluster-name", "a"),
        (&["--cluster_name=a"], "cluster-name", "a"),
        (&["--cluster-name=a=b"], "cluster-name", "a=b"),
        (&["--cluster-name="], "cluster-name", ""),
        (&["--cluster-name=a", "--cluster-name=b"], "cluster-name", "b"),
        (&["--leader-elect"], "leader-elect", "true"),
        (&["--leader-elect=false"], "leader-elect", "false"),
        (&["--leader-elect=F"], "leader-elect", "false"),
        (&["--node-status-update-frequency=1m0s"], "node-status-update-frequency", "1m0s"),
        (&["--node-status-update-frequency", "90s"], "node-status-update-frequency", "1m30s"),
        (&["--controllers=*,-route"], "controllers", "*,-route"),
        (&["--controllers=*", "--controllers=-route"], "controllers", "*,-route"),
        (&["--authorization-always-allow-paths="], "authorization-always-allow-paths", ""),
        (&["--provider=unix:a,b"], "provider", "unix:a,b"),
        (&["--provider", "unix:a", "--provider=unix:b"], "provider", "unix:a,unix:b"),
        (&["--feature-gates=A=true,B=false", "--feature-gates=C=1"], "feature-gates", "A=true,B=false,C=true"),
        (&["--secure-port=0"], "secure-port", "0"),
        (&["--kube-api-qps=12.5"], "kube-api-qps", "12.5"),
        (&["-v4"], "v", "4"),
        (&["-v=4"], "v", "4"),
        (&["-v", "4"], "v", "4"),
        (&["--v=4"], "v", "4"),
        (&["--version=false"], "cluster-name", "kubernetes"),
    ] {
        assert_eq!(flags(arguments).value(name).to_string(), want, "{arguments:?}");
    }
}

#[test]
fn every_fault_is_named_with_its_value_and_the_fix() {
    let all = faults(&[
        "--leader-elect=maybe",
        "--concurrent-node-syncs=many",
        "--node-monitor-period=5",
        "--kube-api-qps=NaN",
        "--feature-gates=A",
        "positional",
        "--clutser-name=x",
        "--show-hidden-metrics-for-version=1.36",
        "-x",
        "--version=v1.2.3",
        "--cloud-config=/etc/cloud.conf",
        "--webhooks=*",
        "--secure-port",
    ]);
    let want = [
        "--leader-elect=\"maybe\": is neither true nor false",
        "--concurrent-node-syncs=\"many\": is not a whole number",
        "--node-monitor-period=\"5\": has no unit; write one of ns, us, ms, s, m, h after each number, such as 30s",
        "--kube-api-qps=\"NaN\": is not a number",
        "--feature-gates=\"A\": \"A\" is not NAME=true or NAME=false",
        "positional: is not a flag, and no other arguments are taken; write a value as --flag=value",
        "--clutser-name: is not a flag; did you mean --cluster-name? (--help lists all)",
        "--show-hidden-metrics-for-version: is not a flag (--help lists all)",
        "-x: is not a flag (--help lists all)",
        "--secure-port: needs a value",
        "--version=\"v1.2.3\": is not true, false or raw; this build reports no version but its own",
        "--cloud-config=\"/etc/cloud.conf\": belongs to the provider daemon: this process holds no cloud settings and no \
         cloud secrets. Give the file to the daemon",
        "--webhooks=\"*\": no webhooks are served; upstream has none to serve, either",
    ];
    assert_eq!(all, want);
}

#[test]
fn several_faults_are_shown_in_one_message() {
    let (_, faults) = parse(["a", "--leader-elect=x"]);
    assert!(faults.to_string().starts_with("2 flags are wrong:\n  a: is not"), "{faults}");
}

#[test]
fn positional_arguments_are_rejected_wherever_they_stand() {
    for arguments in [&["x"][..], &["--leader-elect", "false"], &["--", "--leader-elect"], &["-"]] {
        assert_eq!(faults(arguments).len(), 1, "{arguments:?}");
    }
}

#[test]
fn help_and_version_come_before_everything_else() {
    assert_eq!(parse(["--help"]), (Command::Help, Faults::default()));
    assert_eq!(parse(["-h", "--nonsense"]), (Command::Help, Faults::default()));
    assert_eq!(parse(["--version"]), (Command::Version { raw: false }, Faults::default()));
    assert_eq!(parse(["--version=raw"]), (Command::Version { raw: true }, Faults::default()));
}

#[test]
fn flags_without_effect_are_told_only_when_given() {
    let given = flags(&["--cidr-allocator-type=RangeAllocator", "--webhook-secure-port=1"]);
    let told: Vec<_> = given.without_effect().map(|(name, _)| name).collect();
    assert_eq!(told, ["cidr-allocator-type", "webhook-secure-port"]);
    assert_eq!(flags(&[]).without_effect().count(), 0);
}

#[test]
fn what_upstreams_manifests_like_to_give_is_told_to_have_no_effect() {
    let given = flags(&[
        "--use-service-account-credentials",
        "--feature-gates=CloudControllerManagerWebhook=false",
        "--tls-curve-preferences=X25519",
        "--contention-profiling",
        "--profiling",
    ]);
    let mut told: Vec<_> = given.without_effect().map(|(name, _)| name).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        ["contention-profiling", "feature-gates", "tls-curve-preferences", "use-service-account-credentials"]
    );
    assert_eq!(given.partly().map(|(name, _)| name).collect::<Vec<_>>(), ["profiling"]);
}

#[test]
fn a_refused_flag_may_be_given_with_its_default() {
    flags(&["--cloud-config=", "--webhooks="]);
}

#[test]
fn all_flags_are_echoed() {
    let echoed: Vec<_> = flags(&["--leader-elect=false"]).echo().collect();
    assert_eq!(echoed.len(), table::all().count());
    assert!(echoed.contains(&"--leader-elect=false".to_owned()));
    assert!(echoed.contains(&"--leader-elect-lease-duration=15s".to_owned()));
}

/// Upstream's `TestDefaultFlags`: every flag of upstream's is here under its name, and its default is upstream's but for those
/// that are only a brake.
#[test]
fn defaults_are_upstreams_but_for_brakes() {
    let mut different = BTreeSet::new();
    let mut ours = 0;
    for flag in table::all() {
        match flag.upstream {
            Some(upstream) if upstream != flag.default => {
                different.insert(flag.name);
            }
            Some(_) => {}
            None => ours += 1,
        }
    }
    let want = [
        "concurrent-node-lifecycle-syncs",
        "concurrent-node-syncs",
        "concurrent-service-syncs",
        "kube-api-content-type",
        "kube-api-qps",
        "route-reconciliation-period",
    ];
    assert_eq!(different, BTreeSet::from(want));
    assert_eq!(table::all().count() - ours, UPSTREAM.len(), "as many flags of upstream's as upstream has");
    for name in UPSTREAM {
        assert!(table::find(name).is_some_and(|flag| flag.upstream.is_some()), "{name}");
    }
}

/// The flags of upstream's cloud-controller-manager; `--help` and `--version` aside.
#[rustfmt::skip]
const UPSTREAM: &[&str] = &[
    "profiling", "contention-profiling", "enable-leader-migration", "leader-migration-config",
    "min-resync-period", "kube-api-content-type", "kube-api-qps", "kube-api-burst", "controller-start-interval",
    "controllers", "leader-elect", "leader-elect-lease-duration", "leader-elect-renew-deadline",
    "leader-elect-retry-period", "leader-elect-resource-lock", "leader-elect-resource-name",
    "leader-elect-resource-namespace", "cloud-provider", "cloud-config", "external-cloud-volume-plugin",
    "use-service-account-credentials", "allow-untagged-cloud", "route-reconciliation-period", "cluster-name",
    "cluster-cidr", "allocate-node-cidrs", "cidr-allocator-type", "configure-cloud-routes", "node-sync-period",
    "feature-gates", "concurrent-node-syncs", "concurrent-node-status-updates", "concurrent-node-lifecycle-syncs",
    "node-monitor-period", "concurrent-service-syncs", "webhooks", "webhook-bind-address", "webhook-secure-port",
    "webhook-disable-http2-serving", "webhook-cert-dir", "webhook-tls-cert-file", "webhook-tls-private-key-file",
    "webhook-tls-cipher-suites", "webhook-tls-curve-preferences", "webhook-tls-min-version", "webhook-tls-sni-cert-key",
    "bind-address", "secure-port", "disable-http2-serving", "cert-dir", "tls-cert-file", "tls-private-key-file",
    "tls-cipher-suites", "tls-curve-preferences", "tls-min-version", "tls-sni-cert-key",
    "http2-max-streams-per-connection", "permit-port-sharing", "permit-address-sharing", "authentication-kubeconfig",
    "authentication-token-webhook-cache-ttl", "authentication-skip-lookup", "authentication-tolerate-lookup-failure",
    "client-ca-file", "requestheader-client-ca-file", "requestheader-allowed-names", "requestheader-username-headers",
    "requestheader-uid-headers", "requestheader-group-headers", "requestheader-extra-headers-prefix",
    "authorization-kubeconfig", "authorization-webhook-cache-authorized-ttl",
    "authorization-webhook-cache-unauthorized-ttl", "authorization-always-allow-paths", "master", "kubeconfig",
    "node-status-update-frequency", "v", "vmodule", "logging-format", "log-flush-frequency", "log-text-split-stream",
    "log-text-info-buffer-size",
];

#[test]
fn the_table_is_sound() {
    let mut seen = BTreeSet::new();
    for flag in table::all() {
        assert!(seen.insert(flag.name), "{} is there twice", flag.name);
        assert!(flag.help.ends_with('.'), "--{}: help is a sentence", flag.name);
        assert!(!flag.help.contains("  "), "--{}: two spaces", flag.name);
        if !flag.default.is_empty() {
            assert_eq!(flag.default_value().to_string(), flag.default, "--{}: default in canonical form", flag.name);
        }
        if let Effect::Partly(why) | Effect::None(why) | Effect::Refused(why) = flag.effect {
            assert!(!why.ends_with('.') && !why.is_empty(), "--{}: the reason completes a sentence", flag.name);
        }
    }
}

#[test]
fn help_shows_every_flag_within_its_width() {
    let usage = usage();
    for flag in table::all() {
        assert!(usage.contains(&format!("--{}", flag.name)), "{}", flag.name);
    }
    for line in usage.lines() {
        assert!(line.chars().count() <= 120, "{line}");
    }
}

#[test]
fn flags_page_matches_the_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/flags.md");
    let want = markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, &want).expect("docs/flags.md is writable");
    }
    let have = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        have == want,
        "docs/flags.md is out of date: UPDATE_DOCS=1 cargo test -p cloud-controller-manager flags_page"
    );
}
