//! One HTTP/2 connection to a daemon.
//!
//! Not a channel: that would replace a lost connection silently, and calls would reach a daemon that nobody has shaken hands
//! with. A [`Link`] is one connection and stays one; when it ends, the supervisor opens the next, and a call that was not
//! sent yet is told so and can move there.

use http::{HeaderValue, Uri};
pub(super) use provider_hop::connect::{Link, LinkError, LinkOptions};

const AGENT: HeaderValue = HeaderValue::from_static(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")));

/// How the controller uses a connection whose calls go to `origin`. Whether the peer lives is asked over any kind: a
/// daemon may be behind a proxy that says no good-bye for it.
pub(super) fn options(origin: Uri) -> LinkOptions {
    LinkOptions { origin, user_agent: AGENT, keep_alive: true }
}
