//! Plans carried out in a cloud of a few maps: whole lives, and interrupted ones.

mod adoption;
mod cloud;
mod interrupted;
mod lives;
mod rig;
