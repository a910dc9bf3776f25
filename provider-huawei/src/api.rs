//! The cloud's calls: what goes over the wire, and one short method a call.

pub(crate) mod cce;
pub(crate) mod ecs;
pub mod eip;
pub mod elb;
pub mod nat;
mod nothing;
pub mod subnets;
pub(crate) mod swr;
pub(crate) mod vpc;

use cloud_rest::Error;

/// A deletion of what is gone already is done. Only the service's own word counts: a gateway's 404 is another kind of error.
fn gone_is_done(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}
