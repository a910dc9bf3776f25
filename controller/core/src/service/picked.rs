//! Which nodes a Service picks to receive its traffic.
//!
//! Clouds have an annotation for it whose value names labels. It is applied here and not by the provider: of all the labels of all
//! nodes none has to be sent, and a label that no Service picks by changes nobody's members.

use crate::{
    selector::{InvalidSelector, Selector},
    view::Service,
};

/// An annotation that picks nodes and is no label selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metadata.annotations[{annotation}]: {problem}")]
pub struct InvalidPick {
    /// The annotation's key.
    pub annotation: String,
    /// What is wrong with its value.
    pub problem: InvalidSelector,
}

/// The labels by which a Service picks its nodes; `None`: every node is right. `annotations` are the keys that its provider
/// reads selectors from; all of them must hold.
pub fn picked_nodes(service: &Service, annotations: &[String]) -> Result<Option<Selector>, InvalidPick> {
    let mut picked: Option<Selector> = None;
    for annotation in annotations {
        // Blank says nothing, as a template leaves it whose value was not given.
        let text = service.annotations.get(annotation).map_or("", |text| text.trim());
        if text.is_empty() {
            continue;
        }
        let selector: Selector =
            text.parse().map_err(|problem| InvalidPick { annotation: annotation.clone(), problem })?;
        picked = Some(match picked {
            Some(before) => before.and(selector),
            None => selector,
        });
    }
    Ok(picked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::service;

    fn picked(annotations: &[(&str, &str)]) -> Result<Option<String>, String> {
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let service = Service { annotations, ..service() };
        let keys = ["cloud.example/nodes", "cloud.example/labels"].map(str::to_owned);
        match picked_nodes(&service, &keys) {
            Ok(selector) => Ok(selector.map(|selector| selector.to_string())),
            Err(problem) => Err(problem.to_string()),
        }
    }

    #[test]
    fn a_service_picks_by_the_annotations_its_provider_reads() {
        assert_eq!(picked(&[]), Ok(None));
        assert_eq!(picked(&[("cloud.example/nodes", "  ")]), Ok(None));
        assert_eq!(picked(&[("other.example/nodes", "a=b")]), Ok(None));
        assert_eq!(picked(&[("cloud.example/nodes", " a=b, c=d ")]), Ok(Some("a=b, c=d".to_owned())));
        let both = [("cloud.example/labels", "c"), ("cloud.example/nodes", "a=b")];
        assert_eq!(picked(&both), Ok(Some("a=b,c".to_owned())));
    }

    #[test]
    fn what_is_no_selector_is_told_by_annotation_value_and_remedy() {
        let told = picked(&[("cloud.example/nodes", "a=b,c=d e")]).unwrap_err();
        assert!(told.starts_with("metadata.annotations[cloud.example/nodes]: \"c=d e\" is no requirement"), "{told}");
        assert!(told.contains("write key, !key, key=value"), "{told}");
    }
}
