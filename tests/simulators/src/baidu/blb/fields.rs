//! The fields of listeners and health checks: what there are, what they may be, and what they are when nothing is said.

use serde_json::{Map, Value, json};

use super::Kind;
use crate::{baidu::errors::bad, engine::Problem};

/// Fields by name.
pub type Fields = Map<String, Value>;

/// A field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    takes: Takes,
    unless_said: Unless,
}

#[derive(Clone, Copy, Debug)]
enum Takes {
    Port,
    Number(u64, u64),
    /// Up to so many characters.
    Text(usize),
    OneOf(&'static [&'static str]),
    Flag,
    Texts,
    /// Kept as it is.
    Object,
}

/// What a field is when nothing is said.
#[derive(Clone, Copy, Debug)]
enum Unless {
    /// It has to be said.
    Required,
    /// It is not there.
    Absent,
    Number(u64),
    Text(&'static str),
    No,
    Yes,
}

const fn field(name: &'static str, takes: Takes, unless_said: Unless) -> Field {
    Field { name, takes, unless_said }
}

impl Field {
    fn check(&self, value: &Value) -> Result<(), Problem> {
        let number = |least: u64, most: u64| value.as_u64().is_some_and(|value| (least..=most).contains(&value));
        let (good, wanted) = match self.takes {
            Takes::Port => (number(1, 65535), "a port".to_owned()),
            Takes::Number(least, most) => (number(least, most), format!("from {least} to {most}")),
            Takes::Text(most) => (
                value.as_str().is_some_and(|text| text.chars().count() <= most),
                format!("a text of up to {most} characters"),
            ),
            Takes::OneOf(words) => {
                (value.as_str().is_some_and(|text| words.contains(&text)), format!("one of {}", words.join(", ")))
            }
            Takes::Flag => (value.is_boolean(), "true or false".to_owned()),
            Takes::Texts => {
                let texts = value.as_array().is_some_and(|values| values.iter().all(Value::is_string));
                (texts, "a list of texts".to_owned())
            }
            Takes::Object => (value.is_object() || value.is_array(), "an object or a list".to_owned()),
        };
        if good { Ok(()) } else { Err(bad(self.name, format!("{value} is not {wanted}"))) }
    }
}

const FOUR: &[&str] = &["RoundRobin", "LeastConnection", "Hash"];
const SEVEN: &[&str] = &["RoundRobin", "LeastConnection"];
/// Longest string of a UDP health check.
const PROBE: usize = 1299;

const BACKEND: Field = field("backendPort", Takes::Port, Unless::Required);
const SCHEDULER_4: Field = field("scheduler", Takes::OneOf(FOUR), Unless::Required);
const SCHEDULER_7: Field = field("scheduler", Takes::OneOf(SEVEN), Unless::Required);
const TCP_TIMEOUT: Field = field("tcpSessionTimeout", Takes::Number(10, 4000), Unless::Number(900));
const UDP_TIMEOUT: Field = field("udpSessionTimeout", Takes::Number(5, 4000), Unless::Number(90));
const TIMEOUT: Field = field("healthCheckTimeoutInSecond", Takes::Number(1, 60), Unless::Number(3));
const INTERVAL: Field = field("healthCheckInterval", Takes::Number(1, 10), Unless::Number(3));
const DOWN: Field = field("unhealthyThreshold", Takes::Number(2, 5), Unless::Number(3));
const UP: Field = field("healthyThreshold", Takes::Number(2, 5), Unless::Number(3));
const HEALTH_PORT: Field = field("healthCheckPort", Takes::Port, Unless::Absent);
const HEALTH_URI: Field = field("healthCheckURI", Takes::Text(255), Unless::Text("/"));
const HEALTH_STATUS: Field = field("healthCheckNormalStatus", Takes::Text(64), Unless::Text("http_2xx|http_3xx"));
const HEALTH_HOST: Field = field("healthCheckHost", Takes::Text(255), Unless::Absent);
const SERVER_TIMEOUT: Field = field("serverTimeout", Takes::Number(1, 3600), Unless::Number(30));
const REDIRECT: Field = field("redirectPort", Takes::Port, Unless::Absent);
const KEEP: Field = field("keepSession", Takes::Flag, Unless::No);
const KEEP_TYPE: Field = field("keepSessionType", Takes::OneOf(&["insert", "rewrite"]), Unless::Text("insert"));
const KEEP_COOKIE: Field = field("keepSessionCookieName", Takes::Text(200), Unless::Absent);
const FORWARDED_PROTO: Field = field("xForwardedProto", Takes::Flag, Unless::No);
const ATTRIBUTES: Field = field("additionalAttributes", Takes::Object, Unless::Absent);
const CERTIFICATES: Field = field("certIds", Takes::Texts, Unless::Required);
const MORE_CERTIFICATES: Field = field("additionalCertDomains", Takes::Object, Unless::Absent);
const ENCRYPTION: Field = field("encryptionType", Takes::Text(64), Unless::Absent);
const PROTOCOLS: Field = field("encryptionProtocols", Takes::Texts, Unless::Absent);
const CIPHERS: Field = field("appliedCiphers", Takes::Text(1024), Unless::Absent);
const DUAL: Field = field("dualAuth", Takes::Flag, Unless::No);
const CLIENTS: Field = field("clientCertIds", Takes::Texts, Unless::Absent);
const DESCRIPTION: Field = field("description", Takes::Text(200), Unless::Absent);

const fn health(words: &'static [&'static str], unless_said: &'static str) -> Field {
    field("healthCheckType", Takes::OneOf(words), Unless::Text(unless_said))
}

const TCP: &[Field] =
    &[BACKEND, SCHEDULER_4, TCP_TIMEOUT, health(&["TCP", "HTTP"], "TCP"), TIMEOUT, INTERVAL, DOWN, UP];
const UDP: &[Field] = &[
    BACKEND,
    SCHEDULER_4,
    UDP_TIMEOUT,
    health(&["UDP", "ICMP"], "UDP"),
    HEALTH_PORT,
    field("healthCheckString", Takes::Text(PROBE), Unless::Required),
    TIMEOUT,
    INTERVAL,
    DOWN,
    UP,
];
const HTTP: &[Field] = &[
    BACKEND,
    SCHEDULER_7,
    KEEP,
    KEEP_TYPE,
    field("keepSessionDuration", Takes::Number(1, 15_552_000), Unless::Number(3600)),
    KEEP_COOKIE,
    field("xForwardFor", Takes::Flag, Unless::No),
    FORWARDED_PROTO,
    ATTRIBUTES,
    health(&["HTTP", "TCP"], "HTTP"),
    HEALTH_PORT,
    HEALTH_URI,
    TIMEOUT,
    INTERVAL,
    DOWN,
    UP,
    HEALTH_STATUS,
    HEALTH_HOST,
    SERVER_TIMEOUT,
    REDIRECT,
];
const TLS: &[Field] = &[CERTIFICATES, MORE_CERTIFICATES, ENCRYPTION, PROTOCOLS, CIPHERS, DUAL, CLIENTS];
const SSL: &[Field] = &[
    BACKEND,
    SCHEDULER_4,
    health(&["TCP"], "TCP"),
    TIMEOUT,
    INTERVAL,
    DOWN,
    UP,
    CERTIFICATES,
    ENCRYPTION,
    PROTOCOLS,
    CIPHERS,
    DUAL,
    CLIENTS,
    SERVER_TIMEOUT,
];
const APP_TCP: &[Field] = &[SCHEDULER_4, TCP_TIMEOUT, DESCRIPTION];
const APP_UDP: &[Field] = &[SCHEDULER_4, UDP_TIMEOUT, DESCRIPTION];
const APP_HTTP: &[Field] = &[
    SCHEDULER_7,
    KEEP,
    KEEP_TYPE,
    field("keepSessionTimeout", Takes::Number(1, 15_552_000), Unless::Number(3600)),
    KEEP_COOKIE,
    field("xForwardedFor", Takes::Flag, Unless::No),
    FORWARDED_PROTO,
    ATTRIBUTES,
    SERVER_TIMEOUT,
    REDIRECT,
    DESCRIPTION,
];
const APP_SSL: &[Field] = &[SCHEDULER_4, CERTIFICATES, ENCRYPTION, PROTOCOLS, CIPHERS, DUAL, CLIENTS, DESCRIPTION];

/// The fields of a listener besides its port; none when there is no such protocol.
pub fn of_listener(kind: Kind, protocol: &str) -> Vec<Field> {
    let (first, second): (&[Field], &[Field]) = match (kind, protocol) {
        (Kind::Layer4, "TCP") => (TCP, &[]),
        (Kind::Layer4, "UDP") => (UDP, &[]),
        (Kind::Layer4, "HTTP") => (HTTP, &[]),
        (Kind::Layer4, "HTTPS") => (HTTP, TLS),
        (Kind::Layer4, "SSL") => (SSL, &[]),
        (Kind::App | Kind::Edge, "TCP") => (APP_TCP, &[]),
        (Kind::App | Kind::Edge, "UDP") => (APP_UDP, &[]),
        (Kind::App, "HTTP") => (APP_HTTP, &[]),
        (Kind::App, "HTTPS") => (APP_HTTP, TLS),
        (Kind::App, "SSL") => (APP_SSL, &[]),
        _ => (&[], &[]),
    };
    [first, second].concat()
}

/// The fields of a health check of a group's backends over a protocol.
pub fn of_check(protocol: &str) -> Vec<Field> {
    let check = match protocol {
        "TCP" => field("healthCheck", Takes::OneOf(&["TCP", "HTTP"]), Unless::Text("TCP")),
        "UDP" => field("healthCheck", Takes::OneOf(&["UDP", "ICMP"]), Unless::Text("UDP")),
        "HTTP" => field("healthCheck", Takes::OneOf(&["HTTP", "TCP"]), Unless::Text("HTTP")),
        _ => return Vec::new(),
    };
    let mut fields = vec![
        check,
        field("enableHealthCheck", Takes::Flag, Unless::Yes),
        HEALTH_PORT,
        HEALTH_HOST,
        TIMEOUT,
        field("healthCheckIntervalInSecond", Takes::Number(1, 10), Unless::Number(3)),
        field("healthCheckDownRetry", Takes::Number(2, 5), Unless::Number(3)),
        field("healthCheckUpRetry", Takes::Number(2, 5), Unless::Number(3)),
        field("healthCheckNormalStatus", Takes::Text(64), Unless::Absent),
        field("healthCheckUrlPath", Takes::Text(255), Unless::Absent),
    ];
    if protocol == "UDP" {
        fields.push(field("udpHealthCheckString", Takes::Text(PROBE), Unless::Required));
    }
    fields
}

/// A new object's fields: what is said, and what counts where nothing is.
pub fn new(known: &[Field], said: &Fields) -> Result<Fields, Problem> {
    check(known, said)?;
    let mut fields = Fields::new();
    for field in known {
        let value = match (said.get(field.name), field.unless_said) {
            (Some(value), _) => value.clone(),
            (None, Unless::Required) => return Err(bad(field.name, "it is missing")),
            (None, Unless::Absent) => continue,
            (None, Unless::Number(number)) => json!(number),
            (None, Unless::Text(text)) => json!(text),
            (None, Unless::No) => json!(false),
            (None, Unless::Yes) => json!(true),
        };
        fields.insert(field.name.to_owned(), value);
    }
    Ok(fields)
}

/// An object's fields with a change on top.
pub fn changed(known: &[Field], old: &Fields, said: &Fields) -> Result<Fields, Problem> {
    check(known, said)?;
    let mut fields = old.clone();
    fields.extend(said.clone());
    Ok(fields)
}

fn check(known: &[Field], said: &Fields) -> Result<(), Problem> {
    for (name, value) in said {
        let field = known.iter().find(|field| field.name == name);
        field.ok_or_else(|| Problem::BadBody(format!("unknown field `{name}`")))?.check(value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_not_said_is_as_the_cloud_has_it() {
        let tcp = of_listener(Kind::Layer4, "TCP");
        let fields =
            new(&tcp, &said(&json!({ "backendPort": 30080, "scheduler": "Hash", "healthyThreshold": 5 }))).unwrap();
        assert_eq!(
            Value::Object(fields.clone()),
            json!({
                "backendPort": 30080, "scheduler": "Hash", "tcpSessionTimeout": 900, "healthCheckType": "TCP",
                "healthCheckTimeoutInSecond": 3, "healthCheckInterval": 3, "unhealthyThreshold": 3, "healthyThreshold": 5,
            })
        );
        let fields = changed(&tcp, &fields, &said(&json!({ "backendPort": 30081 }))).unwrap();
        assert_eq!((&fields["backendPort"], &fields["healthyThreshold"]), (&json!(30081), &json!(5)));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        #[track_caller]
        fn check(kind: Kind, protocol: &str, wrong: &Value, named: &str) {
            let problem = new(&of_listener(kind, protocol), &said(wrong)).unwrap_err();
            assert!(format!("{problem:?}").contains(named), "{problem:?}");
        }
        let with = |name: &str, value: Value| {
            let mut fields = json!({ "backendPort": 1, "scheduler": "Hash" });
            fields[name] = value;
            fields
        };
        check(Kind::Layer4, "TCP", &json!({ "scheduler": "Hash" }), "backendPort");
        check(Kind::Layer4, "TCP", &with("backendPort", json!(0)), "backendPort");
        check(Kind::Layer4, "TCP", &with("backendPort", json!("80")), "backendPort");
        check(Kind::Layer4, "TCP", &with("scheduler", json!("roundrobin")), "scheduler");
        check(Kind::Layer4, "TCP", &with("healthyThreshold", json!(6)), "healthyThreshold");
        check(Kind::Layer4, "TCP", &with("healthCheckString", json!("x")), "healthCheckString");
        check(Kind::Layer4, "UDP", &with("udpSessionTimeout", json!(90)), "healthCheckString");
        check(Kind::Layer4, "UDP", &with("healthCheckString", json!("x".repeat(1300))), "healthCheckString");
        check(Kind::App, "TCP", &with("tcpSessionTimeout", json!(900)), "backendPort");
    }
}
