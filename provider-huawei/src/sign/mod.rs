//! AK/SK signatures: SDK-HMAC-SHA256, and V11-HMAC-SHA256 whose key is derived for a day, region and service.
//!
//! The stages are functions of their own, so that a signature that differs can be traced to the stage that does.

use bytes::Bytes;
use cloud_rest::{Credentials, Family, Sign, SignError};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::{Timestamp, tz::TimeZone};
use sha2::{Digest, Sha256};

mod canonical;

pub use canonical::canonical_request;

const DATE: &str = "x-sdk-date";
const TOKEN: &str = "x-security-token";
const CONTENT_HASH: &str = "x-sdk-content-sha256";

/// Which algorithm, and for which scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The key is the secret itself.
    Sdk,
    /// The key is derived from the secret for a day, this region and the service called.
    Derived {
        /// Region. Calls of the account have `globe` in its place.
        region: String,
    },
}

/// Signs with AK and SK.
#[derive(Clone, Debug)]
pub struct AkSk {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Whether `Host` is signed as well. Today's SDK does not; some older gateways want it.
    pub host: bool,
}

impl Sign for AkSk {
    fn sign(
        &self,
        request: &mut http::Request<Bytes>,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<(), SignError> {
        if self.host && !request.headers().contains_key(http::header::HOST) {
            let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
            let value = HeaderValue::from_str(&authority).map_err(|_| SignError("the host is not fit for a header"))?;
            request.headers_mut().insert(http::header::HOST, value);
        }
        let date = date(now);
        prepare(request.headers_mut(), credentials, &date)?;
        let (canonical, signed) = canonical_request(request);
        let scope = self.scope(request.extensions().get(), &date);
        let value = authorization(scope.as_deref(), credentials, &date, &canonical, &signed);
        let mut value =
            HeaderValue::from_str(&value).map_err(|_| SignError("the access key holds characters that no key has"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(http::header::AUTHORIZATION, value);
        Ok(())
    }
}

impl AkSk {
    /// What a derived key is good for: `20261120/cn-north-4/elb`.
    fn scope(&self, family: Option<&Family>, date: &str) -> Option<String> {
        let Algorithm::Derived { region } = &self.algorithm else { return None };
        let service = family.map_or("", |family| family.0);
        let region = if service == GLOBAL { "globe" } else { region };
        Some(format!("{}/{region}/{service}", &date[..8]))
    }
}

/// The service whose calls belong to the account, not to a region.
const GLOBAL: &str = "iam";

/// `20261120T010203Z`.
fn date(now: Timestamp) -> String {
    now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Adds what has to be there before anything is signed.
fn prepare(headers: &mut HeaderMap, credentials: &Credentials, date: &str) -> Result<(), SignError> {
    let value = HeaderValue::from_str(date).map_err(|_| SignError("the date is not fit for a header"))?;
    headers.insert(HeaderName::from_static(DATE), value);
    if let Some(token) = &credentials.token {
        let mut value = HeaderValue::from_str(token.expose())
            .map_err(|_| SignError("the security token holds characters that no token has"))?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static(TOKEN), value);
    }
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let hashed = content_type.is_none_or(|kind| kind.contains("application/json") || kind.contains("application/bson"));
    if !hashed {
        headers.insert(HeaderName::from_static(CONTENT_HASH), HeaderValue::from_static("UNSIGNED-PAYLOAD"));
    }
    Ok(())
}

/// The `Authorization` header's value.
fn authorization(scope: Option<&str>, credentials: &Credentials, date: &str, canonical: &str, signed: &str) -> String {
    let text = string_to_sign(scope, date, canonical);
    let secret = credentials.secret.expose().as_bytes();
    let id = &credentials.id;
    match scope {
        None => {
            let signature = hex::encode(hmac(secret, text.as_bytes()));
            format!("SDK-HMAC-SHA256 Access={id}, SignedHeaders={signed}, Signature={signature}")
        }
        Some(scope) => {
            let key = derived_key(secret, id, scope);
            let signature = hex::encode(hmac(key.as_bytes(), text.as_bytes()));
            format!("V11-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={signed}, Signature={signature}")
        }
    }
}

/// What the key is put to.
fn string_to_sign(scope: Option<&str>, date: &str, canonical: &str) -> String {
    let hash = hex::encode(Sha256::digest(canonical.as_bytes()));
    match scope {
        None => format!("SDK-HMAC-SHA256\n{date}\n{hash}"),
        Some(scope) => format!("V11-HMAC-SHA256\n{date}\n{scope}\n{hash}"),
    }
}

/// HKDF-SHA256 (RFC 5869) of one block, as hex text: that text is the key.
fn derived_key(secret: &[u8], salt: &str, info: &str) -> String {
    let extracted = hmac(salt.as_bytes(), secret);
    let mut block = info.as_bytes().to_vec();
    block.push(1);
    hex::encode(hmac(&extracted, &block))
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
