use super::*;
use crate::endpoints::Service;

fn no_environment(_: &str) -> Option<String> {
    None
}

fn read(text: &str) -> Loaded {
    parse(text, &no_environment).unwrap()
}

fn faults(text: &str) -> Vec<String> {
    parse(text, &no_environment).unwrap_err().0
}

/// A small file with more keys.
fn with(more: &str) -> String {
    format!(r#"{{"ClusterId":"c-AbCd1234","AccessKeyID":"AK","SecretAccessKey":"marker-secret","Region":"bj"{more}}}"#)
}

fn bare(more: &str) -> String {
    format!(r#"{{"ClusterId":"cce-demo0001","Region":"gz"{more}}}"#)
}

#[test]
fn a_file_of_the_go_provider_works_as_it_is_in_any_case() {
    let file = r#"{"ClusterId": "c-AbCd1234", "ClusterName": "demo", "AccessKeyID": "AK", "SecretAccessKey": "SK", "Region": "bj",
        "VpcId": "vpc-1a2b3c4d5e6f", "SubnetId": "", "MasterId": "i-Master01", "Endpoint": "cce.bj.baidubce.com", "Debug": true,
        "NodeName": "n1", "Novelty": {"a": 1}}"#;
    let lower = file.replace("ClusterId", "clusterid").replace("AccessKeyID", "accessKeyId").replace("VpcId", "VPCID");
    for text in [file, &lower] {
        let loaded = read(text);
        let config = loaded.config;
        assert_eq!((config.cluster_id.as_str(), config.cluster_name.as_str()), ("c-AbCd1234", "demo"));
        assert_eq!(config.keys, Keys::Given(Credentials::lasting("AK", "SK")));
        assert_eq!(config.vpc_id.as_deref(), Some("vpc-1a2b3c4d5e6f"));
        assert_eq!(config.endpoints.of(Service::Cce).as_str(), "https://cce.bj.baidubce.com/");
        assert_eq!(config.endpoints.of(Service::Blb).as_str(), "https://blb.bj.baidubce.com/");
        assert_eq!(config.transport.user_agent, "cce-k8s:c-AbCd1234");
        assert_eq!(config.account_id, "c-AbCd1234");
        assert!(loaded.warnings.iter().any(|warning| warning.contains("Novelty")), "{:?}", loaded.warnings);
    }
}

#[test]
fn the_last_of_a_repeated_name_counts_as_it_does_in_go() {
    let loaded = read(&with(r#","REGION":"gz""#));
    assert_eq!(loaded.config.region, "gz");
    assert!(loaded.warnings.iter().any(|warning| warning.contains("more than once")), "{:?}", loaded.warnings);
}

#[test]
fn every_service_can_be_somewhere_else() {
    let config = read(&with(
        r#","Endpoint":"https://cce.test:8443/gate","Endpoints":{"BLB":"blb.test:9443/x","vpc":"http://127.0.0.1:80"}"#,
    ))
    .config;
    assert_eq!(config.endpoints.of(Service::Cce).as_str(), "https://cce.test:8443/gate");
    assert_eq!(config.endpoints.of(Service::Blb).as_str(), "https://blb.test:9443/x");
    assert_eq!(config.endpoints.of(Service::Vpc).as_str(), "http://127.0.0.1/");
    assert_eq!(config.endpoints.of(Service::Bcc).as_str(), "https://bcc.bj.baidubce.com/");
}

#[test]
fn an_empty_region_is_the_sdks_and_an_old_alias_is_known() {
    let loaded = read(r#"{"ClusterId":"c-1","AccessKeyID":"AK","SecretAccessKey":"SK"}"#);
    assert_eq!(loaded.config.region, "bj");
    assert!(loaded.warnings.iter().any(|warning| warning.contains("Region is missing")));
    assert_eq!(read(&with(r#","region":"hk""#)).config.region, "hkg");
    let odd = read(&with(r#","region":"mars""#)).warnings;
    assert!(odd.iter().any(|warning| warning.contains("mars")), "{odd:?}");
}

#[test]
fn where_keys_come_from_is_said_and_never_guessed() {
    let keys = |text: &str| read(text).config.keys;
    assert_eq!(keys(&with("")), Keys::Given(Credentials::lasting("AK", "marker-secret")));
    let token = keys(&with(r#","SessionToken":"marker-token""#));
    assert!(matches!(token, Keys::Given(Credentials { token: Some(_), .. })));
    assert_eq!(keys(&bare(r#","SecretFolder":"/etc/keys""#)), Keys::Folder("/etc/keys".into()));
    let metadata = Keys::Metadata { endpoint: "http://169.254.169.254".parse().unwrap() };
    assert_eq!(keys(&bare(r#","CredentialSource":"imds""#)), metadata);
    let gateway = |url: &str, folder: &str| Keys::Gateway { url: url.parse().unwrap(), folder: folder.into() };
    let mounted = "/var/run/secrets/cce/cce-plugin-token";
    assert_eq!(keys(&bare(r#","Profile":"gateway""#)), gateway("http://cce-gateway.gz.baidubce.com", mounted));
    let other = r#","Profile":"gateway","GatewayEndpoint":"gate.test:8080","GatewayTokenFolder":"/t""#;
    assert_eq!(keys(&bare(other)), gateway("http://gate.test:8080", "/t"));
    let none = faults(&bare(""));
    assert!(none[0].contains("AccessKeyID") && none[0].contains("gateway") && none[0].contains("imds"), "{none:?}");
    for (text, part) in [
        (bare(r#","CredentialSource":"file""#), "SecretFolder is missing"),
        (bare(r#","CredentialSource":"static""#), "AccessKeyID is missing"),
        (bare(r#","CredentialSource":"gateway""#), "GatewayEndpoint is missing"),
        (bare(r#","CredentialSource":"guess""#), "`guess`"),
        (bare(r#","Profile":"gateway","GatewayEndpoint":"http://a.test/path""#), "path"),
        (bare(r#","Profile":"gateway","RoleName":"r","RoleAccountId":"a""#), "no role can be assumed"),
        (bare(r#","Profile":"private","Endpoint":"https://a.test","CredentialSource":"imds""#), "no roles"),
    ] {
        let found = faults(&text);
        assert!(found.iter().any(|fault| fault.contains(part)), "{part} is not in {found:?}");
    }
}

#[test]
fn the_gateway_is_found_in_the_environment() {
    let environment = |name: &str| (name == "CCE_GATEWAY_ENDPOINT").then(|| "gate.env.test:81".to_owned());
    let config = parse(&bare(r#","Profile":"gateway""#), &environment).unwrap().config;
    assert!(matches!(config.keys, Keys::Gateway { url, .. } if url.as_str() == "http://gate.env.test:81/"));
}

#[test]
fn a_role_is_assumed_with_the_keys() {
    let config =
        read(&with(r#","RoleName":"ccm","RoleAccountId":"acc-1","RoleUserId":"u-1","RoleDuration":"30m""#)).config;
    let role = Role {
        name: "ccm".to_owned(),
        account_id: "acc-1".to_owned(),
        user_id: Some("u-1".to_owned()),
        duration: Duration::from_mins(30),
    };
    assert_eq!(config.role, Some(role));
    assert_eq!(config.account_id, "acc-1");
    let sts = read(&bare(r#","CredentialSource":"sts","RoleName":"ccm","RoleAccountId":"acc-1""#)).config;
    assert!(matches!(sts.keys, Keys::Metadata { .. }) && sts.role.is_some());
}

#[test]
fn a_private_cloud_is_at_one_address_with_a_prefix() {
    let loaded = read(&with(r#","Profile":"private","Endpoint":"http://cce.private.example:8693""#));
    for service in Service::ALL {
        let url = loaded.config.endpoints.of(service).as_str();
        assert_eq!(url, "http://cce.private.example:8693/internal-api", "{service}");
    }
    assert!(!loaded.config.profile.features.eips);
    assert!(loaded.warnings.iter().any(|warning| warning.contains("not encrypted")), "{:?}", loaded.warnings);
    assert!(faults(&with(r#","Profile":"private""#))[0].contains("Endpoint is missing"));
}

#[test]
fn every_fault_is_told_at_once_and_names_its_key() {
    let all = faults(
        r#"{"AccessKeyID":"AK","Region":"b j","VpcId":["a"],"DryRun":"perhaps","RequestTimeout":"soon","RoleDuration":"1s",
            "RoleUserId":7,"RoleAccountId":"a","Endpoint":"http://a.example","Endpoints":{"nat":"x"},"ZoneStyle":"own",
            "InstanceTypeStyle":"x","NodeTagLabels":["a b"]}"#,
    );
    for part in [
        "ClusterId is missing",
        "SecretAccessKey is missing",
        "Region may hold",
        "VpcId is not a text",
        "DryRun",
        "RequestTimeout",
        "RoleDuration",
        "RoleName is missing",
        "Endpoint is not encrypted",
        "Endpoints knows no service `nat`",
        "ZoneStyle",
        "InstanceTypeStyle",
        "NodeTagLabels",
    ] {
        assert!(all.iter().any(|fault| fault.contains(part)), "{part} is not in {all:#?}");
    }
    assert_eq!(all.len(), 13, "{all:#?}");
}

#[test]
fn faults_and_debug_show_no_secret() {
    let text = with(r#","SessionToken":"marker-token""#);
    assert!(!faults(&text.replace("ClusterId", "Nothing")).join(" ").contains("marker"));
    assert!(!faults(&text.replace('}', ",")).join(" ").contains("marker"));
    let shown = format!("{:?}", read(&text));
    assert!(!shown.contains("marker"), "{shown}");
}

#[test]
fn subnets_are_kept_in_order_and_once() {
    let config = read(&with(r#","SubnetIds":["sbn-2","sbn-1"],"SubnetId":"sbn-1""#)).config;
    assert_eq!(config.subnet_ids, ["sbn-1", "sbn-2"]);
}

#[test]
fn a_site_brings_a_profile_of_its_own() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("site.json");
    std::fs::write(
        &file,
        r#"{"service":"https://api.site.example/{service}","own":{"sts":"https://sts.site.example"}}"#,
    )
    .unwrap();
    let text = with(&format!(r#","ProfileFile":"{}""#, file.display()));
    let config = read(&text).config;
    assert_eq!(config.endpoints.of(Service::Vpc).as_str(), "https://api.site.example/bcc");
    assert_eq!(config.endpoints.of(Service::Sts).as_str(), "https://sts.site.example/");
    std::fs::write(&file, "{").unwrap();
    assert!(faults(&text)[0].contains("site.json"));
    assert!(faults(&with(r#","Profile":"nowhere""#))[0].contains("`nowhere` is unknown: one of cloud-edge, cnap"));
}
