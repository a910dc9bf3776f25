//! Keys of the machine's agency, from its metadata service.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cloud_rest::{Credentials, Secret, SourceError, Transport, TransportError, TransportSettings, Url};
use http::{HeaderValue, Method, StatusCode};
use tokio::{sync::Mutex, time::Instant};

use super::Answer;

/// How long a token is asked for.
const TOKEN_LIFE: Duration = Duration::from_hours(6);
/// A token is not used this close to its end.
const TOKEN_MARGIN: Duration = Duration::from_mins(5);
/// A service without tokens may have learnt of them after this time.
const OLD_STYLE: Duration = Duration::from_hours(24);
/// The service is on the machine's own host.
const TIMEOUT: Duration = Duration::from_secs(3);
/// What the service says when the machine has no agency.
const NO_AGENCY: &str = "Please configure Cloud Service Agency first";

/// The machine's metadata service.
#[derive(Clone, Debug)]
pub struct Metadata {
    transport: Transport,
    token: Arc<Mutex<Token>>,
}

#[derive(Debug, Default)]
enum Token {
    #[default]
    Unknown,
    Given {
        token: Secret,
        until: Instant,
    },
    OldStyle {
        until: Instant,
    },
}

impl Metadata {
    /// Never through a proxy: the address means this machine.
    pub fn new() -> Result<Self, TransportError> {
        let transport = Transport::new(&TransportSettings {
            connect_timeout: TIMEOUT,
            timeout: TIMEOUT,
            user_agent: crate::USER_AGENT.to_owned(),
            calls_per_host: 1,
            ..TransportSettings::default()
        })?;
        Ok(Self { transport, token: Arc::default() })
    }

    /// Fetches temporary keys.
    pub async fn fetch(&self, endpoint: &Url, with_token: bool) -> Result<Credentials, SourceError> {
        let mut again = with_token;
        loop {
            let token = if with_token { self.token(endpoint).await? } else { None };
            let request = request(
                endpoint,
                Method::GET,
                "openstack/latest/securitykey",
                token.as_ref().map(|token| ("x-metadata-token", token)),
            )?;
            let response = self.send(request).await?;
            match response.status() {
                StatusCode::OK => return keys(response.body()),
                StatusCode::UNAUTHORIZED if says(response.body(), NO_AGENCY) => {
                    return Err(SourceError::Refused(
                        "the machine has no agency: give it one, or set access-key and secret-key".to_owned(),
                    ));
                }
                StatusCode::UNAUTHORIZED if again => {
                    again = false;
                    *self.token.lock().await = Token::Unknown;
                }
                status => return Err(unexpected("keys", status)),
            }
        }
    }

    /// A token, if the service has them.
    async fn token(&self, endpoint: &Url) -> Result<Option<Secret>, SourceError> {
        let mut state = self.token.lock().await;
        let now = Instant::now();
        match &*state {
            Token::Given { token, until } if now < *until => return Ok(Some(token.clone())),
            Token::OldStyle { until } if now < *until => return Ok(None),
            _ => {}
        }
        let life = Secret::new(TOKEN_LIFE.as_secs().to_string());
        let header = Some(("x-metadata-token-ttl-seconds", &life));
        let response = self.send(request(endpoint, Method::PUT, "meta-data/latest/api/token", header)?).await?;
        match response.status() {
            StatusCode::OK => {
                let token = Secret::new(String::from_utf8_lossy(response.body()).trim());
                *state = Token::Given { token: token.clone(), until: now + TOKEN_LIFE - TOKEN_MARGIN };
                Ok(Some(token))
            }
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::SERVICE_UNAVAILABLE => {
                *state = Token::OldStyle { until: now + OLD_STYLE };
                Ok(None)
            }
            status => Err(unexpected("a token", status)),
        }
    }

    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, SourceError> {
        let answer = self.transport.plain(request).await;
        answer.map_err(|why| SourceError::Unavailable(format!("the metadata service does not answer: {why}")))
    }
}

fn request(
    endpoint: &Url,
    method: Method,
    path: &str,
    header: Option<(&'static str, &Secret)>,
) -> Result<http::Request<Bytes>, SourceError> {
    let unfit =
        |_| SourceError::Refused("metadata-endpoint or the metadata service's token is unfit for a request".to_owned());
    let uri = format!("{}/{path}", endpoint.as_str().trim_end_matches('/'));
    let mut request = http::Request::builder().method(method).uri(uri).body(Bytes::new()).map_err(unfit)?;
    if let Some((name, value)) = header {
        let mut value = HeaderValue::from_str(value.expose()).map_err(|error| unfit(error.into()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

fn keys(body: &[u8]) -> Result<Credentials, SourceError> {
    // serde's message may quote a secret.
    let answer = serde_json::from_slice::<Answer>(body);
    answer.map(Credentials::from).map_err(|_| {
        SourceError::Unavailable("the metadata service answers with something that is not keys".to_owned())
    })
}

fn says(body: &[u8], words: &str) -> bool {
    String::from_utf8_lossy(body).contains(words)
}

fn unexpected(what: &str, status: StatusCode) -> SourceError {
    SourceError::Unavailable(format!("the metadata service answers HTTP {} when asked for {what}", status.as_u16()))
}
