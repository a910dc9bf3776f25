use super::*;

fn error(text: &str) -> String {
    Scenario::parse(text).unwrap_err().to_string()
}

#[test]
fn nothing_said_is_the_default() {
    assert_eq!(Scenario::parse("").unwrap(), Scenario::default());
    assert_eq!(Scenario::parse("{}").unwrap(), Scenario::default());
    assert_eq!(Scenario::parse("instances: onDemand").unwrap(), Scenario::default());
}

#[test]
fn json_is_read_as_well() {
    let scenario = Scenario::parse(r#"{"pageSize": 2, "rules": [{"effects": ["hang"]}]}"#).unwrap();
    assert_eq!((scenario.page_size, scenario.rules.len()), (2, 1));
}

#[test]
fn a_list_of_machines_means_that_there_are_no_others() {
    let mode = |text: &str| Scenario::parse(text).unwrap().instances.mode;
    assert_eq!(mode("instances: {list: [{name: a}]}"), InstanceMode::Listed);
    assert_eq!(mode("instances: listed"), InstanceMode::Listed);
    assert_eq!(mode("instances: {mode: onDemand, list: [{name: a}]}"), InstanceMode::OnDemand);
}

#[test]
fn what_nobody_knows_is_refused_by_name() {
    let check = |text: &str, wanted: &[&str]| {
        let error = error(text);
        for part in wanted {
            assert!(error.contains(part), "{text}: {error:?} does not say {part:?}");
        }
    };
    check("loadBalancer: {}", &["loadBalancer", "loadBalancers", "line 1"]);
    check("loadBalancers: {provisionning: 2s}", &["provisionning", "provisioning"]);
    check("loadBalancers: {provisioning: 2}", &["\"2\"", "30ms, 2s or 1m30s"]);
    check("instances: sometimes", &["sometimes", "onDemand", "listed"]);
    check("instances: {list: [{name: a, state: broken}]}", &["broken", "stopped"]);
    check("network: {machines: 127.2.0.0}", &["127.2.0.0"]);
    check("provider: {capabilities: [ROUTE]}", &["ROUTE", "ROUTES"]);
    check("rules: [{effects: [{explode: now}]}]", &["explode", "delay", "crash"]);
    check("rules: [{effects: [{fail: {code: BROKEN}}]}]", &["BROKEN", "UNAVAILABLE"]);
    check("rules: [{effects: [{fail: {code: OK}}]}]", &["OK"]);
    check("rules: [{when: {nth: 1, twice: true}, effects: [hang]}]", &["twice"]);
}

#[test]
fn what_cannot_be_is_told_all_at_once() {
    let error = error(
        "
provider: {name: Mock, apiMinors: []}
accounts: [{id: one, region: r}]
instances: {list: [{name: a, account: two}, {name: a}, {name: b, addresses: [{type: InternalIP, address: x}]}]}
loadBalancers: {parallel: 0}
pageSize: 0
routes: {list: [{name: r, destination: 10.0.0.0}]}
rules:
- {match: {method: EnsureLoadbalancer}, effects: [hang]}
- {effects: []}
- {when: {nth: 0, probability: 2}, effects: [{throttle: {rate: 0}}]}
- {match: {method: Handshake}, effects: [{lie: emptyIngress}]}
- {match: {method: cloud.*}, effects: [{loseAnswer: {}}]}
- {match: {method: cloud.RunInstance}, effects: [hang]}
",
    );
    for part in [
        "provider.name: \"Mock\"",
        "provider.apiMinors",
        "instances.list[0].account: \"two\"",
        "instances.list[1].name: \"a\" is listed twice",
        "instances.list[2].addresses[0]: \"x\"",
        "loadBalancers.parallel: 0",
        "pageSize: 0",
        "routes.list[0].destination: \"10.0.0.0\"",
        "rules[0].match.method: \"EnsureLoadbalancer\"",
        "rules[1].effects: empty",
        "rules[2].when.nth: 0",
        "rules[2].when.probability: 2",
        "rules[2].effects[0]: throttle",
        "rules[3].effects[0]: EmptyIngress bends only answers of EnsureLoadBalancer",
        "rules[4].effects[0]: loseAnswer by drop",
        "rules[5].match.method: \"cloud.RunInstance\"",
    ] {
        assert!(error.contains(part), "{error}\ndoes not say {part}");
    }
}

#[test]
fn every_effect_can_be_written() {
    let rules = parse_rules(
        "
- effects:
  - delay: 200ms
  - delay: {fixed: 1s, jitter: 500ms}
  - hang
  - newEpoch
  - crash: after
  - throttle: {rate: 2.5, burst: 5}
  - loseAnswer: {at: before, by: unavailable}
  - loseAnswer: {}
  - fail:
      code: RESOURCE_EXHAUSTED
      reason: QUOTA_EXHAUSTED
      domain: elsewhere
      message: no more
      retryAfter: 3s
      quota: {subject: account, description: ten}
      violations: [{field: f, description: d}]
      at: after
  - lie: notFound
  - lie: {dropItems: 3}
  - lie: {wrongAccount: other}
  - lie: {foreignProviderIds: aws}
  - lie: malformedAddresses
  - lie: unknownEnums
  - lie: {staleReads: {for: 30s, evenFresh: true}}
  - lie: emptyIngress
  - lie: emptyInventory
  - lie: {truncateList: 1}
  - lie: wrongTotal
  - lie: {apiMinor: 9}
",
    )
    .unwrap();
    let effects = &rules[0].effects;
    assert_eq!(effects.len(), 21);
    assert_eq!(effects[1], Effect::Delay(Delay { fixed: Duration::from_secs(1), jitter: Duration::from_millis(500) }));
    assert_eq!(effects[4], Effect::Crash(Point::After));
    assert_eq!(effects[7], Effect::LoseAnswer(LoseAnswer { at: LosePoint::After, by: LoseBy::Drop }));
    assert_eq!(effects[19], Effect::Lie(Lie::WrongTotal));
}

/// The YAML examples of the page for people.
fn examples() -> Vec<&'static str> {
    let page = include_str!("../../README.md");
    page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_example_of_the_readme_is_a_scenario() {
    let examples = examples();
    assert!(examples.len() >= 6, "only {} examples were found", examples.len());
    for example in examples {
        if let Err(error) = Scenario::parse(example) {
            panic!("{error}\n{example}");
        }
    }
}

#[test]
fn every_request_of_the_readme_is_understood() {
    let page = include_str!("../../README.md");
    let bodies: Vec<_> = page.split("-d '").skip(1).map(|rest| rest.split('\'').next().unwrap()).collect();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    parse_patch(bodies[0]).unwrap();
    parse_rules(bodies[1]).unwrap();
}

#[test]
fn the_readme_tells_of_every_call_effect_and_lie() {
    let page = include_str!("../../README.md");
    for operation in crate::cloud::Operation::ALL {
        assert!(page.contains(&format!("`{operation}`")), "{operation}");
    }
    for lie in [
        "notFound",
        "dropItems",
        "wrongAccount",
        "foreignProviderIds",
        "malformedAddresses",
        "unknownEnums",
        "staleReads",
        "emptyIngress",
        "emptyInventory",
        "truncateList",
        "wrongTotal",
        "apiMinor",
    ] {
        assert!(page.contains(lie), "{lie}");
    }
}
