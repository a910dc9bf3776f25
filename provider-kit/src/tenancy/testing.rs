//! What every daemon's refusals of a hostile tenant have in common.

use std::collections::BTreeMap;

use crate::error::Error;

/// What a hostile tenant was told, by attempt.
#[derive(Debug, Default)]
pub struct Told {
    secrets: Vec<String>,
    messages: BTreeMap<String, String>,
}

impl Told {
    /// `secrets`: what no refusal may give away, such as another tenant's name in quotes, or the UID of its Service.
    pub fn without(secrets: &[&str]) -> Self {
        Self { secrets: secrets.iter().map(ToString::to_string).collect(), messages: BTreeMap::new() }
    }

    /// Checks what an attempt came to: that it was refused, for this reason, with a remedy, and without a word of whose it is.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn refused<T>(&mut self, attempt: &str, outcome: Result<T, Error>, reason: &str) {
        let Err(error) = outcome else { panic!("{attempt}: nothing refused it") };
        let message = error.message();
        assert!(message.contains(reason), "{attempt}: {message}");
        assert!(message.contains("access file"), "{attempt} has no remedy: {message}");
        for secret in &self.secrets {
            assert!(!message.contains(secret.as_str()), "{attempt} gives away {secret}: {message}");
        }
        self.messages.insert(attempt.to_owned(), message.to_owned());
    }

    /// Checks that two attempts were told alike, but for the ids they named.
    ///
    /// # Panics
    /// When they were not.
    #[track_caller]
    pub fn alike(&self, (one, its_id): (&str, &str), (other, others_id): (&str, &str)) {
        let plain = |attempt: &str, id: &str| self.messages[attempt].replace(id, "ID");
        assert_eq!(plain(one, its_id), plain(other, others_id), "{one} and {other}");
    }

    /// How many attempts were refused.
    pub fn count(&self) -> usize {
        self.messages.len()
    }
}
