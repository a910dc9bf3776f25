use std::collections::BTreeMap;

use super::*;
use crate::provider::testing::{Daemon, Facade, handshake, settings};
use cloud_provider_api::v1;

fn node(provider_id: &str) -> Node {
    Node { provider_id: provider_id.into(), ..Node::default() }
}

fn service(class: Option<&str>) -> Service {
    Service { load_balancer_class: class.map(str::to_owned), ..Service::default() }
}

/// The facade over daemons that have shaken hands, and one that never will where the name is `never`.
async fn over(daemons: &[Daemon], never: usize, settings: &Settings) -> Facade {
    let silent = (0..never).map(|_| {
        let daemon = Daemon::new();
        daemon.refuse(true);
        daemon.remote()
    });
    let facade = Facade::start(daemons.iter().map(Daemon::remote).chain(silent).collect(), settings);
    for provider in &facade.providers.all()[..daemons.len()] {
        provider.until_ready().await;
    }
    facade
}

/// Whose it is, in a word.
fn of_node(facade: &Facade, provider_id: &str) -> String {
    match facade.providers.for_node(&node(provider_id)) {
        NodeOwner::One(provider) => provider.name(),
        NodeOwner::Ask(providers) => {
            format!("ask {}", providers.iter().map(Provider::name).collect::<Vec<_>>().join(" "))
        }
        NodeOwner::Foreign => "foreign".into(),
        NodeOwner::Waiting => "waiting".into(),
    }
}

fn of_service(facade: &Facade, class: Option<&str>) -> String {
    match facade.providers.for_service(&service(class)) {
        ServiceOwner::One(provider) => provider.name(),
        ServiceOwner::NotOurs => "not ours".into(),
        ServiceOwner::Waiting => "waiting".into(),
    }
}

fn without(name: &'static str, capability: v1::Capability) -> Daemon {
    let daemon = Daemon::new();
    daemon.on_handshake(move |_| async move {
        let mut answer = handshake(name);
        answer.capabilities.retain(|announced| *announced != i32::from(capability));
        Ok(answer)
    });
    daemon
}

#[tokio::test(start_paused = true)]
async fn nodes_are_claimed_by_scheme() {
    let facade = over(&[Daemon::named("a"), Daemon::named("b")], 0, &settings()).await;
    assert_eq!(of_node(&facade, "a://1"), "a");
    assert_eq!(of_node(&facade, "b://1"), "b");
    assert_eq!(of_node(&facade, "c://1"), "foreign");
    assert_eq!(of_node(&facade, "bare-id"), "foreign");
    assert_eq!(of_node(&facade, ""), "ask a b");
}

#[tokio::test(start_paused = true)]
async fn what_an_unknown_provider_may_claim_waits() {
    let facade = over(&[Daemon::named("a")], 1, &settings()).await;
    assert_eq!(of_node(&facade, "a://1"), "a", "one provider's failure is not another's");
    assert_eq!(of_node(&facade, "c://1"), "waiting");
    assert_eq!(of_node(&facade, ""), "ask a");
    let facade = over(&[], 1, &settings()).await;
    assert_eq!(of_node(&facade, ""), "waiting");
    assert_eq!(of_service(&facade, None), "waiting");
    assert_eq!(of_service(&facade, Some("ccm.cloudprovider.io/a")), "waiting");
    assert_eq!(of_service(&facade, Some("somebody.else/lb")), "not ours");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_away_keeps_its_own() {
    let daemon = Daemon::named("a");
    let facade = over(std::slice::from_ref(&daemon), 0, &settings()).await;
    daemon.refuse(true);
    daemon.cut();
    facade.provider().until_away().await;
    assert_eq!(of_node(&facade, "a://1"), "a");
    assert_eq!(of_node(&facade, "c://1"), "foreign");
    assert_eq!(of_service(&facade, None), "a");
}

#[tokio::test(start_paused = true)]
async fn a_scheme_that_two_claim_is_nobodys() {
    let twin = || {
        let daemon = Daemon::new();
        daemon.on_handshake(|_| async {
            let schemes = vec!["a".into(), "b".into()];
            Ok(v1::HandshakeResponse { provider_id_schemes: schemes, ..handshake("twin") })
        });
        daemon
    };
    let facade = over(&[Daemon::named("a"), twin()], 0, &settings()).await;
    assert_eq!(of_node(&facade, "a://1"), "foreign");
    assert_eq!(of_node(&facade, "b://1"), "twin", "of the others nothing is wrong");
    let complaints: Vec<String> = facade.providers.complaints().into_iter().collect();
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    for part in ["scheme \"a\"", "a (unix:/run/test.sock)", "twin (unix:/run/test.sock)"] {
        assert!(complaints[0].contains(part), "{complaints:?} does not name {part}");
    }
}

#[tokio::test(start_paused = true)]
async fn services_go_by_class_and_else_to_the_default() {
    let classes = BTreeMap::from([("fast".to_owned(), "b".to_owned()), ("typo".to_owned(), "bb".to_owned())]);
    let told = |default: Option<&str>| Settings {
        classes: classes.clone(),
        default_provider: default.map(str::to_owned),
        ..settings()
    };
    let daemons = [Daemon::named("a"), Daemon::named("b")];
    let facade = over(&daemons, 0, &told(None)).await;
    assert_eq!(of_service(&facade, None), "a", "the first");
    assert_eq!(of_service(&facade, Some("fast")), "b");
    assert_eq!(of_service(&facade, Some("ccm.cloudprovider.io/b")), "b");
    assert_eq!(of_service(&facade, Some("ccm.cloudprovider.io/c")), "not ours");
    assert_eq!(of_service(&facade, Some("typo")), "not ours");
    assert_eq!(of_service(&facade, Some("somebody.else/lb")), "not ours");
    assert_eq!(
        facade.providers.complaints().into_iter().collect::<Vec<_>>(),
        ["--load-balancer-class=typo=bb names no provider; there are a, b"]
    );
    let facade = over(&daemons, 0, &told(Some("b"))).await;
    assert_eq!(of_service(&facade, None), "b");
}

#[tokio::test(start_paused = true)]
async fn two_providers_of_one_name_get_no_service_by_it() {
    let facade = over(&[Daemon::named("a"), Daemon::named("a")], 0, &settings()).await;
    assert_eq!(of_service(&facade, Some("ccm.cloudprovider.io/a")), "not ours");
    let complaints = facade.providers.complaints();
    assert!(complaints.iter().any(|complaint| complaint.contains("are all named \"a\"")), "{complaints:?}");
}

#[tokio::test(start_paused = true)]
async fn who_cannot_do_it_owns_nothing() {
    let facade = over(&[without("a", v1::Capability::Instances)], 0, &settings()).await;
    assert_eq!(of_node(&facade, "a://1"), "foreign");
    assert_eq!(of_node(&facade, ""), "foreign");
    assert_eq!(of_service(&facade, None), "a");
    let facade = over(&[without("a", v1::Capability::LoadBalancers)], 0, &settings()).await;
    assert_eq!(of_service(&facade, None), "not ours");
    assert_eq!(of_node(&facade, ""), "ask a");
}

#[tokio::test(start_paused = true)]
async fn a_selector_tells_the_nodes_of_one_scheme_apart() {
    let selectors = |pairs: &[(&str, &str)]| Settings {
        node_selectors: pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.parse().expect("a selector")))
            .collect(),
        ..settings()
    };
    let east = || {
        let daemon = Daemon::new();
        daemon.on_handshake(|_| async {
            Ok(v1::HandshakeResponse { provider_id_schemes: vec!["a".into()], ..handshake("east") })
        });
        daemon
    };
    let daemons = [Daemon::named("a"), east()];
    let facade = over(&daemons, 0, &selectors(&[("a", "site=west"), ("east", "site=east")])).await;
    let owner = |provider_id: &str, site: &str| {
        let labels = BTreeMap::from([("site".to_owned(), site.to_owned())]);
        match facade.providers.for_node(&Node { labels, ..node(provider_id) }) {
            NodeOwner::One(provider) => provider.name(),
            NodeOwner::Ask(asked) => format!("ask {}", asked.iter().map(Provider::name).collect::<Vec<_>>().join(" ")),
            NodeOwner::Foreign => "foreign".into(),
            NodeOwner::Waiting => "waiting".into(),
        }
    };
    assert_eq!((owner("a://1", "west"), owner("a://1", "east")), ("a".to_owned(), "east".to_owned()));
    assert_eq!((owner("", "west"), owner("", "east")), ("ask a".to_owned(), "ask east".to_owned()));
    assert_eq!((owner("a://1", "north"), owner("", "north")), ("foreign".to_owned(), "foreign".to_owned()));
    assert!(facade.providers.complaints().is_empty());

    let facade = over(&daemons, 0, &selectors(&[("typo", "site=west")])).await;
    let complaints: Vec<String> = facade.providers.complaints().into_iter().collect();
    assert!(complaints.iter().any(|said| said.contains("--provider-node-selector=typo=site=west")), "{complaints:?}");
}
