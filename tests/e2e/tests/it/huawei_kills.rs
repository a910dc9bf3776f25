//! Daemon, controller or both are killed in the middle of work on Services on Huawei Cloud, and Services go while others come.

use anyhow::Result;
use e2e::{
    Victim,
    huawei::{KINDS, Settings, World},
};
use serde_json::{Value, json};

fn want() -> Value {
    json!({"kubernetes.io/elb.lb-algorithm": "LEAST_CONNECTIONS"})
}

#[tokio::test]
async fn killed_in_the_middle_of_service_work_they_leave_nothing_and_double_nothing() -> Result<()> {
    let mut world = World::start(Settings::default()).await?;
    let kills = [
        (Victim::Daemon, "shared", 1, true),
        (Victim::Both, "shared", 4, false),
        (Victim::Controller, "dedicated", 1, false),
        (Victim::Daemon, "dedicated", 1, false),
        (Victim::Both, "dedicated", 3, true),
    ];
    world.kill_in_the_middle(&KINDS, &want(), &kills).await?;
    world.ends_well().await
}

#[tokio::test]
async fn services_deleted_while_others_come_stay_gone() -> Result<()> {
    let mut world = World::start(Settings::default()).await?;
    world.services_go_while_others_come(&KINDS, &want()).await?;
    world.ends_well().await
}
