use provider_mock::cloud::{NewLoadBalancer, Owner};
use serde_json::{Value, json};

use crate::rig::Rig;

#[tokio::test]
async fn the_load_balancers_of_one_cluster_are_listed() {
    let rig = Rig::start().await;
    let mut ids = Vec::new();
    for (cluster, service) in [("c-uid", "web"), ("other", "mail")] {
        let owner = Owner { tenant: String::new(), cluster: cluster.to_owned(), service: format!("uid-of-{service}") };
        let new = NewLoadBalancer {
            owner,
            namespace: "shop".to_owned(),
            service: service.to_owned(),
            address: None,
            limit: None,
            addresses: None,
        };
        ids.push(rig.provider.cloud().create_load_balancer(new).unwrap());
    }
    let list = ["load-balancers", "list", "--cluster-id=c-uid"];
    let table = rig.run(&list).await.well().out;
    let line = table.lines().find(|line| line.starts_with("shop/web")).unwrap_or_else(|| panic!("{table}"));
    assert!(line.contains("uid-of-web") && line.contains(&ids[0].id) && !table.contains("mail"), "{table}");
    let listed: Value =
        serde_json::from_str(&rig.run(&[&list[..], &["--output=json"]].concat()).await.well().out).unwrap();
    let expected = json!([{ "namespace": "shop", "service": "web", "uid": "uid-of-web", "handle": ids[0].id,
        "name": ids[0].name, "addresses": [ids[0].address.to_string()] }]);
    assert_eq!(listed, expected);
    let none = rig.run(&["load-balancers", "list", "--cluster-id=unknown", "--output=json"]).await.well().out;
    assert_eq!(serde_json::from_str::<Value>(&none).unwrap(), json!([]));
}
