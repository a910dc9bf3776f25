//! The lists of Huawei Cloud lack things for half a minute while controller and daemon start: nothing is made twice, nothing deleted.

use anyhow::Result;
use e2e::huawei::{KINDS, Settings, World, changes};

#[tokio::test]
async fn empty_lists_at_the_start_cost_nothing_and_make_nothing() -> Result<()> {
    of_so_many_rows(0).await
}

#[tokio::test]
async fn truncated_lists_at_the_start_cost_nothing_and_make_nothing() -> Result<()> {
    of_so_many_rows(1).await
}

async fn of_so_many_rows(keep: usize) -> Result<()> {
    let mut world = World::start(Settings::default()).await?;
    world.start_under_short_lists(keep, &KINDS, &changes()).await?;
    world.ends_well().await
}
