//! The `cloud-controller-manager` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloud_controller_manager::run::main(std::env::args().skip(1))
}
