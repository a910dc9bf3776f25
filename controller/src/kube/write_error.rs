//! Why a write to the apiserver did not succeed, as far as it makes a difference to whoever decided on it.

use kube::Error;

/// Why a write did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object is gone, or another one bears its name.
    #[error("the object is gone")]
    Gone,
    /// Somebody else has written since: read again, decide again.
    #[error("the object was changed in the meantime")]
    Conflict,
    /// Anything else.
    #[error(transparent)]
    Failed(Error),
}

impl From<Error> for WriteError {
    fn from(error: Error) -> Self {
        match &error {
            Error::Api(status) if status.code == 404 => Self::Gone,
            Error::Api(status) if status.code == 409 => Self::Conflict,
            // Validation says so when the UID is another object's.
            Error::Api(status) if status.code == 422 && status.message.contains("metadata.uid") => Self::Gone,
            _ => Self::Failed(error),
        }
    }
}
