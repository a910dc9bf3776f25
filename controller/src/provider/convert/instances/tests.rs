use controller_core::{
    fault::{Code, Origin},
    view::{AddressType, NodeAddress},
};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn info() -> Info {
    crate::provider::testing::info()
}

fn reference(name: &str, provider_id: &str) -> NodeReference {
    NodeReference {
        node_name: name.into(),
        node_uid: format!("uid-{name}"),
        provider_id: provider_id.into(),
        addresses: vec![NodeAddress::new(AddressType::InternalIp, "10.0.0.1")],
        annotations: [("test.example/pool".to_owned(), "a".to_owned()), ("other/x".to_owned(), "b".to_owned())].into(),
    }
}

fn seconds(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

fn machine() -> v1::Instance {
    v1::Instance {
        provider_id: "test://i-1".into(),
        instance_type: "s6.large".into(),
        zone: "z1".into(),
        region: "r1".into(),
        addresses: vec![v1::NodeAddress { r#type: v1::AddressType::InternalIp.into(), address: "10.0.0.1".into() }],
        state: v1::InstanceState::Running.into(),
        labels: [("test.example/rack".to_owned(), "7".to_owned())].into(),
        account: "a1".into(),
    }
}

fn found(spoil: impl FnOnce(&mut v1::Instance)) -> v1::InstanceResult {
    let mut machine = machine();
    spoil(&mut machine);
    result(Answer::Found(machine))
}

fn absent(account: &str, region: &str) -> v1::InstanceResult {
    let evidence = "no such server".to_owned();
    result(Answer::NotFound(v1::InstanceAbsent { account: account.into(), region: region.into(), evidence }))
}

fn result(answer: Answer) -> v1::InstanceResult {
    v1::InstanceResult { node_name: "n1".into(), answer: Some(answer), observed_at: Some(seconds(999_999)) }
}

/// What is made of these results when node `n1` was asked for, with providerID `test://i-1`.
fn read(results: Vec<v1::InstanceResult>, max_age: Option<Duration>) -> Result<Observed, Fault> {
    let nodes = [reference("n1", "test://i-1")];
    let info = info();
    let asked = Asked { nodes: &nodes, max_age, at: NOW, info: &info };
    let mut answers = answers(asked, v1::BatchGetInstancesResponse { results }, NOW)?;
    assert_eq!(answers.len(), 1, "every name asked for and no other");
    Ok(answers.remove("n1").expect("an answer"))
}

#[test]
fn a_good_answer_is_taken_whole() {
    let seen = read(vec![found(|_| {})], None).expect("no fault");
    let expected = Instance {
        provider_id: "test://i-1".into(),
        instance_type: Some("s6.large".into()),
        zone: Some("z1".into()),
        region: Some("r1".into()),
        addresses: vec![NodeAddress::new(AddressType::InternalIp, "10.0.0.1")],
        state: InstanceState::Running,
        labels: [("test.example/rack".to_owned(), "7".to_owned())].into(),
        account: "a1".into(),
    };
    assert_eq!(seen, Observed { answer: InstanceAnswer::Found(expected), at: Timestamp::from_secs(999_999) });
}

#[test]
fn what_is_not_said_is_not_known() {
    let seen = read(
        vec![found(|m| {
            (m.instance_type, m.zone, m.region) = Default::default();
            m.addresses.clear();
            m.state = 4711;
        })],
        None,
    );
    let InstanceAnswer::Found(seen) = seen.expect("no fault").answer else { panic!("not found") };
    assert_eq!((seen.instance_type, seen.zone, seen.region), (None, None, None));
    assert_eq!(seen.state, InstanceState::Unknown, "a state this build does not know concludes nothing");
}

#[test]
fn absence_in_a_served_account_is_believed() {
    let seen = read(vec![absent("a1", "r1")], Some(Duration::ZERO)).expect("no fault");
    let expected = Absence { account: "a1".into(), region: "r1".into(), evidence: "no such server".into() };
    assert_eq!(seen.answer, InstanceAnswer::NotFound(expected));
}

#[test]
fn bad_answers_are_unknown_and_name_provider_and_value() {
    let undated = |at| v1::InstanceResult { observed_at: at, ..absent("a1", "r1") };
    let cases: Vec<(Vec<v1::InstanceResult>, &str, &str)> = vec![
        (vec![], "MISSING_ANSWER", "lacks node \"n1\""),
        (vec![v1::InstanceResult { answer: None, ..found(|_| {}) }], "BAD_ANSWER", "no answer this build knows"),
        (vec![found(|_| {}), found(|_| {})], "BAD_ANSWER", "names node \"n1\" twice"),
        (vec![found(|_| {}), absent("a1", "r1")], "BAD_ANSWER", "names node \"n1\" twice"),
        (vec![found(|m| m.provider_id.clear())], "BAD_ANSWER", "provider_id is missing"),
        (vec![found(|m| m.provider_id = "aws://i-1".into())], "BAD_ANSWER", "provider_id \"aws://i-1\" has a scheme"),
        (vec![found(|m| m.provider_id = "i-1".into())], "BAD_ANSWER", "has a scheme"),
        (vec![found(|m| m.provider_id = "test://".into())], "BAD_ANSWER", "has a scheme"),
        (
            vec![found(|m| m.provider_id = "test://i-2".into())],
            "BAD_ANSWER",
            "is not the one asked for, \"test://i-1\"",
        ),
        (vec![found(|m| m.provider_id = format!("test://{}", "i".repeat(600)))], "BAD_ANSWER", "provider_id has 607"),
        (vec![found(|m| m.addresses[0].address = "10.0.0".into())], "BAD_ANSWER", "addresses \"10.0.0\""),
        (vec![found(|m| m.zone = "zone 1".into())], "BAD_ANSWER", "zone \"zone 1\""),
        (vec![found(|m| m.region = "-r".into())], "BAD_ANSWER", "region \"-r\""),
        (vec![found(|m| m.instance_type = "s6/large".into())], "BAD_ANSWER", "instance_type \"s6/large\""),
        (vec![found(|m| _ = m.labels.insert("bad key".into(), "x".into()))], "BAD_ANSWER", "labels \"bad key\""),
        (vec![found(|m| _ = m.labels.insert("k".into(), "v ".repeat(3000)))], "BAD_ANSWER", "labels has"),
        (vec![found(|m| m.account.clear())], "BAD_ANSWER", "account is missing"),
        (vec![found(|m| m.account = "a9".into())], "WRONG_ACCOUNT", "account \"a9\""),
        (vec![absent("a9", "r1")], "WRONG_ACCOUNT", "account \"a9\" in region \"r1\""),
        (vec![absent("a1", "r9")], "WRONG_ACCOUNT", "account \"a1\" in region \"r9\""),
        (vec![absent("", "r1")], "BAD_ANSWER", "not_found.account is missing"),
        (vec![absent("a1", "")], "BAD_ANSWER", "not_found.region is missing"),
        (vec![undated(None)], "BAD_ANSWER", "observed_at is missing"),
        (vec![undated(Some(seconds(1_000_100)))], "BAD_ANSWER", "observed_at lies 100 s in the future"),
        (vec![undated(Some(seconds(999_900)))], "STALE_ANSWER", "observed_at is 100 s old"),
    ];
    for (results, reason, says) in cases {
        let seen = read(results, Some(Duration::ZERO)).expect("the call itself is believed");
        let InstanceAnswer::Unknown(fault) = seen.answer else { panic!("{says}: {:?} was believed", seen.answer) };
        assert_eq!((fault.origin, fault.reason.as_str()), (Origin::Distrust, reason), "{fault}");
        assert_eq!(fault.is_auth(), reason == "WRONG_ACCOUNT", "{fault}: another account locks removals");
        assert!(fault.to_string().starts_with("provider test: "), "{fault} does not name the provider");
        assert!(fault.message.contains(says), "{fault} does not say {says}");
    }
}

#[test]
fn an_item_nobody_asked_for_refuses_the_whole_answer() {
    let stray = v1::InstanceResult { node_name: "n2".into(), ..found(|_| {}) };
    let fault = read(vec![found(|_| {}), stray], None).expect_err("refused");
    assert_eq!((fault.code, fault.origin), (Code::Internal, Origin::Distrust));
    assert!(fault.message.contains("names node \"n2\", which was not asked for"), "{fault}");
}

#[test]
fn an_unknown_item_tells_its_own_fault_and_needs_no_date() {
    let status = v1::ItemStatus { code: 16, reason: "CREDENTIALS_REJECTED".into(), ..v1::ItemStatus::default() };
    let undated = v1::InstanceResult { observed_at: None, ..result(Answer::Unknown(status)) };
    let seen = read(vec![undated], Some(Duration::ZERO)).expect("no fault");
    let InstanceAnswer::Unknown(fault) = seen.answer else { panic!("{:?}", seen.answer) };
    assert_eq!((fault.code, fault.origin), (Code::Unauthenticated, Origin::Cloud));
    assert_eq!(seen.at, NOW);
}

#[test]
fn old_answers_serve_who_did_not_ask_for_fresh_ones() {
    let old = || vec![v1::InstanceResult { observed_at: Some(seconds(999_940)), ..absent("a1", "r1") }];
    let believed = |max_age| matches!(read(old(), max_age).expect("no fault").answer, InstanceAnswer::NotFound(_));
    assert!(believed(None));
    assert!(believed(Some(Duration::from_secs(60))));
    assert!(believed(Some(Duration::from_secs(50))), "clocks of two machines differ");
    assert!(!believed(Some(Duration::from_secs(30))));
}

#[test]
fn a_node_without_provider_id_takes_the_one_found() {
    let nodes = [reference("n1", "")];
    let info = info();
    let asked = Asked { nodes: &nodes, max_age: None, at: NOW, info: &info };
    let wire = v1::BatchGetInstancesResponse { results: vec![found(|_| {})] };
    let answers = answers(asked, wire, NOW).expect("no fault");
    assert!(matches!(&answers["n1"].answer, InstanceAnswer::Found(seen) if seen.provider_id == "test://i-1"));
}

#[test]
fn a_provider_of_bare_ids_may_answer_them() {
    let info = Info { schemes: vec![String::new()], ..info() };
    let bare = v1::Instance { provider_id: "i-1".into(), ..machine() };
    instance(&info, &reference("n1", "i-1"), bare).expect("ids without a scheme are its own");
}

#[test]
fn the_question_carries_only_what_the_provider_reads() {
    let cluster = Cluster { id: "c".into(), name: "n".into() };
    let wire = request(&cluster, &[reference("n1", "test://i-1")], Some(Duration::ZERO), &info());
    assert_eq!(wire.max_age, Some(prost_types::Duration::default()), "zero is said, not left out");
    let node = &wire.nodes[0];
    assert_eq!((node.node_name.as_str(), node.node_uid.as_str()), ("n1", "uid-n1"));
    assert_eq!(node.annotations.keys().collect::<Vec<_>>(), ["test.example/pool"]);
}

#[test]
fn hints_this_build_does_not_know_ask_for_a_look_at_everything() {
    let wire = |event| v1::WatchInstancesResponse { event };
    let changed = |provider_id: &str, node_name: &str| {
        Some(Event::Changed(v1::InstanceChanged { provider_id: provider_id.into(), node_name: node_name.into() }))
    };
    let expected = Hint::Changed { provider_id: "test://i-1".into(), node_name: String::new() };
    assert_eq!(hint(wire(changed("test://i-1", ""))), Some(expected));
    assert_eq!(hint(wire(changed("", ""))), Some(Hint::All));
    assert_eq!(hint(wire(Some(Event::Lost(v1::HintsLost {})))), Some(Hint::All));
    assert_eq!(hint(wire(None)), Some(Hint::All));
    assert_eq!(hint(wire(Some(Event::Heartbeat(v1::Heartbeat {})))), None);
}
