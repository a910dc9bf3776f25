//! The epoch: what a caller learned at the handshake holds for as long as it stays the same.

use std::sync::{Arc, PoisonError, RwLock};

/// Random, new at each start and whenever what the handshake told no longer holds. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Epoch(Arc<RwLock<Arc<str>>>);

impl Epoch {
    pub(crate) fn new() -> Self {
        Self(Arc::new(RwLock::new(random())))
    }

    pub(crate) fn get(&self) -> Arc<str> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn renew(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = random();
    }
}

/// Hex digits: fit for a header.
fn random() -> Arc<str> {
    format!("{:032x}", rand::random::<u128>()).into()
}
