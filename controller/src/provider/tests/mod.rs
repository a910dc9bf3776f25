//! The facade against a scripted daemon.

mod calls;
mod connection;
mod hints;
mod socket;
mod throttle;
