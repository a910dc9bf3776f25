//! Keys in a folder, one in a file, as a Secret is mounted.

use std::{fs, io, path::Path};

use cloud_rest::{Credentials, Secret, SourceError};

/// Reads `access-key`, `secret-key` and, if it is there, `security-token`.
pub(super) fn read(folder: &Path) -> Result<Credentials, SourceError> {
    let id = needed(folder, "access-key")?;
    let secret = Secret::new(needed(folder, "secret-key")?);
    let token = optional(folder, "security-token")?.map(Secret::new);
    Ok(Credentials { id, secret, token, expires_at: None })
}

fn needed(folder: &Path, name: &str) -> Result<String, SourceError> {
    let text = optional(folder, name)?;
    text.ok_or_else(|| {
        SourceError::Refused(format!("secret-folder {}: file {name} is missing or empty", folder.display()))
    })
}

fn optional(folder: &Path, name: &str) -> Result<Option<String>, SourceError> {
    match fs::read_to_string(folder.join(name)) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SourceError::Refused(format!("secret-folder {}: file {name}: {error}", folder.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounted_secret_is_read_without_the_blanks_around_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("access-key", "AK\n");
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("file secret-key is missing"), "{error}");
        write("secret-key", " SK\n");
        assert_eq!(read(folder.path()), Ok(Credentials::lasting("AK", "SK")));
        write("security-token", "T");
        assert_eq!(read(folder.path()).unwrap().token, Some(Secret::new("T")));
    }
}
