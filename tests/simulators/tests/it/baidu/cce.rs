//! CCE: clusters, nodes, kubeconfigs and grants.

use serde_json::{Value, json};

use super::client::{Client, cloud};

async fn world() -> (simulators::engine::Running<simulators::baidu::Baidu>, Client) {
    let cloud = cloud().await;
    cloud
        .seed(json!({
            "machines": [
                { "id": "i-1", "name": "n1", "gpuCard": "V100" },
                { "id": "i-2", "name": "b1", "kind": "BBC", "status": "Stopped" },
                { "id": "vm-1", "name": "e1", "kind": "BEC" },
            ],
            "clusters": [
                { "id": "cce-demo0001", "name": "second", "publicEndpoint": "https://203.0.113.200:6443", "ca": "the CA",
                  "clientCertificate": "the certificate", "clientKey": "the key" },
                { "id": "cce-demo0002", "name": "inside", "machines": ["i-1"] },
                { "id": "c-AbCd1234", "name": "first" },
            ],
            "users": [{ "id": "user-1", "name": "reader", "account": simulators::baidu::state::ACCOUNT }],
            "keys": [{ "accessKey": "ALTAKreader", "secretKey": "s", "user": "user-1" }],
        }))
        .unwrap();
    let client = Client::of(&cloud);
    (cloud, client)
}

#[tokio::test]
async fn each_version_sees_its_own_clusters_and_both_the_same_machines() {
    let (_cloud, client) = world().await;
    let page = client.get("/cce/v2/clusters?pageNo=1&pageSize=1").await.ok()["clusterPage"].clone();
    assert_eq!(
        (&page["totalCount"], &page["clusterList"][0]["spec"]["clusterID"]),
        (&json!(2), &json!("cce-demo0001"))
    );
    let named = client.get("/cce/api/cce/service/v2/clusters?keywordType=clusterName&keyword=inside").await.ok();
    assert_eq!(named["clusterPage"]["clusterList"][0]["spec"]["clusterID"], "cce-demo0002");
    let first = client.get("/cce/v1/cluster").await.ok()["clusters"].clone();
    assert_eq!((first.as_array().unwrap().len(), &first[0]["clusterUuid"]), (1, &json!("c-AbCd1234")));
    let wrong = client.get("/cce/v2/cluster/c-AbCd1234").await;
    assert_eq!(wrong.refusal(), (404, "cce.warning.ClusterNotFound"));
    assert_eq!(wrong.body["requestID"], wrong.headers["x-bce-request-id"].to_str().unwrap());
    assert_eq!(client.get("/cce/v1/cluster/cce-demo0001").await.refusal(), (404, "NoSuchObject"));

    let page = client.get("/cce/v2/cluster/cce-demo0001/instances?pageSize=100").await.ok()["instancePage"].clone();
    let told: Vec<_> = page["instanceList"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["status"]["machine"]["instanceID"].clone(),
                row["spec"]["machineType"].clone(),
                row["status"]["machineStatus"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (json!("i-1"), json!("BCC"), json!("ACTIVE")),
            (json!("i-2"), json!("BBC"), json!("STOPPED")),
            (json!("vm-1"), json!("BEC"), json!("ACTIVE"))
        ]
    );
    let one = page["instanceList"][0].clone();
    let id = one["spec"]["cceInstanceID"].as_str().unwrap();
    assert_eq!(client.get(&format!("/cce/v2/cluster/cce-demo0001/instance/{id}")).await.ok()["instance"], one);
    assert_eq!(client.get("/cce/v2/cluster/cce-demo0002/instances").await.ok()["instancePage"]["totalCount"], 1);
    let nodes = client.get("/cce/v1/node?clusterUuid=c-AbCd1234&maker=").await.ok()["nodes"].clone();
    let told: Vec<_> =
        nodes.as_array().unwrap().iter().map(|row| (row["instanceType"].clone(), row["status"].clone())).collect();
    assert_eq!(
        told,
        [(json!("9"), json!("RUNNING")), (json!("BBC"), json!("ERROR")), (json!("BEC"), json!("RUNNING"))]
    );
    assert_eq!(nodes[0]["availableZone"], "zoneA");
}

#[tokio::test]
async fn a_kubeconfig_names_the_address_asked_for_and_the_cluster_s_certificates() {
    let (cloud, client) = world().await;
    let answer = client.get("/cce/v2/kubeconfig/cce-demo0001/public").await.ok();
    let text = answer["kubeConfig"].as_str().unwrap();
    for part in ["https://203.0.113.200:6443", "dGhlIENB", "dGhlIGNlcnRpZmljYXRl", "dGhlIGtleQ==", "kubernetes-admin"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let inside = client.get("/cce/v2/kubeconfig/cce-demo0001/vpc").await.ok();
    assert!(inside["kubeConfig"].as_str().unwrap().contains("https://192.168.0.100:6443"));
    assert_eq!(client.get("/cce/v2/kubeconfig/cce-demo0002/public").await.refusal(), (400, "InvalidParameter"));
    assert_eq!(client.get("/cce/v2/kubeconfig/cce-demo0001/other").await.refusal(), (400, "InvalidParameter"));
    let first = client.get("/cce/v1/cluster/kubeconfig?clusterUuid=c-AbCd1234&type=internal").await.ok();
    assert!(first["data"].as_str().unwrap().contains("https://192.168.0.100:6443"));
    cloud.operate("set-cluster-phase", json!({ "id": "cce-demo0001", "status": "upgrading" })).unwrap();
    let answer = client.get("/cce/v2/kubeconfig/cce-demo0001/vpc").await;
    assert_eq!(answer.refusal(), (409, "cce.warning.ClusterNotRunning"));
}

#[tokio::test]
async fn a_user_gets_one_once_it_has_a_grant() {
    let (cloud, client) = world().await;
    let user = client.with_key("ALTAKreader", "s");
    let ask = async || user.get("/cce/v2/kubeconfig/cce-demo0001/vpc").await;
    assert_eq!(ask().await.refusal(), (403, "AccessDenied"));
    let grant = |changes: Value| {
        let mut body =
            json!({ "clusterID": "cce-demo0001", "userID": "user-1", "namespace": "team-a", "role": "cce:readonly" });
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        body
    };
    for (wrong, expected) in [
        (json!({ "role": "admin" }), (400, "InvalidParameter")),
        (json!({ "userID": "user-9" }), (400, "InvalidParameter")),
        (json!({ "clusterID": "all" }), (400, "InvalidParameter")),
        (json!({ "clusterID": "cce-nobody" }), (404, "cce.warning.ClusterNotFound")),
        (json!({ "temp": true }), (400, "InvalidParameter")),
    ] {
        assert_eq!(client.post("/cce/v2/rbac", grant(wrong.clone())).await.refusal(), expected, "{wrong}");
    }
    client.post("/cce/v2/rbac", grant(json!({}))).await.ok();
    let text = ask().await.ok()["kubeConfig"].as_str().unwrap().to_owned();
    assert!(text.contains("user-1@kubernetes"), "{text}");
    let grants = client.get("/cce/v2/rbac?userID=user-1").await.ok()["data"].clone();
    let expected = json!([{ "role": "cce:readonly", "clusterID": "cce-demo0001", "clusterName": "second", "namespace": "team-a" }]);
    assert_eq!(grants, expected);
    client.put("/cce/v2/rbac", grant(json!({}))).await.ok();
    client.call(reqwest::Method::DELETE, "/cce/v2/rbac", Some(grant(json!({})))).await.unwrap().ok();
    assert_eq!(ask().await.refusal(), (403, "AccessDenied"));
    let temporary = client.post("/cce/v2/rbac", grant(json!({ "temp": true, "expireHours": 1 }))).await.ok();
    assert!(temporary["temporaryKubeConfig"].as_str().unwrap().contains("server:"));
    assert_eq!(cloud.look(|cloud| cloud.clusters.get("cce-demo0001").unwrap().issued.clone()), ["ALTAKreader"]);
}
