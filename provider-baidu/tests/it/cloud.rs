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
    /// Clusters of the second version of CCE.
    pub(crate) clusters: Vec<Value>,
    /// Clusters of the first.
    pub(crate) old_clusters: Vec<Value>,
    /// The one registry's robots, with their secrets.
    pub(crate) robots: Vec<Value>,
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
            (method, ["cce", rest @ ..]) => self.cce(method, rest, &query),
            (method, ["ccr", "v1", rest @ ..]) => self.ccr(method, rest, &query, body),
            ("DELETE", ["vpc", "v1", "route", "rule", wanted]) => {
                let before = self.rules.len();
                self.rules.retain(|rule| rule["routeRuleId"] != *wanted);
                if self.rules.len() == before { refusal(404, "NoSuchObject") } else { (StatusCode::OK, Value::Null) }
            }
            _ => (StatusCode::NOT_FOUND, json!({"code": "InvalidVersion", "message": format!("{method} {uri}")})),
        }
    }

    fn cce(&self, method: &str, path: &[&str], query: &BTreeMap<String, String>) -> Answer {
        let find = |id: &str| self.clusters.iter().find(|one| one["spec"]["clusterID"] == id);
        let kubeconfig = |server: &str| {
            format!(
                "apiVersion: v1\nkind: Config\nclusters:\n- name: kubernetes\n  cluster: {{server: \"{server}\"}}\nusers:\n- name: kubernetes-admin\n  \
                 user: {{client-key-data: bWFya2Vy}}\ncontexts:\n- name: admin\n  context: {{cluster: kubernetes, user: kubernetes-admin}}\n\
                 current-context: admin\n"
            )
        };
        match (method, path) {
            ("GET", ["v2", "clusters"]) => {
                let page = numbered(&self.clusters, query);
                ok(
                    json!({"clusterPage": {"totalCount": self.clusters.len(), "clusterList": page}, "requestID": "req-1"}),
                )
            }
            ("GET", ["v2", "cluster", id]) => {
                find(id).map_or(refusal(404, "cce.warning.ClusterNotFound"), |one| ok(json!({"cluster": one})))
            }
            ("GET", ["v2", "kubeconfig", id, kind]) => match (find(id), *kind) {
                (None, _) => refusal(404, "cce.warning.ClusterNotFound"),
                (Some(one), "public") if one["status"]["clusterBLB"]["eip"] == "" => refusal(400, "cce.warning.NoEIP"),
                (Some(_), kind @ ("public" | "vpc")) => {
                    ok(json!({"kubeConfigType": kind, "kubeConfig": kubeconfig(&format!("https://{kind}:6443"))}))
                }
                _ => refusal(400, "BadRequest"),
            },
            ("GET", ["v1", "cluster"]) => {
                ok(json!({"marker": "", "isTruncated": false, "maxKeys": 1000, "clusters": self.old_clusters}))
            }
            ("GET", ["v1", "cluster", "kubeconfig"]) => {
                ok(json!({"data": kubeconfig(&format!("https://{}:6443", query["type"]))}))
            }
            ("GET", ["v1", "image", "user"]) => ok(json!({"username": "person", "createTime": "t", "updateTime": "t"})),
            _ => refusal(404, "InvalidVersion"),
        }
    }

    fn ccr(&mut self, method: &str, path: &[&str], query: &BTreeMap<String, String>, body: Value) -> Answer {
        let shown = |robot: &Value| {
            let mut robot = robot.clone();
            robot.as_object_mut().unwrap().remove("secret");
            robot
        };
        match (method, path) {
            ("GET", ["users", "profile"]) => ok(json!({"name": "owner"})),
            ("GET", ["instances"]) => {
                let one = json!({"id": "ccr-1", "name": "images", "status": "Running", "region": "bj", "publicURL": "https://ccr-1-pub.example"});
                ok(json!({"total": 1, "pageNo": 1, "pageSize": 100, "instances": [one]}))
            }
            ("GET", ["instances", "ccr-1", "privatelinks"]) => ok(json!({"domain": "ccr-1-vpc.example", "items": []})),
            ("POST", ["instances", "ccr-1", "credential"]) => {
                ok(json!({"password": format!("marker-temporary-{}", body["duration"])}))
            }
            ("GET", ["instances", "ccr-1", "robots"]) => {
                let page: Vec<Value> = numbered(&self.robots, query).iter().map(shown).collect();
                ok(json!({"total": self.robots.len(), "pageNo": 1, "pageSize": 100, "robots": page}))
            }
            ("POST", ["instances", "ccr-1", "robots"]) => {
                self.made += 1;
                let mut robot = body;
                robot["id"] = json!(100 + self.made);
                robot["name"] = json!(format!("robot${}", robot["name"].as_str().unwrap()));
                robot["secret"] = json!(format!("marker-secret-{}", self.made));
                self.robots.push(robot.clone());
                ok(robot)
            }
            (_, ["instances", "ccr-1", "robots", id, rest @ ..]) => {
                let Some(at) = self.robots.iter().position(|one| one["id"].as_u64() == id.parse().ok()) else {
                    return refusal(404, "RobotNotFound");
                };
                match (method, rest) {
                    ("DELETE", []) => drop(self.robots.remove(at)),
                    ("PUT", []) => {
                        assert!(body.get("name").is_none(), "a robot is not renamed: {body}");
                        for (key, value) in body.as_object().unwrap() {
                            self.robots[at][key] = value.clone();
                        }
                    }
                    ("PUT", ["secret"]) => {
                        self.made += 1;
                        self.robots[at]["secret"] = json!(format!("marker-secret-{}", self.made));
                        return ok(json!({"secret": self.robots[at]["secret"]}));
                    }
                    _ => return refusal(404, "InvalidVersion"),
                }
                (StatusCode::OK, Value::Null)
            }
            _ => refusal(404, "InvalidVersion"),
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

/// A page by its number, as CCE's second version and CCR give them.
fn numbered(all: &[Value], query: &BTreeMap<String, String>) -> Vec<Value> {
    let number = |key: &str| query[key].parse::<usize>().unwrap();
    all.iter().skip((number("pageNo") - 1) * number("pageSize")).take(number("pageSize")).cloned().collect()
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
