//! The values flags take, and how they are written.

use std::{collections::BTreeMap, fmt, time::Duration};

use controller_core::go_duration::{self, GoDuration};

use super::table::Kind;

/// The value of a flag.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Float(f64),
    Duration(Duration),
    Text(String),
    List(Vec<String>),
    Switches(BTreeMap<String, bool>),
}

impl Value {
    /// Reads a value of this kind; the error completes a sentence that begins with the value.
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, String> {
        Ok(match kind {
            Kind::Bool => Self::Bool(parse_bool(text).ok_or("is neither true nor false")?),
            Kind::Int => Self::Int(text.parse().map_err(|_| "is not a whole number".to_owned())?),
            Kind::Float => {
                let number: f64 = text.parse().map_err(|_| "is not a number".to_owned())?;
                if !number.is_finite() {
                    return Err("is not a number".to_owned());
                }
                Self::Float(number)
            }
            Kind::Duration => Self::Duration(go_duration::parse(text).map_err(|error| error.to_string())?),
            Kind::Text | Kind::File => Self::Text(text.to_owned()),
            Kind::List => Self::List(text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()),
            Kind::Repeated if text.is_empty() => Self::List(Vec::new()),
            Kind::Repeated => Self::List(vec![text.to_owned()]),
            Kind::Switches => Self::Switches(parse_switches(text)?),
        })
    }

    /// What the flag holds when it is given once more.
    pub(super) fn join(&mut self, next: Self) {
        match (self, next) {
            (Self::List(all), Self::List(more)) => all.extend(more),
            (Self::Switches(all), Self::Switches(more)) => all.extend(more),
            (value, next) => *value = next,
        }
    }

    /// Of a flag of kind [`Kind::Bool`].
    pub fn bool(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    /// Of a flag of kind [`Kind::Int`].
    pub fn int(&self) -> i64 {
        if let Self::Int(number) = self { *number } else { 0 }
    }

    /// Of a flag of kind [`Kind::Float`].
    pub fn float(&self) -> f64 {
        if let Self::Float(number) = self { *number } else { 0.0 }
    }

    /// Of a flag of kind [`Kind::Duration`].
    pub fn duration(&self) -> Duration {
        if let Self::Duration(duration) = self { *duration } else { Duration::ZERO }
    }

    /// Of a flag of kind [`Kind::Text`] or [`Kind::File`].
    pub fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }

    /// Of a flag of kind [`Kind::List`] or [`Kind::Repeated`].
    pub fn list(&self) -> &[String] {
        if let Self::List(all) = self { all } else { &[] }
    }

    /// Of a flag of kind [`Kind::Switches`].
    pub fn switches(&self) -> BTreeMap<String, bool> {
        if let Self::Switches(all) = self { all.clone() } else { BTreeMap::new() }
    }
}

/// The words Go takes for truth values.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn parse_switches(text: &str) -> Result<BTreeMap<String, bool>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) =
                part.split_once('=').ok_or_else(|| format!("{part:?} is not NAME=true or NAME=false"))?;
            let value = parse_bool(value.trim()).ok_or_else(|| format!("{part:?} is not NAME=true or NAME=false"))?;
            Ok((name.trim().to_owned(), value))
        })
        .collect()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Duration(duration) => GoDuration(*duration).fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::List(all) => f.write_str(&all.join(",")),
            Self::Switches(all) => {
                let all: Vec<_> = all.iter().map(|(name, on)| format!("{name}={on}")).collect();
                f.write_str(&all.join(","))
            }
        }
    }
}
