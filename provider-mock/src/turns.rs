//! One write at a time for each load balancer.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

use crate::cloud::Owner;

/// Who may write to which load balancer.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<Owner, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// Waits until no other write of this owner is under way. First come, first served.
    pub(crate) async fn wait(&self, owner: Owner) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody else holds or awaits those.
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(turns.entry(owner).or_default())
        };
        turn.lock_owned().await
    }
}
