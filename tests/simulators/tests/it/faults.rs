//! Faults, lag, and halting.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use simulators::{
    engine::{Change, Effect, HaltState, LastAnswer, Rule, Running},
    huawei::{Huawei, NewServer, state},
};

use crate::client::{Client, cloud};

const LIST: &str = "/v1/P/cloudservers/detail";

/// A change that can be made any number of times, on a server.
async fn change(client: &Client, server: &str, number: usize) -> reqwest::Result<u16> {
    let what = if number.is_multiple_of(2) { "removeSecurityGroup" } else { "addSecurityGroup" };
    let body = json!({ what: { "name": state::SECURITY_GROUP } });
    let answer = client.call(Method::POST, &format!("/v2.1/P/servers/{server}/action"), Some(body)).await?;
    Ok(answer.status.as_u16())
}

fn server(cloud: &Running<Huawei>, name: &str) -> String {
    cloud.edit(|cloud, _| cloud.add_server(NewServer::named(name))).unwrap()
}

/// Whether the server has the group that [`change`] takes away first.
fn has_group(cloud: &Running<Huawei>, server: &str) -> bool {
    cloud.look(|cloud| {
        let port = &cloud.servers.get(server).unwrap().ports[0];
        !cloud.ports.get(port).unwrap().security_groups.is_empty()
    })
}

#[tokio::test]
async fn a_refusal_comes_in_the_services_own_shape() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let refuse =
        Effect::Refuse { status: 403, code: "Ecs.0003".to_owned(), message: "no".to_owned(), retry_after: Some(7) };
    cloud.break_with(Rule::new(refuse).action("ListServersDetails").times(1));
    let answer = client.get(LIST).await;
    assert_eq!(answer.body, json!({ "error": { "code": "Ecs.0003", "message": "no" } }));
    assert_eq!(answer.headers["retry-after"], "7");
    client.get(LIST).await.ok();
    let call = &cloud.calls()[0];
    assert_eq!((call.service.as_str(), call.status, call.executed), ("ecs", Some(403), false));
}

#[tokio::test]
async fn an_answer_can_be_lost_with_the_deed_done_or_not() {
    for (effect, executed) in [
        (Effect::Drop { executed: false }, false),
        (Effect::Drop { executed: true }, true),
        (Effect::Reset { executed: false }, false),
        (Effect::Reset { executed: true }, true),
        (Effect::Refuse { status: 502, code: String::new(), message: String::new(), retry_after: None }, false),
    ] {
        let cloud = cloud().await;
        let client = Client::of(&cloud);
        let id = server(&cloud, "node");
        let lost = !matches!(effect, Effect::Refuse { .. });
        cloud.break_with(Rule::new(effect.clone()).mutating());
        assert_eq!(change(&client, &id, 0).await.is_err(), lost, "{effect:?}");
        assert_eq!(has_group(&cloud, &id), !executed, "{effect:?}");
        let call = &cloud.calls()[0];
        assert_eq!((call.executed, call.lost, call.mutating), (executed, lost, true), "{effect:?}");
    }
}

#[tokio::test]
async fn an_answer_can_break_off() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    cloud.break_with(Rule::new(Effect::CutAnswer).times(1));
    assert!(client.call(Method::GET, LIST, None).await.is_err());
    client.get(LIST).await.ok();
}

#[tokio::test]
async fn a_call_can_hang() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    cloud.break_with(Rule::new(Effect::Hang));
    let answer = tokio::time::timeout(Duration::from_millis(200), client.call(Method::GET, LIST, None)).await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn listings_can_be_short_stale_and_late_while_ids_are_not() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    server(&cloud, "old");
    let count = async || client.get(LIST).await.ok()["count"].as_u64().unwrap();
    let short = cloud.break_with(Rule::new(Effect::ShortList { keep: 0 }).action("List*"));
    assert_eq!(count().await, 0);
    assert!(cloud.mend(short));
    assert_eq!(count().await, 1);

    let id = server(&cloud, "going");
    cloud.edit(|cloud, now| cloud.delete_server(now, &id)).unwrap();
    assert_eq!(count().await, 1);
    cloud.turn(Change { lag_ms: Some(60_000), ..Change::default() }).unwrap();
    assert_eq!(count().await, 2, "the listing is behind");
    assert_eq!(client.get(&format!("/v1/P/cloudservers/{id}")).await.status, 404, "the id is not");
    cloud.advance(Duration::from_secs(61));
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn the_cloud_halts_after_the_last_change() {
    for (answer, heard) in [(LastAnswer::Given, true), (LastAnswer::Lost, false)] {
        let cloud = cloud().await;
        let client = Client::of(&cloud);
        let id = server(&cloud, "node");
        cloud.halt_after(2, answer);
        assert_eq!(change(&client, &id, 0).await.unwrap(), 202);
        client.get(LIST).await.ok();
        assert_eq!(change(&client, &id, 1).await.is_ok(), heard, "{answer:?}");
        cloud.halted().await;
        assert!(has_group(&cloud, &id), "the last change was made");
        assert!(change(&client, &id, 2).await.is_err());
        assert!(client.call(Method::GET, LIST, None).await.is_err());
        assert!(has_group(&cloud, &id), "nothing is done after it");
        cloud.go_on();
        assert_eq!(cloud.halt_state(), HaltState::Off);
        assert_eq!(change(&client, &id, 2).await.unwrap(), 202);
    }
}
