//! The cloud's ids as the caller keeps them for us: where to look, never a proof.

use crate::api::balancers::Kind;

/// Load balancers that may carry things of a Service, the one in use first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Handle(pub(super) Vec<(Kind, String)>);

impl Handle {
    pub(super) fn of(kind: Kind, id: &str) -> Self {
        Self(vec![(kind, id.to_owned())])
    }

    /// What cannot be read is left out: users can write it.
    pub(super) fn parse(text: &str) -> Self {
        let mut ids: Vec<(Kind, String)> = Vec::new();
        for word in text.split(',') {
            let Some((name, id)) = word.split_once(':').filter(|(_, id)| is_id(id)) else { continue };
            let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.word() == name) else { continue };
            if ids.len() < 8 && !ids.iter().any(|(_, other)| other == id) {
                ids.push((kind, id.to_owned()));
            }
        }
        Self(ids)
    }

    pub(super) fn write(&self) -> String {
        let words: Vec<String> = self.0.iter().map(|(kind, id)| format!("{}:{id}", kind.word())).collect();
        words.join(",")
    }

    pub(super) fn kind_of(&self, id: &str) -> Option<Kind> {
        self.0.iter().find(|(_, other)| other == id).map(|(kind, _)| *kind)
    }
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_the_rest_left_out() {
        let handle = Handle(vec![(Kind::Plain, "lb-1".to_owned()), (Kind::Edge, "lb-2".to_owned())]);
        assert_eq!(handle.write(), "blb:lb-1,bec:lb-2");
        assert_eq!(Handle::parse(&handle.write()), handle);
        assert_eq!(Handle::parse("blb:../x,blb:,elb:a,appblb:a,blb:a,junk,:"), Handle::of(Kind::App, "a"));
        assert_eq!(Handle::parse(""), Handle::default());
    }
}
