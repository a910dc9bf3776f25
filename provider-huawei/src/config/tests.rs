use super::*;

fn no_environment(_: &str) -> Option<String> {
    None
}

fn read(text: &str) -> Loaded {
    parse(text, &no_environment).unwrap()
}

fn faults(text: &str) -> Vec<String> {
    parse(text, &no_environment).unwrap_err().0
}

const SMALL: &str = "[Global]\nregion=ap-southeast-1\naccess-key=AK\nsecret-key=marker-secret\n";

#[test]
fn a_file_of_the_go_provider_works_as_it_is() {
    let loaded = read(
        "[Global]\ncloud==example.test\nregion = \"ap-southeast-1\"\naccess-key=AK\nsecret-key=SK\nproject-id=p1\n\
         auth-url=https://iam.example.test:443/v3/\nenterprise-project-id=0\n[Vpc]\nid=v1\nsubnet-id=s1\n\
         security-group-id=g1\n[Extra]\nkey=value\n[Global]\nnovelty=1\n",
    );
    let config = loaded.config;
    assert_eq!(config.endpoints.of(Service::Elb).as_str(), "https://elb.ap-southeast-1.example.test/");
    assert_eq!(config.endpoints.of(Service::Iam).as_str(), "https://iam.example.test/");
    assert_eq!(config.project_id.as_deref(), Some("p1"));
    assert_eq!(config.enterprise_project_id.as_deref(), Some("0"));
    let vpc = Vpc {
        id: Some("v1".into()),
        subnet_id: Some("s1".into()),
        security_group_id: Some("g1".into()),
        route_table_id: None,
    };
    assert_eq!(config.vpc, vpc);
    assert_eq!(config.keys, Keys::Given(Credentials::lasting("AK", "SK")));
    assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
}

#[test]
fn a_port_of_the_cloud_is_a_port_of_every_endpoint() {
    let config = read(&format!("{SMALL}cloud=example.test:8443\n")).config;
    assert_eq!(config.endpoints.of(Service::Ecs).as_str(), "https://ecs.ap-southeast-1.example.test:8443/");
    assert_eq!(config.endpoints.of(Service::Iam).as_str(), "https://iam.example.test:8443/");
}

#[test]
fn iam_is_found_in_the_order_told() {
    let environment = |name: &str| (name == "HUAWEICLOUD_SDK_IAM_ENDPOINT").then(|| "iam.environment.test".to_owned());
    let iam = |more: &str| {
        let loaded = parse(&format!("{SMALL}{more}"), &environment).unwrap();
        loaded.config.endpoints.of(Service::Iam).to_string()
    };
    assert_eq!(iam(""), "https://iam.environment.test/");
    assert_eq!(iam("auth-url=https://iam.file.test/v3"), "https://iam.environment.test/");
    assert_eq!(iam("[Endpoints]\niam=https://iam.own.test"), "https://iam.own.test/");
}

#[test]
fn keys_come_from_the_first_place_that_has_them() {
    let environment = |name: &str| match name {
        "HUAWEICLOUD_SDK_AK" => Some("EK".to_owned()),
        "HUAWEICLOUD_SDK_SK" => Some("ES".to_owned()),
        _ => None,
    };
    let keys = |text: &str, environment: Environment<'_>| parse(text, environment).unwrap().config.keys;
    let bare = "[Global]\nregion=r\n";
    assert_eq!(keys(SMALL, &environment), Keys::Given(Credentials::lasting("AK", "marker-secret")));
    let folder = format!("{bare}secret-folder=/etc/keys\n");
    assert_eq!(keys(&folder, &environment), Keys::Folder("/etc/keys".into()));
    assert_eq!(keys(bare, &environment), Keys::Environment(Credentials::lasting("EK", "ES")));
    let metadata = Keys::Metadata { endpoint: METADATA.parse().unwrap(), token: true };
    assert_eq!(keys(bare, &no_environment), metadata);
    assert_eq!(keys("[Global]\nregion=r\naccess-key=\nsecret-key=\"\"\n", &no_environment), metadata);
}

#[test]
fn every_fault_is_told_at_once_and_names_its_key() {
    let all = faults(
        "[Global]\naccess-key=AK\nproxy-from-environment=perhaps\nrequest-timeout=soon\nagency-duration=1s\n\
         agency-domain-id=d\nauth-url=http://iam.example.test\n[Endpoints]\nnat=ftp://x\n[broken\n",
    );
    for part in [
        "region is missing",
        "secret-key is missing",
        "proxy-from-environment",
        "request-timeout",
        "agency-duration",
        "agency-name",
        "auth-url",
        "nat",
        "closing bracket",
    ] {
        assert!(all.iter().any(|fault| fault.contains(part)), "{part} is not in {all:#?}");
    }
    assert_eq!(all.len(), 9, "{all:#?}");
}

#[test]
fn faults_and_debug_show_no_secret() {
    let text = format!("{SMALL}security-token=marker-token\n[g\n");
    assert!(!faults(&text).join(" ").contains("marker"));
    let shown = format!("{:?}", read(&format!("{SMALL}security-token=marker-token\n")));
    assert!(!shown.contains("marker"), "{shown}");
}

#[test]
fn profiles_set_what_a_site_differs_in() {
    let config = read(&format!("{SMALL}profile=hcs\ncloud=site.example\n")).config;
    assert_eq!(config.endpoints.of(Service::Iam).as_str(), "https://iam-apigateway-proxy.site.example/");
    assert!(!config.profile.features.enterprise_projects);
    let missing = faults(&format!("{SMALL}profile=hcs\n"));
    assert!(missing[0].contains("cloud is missing"), "{missing:?}");
    let unknown = faults(&format!("{SMALL}profile=nowhere\n"));
    assert!(unknown[0].contains("`nowhere` is unknown: one of fusionstage, hcs"), "{unknown:?}");
}

#[test]
fn a_site_brings_a_profile_of_its_own() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("site.json");
    std::fs::write(&file, r#"{"service":"https://{cloud}/{service}","iam":"https://{cloud}/iam","sign_host":true}"#)
        .unwrap();
    let config = read(&format!("{SMALL}cloud=api.site.example\nprofile-file={}\n", file.display())).config;
    assert_eq!(config.endpoints.of(Service::Elb).as_str(), "https://api.site.example/elb");
    assert!(config.profile.sign_host);
    std::fs::write(&file, "{").unwrap();
    let text = format!("{SMALL}profile-file={}\n", file.display());
    assert!(faults(&text)[0].contains("site.json"));
}
