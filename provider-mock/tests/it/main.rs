//! The provider as a caller sees it.

mod daemon;
mod instances;
mod load_balancers;
mod requests;
mod routes;
mod rules;
mod secrets;
mod socket;
mod traffic;
mod watch;
