use super::*;

fn owner() -> Owner {
    Owner {
        cluster: "c1".to_owned(),
        uid: "u1".to_owned(),
        namespace: "d".to_owned(),
        service: "s".to_owned(),
        ..Owner::default()
    }
}

fn candidate(number: u32) -> Candidate {
    Candidate { node: format!("node-{number}"), address: format!("192.168.0.{number}"), draining: false }
}

fn wanted(node: &str) -> WantedRules {
    let key = |port| PortKey { udp: false, port };
    WantedRules {
        owner: owner(),
        gateway: "gw".to_owned(),
        eip: "eip".to_owned(),
        ports: BTreeMap::from([(key(80), 30080), (key(443), 30443)]),
        chosen: Some(Chosen { node: node.to_owned(), port_id: format!("port of {node}") }),
    }
}

fn carry_out(steps: &[Step], rules: &mut Vec<Rule>) {
    for step in steps {
        match step.action.clone() {
            Action::BatchCreateDnatRules(new) => rules.extend(new.into_iter().map(|new| Rule {
                id: format!("rule-{}", new.external_service_port),
                nat_gateway_id: new.nat_gateway_id,
                port_id: new.port_id,
                internal_service_port: new.internal_service_port,
                floating_ip_id: new.floating_ip_id,
                external_service_port: new.external_service_port,
                protocol: new.protocol,
                description: new.description,
                ..Rule::default()
            })),
            Action::UpdateDnatRule(id, change) => {
                let rule = rules.iter_mut().find(|rule| rule.id == id).unwrap();
                rule.port_id = change.port_id.unwrap_or_else(|| rule.port_id.clone());
                rule.internal_service_port = change.internal_service_port.unwrap_or(rule.internal_service_port);
                rule.description = change.description.unwrap();
            }
            Action::DeleteDnatRule(_, id) => rules.retain(|rule| rule.id != id),
            other => panic!("{other:?}"),
        }
    }
}

fn names(steps: &[Step]) -> Vec<&'static str> {
    steps.iter().map(|step| step.action.name()).collect()
}

#[test]
fn rules_are_made_in_one_call_moved_in_place_and_removed() {
    let mut rules = Vec::new();
    let steps = plan(&wanted("a"), &rules, None, "h1").unwrap();
    assert_eq!(names(&steps), ["BatchCreateNatGatewayDnatRules"]);
    carry_out(&steps, &mut rules);
    assert_eq!(plan(&wanted("a"), &rules, None, "h1").unwrap(), []);
    assert_eq!(achieved(&owner(), &rules).as_deref(), Some("h1"));
    let steps = plan(&wanted("b"), &rules, None, "h2").unwrap();
    assert_eq!(names(&steps), ["UpdateNatGatewayDnatRule"; 2]);
    carry_out(&steps[..1], &mut rules);
    assert_eq!(achieved(&owner(), &rules), None, "half moved");
    carry_out(&steps[1..], &mut rules);
    assert_eq!(achieved(&owner(), &rules).as_deref(), Some("h2"));
    carry_out(&removal(&owner(), &rules), &mut rules);
    assert_eq!(rules, []);
}

#[test]
fn a_port_that_goes_takes_its_rule_along_and_others_rules_stay() {
    let mut rules = Vec::new();
    carry_out(&plan(&wanted("a"), &rules, None, "h").unwrap(), &mut rules);
    rules.push(Rule {
        id: "theirs".to_owned(),
        protocol: "tcp".to_owned(),
        external_service_port: 22,
        ..Rule::default()
    });
    let mut less = wanted("a");
    less.ports.remove(&PortKey { udp: false, port: 443 });
    carry_out(&plan(&less, &rules, None, "h").unwrap(), &mut rules);
    assert_eq!(rules.len(), 2);
    less.chosen = None;
    carry_out(&plan(&less, &rules, None, "h").unwrap(), &mut rules);
    assert_eq!(rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["theirs"], "no node, no rule");
}

#[test]
fn somebody_elses_rule_at_our_port_is_refused_and_the_go_providers_adopted() {
    let rule = |description: &str| Rule {
        id: "r".to_owned(),
        nat_gateway_id: "gw".to_owned(),
        floating_ip_id: "eip".to_owned(),
        port_id: "port of z".to_owned(),
        internal_service_port: 30080,
        external_service_port: 80,
        protocol: "tcp".to_owned(),
        description: description.to_owned(),
        ..Rule::default()
    };
    let go = format!(r#"{{"cluster_id":"k1","description":"{GO_TEXT}"}}"#);
    for (description, cluster, taken) in
        [("", None, false), (go.as_str(), Some("k2"), false), (&go, None, false), (&go, Some("k1"), true)]
    {
        let steps = plan(&wanted("a"), &[rule(description)], cluster, "h");
        assert_eq!(steps.is_ok(), taken, "{description} {cluster:?}");
    }
}

#[test]
fn the_node_stays_until_it_goes() {
    let all: Vec<Candidate> = (1..=5).map(candidate).collect();
    let first = choose(&owner(), &[], &all).unwrap().clone();
    let mut rules = Vec::new();
    carry_out(&plan(&wanted(&first.node), &rules, None, "h").unwrap(), &mut rules);
    let more: Vec<Candidate> = (0..50).map(candidate).collect();
    assert_eq!(choose(&owner(), &rules, &more).unwrap(), &first, "others come");
    let left: Vec<Candidate> = all.iter().filter(|other| **other != first).cloned().collect();
    let second = choose(&owner(), &rules, &left).unwrap();
    assert_ne!(second, &first);
    let draining: Vec<Candidate> = all.iter().map(|c| Candidate { draining: *c == first, ..c.clone() }).collect();
    assert_ne!(choose(&owner(), &rules, &draining).unwrap().node, first.node, "it is about to go");
    let alone = [Candidate { draining: true, ..first.clone() }];
    assert_eq!(choose(&owner(), &rules, &alone).unwrap().node, first.node, "better than nothing");
    assert_eq!(choose(&owner(), &rules, &[]), None);
}
