//! A failed call to the cloud, in the API's words.

use provider_kit::{Error, rest};

use crate::PROVIDER;

/// What a caller is told of a call that failed. What the cloud said about the *thing* asked for is the caller's to judge.
pub(crate) fn of(error: &cloud_rest::Error) -> Error {
    rest::fault(PROVIDER, error)
}
