//! IP groups: addresses that listeners admit or refuse.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    At, Elb, Fields,
    fields::{patch, read, show},
    load_balancers::time,
    refusals::{check_text, conflict, invalid},
};
use crate::engine::Problem;

/// An IP group.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IpGroup {
    /// Its id.
    pub id: String,
    /// Its project.
    pub project: String,
    /// The rest, in the API's words.
    pub fields: IpGroupFields,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

/// Fields of an IP group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IpGroupFields {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Addresses and ranges.
    pub ip_list: Vec<IpRange>,
    /// Its enterprise project.
    #[serde(default)]
    pub enterprise_project_id: String,
}

/// An entry of an IP group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IpRange {
    /// An address, a range of them (`a-b`) or a CIDR.
    pub ip: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
}

impl IpGroup {
    /// Whether an address is in the group.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.fields.ip_list.iter().any(|range| covers(&range.ip, address))
    }
}

/// Whether an entry, which was found right when it came in, covers an address.
pub(super) fn covers(entry: &str, address: IpAddr) -> bool {
    if let Some((first, last)) = entry.split_once('-') {
        let bounds = first.trim().parse::<IpAddr>().ok().zip(last.trim().parse::<IpAddr>().ok());
        return bounds.is_some_and(|(first, last)| first <= address && address <= last);
    }
    match (entry.parse::<IpNet>(), entry.parse::<IpAddr>()) {
        (Ok(net), _) => net.contains(&address),
        (_, Ok(single)) => single == address,
        _ => false,
    }
}

/// That an entry is an address, a range or a CIDR.
pub(super) fn check_entry(field: &str, entry: &str) -> Result<(), Problem> {
    let is_address = |text: &str| text.trim().parse::<IpAddr>().is_ok();
    let right = match entry.split_once('-') {
        Some((first, last)) => is_address(first) && is_address(last),
        None => is_address(entry) || entry.parse::<IpNet>().is_ok(),
    };
    if right { Ok(()) } else { Err(invalid(field, format!("'{entry}' is neither an address nor a range"))) }
}

impl Elb {
    /// Makes an IP group.
    pub fn create_ip_group(&mut self, at: &At, body: Fields) -> Result<String, Problem> {
        let fields: IpGroupFields = read(body)?;
        check(at, &fields)?;
        self.room_for(at, "ipgroup", 1)?;
        let id = self.new_id();
        let made =
            IpGroup { id: id.clone(), project: at.project.clone(), fields, created_at: at.now, updated_at: at.now };
        self.ip_groups.insert(at.now, &id, made);
        Ok(id)
    }

    /// Changes an IP group; a list takes the place of the old one.
    pub fn update_ip_group(&mut self, at: &At, id: &str, change: Fields) -> Result<(), Problem> {
        let fields = patch(&self.ip_group(at, id)?.fields, change, &["name", "description", "ip_list"])?;
        self.set_ip_group(at, id, fields)
    }

    /// Adds entries, or gives those that are there a new description.
    pub fn extend_ip_group(&mut self, at: &At, id: &str, entries: Vec<IpRange>) -> Result<(), Problem> {
        let mut fields = self.ip_group(at, id)?.fields.clone();
        for entry in entries {
            match fields.ip_list.iter_mut().find(|old| old.ip == entry.ip) {
                Some(old) => *old = entry,
                None => fields.ip_list.push(entry),
            }
        }
        self.set_ip_group(at, id, fields)
    }

    /// Takes entries away.
    pub fn shrink_ip_group(&mut self, at: &At, id: &str, entries: &[String]) -> Result<(), Problem> {
        let mut fields = self.ip_group(at, id)?.fields.clone();
        fields.ip_list.retain(|old| !entries.contains(&old.ip));
        self.set_ip_group(at, id, fields)
    }

    fn set_ip_group(&mut self, at: &At, id: &str, fields: IpGroupFields) -> Result<(), Problem> {
        check(at, &fields)?;
        if let Some(object) = self.ip_groups.change(at.now, id) {
            object.fields = fields;
            object.updated_at = at.now;
        }
        Ok(())
    }

    /// Deletes an IP group that no listener uses.
    pub fn delete_ip_group(&mut self, at: &At, id: &str) -> Result<(), Problem> {
        self.ip_group(at, id)?;
        if let Some(listener) = self.listeners_with_group(id).next() {
            return Err(conflict(format!("IP group {id} is in use by listener {listener}.")));
        }
        self.ip_groups.remove(at.now, id);
        Ok(())
    }

    /// Ids of the listeners an IP group is at.
    pub fn listeners_with_group<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a str> {
        let with = self
            .listeners
            .iter()
            .filter(move |listener| listener.fields.ipgroup.as_ref().is_some_and(|group| group.ipgroup_id == id));
        with.map(|listener| listener.id.as_str())
    }

    /// An IP group as v3 shows it.
    pub fn show_ip_group(&self, object: &IpGroup) -> Fields {
        let mut view = show(&object.fields);
        let listeners: Value = self.listeners_with_group(&object.id).map(|id| json!({ "id": id })).collect();
        for (name, value) in [
            ("id", json!(object.id)),
            ("project_id", json!(object.project)),
            ("listeners", listeners),
            ("created_at", json!(time(object.created_at))),
            ("updated_at", json!(time(object.updated_at))),
        ] {
            view.insert(name.to_owned(), value);
        }
        view
    }
}

fn check(at: &At, fields: &IpGroupFields) -> Result<(), Problem> {
    check_text("name", &fields.name)?;
    check_text("description", &fields.description)?;
    let most = at.quota("ipgroup_max_length");
    if fields.ip_list.len() > most {
        return Err(invalid("ip_list", format!("there are more than {most} entries")));
    }
    for (place, range) in fields.ip_list.iter().enumerate() {
        check_entry("ip_list", &range.ip)?;
        if fields.ip_list[..place].iter().any(|other| other.ip == range.ip) {
            return Err(invalid("ip_list", format!("{} repeats", range.ip)));
        }
    }
    Ok(())
}
