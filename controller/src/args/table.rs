//! Every flag: its name, kind, default, upstream's default, what it does here.

mod loops;
mod process;
mod provider;
mod serving;

use super::value::Value;

/// How a flag's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `--flag`, `--flag=true`, `--flag=false`.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Go's form: `1m30s`.
    Duration,
    /// Any text.
    Text,
    /// The path of a file or folder.
    File,
    /// Texts with commas between them; repeating the flag adds.
    List,
    /// One text; repeating the flag adds.
    Repeated,
    /// `NAME=true,NAME=false`; repeating the flag adds.
    Switches,
}

/// What a flag does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What it says.
    Works,
    /// What it says, but for something that upstream's does besides; whoever gives it is told so in the log.
    Partly(&'static str),
    /// Nothing, for this reason; whoever gives it is told so in the log.
    None(&'static str),
    /// Nothing, and running without it would not be what was asked for: any value but the default is refused.
    Refused(&'static str),
}

/// A flag.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// Without dashes.
    pub name: &'static str,
    /// How its value is written.
    pub kind: Kind,
    /// Its value when it is not given, as it would be written.
    pub default: &'static str,
    /// Upstream's default; `None`: upstream has no such flag.
    pub upstream: Option<&'static str>,
    /// What it does here.
    pub effect: Effect,
    /// What it means, as a sentence.
    pub help: &'static str,
}

/// Flags that belong together, as `--help` shows them.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Heading.
    pub name: &'static str,
    /// In the order shown.
    pub flags: &'static [Flag],
}

/// Every flag, by section.
pub const SECTIONS: &[Section] = &[
    Section { name: "provider", flags: provider::PROVIDER },
    Section { name: "generic", flags: process::GENERIC },
    Section { name: "cloud-node-controller", flags: loops::NODE },
    Section { name: "cloud-node-lifecycle-controller", flags: loops::LIFECYCLE },
    Section { name: "service-lb-controller", flags: loops::SERVICE },
    Section { name: "node-route-controller", flags: loops::ROUTE },
    Section { name: "secure serving", flags: serving::SERVING },
    Section { name: "authentication", flags: serving::AUTHENTICATION },
    Section { name: "authorization", flags: serving::AUTHORIZATION },
    Section { name: "webhook", flags: serving::WEBHOOK },
    Section { name: "leader-migration", flags: process::MIGRATION },
    Section { name: "debugging", flags: process::DEBUGGING },
    Section { name: "misc", flags: process::MISC },
    Section { name: "global", flags: process::GLOBAL },
];

impl Flag {
    /// A flag of upstream's with upstream's default.
    const fn new(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Self {
        Self { name, kind, default, upstream: Some(default), effect: Effect::Works, help }
    }

    /// A flag that upstream does not have.
    const fn ours(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Self {
        Self { name, kind, default, upstream: None, effect: Effect::Works, help }
    }

    /// A flag whose default upstream is this one.
    const fn upstream(self, default: &'static str) -> Self {
        Self { upstream: Some(default), ..self }
    }

    const fn partly(self, what: &'static str) -> Self {
        Self { effect: Effect::Partly(what), ..self }
    }

    const fn no_effect(self, why: &'static str) -> Self {
        Self { effect: Effect::None(why), ..self }
    }

    const fn refused(self, why: &'static str) -> Self {
        Self { effect: Effect::Refused(why), ..self }
    }

    /// The value it has when it is not given.
    pub fn default_value(&self) -> Value {
        // An empty number or duration is one that is worked out when it is not given.
        Value::parse(self.kind, self.default).unwrap_or_else(|_| Value::Text(String::new()))
    }
}

pub(super) fn all() -> impl Iterator<Item = &'static Flag> {
    SECTIONS.iter().flat_map(|section| section.flags)
}

pub(super) fn find(name: &str) -> Option<&'static Flag> {
    all().find(|flag| flag.name == name)
}

/// The flag whose name is nearest to `name`, if it is near enough to have been meant.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let near = all().map(|flag| (distance(name, flag.name), flag.name)).min()?;
    (near.0 <= 3 && near.0 * 3 <= name.len()).then_some(near.1)
}

/// Letters to add, drop or change to get from one name to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<_> = to.bytes().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
