//! A cloud of a few lists. Each service is under a path prefix of its name, which is part of what is signed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, Request, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use cloud_rest::{Credentials, Sign as _};
use provider_baidu::sign::AccessKey;
use serde_json::{Value, json};

/// Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Cloud(Arc<Mutex<Inner>>);

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) bcc: Vec<Value>,
    pub(crate) bbc: Vec<Value>,
    pub(crate) bec: Vec<Value>,
    pub(crate) rules: Vec<Value>,
    /// Left out of lists.
    pub(crate) hidden: Vec<String>,
    /// Secrets by access key.
    pub(crate) keys: BTreeMap<String, String>,
    /// The token the gateway takes. Empty: there is no gateway.
    pub(crate) token: String,
    /// Most rules.
    pub(crate) quota: usize,
    /// Answers instead of the real ones, by the beginning of `METHOD /path`: how often, status, body, and whether it is carried out
    /// all the same.
    pub(crate) faults: Vec<(String, usize, u16, String, bool)>,
    /// What was asked: `METHOD /path`, then the query's keys and values.
    pub(crate) calls: Vec<String>,
    made: usize,
}

type Answer = (StatusCode, Value);

fn refusal(status: u16, code: &str) -> Answer {
    (StatusCode::from_u16(status).unwrap(), json!({"requestId": "req-1", "code": code, "message": "words"}))
}

impl Cloud {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Serves on loopback; the URL.
    pub(crate) async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async { axum::serve(listener, app).await });
        url
    }

    /// Calls so far whose method and path begin so.
    pub(crate) fn count(&self, start: &str) -> usize {
        self.lock().calls.iter().filter(|call| call.starts_with(start)).count()
    }

    /// Calls that change something.
    pub(crate) fn writes(&self) -> usize {
        self.lock().calls.iter().filter(|call| is_write(call)).count()
    }

    /// Fails the next calls that begin so.
    pub(crate) fn fail(&self, start: &str, times: usize, status: u16, body: &str, carried_out: bool) {
        self.lock().faults.push((start.to_owned(), times, status, body.to_owned(), carried_out));
    }
}

fn is_write(call: &str) -> bool {
    !call.starts_with("GET") && !call.contains("listByInstanceId")
}

async fn answer(State(cloud): State<Cloud>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut cloud = cloud.lock();
    cloud.calls.push(format!("{method} {uri}"));
    let (status, body) = cloud.answer(&method, &uri, &headers, &body);
    let id = [("x-bce-request-id", "req-1")];
    if body.is_null() { (status, id).into_response() } else { (status, id, body.to_string()).into_response() }
}

impl Inner {
    fn answer(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Answer {
        if let Some(refused) = self.authenticate(method, uri, headers) {
            return refused;
        }
        let call = format!("{method} {uri}");
        let fault = self.faults.iter_mut().find(|(start, times, ..)| *times > 0 && call.starts_with(start.as_str()));
        let fault = fault.map(|fault| {
            fault.1 -= 1;
            (fault.2, fault.3.clone(), fault.4)
        });
        match fault {
            Some((status, text, carried_out)) => {
                if carried_out {
                    self.act(method, uri, body);
                }
                let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
                (StatusCode::from_u16(status).unwrap(), value)
            }
            None => self.act(method, uri, body),
        }
    }

    /// Signs the same request with the key it names, and compares.
    fn authenticate(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Answer> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !self.token.is_empty() {
            let good = header("cce-token") == self.token && header("cce-cluster") == "cce-demo0001";
            let unsigned = !headers.contains_key("authorization") && !header("cce-remote-host").is_empty();
            return (!good || !unsigned).then(|| (StatusCode::UNAUTHORIZED, json!("no such token")));
        }
        let authorization = header("authorization");
        let id = authorization.split('/').nth(1).unwrap_or_default();
        let Some(secret) = self.keys.get(id) else { return Some(refusal(403, "InvalidAccessKeyId")) };
        let mut request = Request::builder().method(method.clone()).uri(format!("http://{}{uri}", header("host")));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let mut request = request.body(Bytes::new()).unwrap();
        let date = header("x-bce-date").parse().unwrap();
        AccessKey::default().sign(&mut request, &Credentials::lasting(id, secret), date).unwrap();
        (request.headers()["authorization"] != authorization).then(|| refusal(400, "SignatureDoesNotMatch"))
    }

    fn act(&mut self, method: &Method, uri: &Uri, body: &[u8]) -> Answer {
        let path: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
        let query: BTreeMap<String, String> = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(key, value)| (key.to_owned(), value.replace("%2C", ",").replace("%2F", "/")))
            .collect();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        match (method.as_str(), path.as_slice()) {
            ("GET", ["bcc", "v2", "instance"]) => self.page(&self.bcc, &query),
            ("POST", ["bcc", "v2", "instance", "listByInstanceId"]) => {
                let ids: Vec<&str> = body["instanceIds"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                assert!(ids.len() <= 100, "{} ids", ids.len());
                let found: Vec<Value> = self.bcc.iter().filter(|one| ids.contains(&id(one))).cloned().collect();
                self.page(&found, &query)
            }
            ("GET", ["bcc", "v2", "instance", wanted]) => {
                one(&self.bcc, wanted).map_or(refusal(404, "NoSuchObject"), |one| ok(json!({"instance": one})))
            }
            ("GET", ["bbc", "v1", "instance"]) => self.page(&self.bbc, &query),
            ("GET", ["bbc", "v1", "instance", wanted]) => {
                one(&self.bbc, wanted).map_or(refusal(400, "NoSuchObject"), ok)
            }
            ("GET", ["bec", "v2", "vm", "instance"]) => self.page(&self.bec, &query),
            ("GET", ["bec", "v1", "vm", "instance", wanted]) => {
                one(&self.bec, wanted).map_or(refusal(404, "VmNotFound"), ok)
            }
            ("GET", ["vpc", "v1", "route"]) if query["vpcId"] == "vpc-1" => {
                ok(json!({"routeTableId": "rt-1", "vpcId": "vpc-1", "routeRules": []}))
            }
            ("GET", ["vpc", "v1", "route", "rule"]) if query["routeTableId"] == "rt-1" => {
                let (_, page) = self.page(&self.rules, &query);
                ok(
                    json!({"routeRules": page["instances"], "isTruncated": page["isTruncated"], "nextMarker": page["nextMarker"]}),
                )
            }
            ("POST", ["vpc", "v1", "route", "rule"]) => self.create_rule(&query, &body),
            ("DELETE", ["vpc", "v1", "route", "rule", wanted]) => {
                let before = self.rules.len();
                self.rules.retain(|rule| rule["routeRuleId"] != *wanted);
                if self.rules.len() == before { refusal(404, "NoSuchObject") } else { (StatusCode::OK, Value::Null) }
            }
            _ => (StatusCode::NOT_FOUND, json!({"code": "InvalidVersion", "message": format!("{method} {uri}")})),
        }
    }

    fn create_rule(&mut self, query: &BTreeMap<String, String>, body: &Value) -> Answer {
        let token = query["clientToken"].as_str();
        assert!(token.len() <= 64 && body["routeTableId"] == "rt-1", "{query:?} {body}");
        if let Some(known) = self.rules.iter().find(|rule| rule["token"] == token) {
            return ok(json!({"routeRuleId": known["routeRuleId"]}));
        }
        let same = |rule: &Value, key: &str| rule[key] == body[key];
        if self.rules.iter().any(|rule| same(rule, "destinationAddress") && same(rule, "sourceAddress")) {
            return refusal(400, "RouteRuleRepeated");
        }
        if self.rules.len() >= self.quota {
            return refusal(400, "RouteRuleExceedQuota");
        }
        self.made += 1;
        let mut rule = body.clone();
        rule["routeRuleId"] = json!(format!("rr-new{}", self.made));
        rule["token"] = json!(token);
        self.rules.push(rule.clone());
        ok(json!({"routeRuleId": rule["routeRuleId"]}))
    }

    fn page(&self, all: &[Value], query: &BTreeMap<String, String>) -> Answer {
        let wanted: Option<Vec<&str>> = query.get("instanceIds").map(|ids| ids.split(',').collect());
        let shown: Vec<&Value> = all
            .iter()
            .filter(|one| !self.hidden.iter().any(|hidden| hidden == id(one)))
            .filter(|one| wanted.as_ref().is_none_or(|wanted| wanted.contains(&id(one))))
            .collect();
        let size: usize = query["maxKeys"].parse().unwrap();
        let from: usize =
            query.get("marker").map_or(0, |marker| marker.strip_prefix("opaque-").unwrap().parse().unwrap());
        let page: Vec<&&Value> = shown.iter().skip(from).take(size.min(1000)).collect();
        let next = from + page.len();
        let more = next < shown.len();
        let mut answer = json!({"instances": page, "isTruncated": more, "maxKeys": size});
        if more {
            answer["nextMarker"] = json!(format!("opaque-{next}"));
        }
        ok(answer)
    }
}

fn ok(value: Value) -> Answer {
    (StatusCode::OK, value)
}

fn id(one: &Value) -> &str {
    one["id"].as_str().or_else(|| one["routeRuleId"].as_str()).unwrap_or_default()
}

fn one(all: &[Value], wanted: &str) -> Option<Value> {
    all.iter().find(|one| id(one) == wanted).cloned()
}

/// A running machine in `vpc-1`.
pub(crate) fn machine(id: &str, ip: &str) -> Value {
    json!({"id": id, "name": format!("name-of-{id}"), "status": "Running", "internalIp": ip, "publicIp": "", "spec": "bcc.g5.c4m16",
        "zoneName": "cn-bj-a", "vpcId": "vpc-1"})
}
