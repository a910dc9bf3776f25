//! What goes wrong at the cloud, one after the other: no node and no load balancer goes, somebody can read why nothing moves, and
//! all goes on by itself.

use anyhow::Result;
use e2e::{
    huawei::{Settings, World, changes},
    simulated::faults::{Fault, Row},
};
use serde_json::json;
use testkit::cloud::huawei::{Huawei, HuaweiSettings, Keys, PROJECT};

/// Another account's project, in which nothing is.
const OTHER: &str = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";

const OTHER_ACCESS: &str = "OTHERACCESSKEY";
const OTHER_SECRET: &str = "secret-of-another-account";

#[tokio::test]
async fn calls_that_go_wrong_cost_neither_nodes_nor_load_balancers() -> Result<()> {
    let limit = "The throttling threshold has been reached: policy user over ratelimit,limit:200,time:1 minute";
    let faults = vec![
        ("401", Fault::refuse(401, "APIGW.0301", "verify aksk signature fail"), "CREDENTIALS_REJECTED"),
        ("403", Fault::refuse(403, "PAP.0001", "not allowed by policy"), "ACTION_DENIED"),
        ("404 of a gateway", Fault::answer(404, "<html><h1>404 Not Found</h1></html>"), "CLOUD_UNAVAILABLE"),
        ("429 storm", Fault::refuse(429, "APIGW.0308", limit), r#"outcome="throttled""#),
        ("503", Fault::refuse(503, "APIGW.0201", "backend unavailable"), "CLOUD_UNAVAILABLE"),
        ("502 of a gateway", Fault::answer(502, "<html>Bad Gateway</html>"), "CLOUD_UNAVAILABLE"),
        ("empty lists", Fault::short(0), r#"provider_condition{condition="ListingsComplete"} 0"#),
        ("truncated lists", Fault::short(1), "LISTING_UNFINISHED"),
    ];
    all_weathered(Vec::new(), faults).await
}

#[tokio::test]
async fn a_daemon_started_wrong_costs_neither_nodes_nor_load_balancers() -> Result<()> {
    let expected = vec![format!("--provider-account={PROJECT}/ap-southeast-1")];
    let wrong_region = HuaweiSettings { region: "eu-west-101".to_owned(), ..of_other_account() };
    let faults = vec![
        ("wrong project", Fault::Started(HuaweiSettings { project: OTHER.to_owned(), ..of_agency() }), "WRONG_ACCOUNT"),
        ("wrong account", Fault::Started(of_other_account()), "WRONG_ACCOUNT"),
        ("wrong region", Fault::Started(wrong_region), "WRONG_ACCOUNT"),
        ("metadata service gone", Fault::Metadata, "the metadata service does not answer"),
    ];
    all_weathered(expected, faults).await
}

#[tokio::test]
async fn the_wrong_account_costs_nothing_even_where_nobody_said_which_is_right() -> Result<()> {
    let faults = vec![
        ("wrong project", Fault::Started(HuaweiSettings { project: OTHER.to_owned(), ..of_agency() }), "ACTION_DENIED"),
        ("wrong account", Fault::Started(of_other_account()), "check section [Vpc] of the configuration"),
    ];
    all_weathered(Vec::new(), faults).await
}

/// What the daemon is started with when all is well: the keys of the machine's agency.
fn of_agency() -> HuaweiSettings {
    HuaweiSettings { keys: Keys::Metadata, ..HuaweiSettings::default() }
}

fn of_other_account() -> HuaweiSettings {
    let keys = Keys::Given { access: OTHER_ACCESS.to_owned(), secret: OTHER_SECRET.to_owned(), token: String::new() };
    HuaweiSettings { project: OTHER.to_owned(), keys, ..HuaweiSettings::default() }
}

async fn all_weathered(controller_args: Vec<String>, faults: Vec<Row<Huawei>>) -> Result<()> {
    let mut world = World::prepare(Settings { controller_args, ..Settings::default() }).await?;
    let agency = json!({"metadata": {"agencyOf": "d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0"}, "accounts": [{
        "domainId": "d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1", "projectId": OTHER,
        "accessKey": OTHER_ACCESS, "secretKey": OTHER_SECRET,
    }]});
    world.cloud.simulator().seed(&agency).await?;
    world.cloud.configure(&of_agency())?;
    world.restart_daemon().await?;
    world.start_controller().await?;
    world.weather(&of_agency(), &changes(), faults).await?;
    world.ends_well().await
}
