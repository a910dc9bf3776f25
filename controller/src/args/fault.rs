//! What is wrong with a command line.

use std::fmt;

/// One wrong flag: which, its value, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// As it is written, with its dashes; the argument itself for one that is no flag.
    pub flag: String,
    /// The value given; empty when there was none.
    pub value: String,
    /// What is wrong with it and what to do.
    pub problem: String,
}

impl Fault {
    /// A flag with a wrong value. `name` is without dashes.
    pub fn new(name: &str, value: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { flag: format!("--{name}"), value: value.into(), problem: problem.into() }
    }

    pub(super) fn unknown(flag: &str, nearest: Option<&str>) -> Self {
        let problem = match nearest {
            Some(name) => format!("is not a flag; did you mean --{name}? (--help lists all)"),
            None => "is not a flag (--help lists all)".to_owned(),
        };
        Self { flag: flag.to_owned(), value: String::new(), problem }
    }

    pub(super) fn of_argument(argument: &str) -> Self {
        let problem = "is not a flag, and no other arguments are taken; write a value as --flag=value".to_owned();
        Self { flag: argument.to_owned(), value: String::new(), problem }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.is_empty() {
            write!(f, "{}: {}", self.flag, self.problem)
        } else {
            write!(f, "{}={:?}: {}", self.flag, self.value, self.problem)
        }
    }
}

/// Everything that is wrong with a command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => one.fmt(f),
            many => {
                write!(f, "{} flags are wrong:", many.len())?;
                many.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
        }
    }
}

impl std::error::Error for Faults {}
