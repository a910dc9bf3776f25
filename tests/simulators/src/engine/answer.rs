//! What goes out.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use serde_json::Value;

/// An answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// An answer with a JSON body.
    pub fn json(status: StatusCode, body: &Value) -> Self {
        Self::raw(status, "application/json", body.to_string())
    }

    /// 200 with a JSON body.
    pub fn ok(body: &Value) -> Self {
        Self::json(StatusCode::OK, body)
    }

    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// An answer with a body of any kind.
    pub fn raw(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: HeaderMap::new(), body: body.into() }.with_header(CONTENT_TYPE.as_str(), content_type)
    }

    /// The same with a header more.
    ///
    /// # Panics
    /// When name or value cannot be a header's.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        self.headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
        self
    }
}

/// Why a request is refused. Each cloud, and each of its services, has a way of its own to put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No service has such a path and method.
    NoSuchApi,
    /// The query has a key that the call does not know.
    UnknownParameter(String),
    /// A parameter of query or path has a value it cannot have.
    BadParameter {
        /// The parameter.
        name: String,
        /// What is wrong, for people.
        why: String,
    },
    /// The body is no JSON, or not such as the call takes: an unknown field, a wrong type, a missing one.
    BadBody(String),
    /// Too many calls.
    Throttled {
        /// So many are allowed,
        calls: u32,
        /// in so many seconds.
        seconds: u64,
    },
    /// A refusal in the service's own words.
    Refused {
        /// Status of the answer.
        status: StatusCode,
        /// The cloud's code.
        code: String,
        /// For people.
        message: String,
    },
}

impl Problem {
    /// A refusal in the service's own words.
    ///
    /// # Panics
    /// When `status` is none.
    pub fn refused(status: u16, code: &str, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).expect("a status");
        Self::Refused { status, code: code.to_owned(), message: message.into() }
    }

    /// A parameter with a value it cannot have.
    pub fn bad_parameter(name: &str, why: impl Into<String>) -> Self {
        Self::BadParameter { name: name.to_owned(), why: why.into() }
    }
}

/// What a handler answers.
pub type Reply = Result<Answer, Problem>;
