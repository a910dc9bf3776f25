//! A cloud's lists lack things for half a minute while controller and daemon start: nothing is made twice, nothing deleted.

use anyhow::Result;
use e2e::{
    baidu, huawei,
    simulated::{Kinds, Settings, Site, World, faults::Changes},
};
use testkit::cloud::{baidu::Baidu, huawei::Huawei};

async fn cost_nothing_and_make_nothing<C: Site>(keep: usize, kinds: &Kinds, changes: &Changes) -> Result<()> {
    let mut world = World::<C>::start(Settings::default()).await?;
    world.start_under_short_lists(keep, kinds, changes).await?;
    world.ends_well().await
}

#[tokio::test]
async fn empty_lists_of_huawei_cloud_cost_nothing_and_make_nothing() -> Result<()> {
    cost_nothing_and_make_nothing::<Huawei>(0, &huawei::KINDS, &huawei::changes()).await
}

#[tokio::test]
async fn truncated_lists_of_huawei_cloud_cost_nothing_and_make_nothing() -> Result<()> {
    cost_nothing_and_make_nothing::<Huawei>(1, &huawei::KINDS, &huawei::changes()).await
}

#[tokio::test]
async fn empty_lists_of_baidu_ai_cloud_cost_nothing_and_make_nothing() -> Result<()> {
    cost_nothing_and_make_nothing::<Baidu>(0, &baidu::KINDS, &baidu::changes()).await
}

#[tokio::test]
async fn truncated_lists_of_baidu_ai_cloud_cost_nothing_and_make_nothing() -> Result<()> {
    cost_nothing_and_make_nothing::<Baidu>(1, &baidu::KINDS, &baidu::changes()).await
}
