//! The content of a pull secret: logins by registry, in one of two forms. Other registries' logins, and all that is not understood here,
//! stay as they are.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cloud_rest::Secret;
use serde_json::{Map, Value, json};

use crate::Login;

/// The form of a pull secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `kubernetes.io/dockerconfigjson`.
    DockerConfigJson,
    /// `kubernetes.io/dockercfg`, of old.
    DockerCfg,
}

impl Format {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::DockerConfigJson, Self::DockerCfg];

    /// The type of such a Secret.
    pub fn secret_type(self) -> &'static str {
        match self {
            Self::DockerConfigJson => "kubernetes.io/dockerconfigjson",
            Self::DockerCfg => "kubernetes.io/dockercfg",
        }
    }

    /// The key of its data.
    pub fn key(self) -> &'static str {
        match self {
            Self::DockerConfigJson => ".dockerconfigjson",
            Self::DockerCfg => ".dockercfg",
        }
    }
}

/// A login as it is held. Its password is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The host it is for, without scheme and path.
    pub host: String,
    /// The login. `None`: it has another form, such as a token.
    pub login: Option<Login>,
}

/// The content of a pull secret. Its `Debug` would show passwords, so it has none.
#[derive(Clone, PartialEq)]
pub struct DockerConfig {
    format: Format,
    content: Map<String, Value>,
}

/// The host of an entry: entries are hosts, or URLs as `docker login` wrote them of old.
pub fn host(entry: &str) -> String {
    let rest = entry.split_once("://").map_or(entry, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_ascii_lowercase()
}

impl DockerConfig {
    /// With no login in it.
    pub fn empty(format: Format) -> Self {
        Self { format, content: Map::new() }
    }

    /// Reads it. `None`: it is no such thing.
    pub fn parse(format: Format, bytes: &[u8]) -> Option<Self> {
        let Value::Object(content) = serde_json::from_slice(bytes).ok()? else { return None };
        let config = Self { format, content };
        match (format, config.content.get("auths")) {
            (Format::DockerConfigJson, Some(auths)) if !auths.is_object() => None,
            _ => Some(config),
        }
    }

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        Value::Object(self.content.clone()).to_string().into_bytes()
    }

    fn entries(&self) -> Option<&Map<String, Value>> {
        match self.format {
            Format::DockerConfigJson => self.content.get("auths")?.as_object(),
            Format::DockerCfg => Some(&self.content),
        }
    }

    fn entries_mut(&mut self) -> Option<&mut Map<String, Value>> {
        match self.format {
            Format::DockerConfigJson => self.content.entry("auths").or_insert_with(|| json!({})).as_object_mut(),
            Format::DockerCfg => Some(&mut self.content),
        }
    }

    /// All logins.
    pub fn held(&self) -> Vec<Held> {
        let entries = self.entries().into_iter().flatten();
        entries.map(|(entry, body)| Held { host: host(entry), login: login_of(body) }).collect()
    }

    /// The login for one of these hosts.
    pub fn login_for(&self, hosts: &[String]) -> Option<Login> {
        self.held().into_iter().find(|held| is_one_of(&held.host, hosts))?.login
    }

    /// Whether it holds a login of this user for one of these hosts.
    pub fn holds(&self, hosts: &[String], username: &str) -> bool {
        let is = |held: &Held| held.login.as_ref().is_some_and(|login| login.username == username);
        self.held().iter().any(|held| is_one_of(&held.host, hosts) && is(held))
    }

    /// Puts a login in the place of each login a user has for one of these hosts. Whether there was any.
    pub fn replace(&mut self, hosts: &[String], username: &str, login: &Login) -> bool {
        let mut changed = false;
        for (entry, body) in self.entries_mut().into_iter().flatten() {
            let is_users = login_of(body).is_some_and(|held| held.username == username);
            if is_users && is_one_of(&host(entry), hosts) {
                *body = with(body, login);
                changed = true;
            }
        }
        changed
    }

    /// Sees to it that there is this login for each of these hosts, whatever was there for them. Whether anything changed.
    pub fn ensure(&mut self, hosts: &[String], login: &Login) -> bool {
        let mut changed = false;
        for wanted in hosts {
            let Some(entries) = self.entries_mut() else { return false };
            let known = entries.iter_mut().filter(|(entry, _)| host(entry) == wanted.to_ascii_lowercase());
            let mut found = false;
            for (_, body) in known {
                found = true;
                if login_of(body).as_ref() != Some(login) {
                    *body = with(body, login);
                    changed = true;
                }
            }
            if !found {
                entries.insert(wanted.clone(), with(&Value::Null, login));
                changed = true;
            }
        }
        changed
    }
}

fn is_one_of(host: &str, hosts: &[String]) -> bool {
    hosts.iter().any(|one| one.eq_ignore_ascii_case(host))
}

/// As the kubelet reads it: `auth` counts before the two fields.
fn login_of(body: &Value) -> Option<Login> {
    let text = |key: &str| body[key].as_str().filter(|text| !text.is_empty());
    if let Some(auth) = text("auth") {
        let plain = STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
        let (username, password) = plain.split_once(':')?;
        return Some(Login { username: username.to_owned(), password: Secret::new(password) });
    }
    Some(Login { username: text("username")?.to_owned(), password: Secret::new(text("password").unwrap_or_default()) })
}

/// The entry with another login. What is about neither user nor password stays; a token belonged to the old one.
fn with(before: &Value, login: &Login) -> Value {
    let mut body = before.as_object().cloned().unwrap_or_default();
    for token in ["identitytoken", "registrytoken", "identityToken", "registryToken"] {
        body.remove(token);
    }
    body.insert("username".to_owned(), json!(login.username));
    body.insert("password".to_owned(), json!(login.password.expose()));
    body.insert("auth".to_owned(), json!(login.basic().expose()));
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(username: &str, password: &str) -> Login {
        Login { username: username.to_owned(), password: Secret::new(password) }
    }

    fn auth(text: &str) -> String {
        STANDARD.encode(text)
    }

    fn parse(format: Format, value: &Value) -> DockerConfig {
        DockerConfig::parse(format, value.to_string().as_bytes()).unwrap()
    }

    fn read(config: &DockerConfig) -> Value {
        serde_json::from_slice(&config.to_bytes()).unwrap()
    }

    fn hosts() -> Vec<String> {
        vec!["r.example".to_owned(), "r-vpc.example".to_owned()]
    }

    #[test]
    fn logins_are_read_as_the_kubelet_reads_them() {
        for (body, expected) in [
            (json!({"auth": auth("u:p")}), Some(login("u", "p"))),
            (json!({"auth": auth("u:p:q")}), Some(login("u", "p:q"))),
            (json!({"username": "u", "password": "p"}), Some(login("u", "p"))),
            (json!({"auth": auth("right:p"), "username": "wrong"}), Some(login("right", "p"))),
            (json!({"auth": "%"}), None),
            (json!({"auth": auth("nocolon")}), None),
            (json!({"identitytoken": "t"}), None),
            (json!("text"), None),
        ] {
            assert_eq!(login_of(&body), expected, "{body}");
        }
    }

    #[test]
    fn only_the_registrys_login_of_the_old_user_changes() {
        let before = json!({
            "auths": {
                "https://r.example/v1/": {"auth": auth("old:p"), "email": "a@b", "identitytoken": "gone"},
                "R-VPC.example": {"username": "old", "password": "p"},
                "r.example/team": {"auth": auth("other:p")},
                "elsewhere.example": {"auth": auth("old:p")},
                "odd.example": 7,
            },
            "credHelpers": {"x": "y"},
        });
        let mut config = parse(Format::DockerConfigJson, &before);
        assert!(config.holds(&hosts(), "old") && !config.holds(&hosts(), "new"));
        assert!(config.replace(&hosts(), "old", &login("new", "secret")));
        let mut expected = before.clone();
        let fresh = json!({"auth": auth("new:secret"), "username": "new", "password": "secret"});
        expected["auths"]["https://r.example/v1/"] = fresh.clone();
        expected["auths"]["https://r.example/v1/"]["email"] = json!("a@b");
        expected["auths"]["R-VPC.example"] = fresh;
        assert_eq!(read(&config), expected);
        assert!(!config.replace(&hosts(), "old", &login("new", "secret")), "nothing is left to do");
        assert!(config.holds(&hosts(), "new") && !config.holds(&hosts(), "old"));
    }

    #[test]
    fn the_old_form_has_no_auths_around_it() {
        let before =
            json!({"r.example": {"auth": auth("old:p"), "email": "a@b"}, "x.example": {"auth": auth("old:p")}});
        let mut config = parse(Format::DockerCfg, &before);
        assert!(config.replace(&hosts(), "old", &login("new", "q")));
        let after = read(&config);
        assert_eq!(after["r.example"]["auth"], auth("new:q"));
        assert_eq!(after["x.example"], before["x.example"]);
    }

    #[test]
    fn a_login_for_every_host_is_ensured_once() {
        let mut config = parse(Format::DockerConfigJson, &json!({"auths": {"x.example": {"auth": auth("u:p")}}}));
        assert!(config.ensure(&hosts(), &login("new", "q")));
        assert!(!config.ensure(&hosts(), &login("new", "q")));
        assert!(config.ensure(&hosts(), &login("new", "changed")));
        assert_eq!(config.login_for(&hosts()), Some(login("new", "changed")));
        assert_eq!(config.held().len(), 3);
        let mut config = DockerConfig::empty(Format::DockerConfigJson);
        assert!(config.ensure(&hosts(), &login("new", "q")));
        assert_eq!(read(&config)["auths"].as_object().unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_docker_config_is_not_touched() {
        for bytes in ["", "[]", "marker", r#"{"auths": []}"#] {
            assert!(DockerConfig::parse(Format::DockerConfigJson, bytes.as_bytes()).is_none(), "{bytes}");
        }
        let nothing = parse(Format::DockerConfigJson, &json!({}));
        assert_eq!((nothing.held(), nothing.login_for(&hosts())), (Vec::new(), None));
    }

    #[test]
    fn hosts_are_compared_without_scheme_path_and_case() {
        for (entry, expected) in [
            ("https://R.example/v1/", "r.example"),
            ("r.example:5000/team", "r.example:5000"),
            ("r.example", "r.example"),
        ] {
            assert_eq!(host(entry), expected);
        }
    }
}
