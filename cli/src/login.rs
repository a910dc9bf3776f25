//! Whether a login works at a registry: the question `docker login` asks, over the distribution API.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use cloud_rest::{Secret, Transport, TransportSettings, Url};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::Failure;

/// Longest wait for a registry: it may be reached from the nodes' network only.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A user and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// What is typed at `docker login`.
    pub username: String,
    /// What is typed there, too.
    pub password: Secret,
}

impl Login {
    /// `user:password` in base64, as it is said over HTTP and kept in files.
    pub(crate) fn basic(&self) -> Secret {
        Secret::new(STANDARD.encode(format!("{}:{}", self.username, self.password.expose())))
    }
}

/// What a registry says of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It lets it in.
    Good,
    /// It does not.
    Bad(String),
    /// It was not asked, or gave no clear answer.
    Unknown(String),
}

/// Asks registries.
pub struct Registry(Transport);

/// How a registry wants to be told who asks.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: Secret,
}

impl Registry {
    /// Trusts the system's certificates and those of `SSL_CERT_FILE`, and goes through the proxy of the environment.
    pub fn new() -> Result<Self, Failure> {
        let settings = TransportSettings {
            connect_timeout: TIMEOUT,
            timeout: TIMEOUT,
            proxy_from_environment: true,
            user_agent: concat!("cpctl/", env!("CARGO_PKG_VERSION")).to_owned(),
            ..TransportSettings::default()
        };
        Transport::new(&settings).map(Self).map_err(|error| Failure::failed(error.to_string()))
    }

    /// Asks one host about a login.
    pub async fn ask(&self, host: &str, login: &Login) -> Verdict {
        match self.try_ask(host, login).await {
            Ok(verdict) => verdict,
            Err(why) => Verdict::Unknown(why),
        }
    }

    async fn try_ask(&self, host: &str, login: &Login) -> Result<Verdict, String> {
        let (url, status, headers) = self.greet(host).await?;
        let challenge = match status {
            StatusCode::UNAUTHORIZED => challenge(&headers).ok_or("it does not say how to log in")?,
            StatusCode::OK => return Err("it lets everybody in".to_owned()),
            status => return Err(format!("it answers {status}: no registry")),
        };
        let basic = format!("Basic {}", login.basic().expose());
        let authorization = match challenge {
            Challenge::Basic => basic,
            Challenge::Bearer { realm, service } => {
                let (status, body) = self.token(&realm, service.as_deref(), login, &basic).await?;
                if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                    return Ok(Verdict::Bad(format!("the registry's token service answers {status}")));
                }
                if status != StatusCode::OK {
                    return Err(format!("the registry's token service answers {status}"));
                }
                let token: Token = serde_json::from_slice(&body).map_err(|_| "its token service answers no token")?;
                format!("Bearer {}", token.token.expose())
            }
        };
        let (status, _, _) = self.get(&url, Some(&authorization)).await?;
        Ok(match status {
            StatusCode::OK => Verdict::Good,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Verdict::Bad(format!("the registry answers {status}")),
            status => Verdict::Unknown(format!("it answers {status}")),
        })
    }

    /// What it says to somebody without a login. On this machine it may be plain HTTP, as Docker allows it.
    async fn greet(&self, host: &str) -> Result<(String, StatusCode, HeaderMap), String> {
        let secure = format!("https://{host}/v2/");
        match self.get(&secure, None).await {
            Ok((status, headers, _)) => Ok((secure, status, headers)),
            Err(_) if is_loopback(&format!("http://{host}/")) => {
                let plain = format!("http://{host}/v2/");
                let (status, headers, _) = self.get(&plain, None).await?;
                Ok((plain, status, headers))
            }
            Err(why) => Err(why),
        }
    }

    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        login: &Login,
        basic: &str,
    ) -> Result<(StatusCode, Bytes), String> {
        // The password goes there: to nobody in clear.
        if !realm.starts_with("https://") && !is_loopback(realm) {
            return Err("its token service is not reached over https".to_owned());
        }
        let mut url: Url = realm.parse().map_err(|_| "its token service has no address")?;
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut query = url.query().map(str::to_owned).into_iter().collect::<Vec<_>>();
        query.extend(service.map(|service| format!("service={}", encode(service))));
        query.push(format!("account={}", encode(&login.username)));
        url.set_query(Some(&query.join("&")));
        let (status, _, body) = self.get(url.as_str(), Some(basic)).await?;
        Ok((status, body))
    }

    async fn get(&self, url: &str, authorization: Option<&str>) -> Result<(StatusCode, HeaderMap, Bytes), String> {
        let mut request = Request::get(url).body(Bytes::new()).map_err(|_| format!("{url:?} is no address"))?;
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::from_str(authorization).map_err(|_| "the login fits no header")?;
            value.set_sensitive(true);
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let answer = self.0.plain(request).await?;
        let (parts, body) = answer.into_parts();
        Ok((parts.status, parts.headers, body))
    }
}

fn is_loopback(url: &str) -> bool {
    let host = url.parse::<Url>().ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// The first kind of `WWW-Authenticate` that is understood.
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).find_map(|value| {
        let (scheme, parameters) = value.split_once(' ').unwrap_or((value, ""));
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => Some(Challenge::Basic),
            "bearer" => {
                let find = |name| parameter(parameters, name);
                Some(Challenge::Bearer { realm: find("realm")?, service: find("service") })
            }
            _ => None,
        }
    })
}

/// A quoted parameter. Registries put neither commas nor quotes into those that matter here, but URLs hold `=`.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let mut rest = parameters;
    while let Some((key, after)) = rest.split_once("=\"") {
        let (value, next) = after.split_once('"')?;
        if key.trim_matches([' ', ',']).eq_ignore_ascii_case(name) {
            return Some(value.to_owned());
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_of_all_registries_are_understood() {
        let read = |value: &str| challenge(&HeaderMap::from_iter([(header::WWW_AUTHENTICATE, value.parse().unwrap())]));
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) })
        };
        for (value, expected) in [
            (
                r#"Bearer realm="https://r.example/service/token?a=b",service="harbor""#,
                bearer("https://r.example/service/token?a=b", Some("harbor")),
            ),
            (
                r#"bearer service="x", realm="https://r.example/t", scope="a,b""#,
                bearer("https://r.example/t", Some("x")),
            ),
            (r#"Bearer realm="https://r.example/t""#, bearer("https://r.example/t", None)),
            (r#"Basic realm="registry""#, Some(Challenge::Basic)),
            ("Basic", Some(Challenge::Basic)),
            ("Bearer", None),
            ("Negotiate", None),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }

    #[test]
    fn only_this_machine_may_be_asked_in_clear() {
        for (url, loopback) in [
            ("http://127.0.0.1:5000/", true),
            ("http://localhost/", true),
            ("http://[::1]:5000/", true),
            ("http://registry.example/", false),
            ("http://localhost.example/", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_loopback(url), loopback, "{url}");
        }
    }

    #[test]
    fn a_login_is_not_shown() {
        let login = Login { username: "ci".to_owned(), password: Secret::new("marker") };
        assert!(!format!("{login:?} {:?}", login.basic()).contains("marker"));
        assert_eq!(login.basic().expose(), STANDARD.encode("ci:marker"));
    }
}
