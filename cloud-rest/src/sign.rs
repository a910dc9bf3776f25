//! Authentication of one request.

use bytes::Bytes;
use jiff::Timestamp;

use crate::credentials::Credentials;

/// Puts what proves who is calling on a request. Called for every attempt, with that attempt's time.
pub trait Sign: Send + Sync {
    /// Signs. The URI is absolute and encoded; the body is what will be sent, byte for byte. A signer may change the URI's host (a
    /// gateway that signs for its callers) and add headers, and marks those that are secret as sensitive.
    fn sign(
        &self,
        request: &mut http::Request<Bytes>,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<(), SignError>;
}

/// The call's family, among the extensions of the request a [`Sign`] gets: some signatures name the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family(pub &'static str);

/// Why a request cannot be signed: which part of the credentials or the request is unfit. Holds no secret.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the request cannot be signed: {0}")]
pub struct SignError(pub &'static str);

/// Everything but `A-Z a-z 0-9 - . _ ~`.
const RESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// RFC 3986's encoding of a path segment, or of a key or value of a query: upper-case hex, a space is `%20`.
pub(crate) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, RESERVED).to_string()
}
