//! What goes wrong at Baidu AI Cloud, one after the other: no node and no load balancer goes, somebody can read why nothing moves,
//! and all goes on by itself.

use anyhow::Result;
use e2e::{
    baidu::{Settings, World, changes, given, with},
    simulated::faults::{Fault, Row},
};
use serde_json::json;
use testkit::cloud::baidu::{ACCOUNT, Baidu, BaiduSettings, Keys};

/// A machine whose role has keys of the account.
const DAEMONS: &str = "i-daemon01";
const ROLE: &str = "ccm";
const OTHER_ACCESS: &str = "ALTAKofanotheraccount0001";
const OTHER_SECRET: &str = "secret-of-a-key-of-another-account-001";
const OTHER_ACCOUNT: &str = "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0";

async fn weathered(controller_args: Vec<String>, faults: Vec<Row<Baidu>>) -> Result<()> {
    let mut world: World = World::prepare(Settings { controller_args, ..Settings::default() }).await?;
    let trust = json!({"accessControlList": []});
    let seed = json!({
        "roles": [{"name": ROLE, "account": "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0", "trust": trust}],
        "machines": [{"id": DAEMONS, "name": "daemons", "roleName": ROLE}],
        "metadata": {"machine": DAEMONS, "keySeconds": 3600},
        "keys": [{"accessKey": OTHER_ACCESS, "secretKey": OTHER_SECRET, "account": OTHER_ACCOUNT}],
    });
    world.cloud.simulator().seed(&seed).await?;
    let good = with(Keys::Metadata);
    world.cloud.configure(&good)?;
    world.restart_daemon().await?;
    world.start_controller().await?;
    world.weather(&good, &changes(), faults).await?;
    world.ends_well().await
}

#[tokio::test]
async fn calls_that_go_wrong_cost_neither_nodes_nor_load_balancers() -> Result<()> {
    let faults = vec![
        ("401", Fault::refuse(401, "SignatureDoesNotMatch", "the signature is another"), "CREDENTIALS_REJECTED"),
        ("403", Fault::refuse(403, "AccessDenied", "not allowed"), "ACTION_DENIED"),
        ("404 of a gateway", Fault::answer(404, "<html><h1>404 Not Found</h1></html>"), "CLOUD_UNAVAILABLE"),
        ("429 storm", Fault::refuse(429, "RateLimit", "too many requests"), r#"outcome="throttled""#),
        ("503", Fault::refuse(503, "ServiceUnavailable", "try again"), "CLOUD_UNAVAILABLE"),
        ("502 of a gateway", Fault::answer(502, "<html>Bad Gateway</html>"), "CLOUD_UNAVAILABLE"),
        ("empty lists", Fault::short(0), "LISTING_UNFINISHED"),
        (
            "empty lists, as the daemon tells of them",
            Fault::short(0),
            r#"provider_condition{condition="ListingsComplete"} 0"#,
        ),
        ("truncated lists", Fault::short(1), "LISTING_UNFINISHED"),
    ];
    weathered(Vec::new(), faults).await
}

#[tokio::test]
async fn a_daemon_started_wrong_costs_neither_nodes_nor_load_balancers() -> Result<()> {
    let other = with(given(OTHER_ACCESS, OTHER_SECRET));
    let wrong_account = BaiduSettings { cluster: "cce-another1".to_owned(), ..other };
    let wrong_region = BaiduSettings { region: "gz".to_owned(), ..with(Keys::Metadata) };
    let faults = vec![
        ("wrong account", Fault::Started(wrong_account), "WRONG_ACCOUNT"),
        ("wrong region", Fault::Started(wrong_region), "WRONG_ACCOUNT"),
        ("metadata service gone", Fault::Metadata, "no credentials: GetStsCredential"),
    ];
    weathered(vec![format!("--provider-account={ACCOUNT}")], faults).await
}
