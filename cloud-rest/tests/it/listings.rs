//! Listings over several pages.

use cloud_rest::{
    Effect, Error, Kind,
    paging::{Page, Parts, Style},
};
use serde::Deserialize;
use serde_json::json;

use crate::server::{Asked, Reply, Server, client, key};

#[derive(Deserialize)]
struct Things {
    #[serde(rename = "things")]
    items: Vec<Thing>,
    next: Option<String>,
    count: Option<u64>,
}

#[derive(Deserialize)]
struct Thing {
    id: String,
}

impl Page for Things {
    type Item = Thing;

    fn split(self) -> Parts<Thing> {
        Parts { items: self.items, next: self.next, total: self.count }
    }

    fn id(item: &Thing) -> &str {
        &item.id
    }
}

const MARKER: Style = Style::Marker { marker: "marker", size: "limit", limit: 2 };
const LAST_ID: Style = Style::LastId { marker: "marker", size: "limit", limit: 2 };
const NUMBER: Style = Style::Number { number: "offset", size: "limit", limit: 2, first: 1 };

fn page(ids: &[&str], more: &serde_json::Value) -> Reply {
    let things: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
    let mut page = json!({ "things": things });
    page.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Reply::json(200, &page.to_string())
}

async fn list(server: &Server, style: Style) -> Result<Vec<String>, Error> {
    let things = client(key("AK")).list::<Things>(server.call(Effect::Read), style).await?;
    Ok(things.into_iter().map(|thing| thing.id).collect())
}

fn queries(server: &Server) -> Vec<String> {
    server.asked().iter().map(|Asked { uri, .. }| uri.split_once('?').unwrap().1.to_owned()).collect()
}

#[tokio::test]
async fn markers_are_followed_to_the_page_that_names_none() {
    let server = Server::start().await;
    server.script([page(&["a"], &json!({"next": "m1"})), page(&[], &json!({"next": "m2"})), page(&["b"], &json!({}))]);
    assert_eq!(list(&server, MARKER).await.unwrap(), ["a", "b"]);
    assert_eq!(queries(&server), ["limit=2", "limit=2&marker=m1", "limit=2&marker=m2"]);
}

#[tokio::test]
async fn ids_are_followed_to_the_page_that_is_not_full() {
    let server = Server::start().await;
    server.script([page(&["a", "b"], &json!({})), page(&["c", "d"], &json!({})), page(&[], &json!({}))]);
    assert_eq!(list(&server, LAST_ID).await.unwrap(), ["a", "b", "c", "d"]);
    assert_eq!(queries(&server), ["limit=2", "limit=2&marker=b", "limit=2&marker=d"]);
}

#[tokio::test]
async fn numbered_pages_are_read_until_all_are_there() {
    let server = Server::start().await;
    server.script([page(&["a", "b"], &json!({"count": 3})), page(&["c"], &json!({"count": 3}))]);
    assert_eq!(list(&server, NUMBER).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(queries(&server), ["offset=1&limit=2", "offset=2&limit=2"]);
    server.script([page(&[], &json!({"count": 0}))]);
    assert_eq!(list(&server, NUMBER).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_listing_that_changed_meanwhile_is_read_again() {
    let server = Server::start().await;
    // `a` went away between the pages, so that `c` slipped past.
    server.script([page(&["a", "b"], &json!({"count": 4})), page(&["d"], &json!({"count": 3}))]);
    server.script([page(&["b", "c"], &json!({"count": 3})), page(&["d"], &json!({"count": 3}))]);
    assert_eq!(list(&server, NUMBER).await.unwrap(), ["b", "c", "d"]);
}

#[tokio::test]
async fn a_listing_that_is_cut_short_or_goes_in_circles_is_an_error() {
    let rows: [(Style, Vec<Reply>); 5] = [
        (NUMBER, vec![page(&["a"], &json!({"count": 3})), page(&[], &json!({"count": 3}))]),
        (NUMBER, vec![page(&["a"], &json!({}))]),
        (MARKER, vec![page(&["a"], &json!({"next": "m"})), page(&["a"], &json!({"next": "m"}))]),
        (LAST_ID, vec![page(&["a", "b"], &json!({})), page(&["a", "b"], &json!({}))]),
        (MARKER, vec![page(&["a"], &json!({"next": "m"})), Reply::json(200, r#"{"things":[{"id""#)]),
    ];
    for (style, replies) in rows {
        let server = Server::start().await;
        for _ in 0..8 {
            server.script(replies.clone());
        }
        let error = list(&server, style).await.unwrap_err();
        assert_eq!(error.kind, Kind::Garbled, "{style:?}: {error}");
    }
}

#[tokio::test]
async fn a_page_that_is_refused_fails_the_listing() {
    let server = Server::start().await;
    server.script([page(&["a"], &json!({"next": "m"})), Reply::json(403, "no")]);
    assert_eq!(list(&server, MARKER).await.unwrap_err().kind, Kind::PermissionDenied);
}
