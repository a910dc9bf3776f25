//! `BatchGetInstances` over an inventory: the same for every cloud but for what a providerID and a machine look like.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use cloud_provider_api::{
    error::Reason,
    v1::{self, AddressType, NodeReference, instance_result::Answer as Told},
};

use super::{Answer, Inventory, Machine, Outcome, Question, Servers, Unidentified};
use crate::{
    check::Checker,
    error::{Error, Result},
};

/// On a Node, written by the kubelet: the IPs given by `--node-ip`.
pub const PROVIDED_NODE_IP: &str = "alpha.kubernetes.io/provided-node-ip";

/// How a provider reads nodes and describes machines.
pub trait NodeView<M: Machine>: Sync {
    /// What to ask about a node, or the answer that needs no cloud.
    fn question<'a>(&'a self, node: &'a NodeReference) -> Result<Question<'a>, Box<Told>>;

    /// What the API is told of a node's machine.
    fn instance(&self, node: &NodeReference, machine: &M) -> v1::Instance;

    /// What a look at the cloud said about the cloud itself: that it answers, or the first of its failures.
    fn heard(&self, outcome: Result<(), &Error>);

    /// The cloud's lists lack so many machines that it shows when asked for each by itself.
    fn unlisted(&self, count: usize);

    /// The account and region asked, and the cloud's words.
    fn absent(&self, evidence: String) -> v1::InstanceAbsent;

    /// What is said of a node that no machine could be named for. `None`: that nothing is known of it.
    fn unidentified(&self, _: &Unidentified) -> Option<Told> {
        None
    }
}

/// Checks the request; how old its answers may be.
pub fn check_nodes(request: &v1::BatchGetInstancesRequest, most: u32) -> Result<Option<Duration>> {
    let mut checker = Checker::default();
    checker.count("nodes", request.nodes.len(), most);
    let mut names = HashSet::with_capacity(request.nodes.len());
    for (index, node) in request.nodes.iter().enumerate() {
        checker.text(&format!("nodes[{index}].node_name"), &node.node_name, 1..=253);
        checker.text(&format!("nodes[{index}].node_uid"), &node.node_uid, 1..=63);
        checker.text(&format!("nodes[{index}].provider_id"), &node.provider_id, 0..=512);
        if !names.insert(&node.node_name) {
            checker.fault(format!("nodes[{index}].node_name"), format!("{:?} is asked for twice", node.node_name));
        }
    }
    let max_age = request.max_age.map(Duration::try_from).transpose().unwrap_or_else(|_| {
        checker.fault("max_age", "is negative");
        None
    });
    checker.finish()?;
    Ok(max_age)
}

/// One result for each node, and the machine of each that has one.
pub async fn answer_nodes<S: Servers>(
    inventory: &Inventory<S>,
    view: &impl NodeView<S::Machine>,
    nodes: &[NodeReference],
    max_age: Option<Duration>,
) -> (Vec<v1::InstanceResult>, Vec<Option<Arc<S::Machine>>>) {
    let asked: Vec<_> = nodes.iter().map(|node| view.question(node)).collect();
    let questions: Vec<Question<'_>> = asked.iter().filter_map(|asked| asked.as_ref().ok().cloned()).collect();
    let answers = inventory.look_up(&questions, max_age).await;
    if !answers.is_empty() {
        view.heard(answers.iter().find_map(|answer| answer.as_ref().err()).map_or(Ok(()), Err));
        view.unlisted(inventory.unlisted());
    }
    let mut answers = answers.into_iter();
    let answered = nodes.iter().zip(asked).map(|(node, asked)| match asked {
        Err(told) => (result(node, *told, Some(SystemTime::now())), None),
        Ok(_) => match answers.next() {
            Some(Ok(answer)) => told::<S>(view, node, answer),
            Some(Err(error)) => (result(node, Told::Unknown(error.item_status()), None), None),
            None => (v1::InstanceResult { node_name: node.node_name.clone(), ..v1::InstanceResult::default() }, None),
        },
    });
    answered.unzip()
}

fn told<S: Servers>(
    view: &impl NodeView<S::Machine>,
    node: &NodeReference,
    answer: Answer<S::Machine>,
) -> (v1::InstanceResult, Option<Arc<S::Machine>>) {
    let (told, machine) = match answer.outcome {
        Outcome::Found(machine) => (Told::Found(view.instance(node, &machine)), Some(machine)),
        Outcome::Absent { evidence } => (Told::NotFound(view.absent(evidence)), None),
        Outcome::Unidentified(why) => {
            let unknown = || Error::cloud(S::PROVIDER, Reason::InstanceUnidentified, why.to_string()).item_status();
            (view.unidentified(&why).unwrap_or_else(|| Told::Unknown(unknown())), None)
        }
    };
    (result(node, told, Some(answer.observed_at)), machine)
}

fn result(node: &NodeReference, answer: Told, at: Option<SystemTime>) -> v1::InstanceResult {
    let at = at.filter(|_| !matches!(answer, Told::Unknown(_)));
    v1::InstanceResult { node_name: node.node_name.clone(), answer: Some(answer), observed_at: at.map(Into::into) }
}

/// The internal addresses a node's kubelet was given, or else reports.
pub fn internal_ips(node: &NodeReference) -> Vec<IpAddr> {
    let told = node.annotations.get(PROVIDED_NODE_IP).map(String::as_str).unwrap_or_default();
    let told: Vec<IpAddr> = told.split(',').filter_map(|ip| ip.trim().parse().ok()).collect();
    if !told.is_empty() {
        return told;
    }
    let internal = node.addresses.iter().filter(|address| address.r#type() == AddressType::InternalIp);
    internal.filter_map(|address| address.address.parse().ok()).collect()
}

/// Labels made from a machine's tags, those in `wanted` that fit, with their keys behind `prefix`.
pub fn tag_labels<'a>(
    prefix: &str,
    tags: impl Iterator<Item = (&'a str, &'a str)>,
    wanted: &[String],
) -> HashMap<String, String> {
    tags.filter(|(key, value)| wanted.iter().any(|wanted| wanted == key) && is_label_value(value))
        .map(|(key, value)| (format!("{prefix}{key}"), value.to_owned()))
        .collect()
}

fn is_label_value(text: &str) -> bool {
    let inner = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let ends =
        [text.bytes().next(), text.bytes().last()].into_iter().flatten().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63 && inner && ends
}

#[cfg(test)]
mod tests {
    use cloud_provider_api::v1::NodeAddress;

    use super::*;

    #[test]
    fn what_the_kubelet_was_given_counts_before_what_it_reports() {
        let reported = NodeAddress { r#type: AddressType::InternalIp.into(), address: "10.0.0.9".to_owned() };
        let other = NodeAddress { r#type: AddressType::Hostname.into(), address: "10.0.0.8".to_owned() };
        let mut node = NodeReference { addresses: vec![other, reported], ..NodeReference::default() };
        assert_eq!(internal_ips(&node), ["10.0.0.9".parse::<IpAddr>().unwrap()]);
        node.annotations.insert(PROVIDED_NODE_IP.to_owned(), "10.0.0.1, fd00::1".to_owned());
        assert_eq!(internal_ips(&node).len(), 2);
    }

    #[test]
    fn only_tags_that_are_asked_for_and_fit_become_labels() {
        let tags = [("role", "worker"), ("other", "x"), ("note", "has blanks"), ("flag", ""), ("edge", "-x")];
        let wanted = ["role", "note", "flag", "edge"].map(str::to_owned);
        let expected = [("tags.test/role", "worker"), ("tags.test/flag", "")];
        let expected: HashMap<String, String> =
            expected.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        assert_eq!(tag_labels("tags.test/", tags.into_iter(), &wanted), expected);
        assert!(tag_labels("tags.test/", tags.into_iter(), &[]).is_empty());
    }
}
