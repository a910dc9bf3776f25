//! How requests prove who makes them: bce-auth-v1 signatures, and the gateway of CCE, which signs for its callers.

use bytes::Bytes;
use cloud_rest::{Credentials, Sign, SignError};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use sha2::Sha256;

mod canonical;
mod gateway;

pub use canonical::canonical_request;
pub use gateway::Gateway;

const DATE: &str = "x-bce-date";
const TOKEN: &str = "x-bce-security-token";
const REQUEST_ID: &str = "x-bce-request-id";

/// What the SDK signs by itself.
pub const DEFAULT_HEADERS: &[&str] = &["host", "content-length", "content-type", "content-md5"];
/// What this daemon signs: proxies may change the length.
pub const STABLE_HEADERS: &[&str] = &["host", "content-type"];
/// How long a signature is good for, by default, in seconds.
pub const VALID_FOR: u32 = 1800;

/// Signs with an access key: bce-auth-v1.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// Headers that are signed besides `x-bce-*`, in lower case.
    pub headers: &'static [&'static str],
    /// How long a signature is good for, in seconds.
    pub valid_for: u32,
}

impl Default for AccessKey {
    fn default() -> Self {
        Self { headers: STABLE_HEADERS, valid_for: VALID_FOR }
    }
}

impl Sign for AccessKey {
    fn sign(
        &self,
        request: &mut http::Request<Bytes>,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<(), SignError> {
        let date = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let token_in_query = has_query_key(request.uri(), TOKEN);
        name_request(request.headers_mut())?;
        set(request.headers_mut(), DATE, &date, SignError("the date is not fit for a header"))?;
        if let Some(token) = credentials.token.as_ref().filter(|_| !token_in_query) {
            set_secret(
                request.headers_mut(),
                TOKEN,
                token.expose(),
                "the session token holds characters that no token has",
            )?;
        }
        let (canonical, signed) = canonical_request(request, self.headers);
        let prefix = format!("bce-auth-v1/{}/{date}/{}", credentials.id, self.valid_for);
        let key = signing_key(credentials.secret.expose(), &prefix);
        let signature = hex_hmac(key.as_bytes(), &canonical);
        set_secret(
            request.headers_mut(),
            "authorization",
            &format!("{prefix}/{signed}/{signature}"),
            "the access key holds characters that no key has",
        )
    }
}

/// The hex text itself is the key of the next step.
fn signing_key(secret: &str, prefix: &str) -> String {
    hex_hmac(secret.as_bytes(), prefix)
}

fn hex_hmac(key: &[u8], text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn has_query_key(uri: &http::Uri, wanted: &str) -> bool {
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs.into_iter().any(|pair| pair.split('=').next().is_some_and(|key| key.eq_ignore_ascii_case(wanted)))
}

/// Gives the request an id of its own, which the cloud's support asks for; a new one each attempt.
fn name_request(headers: &mut HeaderMap) -> Result<(), SignError> {
    let id = uuid::Uuid::new_v4().to_string();
    set(headers, REQUEST_ID, &id, SignError("the request's id is not fit for a header"))
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str, unfit: SignError) -> Result<(), SignError> {
    let value = HeaderValue::from_str(value).map_err(|_| unfit)?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

fn set_secret(headers: &mut HeaderMap, name: &'static str, value: &str, unfit: &'static str) -> Result<(), SignError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| SignError(unfit))?;
    value.set_sensitive(true);
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

#[cfg(test)]
mod tests;
