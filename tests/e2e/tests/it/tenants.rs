//! Tenants in one cluster and one account: what the documents show of them is taken by both programs, and a hostile one reaches nothing
//! of another's.

mod baidu;
mod huawei;
mod world;

use std::{collections::BTreeMap, fs};

use cloud_controller_manager::tenants;
use provider_kit::Access;
use serde_json::Value;
use testkit::binaries::workspace_root;

fn data(manifest: &str, key: &str) -> String {
    let text = fs::read_to_string(workspace_root().join("deploy/tenants").join(manifest)).expect("it is there");
    let manifest: BTreeMap<String, Value> = serde_saphyr::from_str(&text).expect("it is YAML");
    manifest["data"][key].as_str().expect("it has the file").to_owned()
}

fn access(text: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("access.yaml");
    fs::write(&file, text).expect("written");
    Access::nobody().add_file(&file, None).unwrap_or_else(|faults| panic!("{faults:?}"));
}

#[test]
fn the_examples_are_taken_and_go_together() {
    let map = tenants::parse(data("tenants.yaml", "tenants.yaml").as_bytes()).expect("a map");
    assert_eq!((map.of("shop"), map.of("bank-eu"), map.of("default")), (Some("team-a"), Some("team-b"), None));
    let file = data("access.yaml", "access.yaml");
    access(&file);
    for tenant in map.tenants() {
        assert!(file.contains(&format!("\n  {tenant}:")), "{tenant} is not in the access file");
    }
}

#[test]
fn what_the_guide_shows_is_taken() {
    let guide = fs::read_to_string(workspace_root().join("docs/tenancy.md")).expect("it is there");
    let blocks: Vec<&str> = guide.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [map, file] = blocks[..] else { panic!("{} examples", blocks.len()) };
    assert_eq!(tenants::parse(map.as_bytes()).expect("a map").of("bank-eu"), Some("team-b"));
    access(file);
}
