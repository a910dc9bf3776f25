//! A kubeconfig file as a value, and what it is when one more cluster is in it. Everybody else's entries, and all that is not understood
//! here, stay as they are.

use serde_json::{Map, Value, json};

use crate::{Failure, names::EXTENSION};

/// Keys of a cluster that are the cloud's; others in an entry of ours are the user's own and stay.
const CLUSTER_KEYS: [&str; 4] =
    ["server", "certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify"];
/// The same of a user: every way to log in.
const USER_KEYS: [&str; 10] = [
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "token",
    "tokenFile",
    "username",
    "password",
    "exec",
    "auth-provider",
];

/// A kubeconfig file. Its `Debug` would show keys, so it has none.
#[derive(Clone, PartialEq)]
pub struct Document(Map<String, Value>);

/// Where an entry comes from, kept in it: by this ours are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The provider's name.
    pub provider: String,
    /// The cloud's id of the cluster.
    pub cluster: String,
}

/// What goes into the file.
pub struct Entry {
    /// Name of cluster, user and context.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The body of the cluster.
    pub cluster: Map<String, Value>,
    /// The body of the user.
    pub user: Map<String, Value>,
}

/// What became of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The entry was there before.
    pub replaced: bool,
    /// It is the current context now.
    pub current: bool,
}

/// The lists of a kubeconfig: their key, and that of the body of an item.
const CLUSTERS: (&str, &str) = ("clusters", "cluster");
const USERS: (&str, &str) = ("users", "user");
const CONTEXTS: (&str, &str) = ("contexts", "context");

impl Document {
    /// Reads YAML or JSON; an empty text is an empty file. Nothing of it is quoted in the error.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let no_kubeconfig = |why: &str| Failure::refused(format!("it is no kubeconfig ({why}), so it is left alone"));
        if text.trim().is_empty() {
            return Ok(Self(Map::new()));
        }
        let value = serde_saphyr::from_str::<Value>(text).map_err(|_| no_kubeconfig("it cannot be read as YAML"))?;
        let map = match value {
            Value::Null => Map::new(),
            Value::Object(map) => map,
            _ => return Err(no_kubeconfig("it is no mapping")),
        };
        if map.get("kind").is_some_and(|kind| kind != "Config") {
            return Err(no_kubeconfig("its kind is not Config"));
        }
        for (list, _) in [CLUSTERS, USERS, CONTEXTS] {
            if map.get(list).is_some_and(|list| !list.is_array() && !list.is_null()) {
                return Err(no_kubeconfig(&format!("`{list}` is no list")));
            }
        }
        Ok(Self(map))
    }

    /// As a file.
    pub fn render(&self) -> Result<String, Failure> {
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        let text = serde_saphyr::to_string_with_options(&self.0, options);
        let text = text.map_err(|_| Failure::failed("the kubeconfig cannot be written as YAML"))?;
        // What others wrote must not change by being written again.
        match Self::parse(&text) {
            Ok(again) if again == *self => Ok(text),
            _ => Err(Failure::failed(
                "the kubeconfig holds something that does not survive being written; it is left alone",
            )),
        }
    }

    /// Puts an entry in. Those of its names that are not ours, or are ours and lead to another cluster, are overwritten only with `force`.
    pub fn merge(&mut self, entry: Entry, force: bool, set_current: bool) -> Result<Merged, Failure> {
        let Entry { name, origin, cluster, user } = entry;
        if !force {
            self.refuse_others(&name, &origin)?;
        }
        let context = Map::from_iter([("cluster".to_owned(), json!(name)), ("user".to_owned(), json!(name))]);
        let mut replaced = false;
        for (list, managed, body) in
            [(CLUSTERS, &CLUSTER_KEYS[..], cluster), (USERS, &USER_KEYS[..], user), (CONTEXTS, &[], context)]
        {
            replaced |= self.put(list, &name, managed, body, &origin);
        }
        self.0.entry("apiVersion").or_insert_with(|| json!("v1"));
        self.0.entry("kind").or_insert_with(|| json!("Config"));
        let unset = self.0.get("current-context").and_then(Value::as_str).unwrap_or_default().is_empty();
        let current = set_current || unset;
        if current {
            self.0.insert("current-context".to_owned(), json!(name));
        }
        Ok(Merged { replaced, current })
    }

    fn refuse_others(&self, name: &str, origin: &Origin) -> Result<(), Failure> {
        for (list, item) in [CLUSTERS, USERS, CONTEXTS] {
            let Some(body) = self.find(list, item, name) else { continue };
            let whose = match origin_of(body) {
                Some(known) if known == *origin => continue,
                Some(known) => format!("leads to cluster {} of {}", known.cluster, known.provider),
                None => "was not written by cpctl".to_owned(),
            };
            let message = format!(
                "{item} {name:?} is in the file already and {whose}: choose another --context, or overwrite it with --force"
            );
            return Err(Failure::refused(message));
        }
        Ok(())
    }

    fn find(&self, list: &str, item: &str, name: &str) -> Option<&Value> {
        let items = self.0.get(list)?.as_array()?;
        items.iter().find(|one| one["name"] == name).map(|one| &one[item])
    }

    /// Puts one item in. Whether it was there before.
    fn put(
        &mut self,
        (list, item): (&str, &str),
        name: &str,
        managed: &[&str],
        body: Map<String, Value>,
        origin: &Origin,
    ) -> bool {
        let items = self.0.entry(list).or_insert_with(|| json!([]));
        if !items.is_array() {
            *items = json!([]);
        }
        let Some(items) = items.as_array_mut() else { return false };
        let existing = items.iter_mut().find(|one| one["name"] == name);
        let was_there = existing.is_some();
        let slot = match existing {
            Some(one) => one,
            None => {
                items.push(json!({ "name": name }));
                let last = items.len() - 1;
                &mut items[last]
            }
        };
        // Of an entry of ours, what the user added stays; of another's, which is overwritten, nothing does.
        let kept = slot.get(item).filter(|before| origin_of(before).as_ref() == Some(origin));
        let mut merged = kept.and_then(Value::as_object).cloned().unwrap_or_default();
        merged.retain(|key, _| !managed.contains(&key.as_str()));
        merged.extend(body);
        merged.insert("extensions".to_owned(), extensions(merged.get("extensions"), origin));
        slot[item] = Value::Object(merged);
        was_there
    }
}

/// Other programs' extensions, and ours.
fn extensions(before: Option<&Value>, origin: &Origin) -> Value {
    let others = before.and_then(Value::as_array).into_iter().flatten().filter(|one| one["name"] != EXTENSION).cloned();
    let ours = json!({ "name": EXTENSION, "extension": { "provider": origin.provider, "cluster": origin.cluster } });
    others.chain([ours]).collect()
}

fn origin_of(body: &Value) -> Option<Origin> {
    let ours = body["extensions"].as_array()?.iter().find(|one| one["name"] == EXTENSION)?;
    let text = |key: &str| ours["extension"][key].as_str().map(str::to_owned);
    Some(Origin { provider: text("provider")?, cluster: text("cluster")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody's file, with much in it that is not understood here.
    const THEIRS: &str = r#"
apiVersion: v1
kind: Config
preferences: {colors: true}
current-context: work
unknown: {deep: [1, 2.5, null, "007", "yes", on-the-road]}
clusters:
- name: work
  cluster:
    server: https://work.example:6443
    certificate-authority-data: TFMwdExTMUNSVWRKVGlCRFJWSlVTVVpKUTBGVVJTMHRMUzB0Q2sxSlNVTTFla05EUVdNclowRjNTVUpCWjBsQ1FVUkJUa0puYTNGb2EybEhPWGN3
    proxy-url: socks5://proxy.example
users:
- name: work
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: [eks, get-token], env: [{name: A, value: "1"}]}
- name: odd
  user: {username: "1e3", password: "null"}
contexts:
- name: work
  context: {cluster: work, user: work, namespace: team}
"#;

    fn entry(name: &str, cluster: &str, token: &str) -> Entry {
        let body =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        Entry {
            name: name.to_owned(),
            origin: Origin { provider: "mock".to_owned(), cluster: cluster.to_owned() },
            cluster: body(&[("server", "https://c:6443"), ("certificate-authority-data", "Y2E=")]),
            user: body(&[("token", token)]),
        }
    }

    fn parse(text: &str) -> Document {
        Document::parse(text).unwrap()
    }

    #[test]
    fn everybody_elses_entries_stay_as_they_are() {
        let before = parse(THEIRS);
        let mut after = before.clone();
        let merged = after.merge(entry("dev", "c-1", "t"), false, false).unwrap();
        assert_eq!(merged, Merged { replaced: false, current: false });
        let mut written = parse(&after.render().unwrap());
        for (list, _) in [CLUSTERS, USERS, CONTEXTS] {
            let items = written.0[list].as_array_mut().unwrap();
            let ours = items.pop().unwrap();
            assert_eq!(ours["name"], "dev", "ours is the last");
        }
        assert!(written == before, "without ours it is what it was");
        assert_eq!(written.0["unknown"]["deep"][3], "007", "a text stays a text");
    }

    #[test]
    fn the_same_again_changes_nothing() {
        let mut once = parse(THEIRS);
        once.merge(entry("dev", "c-1", "t"), false, true).unwrap();
        let mut twice = once.clone();
        let merged = twice.merge(entry("dev", "c-1", "t"), false, true).unwrap();
        assert_eq!(merged, Merged { replaced: true, current: true });
        assert!(once == twice);
        assert_eq!(once.0["current-context"], "dev");
    }

    #[test]
    fn what_a_user_added_to_our_entry_stays_and_the_old_key_does_not() {
        let mut file = parse("");
        file.merge(entry("dev", "c-1", "old"), false, false).unwrap();
        file.0["contexts"][0]["context"]["namespace"] = json!("team");
        file.0["clusters"][0]["cluster"]["proxy-url"] = json!("socks5://p");
        file.0["users"][0]["user"]["client-key-data"] = json!("b2xk");
        file.merge(entry("dev", "c-1", "new"), false, false).unwrap();
        assert_eq!(file.0["contexts"][0]["context"]["namespace"], "team");
        assert_eq!(file.0["clusters"][0]["cluster"]["proxy-url"], "socks5://p");
        assert_eq!(file.0["users"][0]["user"]["token"], "new");
        assert!(file.0["users"][0]["user"].get("client-key-data").is_none());
    }

    #[test]
    fn what_is_not_ours_is_overwritten_only_by_force_and_then_wholly() {
        let mut file = parse(THEIRS);
        let before = file.clone();
        let failure = file.merge(entry("work", "c-1", "t"), false, false).unwrap_err().to_string();
        assert!(failure.contains("--force") && failure.contains("not written by cpctl"), "{failure}");
        assert!(file == before, "a refusal changes nothing");
        file.merge(entry("work", "c-1", "t"), true, false).unwrap();
        assert!(file.0["users"][0]["user"].get("exec").is_none());
        assert!(file.0["clusters"][0]["cluster"].get("proxy-url").is_none());
        assert!(file.0["contexts"][0]["context"].get("namespace").is_none());

        let failure = file.merge(entry("work", "c-2", "t"), false, false).unwrap_err().to_string();
        assert!(failure.contains("leads to cluster c-1 of mock"), "{failure}");
    }

    #[test]
    fn an_empty_file_becomes_a_whole_one_with_a_current_context() {
        for text in ["", "\n", "# nothing yet\n", "clusters: null\n"] {
            let mut file = parse(text);
            let merged = file.merge(entry("dev", "c-1", "t"), false, false).unwrap();
            assert!(merged.current, "{text:?}");
            assert_eq!((&file.0["kind"], &file.0["current-context"]), (&json!("Config"), &json!("dev")), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_kubeconfig_is_left_alone_and_not_quoted() {
        for text in ["marker", "[marker]", "kind: Pod\nx: marker", "clusters: marker", "{marker"] {
            let failure = Document::parse(text).err().unwrap_or_else(|| panic!("{text}")).to_string();
            assert!(failure.contains("left alone") && !failure.contains("marker"), "{failure}");
        }
    }

    #[test]
    fn other_programs_extensions_are_kept() {
        let mut file = parse("");
        file.merge(entry("dev", "c-1", "t"), false, false).unwrap();
        let list = file.0["contexts"][0]["context"]["extensions"].as_array_mut().unwrap();
        list.push(json!({"name": "minikube", "extension": {"version": "v1"}}));
        file.merge(entry("dev", "c-1", "t"), false, false).unwrap();
        let names: Vec<&Value> =
            file.0["contexts"][0]["context"]["extensions"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, [&json!("minikube"), &json!(EXTENSION)]);
    }
}
