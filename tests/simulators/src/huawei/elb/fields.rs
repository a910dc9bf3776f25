//! Bodies: objects of known fields, null standing for the default.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::Fields;
use crate::engine::Problem;

/// The fields of a new object. Types refuse what they do not know.
pub(super) fn read<T: DeserializeOwned>(mut fields: Fields) -> Result<T, Problem> {
    fields.retain(|_, value| !value.is_null());
    serde_json::from_value(Value::Object(fields)).map_err(|error| Problem::BadBody(error.to_string()))
}

/// The fields of an object after a change: what is absent stays, null goes back to the default.
pub(super) fn patch<T: Serialize + DeserializeOwned>(now: &T, change: Fields, may: &[&str]) -> Result<T, Problem> {
    let mut fields = match serde_json::to_value(now) {
        Ok(Value::Object(fields)) => fields,
        other => unreachable!("fields are an object, not {other:?}"),
    };
    for (name, value) in change {
        if !may.contains(&name.as_str()) {
            let why = if fields.contains_key(&name) { "cannot be changed" } else { "is no field" };
            return Err(Problem::BadBody(format!("`{name}` {why}")));
        }
        fields.insert(name, value);
    }
    read(fields)
}

/// A field taken out of the others.
pub(super) fn take<T: DeserializeOwned>(fields: &mut Fields, name: &str) -> Result<Option<T>, Problem> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            serde_json::from_value(value).map(Some).map_err(|error| Problem::BadBody(format!("`{name}`: {error}")))
        }
    }
}

/// The default of flags that are on by default.
pub(super) fn yes() -> bool {
    true
}

/// An object's fields as a view begins with.
pub(super) fn show<T: Serialize>(fields: &T) -> Fields {
    match serde_json::to_value(fields) {
        Ok(Value::Object(fields)) => fields,
        other => unreachable!("fields are an object, not {other:?}"),
    }
}
