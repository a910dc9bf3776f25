//! How the service refuses. Statuses are what clients should go by: codes are not documented well (`ELB.8904` and `ELB.8907`
//! were seen in the wild, the others are inferred).

use crate::engine::Problem;

/// Something that is named does not exist.
pub(super) fn missing(kind: &str, id: &str) -> Problem {
    Problem::refused(404, "ELB.8904", format!("{kind} {id} could not be found."))
}

/// Against what is there already, or what depends on it.
pub(super) fn conflict(message: impl Into<String>) -> Problem {
    Problem::refused(409, "ELB.8907", message)
}

/// More than is allowed.
pub(super) fn over_quota(of: &str, quota: usize) -> Problem {
    Problem::refused(409, "ELB.8905", format!("Quota exceeded for resources: ['{of}'], the quota is {quota}."))
}

/// A field with a value it cannot have.
pub(super) fn invalid(field: &str, why: impl AsRef<str>) -> Problem {
    Problem::refused(400, "ELB.1001", format!("Invalid input for {field}: {}.", why.as_ref()))
}

/// That a text can be a name or description.
pub(super) fn check_text(field: &str, text: &str) -> Result<(), Problem> {
    if text.chars().count() > 255 {
        return Err(invalid(field, "it is longer than 255 characters"));
    }
    Ok(())
}

/// That a value is one of several.
pub(super) fn check_one_of(field: &str, value: &str, of: &[&str]) -> Result<(), Problem> {
    if of.contains(&value) {
        return Ok(());
    }
    Err(invalid(field, format!("'{value}' is not one of {}", of.join(", "))))
}

/// That a number is in its range, when it is given.
pub(super) fn check_range(field: &str, value: Option<u32>, least: u32, most: u32) -> Result<(), Problem> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(invalid(field, format!("{value} is not from {least} to {most}")))
        }
        _ => Ok(()),
    }
}
