use super::*;

const BARE: &str = r#"{"lb-algorithm":"SOURCE_IP","keep-eip":true,"health-check":"on","lb-provider":"vlb"}"#;

fn check(text: &str, algorithm: &str, keep_eip: bool) {
    let options = Options::parse(text).unwrap();
    assert_eq!(options.load_balancers.lb_algorithm, algorithm, "{text}");
    assert_eq!(options.load_balancers.keep_eip, keep_eip, "{text}");
}

#[test]
fn every_form_of_the_config_map_is_read() {
    check("", "", false);
    check(BARE, "SOURCE_IP", true);
    check(&serde_json::json!({ "loadBalancerOption": BARE }).to_string(), "SOURCE_IP", true);
    check(&serde_json::json!({ "loadBalancerOption": { "keep-eip": true } }).to_string(), "", true);
    let manifest =
        format!("kind: ConfigMap\ndata:\n  loadBalancerOption: |-\n    {BARE}\n  networkingOption: '{{}}'\n");
    check(&manifest, "SOURCE_IP", true);
    check("kind: ConfigMap\n", "", false);
}

#[test]
fn a_mounted_folder_is_read_key_by_key() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(LOAD_BALANCER), BARE).unwrap();
    std::fs::write(folder.path().join(NETWORKING), r#"{"public-network-name":["vpc-1"]}"#).unwrap();
    let options = Options::load(folder.path()).unwrap();
    assert!(options.load_balancers.keep_eip);
    assert_eq!(options.networking.public_network_name, ["vpc-1"]);
}

#[test]
fn all_faults_are_told_at_once() {
    let text =
        r#"{"loadBalancerOption":{"lb-algorithm":"FASTEST","session-affinity-flag":"maybe"},"networkingOption":"["}"#;
    let faults = Options::parse(text).unwrap_err().0;
    assert_eq!(faults.len(), 3, "{faults:?}");
    for word in ["lb-algorithm", "FASTEST", "session-affinity-flag", "networkingOption"] {
        assert!(faults.iter().any(|fault| fault.contains(word)), "{word}: {faults:?}");
    }
}
