//! Load balancers on the simulated cloud: the engine behind the API's calls, over real signed HTTP.

mod addresses;
mod counts;
mod crashes;
mod failure_list;
mod faults;
mod lives;
mod old_sites;
mod rig;
mod tenants;
