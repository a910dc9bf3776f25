//! What has to hold of the API as a whole: it only grows, carries no credential to the daemon, is documented throughout,
//! and what was once encoded still decodes.

mod compatibility;
mod conventions;
mod documentation;
mod golden;
mod reasons;
mod schema;
mod secrecy;
