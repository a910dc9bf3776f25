//! The command line: read by the rules upstream's flags are read by, from one table that also makes `--help` and
//! `docs/flags.md`.
//!
//! Reading gathers every fault instead of stopping at the first, and knows nothing of what values mean together: that is
//! [`crate::config`]'s to check.

mod fault;
mod help;
mod table;
mod value;

use std::collections::BTreeMap;

pub use self::{
    fault::{Fault, Faults},
    help::{markdown, usage},
    table::{Effect, Flag, Kind, SECTIONS, Section},
    value::Value,
};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Run.
    Run(Flags),
    /// Print the usage.
    Help,
    /// Print the version; `raw`: all that is known of the build.
    Version {
        /// `--version=raw`.
        raw: bool,
    },
}

/// The value of every flag, and which were given.
#[derive(Clone, Debug, PartialEq)]
pub struct Flags {
    values: BTreeMap<&'static str, Value>,
    given: Vec<&'static str>,
}

/// Reads a command line, the program's name left out: what it asks for as far as it can be read, and every fault. A flag
/// with a fault has its default, so that the others can still be checked and all faults be told at once.
pub fn parse<I, S>(arguments: I) -> (Command, Faults)
where
    I: IntoIterator<Item = S>,
    S: Into<String>,
{
    let mut reader = Reader::default();
    let mut arguments = arguments.into_iter().map(Into::into);
    while let Some(argument) = arguments.next() {
        reader.argument(&argument, &mut arguments);
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    values: BTreeMap<&'static str, Value>,
    given: Vec<&'static str>,
    faults: Vec<Fault>,
    help: bool,
    version: Option<String>,
    /// `--` was seen: all that follows is positional.
    flags_ended: bool,
}

impl Reader {
    fn argument(&mut self, argument: &str, rest: &mut impl Iterator<Item = String>) {
        if self.flags_ended || !argument.starts_with('-') || argument == "-" {
            self.faults.push(Fault::of_argument(argument));
        } else if argument == "--" {
            self.flags_ended = true;
        } else if let Some(long) = argument.strip_prefix("--") {
            let (name, value) = split(long);
            self.flag(&name.replace('_', "-"), value, rest);
        } else {
            self.short(&argument[1..], rest);
        }
    }

    /// `-v 4`, `-v=4`, `-v4`, `-h`.
    fn short(&mut self, text: &str, rest: &mut impl Iterator<Item = String>) {
        match text.strip_prefix('v') {
            Some("") => self.flag("v", None, rest),
            Some(level) => self.flag("v", Some(level.strip_prefix('=').unwrap_or(level).to_owned()), rest),
            None if text == "h" => self.help = true,
            None => self.faults.push(Fault::unknown(&format!("-{text}"), None)),
        }
    }

    fn flag(&mut self, name: &str, value: Option<String>, rest: &mut impl Iterator<Item = String>) {
        match name {
            "help" => return self.help = true,
            "version" => return self.version = Some(value.unwrap_or_else(|| "true".to_owned())),
            _ => {}
        }
        let Some(flag) = table::find(name) else {
            return self.faults.push(Fault::unknown(&format!("--{name}"), table::nearest(name)));
        };
        let text = match value {
            Some(text) => text,
            None if flag.kind == Kind::Bool => "true".to_owned(),
            None => match rest.next() {
                Some(text) => text,
                None => return self.faults.push(Fault::new(flag.name, "", "needs a value")),
            },
        };
        self.set(flag, &text);
    }

    fn set(&mut self, flag: &'static Flag, text: &str) {
        match Value::parse(flag.kind, text) {
            Ok(value) => {
                let again = self.given.contains(&flag.name);
                match self.values.get_mut(flag.name) {
                    // Lists grow when their flag is repeated; of anything else the last counts.
                    Some(before) if again => before.join(value),
                    _ => {
                        self.values.insert(flag.name, value);
                    }
                }
            }
            // Counts as not given, so that its default is not found at fault on top.
            Err(problem) => return self.faults.push(Fault::new(flag.name, text, problem)),
        }
        if !self.given.contains(&flag.name) {
            self.given.push(flag.name);
        }
    }

    fn finish(mut self) -> (Command, Faults) {
        if self.help {
            return (Command::Help, Faults::default());
        }
        if let Some(version) = self.version.take() {
            match version.as_str() {
                "true" => return (Command::Version { raw: false }, Faults::default()),
                "raw" => return (Command::Version { raw: true }, Faults::default()),
                "false" => {}
                other => self.faults.push(Fault::new(
                    "version",
                    other,
                    "is not true, false or raw; this build reports no version but its own",
                )),
            }
        }
        for flag in table::all() {
            self.values.entry(flag.name).or_insert_with(|| flag.default_value());
        }
        for name in &self.given {
            let flag = table::find(name).expect("only known flags are kept");
            if let Effect::Refused(why) = flag.effect
                && self.values[name] != flag.default_value()
            {
                self.faults.push(Fault::new(flag.name, self.values[name].to_string(), why));
            }
        }
        (Command::Run(Flags { values: self.values, given: self.given }), Faults(self.faults))
    }
}

/// `name=value`, or a name alone.
fn split(text: &str) -> (&str, Option<String>) {
    match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    }
}

impl Default for Flags {
    fn default() -> Self {
        let values = table::all().map(|flag| (flag.name, flag.default_value())).collect();
        Self { values, given: Vec::new() }
    }
}

impl Flags {
    /// Whether the flag was on the command line.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains(&name)
    }

    /// The value of a flag.
    ///
    /// # Panics
    ///
    /// If the table has no such flag; the table and those who ask are compared by a test.
    pub fn value(&self, name: &str) -> &Value {
        self.values.get(name).unwrap_or_else(|| panic!("the table has no flag {name:?}"))
    }

    /// Every flag as it stands: `--name=value`, in alphabetical order.
    pub fn echo(&self) -> impl Iterator<Item = String> {
        self.values.iter().map(|(name, value)| format!("--{name}={value}"))
    }

    /// What was given but has no effect here: the flag and why.
    pub fn without_effect(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.told(|effect| if let Effect::None(why) = effect { Some(why) } else { None })
    }

    /// What was given and does here only a part of what it does upstream: the flag and what it leaves out.
    pub fn partly(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.told(|effect| if let Effect::Partly(what) = effect { Some(what) } else { None })
    }

    fn told(&self, text: fn(Effect) -> Option<&'static str>) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.given.iter().filter_map(move |name| Some((*name, text(table::find(name)?.effect)?)))
    }
}

#[cfg(test)]
mod tests;
