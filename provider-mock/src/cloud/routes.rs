//! The cloud's calls about routes.

use super::{Cloud, CloudError, MachineState, Operation, Route, State, world::Change};
use crate::scenario::RouteEntry;

impl Cloud {
    /// The whole table, by name. A route to a machine that is gone leads nowhere.
    pub fn routes(&self) -> Vec<Route> {
        self.call(|state| {
            state.count_read(Operation::DescribeRoutes);
            let world = &state.world;
            let gone = |target: &str| {
                !target.is_empty()
                    && world.machine_named(target).is_none()
                    && world.machines().any(|m| *m.name == *target && m.state == MachineState::Terminated)
            };
            world
                .routes()
                .map(|route| Route { blackhole: route.blackhole || gone(&route.target), ..route.clone() })
                .collect()
        })
    }

    /// Adds a route. One that is there already, to the same target, is left as it is.
    ///
    /// # Errors
    /// The name or the destination is taken by another route, or the quota is used up.
    pub fn create_route(&self, route: Route) -> Result<(), CloudError> {
        self.call(|state| state.create_route(route))
    }

    /// Removes a route. Answers whether it was there.
    pub fn delete_route(&self, name: &str) -> bool {
        self.call(|state| {
            let there = state.world.route(name).is_some();
            if there {
                state.mutate(Operation::DeleteRoute, name, Change::NoRoute(name.to_owned()));
            }
            there
        })
    }
}

impl State {
    fn create_route(&mut self, route: Route) -> Result<(), CloudError> {
        let clash = self
            .world
            .routes()
            .find(|other| other.name == route.name || (other.destination == route.destination && !other.blackhole));
        if let Some(other) = clash {
            if other.destination == route.destination && other.target == route.target {
                return Ok(());
            }
            return Err(CloudError::Exists { kind: "route", name: other.name.clone() });
        }
        if let Some(limit) = self.scenario.routes.quota
            && self.world.routes().count() >= usize::try_from(limit).unwrap_or(usize::MAX)
        {
            return Err(CloudError::Quota { quota: "routes", subject: self.scenario.account().id, limit });
        }
        self.mutate(Operation::CreateRoute, route.name.clone(), Change::Route(route));
        Ok(())
    }

    pub(super) fn take_routes(&mut self, old: &[RouteEntry], new: &[RouteEntry]) {
        for entry in new.iter().filter(|entry| !old.contains(entry)) {
            let route = Route::from(entry);
            if self.world.route(&entry.name) != Some(&route) {
                self.mutate(Operation::CreateRoute, entry.name.clone(), Change::Route(route));
            }
        }
        for entry in old.iter().filter(|entry| new.iter().all(|other| other.name != entry.name)) {
            if self.world.route(&entry.name).is_some() {
                self.mutate(Operation::DeleteRoute, entry.name.clone(), Change::NoRoute(entry.name.clone()));
            }
        }
    }
}
