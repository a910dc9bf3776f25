use std::{fs, io::Write};

use tempfile::TempDir;

use super::*;
use crate::scenario::MachineSettings;

fn open(dir: &TempDir) -> Cloud {
    Cloud::open(instant(), Some(&dir.path().join("cloud")), None).unwrap()
}

/// A cloud that makes load balancers at once.
fn instant() -> Scenario {
    Scenario::parse("loadBalancers: {provisioning: 0s}").unwrap()
}

fn by_name(name: &str) -> Wanted<'_> {
    Wanted { id: "", name, internal_ip: None }
}

fn by_id(id: &str) -> Wanted<'_> {
    Wanted { id, name: "node", internal_ip: None }
}

fn found(look_up: LookUp) -> Machine {
    match look_up {
        LookUp::Found(machine) => machine,
        other => panic!("{other:?}"),
    }
}

fn look_up(cloud: &Cloud, wanted: Wanted<'_>) -> LookUp {
    cloud.look_up(&[wanted]).pop().unwrap()
}

fn new_load_balancer(service: &str) -> NewLoadBalancer {
    NewLoadBalancer {
        owner: Owner { tenant: String::new(), cluster: "c".to_owned(), service: service.to_owned() },
        namespace: "default".to_owned(),
        service: service.to_owned(),
        address: None,
        limit: None,
        addresses: None,
    }
}

fn members(nodes: &[&str]) -> Arc<MemberSet> {
    let node = |name: &&str| NodeTarget { node: (*name).into(), address: None, draining: false };
    Arc::new(MemberSet { nodes: nodes.iter().map(node).collect(), pods: Vec::new() })
}

#[test]
fn a_machine_made_on_demand_is_the_same_in_every_run() {
    let machine = || found(look_up(&Cloud::in_memory(Scenario::default()), by_name("node-1")));
    assert_eq!(machine(), machine());
    assert!(machine().internal_ip().unwrap().to_string().starts_with("127.2."), "{:?}", machine());
}

#[test]
fn five_thousand_machines_have_five_thousand_addresses() {
    let cloud = Cloud::in_memory(Scenario::default());
    let names: Vec<String> = (0..5_000).map(|n| format!("node-{n}")).collect();
    let wanted: Vec<_> = names.iter().map(|name| by_name(name)).collect();
    let ips: std::collections::HashSet<_> =
        cloud.look_up(&wanted).into_iter().map(|answer| found(answer).internal_ip().unwrap()).collect();
    assert_eq!(ips.len(), 5_000);
    assert_eq!(cloud.machines().len(), 5_000);
}

#[test]
fn a_machine_takes_the_address_its_node_reports_when_it_is_made_and_not_later() {
    let cloud = Cloud::in_memory(Scenario::default());
    let reporting = |ip: &str| Wanted { internal_ip: Some(ip.parse().unwrap()), ..by_name("a") };
    assert_eq!(found(look_up(&cloud, reporting("10.0.0.7"))).internal_ip().unwrap().to_string(), "10.0.0.7");
    assert_eq!(found(look_up(&cloud, reporting("10.0.0.8"))).internal_ip().unwrap().to_string(), "10.0.0.7");
}

#[test]
fn an_unknown_id_is_taken_in_unless_somebody_ended_it() {
    let cloud = Cloud::in_memory(Scenario::default());
    assert_eq!(&*found(look_up(&cloud, by_id("i-1"))).id, "i-1");
    cloud.set_machine_state("i-1", MachineState::Terminated).unwrap();
    assert!(matches!(look_up(&cloud, by_id("i-1")), LookUp::Absent { evidence, .. } if evidence.contains("i-1")));
    // A new machine of the same name is another machine.
    assert_ne!(&*found(look_up(&cloud, by_name("node"))).id, "i-1");
}

#[test]
fn a_machine_of_a_name_whose_machine_was_ended_has_another_id() {
    let cloud = Cloud::in_memory(Scenario::default());
    let first = found(look_up(&cloud, by_name("a")));
    cloud.set_machine_state("a", MachineState::Terminated).unwrap();
    let second = found(look_up(&cloud, by_name("a")));
    assert_ne!(first.id, second.id);
    assert_eq!(first.internal_ip(), second.internal_ip(), "the address is free again");
}

#[test]
fn with_a_list_absence_is_proven_by_id_only() {
    let scenario = "instances: {list: [{name: a, id: i-a}]}";
    let cloud = Cloud::in_memory(Scenario::parse(scenario).unwrap());
    assert_eq!(&*found(look_up(&cloud, by_name("a"))).id, "i-a");
    assert_eq!(look_up(&cloud, by_name("b")), LookUp::Unidentified);
    assert!(matches!(look_up(&cloud, by_id("i-b")), LookUp::Absent { .. }));
}

#[test]
fn names_outside_the_patterns_are_not_ours() {
    let cloud = Cloud::in_memory(Scenario::parse("instances: {names: ['a-*']}").unwrap());
    assert!(matches!(look_up(&cloud, by_name("a-1")), LookUp::Found(_)));
    assert_eq!(look_up(&cloud, by_name("b-1")), LookUp::NotOurs);
}

#[test]
fn a_changed_list_is_taken_over() {
    let list = |list: &str| Scenario::parse(&format!("instances: {{mode: listed, list: {list}}}")).unwrap();
    let cloud = Cloud::in_memory(list("[{name: a}, {name: b}]"));
    let mut hints = cloud.hints();
    cloud.set_scenario(list("[{name: b, state: stopped, zone: z}, {name: c}]"));
    let state = |name: &str| cloud.machines().into_iter().find(|machine| &*machine.name == name).unwrap().state;
    assert_eq!(state("a"), MachineState::Terminated);
    assert_eq!((state("b"), &*cloud.machine("b").unwrap().zone), (MachineState::Stopped, "z"));
    assert_eq!(state("c"), MachineState::Running);
    let mut told = Vec::new();
    while let Ok(hint) = hints.try_recv() {
        told.push(hint.node_name);
    }
    told.sort();
    assert_eq!(told, ["a", "b", "c"], "watchers are told of each");
}

#[test]
fn a_machine_that_makes_no_sense_is_refused() {
    let cloud = Cloud::in_memory(Scenario::default());
    let add = |settings: MachineSettings| cloud.add_machine(&settings).unwrap_err().to_string();
    cloud.add_machine(&MachineSettings::named("a")).unwrap();
    assert!(add(MachineSettings::named("a")).contains("exists already"));
    let elsewhere = MachineSettings { account: Some("x".to_owned()), ..MachineSettings::named("b") };
    assert!(add(elsewhere).contains("account \"x\" does not exist"));
    let wrong = vec![Address::new(AddressKind::InternalIP, "300.1.1.1")];
    assert!(add(MachineSettings { addresses: wrong, ..MachineSettings::named("b") }).contains("300.1.1.1"));
    cloud.set_machine_state("a", MachineState::Terminated).unwrap();
    assert!(cloud.set_machine_state("a", MachineState::Running).is_err(), "the end is for good");
}

#[test]
fn the_cloud_survives_its_process() {
    let dir = TempDir::new().unwrap();
    let cloud = open(&dir);
    let machine = found(look_up(&cloud, by_name("a")));
    look_up(&cloud, by_id("i-gone"));
    cloud.set_machine_state("i-gone", MachineState::Terminated).unwrap();
    let web = cloud.create_load_balancer(new_load_balancer("web")).unwrap();
    cloud.set_members(&web.id, members(&["a", "b"])).unwrap();
    let api = cloud.create_load_balancer(new_load_balancer("api")).unwrap();
    cloud.set_members(&api.id, members(&["a", "b"])).unwrap();
    cloud.delete_load_balancer(&cloud.create_load_balancer(new_load_balancer("gone")).unwrap().id);
    let (machines, objects, operations) = (cloud.machines(), cloud.load_balancers(), cloud.operations());
    drop(cloud);

    // Twice: once from mutations, once from the snapshot the first opening made of them.
    for _ in 0..2 {
        let cloud = open(&dir);
        assert_eq!(cloud.machines(), machines);
        assert_eq!(cloud.load_balancers(), objects);
        assert_eq!(cloud.members(cloud.load_balancer(&web.id).unwrap().members), members(&["a", "b"]));
        let mut made = operations.clone();
        made.retain(|operation, _| *operation != Operation::DescribeInstances);
        assert_eq!(cloud.operations(), made);
        assert_eq!(found(look_up(&cloud, by_name("a"))), machine);
        assert!(matches!(look_up(&cloud, by_id("i-gone")), LookUp::Absent { .. }));
    }

    let cloud = open(&dir);
    let second = cloud.duplicate_load_balancer(&web.id).unwrap();
    assert!(objects.iter().all(|object| object.id != second.id), "an id was given twice");
}

#[test]
fn a_torn_last_line_is_a_call_that_was_never_answered() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cloud");
    let cloud = open(&dir);
    look_up(&cloud, by_name("a"));
    drop(cloud);
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(br#"{"mutation":{"at":1,"opera"#).unwrap();
    assert_eq!(open(&dir).machines().len(), 1);
    // The opening has put the file right.
    assert_eq!(open(&dir).machines().len(), 1);
}

#[test]
fn a_damaged_line_in_the_middle_is_not_passed_over() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("cloud");
    fs::write(&path, "nonsense\n{\"snapshot\":{}}\n").unwrap();
    let error = Cloud::open(instant(), Some(&path), None).unwrap_err().to_string();
    assert!(error.contains("line 1") && error.contains("move it away"), "{error}");
}

#[test]
fn members_that_many_load_balancers_share_are_kept_once() {
    let dir = TempDir::new().unwrap();
    let cloud = open(&dir);
    let nodes: Vec<String> = (0..1_000).map(|n| format!("node-{n}")).collect();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    for n in 0..50 {
        let object = cloud.create_load_balancer(new_load_balancer(&format!("service-{n}"))).unwrap();
        cloud.set_members(&object.id, members(&nodes)).unwrap();
    }
    let sets: std::collections::HashSet<_> = cloud.load_balancers().into_iter().map(|object| object.members).collect();
    assert_eq!(sets.len(), 1);
    let size = fs::metadata(dir.path().join("cloud")).unwrap().len();
    assert!(size < 200_000, "the file has {size} bytes");
    // And forgotten with the last of them.
    let set = *sets.iter().next().unwrap();
    for object in cloud.load_balancers() {
        cloud.set_members(&object.id, Arc::default()).unwrap();
    }
    assert!(cloud.members(set).is_empty());
}

#[test]
fn a_quota_is_a_limit_and_a_place_is_free_again() {
    let scenario = "loadBalancers: {provisioning: 0s, quota: 1}";
    let cloud = Cloud::in_memory(Scenario::parse(scenario).unwrap());
    let first = cloud.create_load_balancer(new_load_balancer("a")).unwrap();
    let full = cloud.create_load_balancer(new_load_balancer("b")).unwrap_err();
    assert_eq!(full, CloudError::Quota { quota: "load-balancers", subject: "mock-account".to_owned(), limit: 1 });
    let blue = |service: &str| {
        let mut new = new_load_balancer(service);
        new.owner.tenant = "blue".to_owned();
        new.limit = Some(2);
        cloud.create_load_balancer(new)
    };
    assert_eq!([blue("a").is_ok(), blue("b").is_ok(), blue("c").is_ok()], [true, true, false]);
    let red = |service: &str| {
        let mut new = new_load_balancer(service);
        new.owner.tenant = "red".to_owned();
        (new.limit, new.addresses) = (Some(2), Some(1));
        cloud.create_load_balancer(new)
    };
    assert!(red("a").is_ok());
    let full = CloudError::Quota { quota: "public-addresses", subject: "mock-account/red".to_owned(), limit: 1 };
    assert_eq!(red("b").unwrap_err(), full);
    cloud.delete_load_balancer(&first.id);
    assert!(cloud.create_load_balancer(new_load_balancer("b")).is_ok());
}

#[test]
fn addresses_of_load_balancers_follow_from_their_owner_and_are_never_shared() {
    let cloud = Cloud::in_memory(
        Scenario::parse("{network: {loadBalancers: 127.1.7.0/29}, loadBalancers: {provisioning: 0s}}").unwrap(),
    );
    let objects: Vec<_> =
        (0..6).map(|n| cloud.create_load_balancer(new_load_balancer(&n.to_string())).unwrap()).collect();
    let addresses: std::collections::HashSet<_> = objects.iter().map(|object| object.address).collect();
    assert_eq!(addresses.len(), 6);
    let full = cloud.create_load_balancer(new_load_balancer("7")).unwrap_err();
    assert_eq!(full, CloudError::NoAddress { network: "127.1.7.0/29".to_owned() });
    let other = Cloud::in_memory(instant());
    let address = |cloud: &Cloud| cloud.create_load_balancer(new_load_balancer("web")).unwrap().address;
    assert_eq!(address(&other), address(&Cloud::in_memory(instant())));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_takes_its_time_and_frees_the_address_at_its_end() {
    let scenario = "{loadBalancers: {provisioning: 0s, deletion: 3s}, network: {loadBalancers: 127.1.7.0/30}}";
    let cloud = Cloud::in_memory(Scenario::parse(scenario).unwrap());
    let first = cloud.create_load_balancer(new_load_balancer("a")).unwrap();
    cloud.create_load_balancer(new_load_balancer("b")).unwrap();
    assert_eq!(cloud.delete_load_balancer(&first.id), Some(cloud.now().plus(std::time::Duration::from_secs(3))));
    assert!(cloud.tag_load_balancer(&first.id, "h").is_err(), "it can no longer be changed");
    assert!(cloud.create_load_balancer(new_load_balancer("c")).is_err());
    tokio::time::advance(std::time::Duration::from_secs(3)).await;
    assert_eq!(cloud.load_balancer(&first.id), None);
    assert_eq!(cloud.create_load_balancer(new_load_balancer("c")).unwrap().address, first.address);
}

#[test]
fn an_identical_route_is_success_and_a_clash_is_not() {
    let cloud = Cloud::in_memory(Scenario::parse("routes: {quota: 2}").unwrap());
    let route = |name: &str, destination: &str, target: &str| Route {
        name: name.to_owned(),
        destination: destination.to_owned(),
        target: target.to_owned(),
        addresses: Vec::new(),
        cluster: "c".to_owned(),
        blackhole: false,
    };
    cloud.create_route(route("a", "10.0.1.0/24", "node-1")).unwrap();
    cloud.create_route(route("a", "10.0.1.0/24", "node-1")).unwrap();
    cloud.create_route(route("again", "10.0.1.0/24", "node-1")).unwrap();
    assert_eq!(cloud.routes().len(), 1);
    assert!(matches!(cloud.create_route(route("b", "10.0.1.0/24", "node-2")), Err(CloudError::Exists { .. })));
    cloud.create_route(route("b", "10.0.2.0/24", "node-2")).unwrap();
    assert!(matches!(cloud.create_route(route("c", "10.0.3.0/24", "node-3")), Err(CloudError::Quota { .. })));
    cloud.delete_route("a");
    cloud.delete_route("a");
    assert_eq!(cloud.routes().len(), 1);
}

#[test]
fn a_route_to_a_machine_that_is_gone_leads_nowhere() {
    let cloud =
        Cloud::in_memory(Scenario::parse("routes: {list: [{name: r, destination: 10.0.0.0/24, target: a}]}").unwrap());
    look_up(&cloud, by_name("a"));
    assert!(!cloud.routes()[0].blackhole);
    cloud.set_machine_state("a", MachineState::Terminated).unwrap();
    assert!(cloud.routes()[0].blackhole);
}
