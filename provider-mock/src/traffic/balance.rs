//! Which member gets a connection.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{Target, health::HealthCheck};

/// How long a member that refused a connection is passed over while there are others.
const DEAD_FOR: Duration = Duration::from_secs(2);
/// How long a health check counts.
const HEALTH_FOR: Duration = Duration::from_secs(1);
/// Most clients whose member is remembered.
const AFFINITIES: usize = 10_000;

#[derive(Debug, Default)]
struct Memory {
    next: usize,
    dead: HashMap<SocketAddr, Instant>,
    health: HashMap<HealthCheck, (bool, Instant)>,
    affinity: HashMap<IpAddr, (SocketAddr, Instant)>,
}

/// Round robin over the members of a port, with memory of those that are down and of who went where.
#[derive(Debug, Default)]
pub(super) struct Balancer(Mutex<Memory>);

impl Balancer {
    /// The member for a connection of `client` that `failed` did not take. `None`: there is none.
    pub(super) async fn choose(
        &self,
        target: &dyn Target,
        port: u16,
        client: IpAddr,
        failed: &[SocketAddr],
    ) -> Option<SocketAddr> {
        let mut members = target.members(port);
        members.retain(|member| !failed.contains(member));
        for member in self.in_turn(target, members, client) {
            let healthy = match target.health_check(port, member) {
                Some(check) => self.is_healthy(check).await,
                None => true,
            };
            if healthy {
                return Some(member);
            }
        }
        None
    }

    /// The members in the order they are to be tried.
    fn in_turn(&self, target: &dyn Target, mut members: Vec<SocketAddr>, client: IpAddr) -> Vec<SocketAddr> {
        if members.is_empty() {
            return members;
        }
        let now = Instant::now();
        let mut memory = self.memory();
        memory.dead.retain(|_, until| *until > now);
        let turn = memory.next % members.len();
        memory.next = memory.next.wrapping_add(1);
        members.rotate_left(turn);
        // Stable: those that are down come last, for when there is no other.
        members.sort_by_key(|member| memory.dead.contains_key(member));
        if target.client_ip_affinity().is_some()
            && let Some((member, until)) = memory.affinity.get(&client)
            && *until > now
            && let Some(at) = members.iter().position(|other| other == member)
        {
            members.swap(0, at);
        }
        members
    }

    async fn is_healthy(&self, check: HealthCheck) -> bool {
        let known = self.memory().health.get(&check).copied();
        if let Some((healthy, until)) = known
            && until > Instant::now()
        {
            return healthy;
        }
        let healthy = check.passes().await;
        self.memory().health.insert(check, (healthy, Instant::now() + HEALTH_FOR));
        healthy
    }

    /// Remembers which member a client got.
    pub(super) fn keep(&self, target: &dyn Target, client: IpAddr, member: SocketAddr) {
        let Some(duration) = target.client_ip_affinity() else { return };
        let now = Instant::now();
        let mut memory = self.memory();
        if memory.affinity.len() >= AFFINITIES {
            memory.affinity.retain(|_, (_, until)| *until > now);
        }
        memory.affinity.insert(client, (member, now + duration));
    }

    /// Remembers that a member took no connection.
    pub(super) fn mark_dead(&self, member: SocketAddr) {
        self.memory().dead.insert(member, Instant::now() + DEAD_FOR);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
