//! Kubernetes: what is read from it and written to it.

pub mod cache;
pub mod client;
pub mod events;
#[cfg(test)]
pub(crate) mod fake;
pub mod lease;
pub mod node_writes;
pub mod objects;
pub mod route_writes;
#[cfg(test)]
pub(crate) mod scripted;

use std::error::Error;

/// An error with its causes, each said once: the client's own texts stop before the cause that matters.
pub fn explained(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_said_once() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = kube::Error::Service(Box::new(kube::Error::ReadEvents(refused)));
        let text = explained(&error);
        assert_eq!(text.matches("connection refused").count(), 1, "{text}");
    }
}
pub mod service_writes;
pub mod write_error;
