//! The provider as a caller sees it.

mod instances;
mod load_balancers;
mod requests;
mod routes;
mod rules;
mod secrets;
mod traffic;
mod watch;
