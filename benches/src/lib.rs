//! The figures of `docs/benchmarks.md` and `docs/reliability.md`: real processes, a real apiserver, a mock cloud or a
//! simulated one.
//!
//! Machines are noisy, so figures are counts or ratios within one run wherever that is possible.

pub mod cloud;
pub mod crash;
pub mod faults;
pub mod hop;
pub mod idle;
pub mod lab;
pub mod nodes;
pub mod report;
pub mod services;
pub mod watch;
