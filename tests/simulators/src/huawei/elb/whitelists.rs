//! Whitelists of v2: addresses a listener admits.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    At, Elb, Fields,
    fields::{patch, read, show, yes},
    ip_groups::{check_entry, covers},
    refusals::{conflict, invalid},
};
use crate::engine::Problem;

/// A whitelist.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Whitelist {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project: String,
    /// The rest, in the API's words.
    pub fields: WhitelistFields,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Fields of a whitelist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhitelistFields {
    /// Its listener.
    pub listener_id: String,
    /// It has an effect.
    #[serde(default = "yes")]
    pub enable_whitelist: bool,
    /// Addresses and ranges with commas between.
    #[serde(default)]
    pub whitelist: String,
}

impl Whitelist {
    /// Whether the listener takes a client.
    pub fn admits(&self, client: IpAddr) -> bool {
        !self.fields.enable_whitelist || entries(&self.fields).any(|entry| covers(entry, client))
    }
}

fn entries(fields: &WhitelistFields) -> impl Iterator<Item = &str> {
    fields.whitelist.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

impl Elb {
    /// Makes the whitelist of a listener.
    pub fn create_whitelist(&mut self, at: &At, body: Fields) -> Result<String, Problem> {
        let fields: WhitelistFields = read(body)?;
        let listener = self.listener(at, &fields.listener_id)?;
        self.settled(at, listener.load_balancer())?;
        if self.whitelists.iter().any(|other| other.fields.listener_id == fields.listener_id) {
            return Err(conflict(format!("Listener {} already has a whitelist.", fields.listener_id)));
        }
        check(&fields)?;
        let id = self.new_id();
        let made = Whitelist { id: id.clone(), project: at.project.clone(), fields, created_at: at.now };
        self.whitelists.insert(at.now, &id, made);
        Ok(id)
    }

    /// Changes a whitelist.
    pub fn update_whitelist(&mut self, at: &At, id: &str, change: Fields) -> Result<(), Problem> {
        let fields = patch(&self.whitelist(at, id)?.fields, change, &["enable_whitelist", "whitelist"])?;
        check(&fields)?;
        if let Some(object) = self.whitelists.change(at.now, id) {
            object.fields = fields;
        }
        Ok(())
    }

    /// Takes a whitelist away.
    pub fn delete_whitelist(&mut self, at: &At, id: &str) -> Result<(), Problem> {
        self.whitelist(at, id)?;
        self.whitelists.remove(at.now, id);
        Ok(())
    }

    /// A whitelist as v2 shows it.
    pub fn show_whitelist(object: &Whitelist) -> Fields {
        let mut view = show(&object.fields);
        view.insert("id".to_owned(), json!(object.id));
        view.insert("tenant_id".to_owned(), json!(object.project));
        view
    }
}

fn check(fields: &WhitelistFields) -> Result<(), Problem> {
    entries(fields).try_for_each(|entry| check_entry("whitelist", entry))?;
    if fields.enable_whitelist && entries(fields).next().is_none() {
        return Err(invalid("whitelist", "it is on and empty"));
    }
    Ok(())
}
