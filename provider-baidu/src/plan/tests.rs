//! Plans for Services, on a small model of the cloud.

mod adoption;
mod cloud;
mod interrupted;
mod lives;
mod rig;
mod shared;
