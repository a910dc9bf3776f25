//! Objects of the cloud that a Service names: whether the tenant may have them used, adopted, or even looked at.

use cloud_provider_api::error::Reason;

use super::{TENANT_TAG, Tenant};
use crate::error::{Error, Result};

/// An object of the cloud that a request names, and what the cloud says of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'a> {
    /// What it is, for people: `load balancer`, `public address`.
    pub kind: &'a str,
    /// The field that names it, as in `BadRequest`: `annotations[KEY]`, `spec.load_balancer_ip`.
    pub field: &'a str,
    /// What the field says: an id, a name, an address.
    pub said: &'a str,
    /// Its id, where that is something else.
    pub id: Option<&'a str>,
    /// Whose it is by the cloud's own record: a tag [`TENANT_TAG`], a mark of ours. `None`: it says nothing, or cannot.
    pub tenant: Option<&'a str>,
}

impl Tenant {
    /// Whether Services of this tenant may name the object.
    ///
    /// In an account of its own a tenant may name what is there, unless it is another's by its record. In an account that it shares
    /// only what the cloud's record or an administrator (`uses` of the access file) gives to it.
    pub fn may_name(&self, object: &Named<'_>) -> bool {
        let listed_in = |ids: &std::collections::BTreeSet<String>| {
            [Some(object.said), object.id].into_iter().flatten().any(|id| ids.contains(id))
        };
        match object.tenant {
            Some(tenant) => !self.name.is_empty() && tenant == self.name,
            None if listed_in(&self.uses) => true,
            None if listed_in(&self.reserved) => false,
            None => self.name.is_empty() || !self.shares_account,
        }
    }

    /// [`Tenant::may_name`], or the refusal of the provider with this name.
    ///
    /// # Errors
    /// `NOT_OURS`, in the same words as for an object that is not there: whether it is, is none of the tenant's business.
    pub fn check_named(&self, provider: &'static str, object: &Named<'_>) -> Result<()> {
        if self.may_name(object) { Ok(()) } else { Err(self.refusal(provider, object)) }
    }

    /// What is told of a named object that is not there. In an account of one's own this is plainly said.
    pub fn not_there(&self, provider: &'static str, object: &Named<'_>) -> Error {
        if !self.may_name(object) {
            return self.refusal(provider, object);
        }
        let problem = format!("{}: there is no such {}", object.said, object.kind);
        Error::cloud(provider, Reason::ReferenceMissing, format!("{}: {problem}", object.field))
            .violation(object.field, problem)
    }

    /// What is told of an object that the tenant may not name.
    pub fn refusal(&self, provider: &'static str, object: &Named<'_>) -> Error {
        let Named { kind, said, field, .. } = object;
        let (who, remedy) = if self.name.is_empty() {
            (
                "is a tenant's, and this Service's namespace is of none".to_owned(),
                "map the namespace to its tenant".to_owned(),
            )
        } else {
            let name = &self.name;
            let who = format!("is none that tenant {name:?} may use");
            (
                who,
                format!(
                    "an administrator lists it under tenants.{name}.uses in the daemon's access file, or tags it {TENANT_TAG}={name}"
                ),
            )
        };
        let problem = format!("{said}: the {kind} {who}");
        Error::cloud(provider, Reason::NotOurs, format!("{field}: {problem}; name one of yours, or {remedy}"))
            .violation(*field, problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str, shares: bool) -> Tenant {
        let set = |ids: &[&str]| ids.iter().map(ToString::to_string).collect();
        Tenant {
            name: name.to_owned(),
            shares_account: shares,
            uses: set(&["mine", "1.2.3.4"]),
            reserved: set(&["theirs"]),
            ..Tenant::default()
        }
    }

    #[test]
    fn an_object_is_used_only_by_whom_the_cloud_or_an_administrator_names() {
        let (own, sharing, nameless) =
            (tenant("b", false), tenant("b", true), Tenant { uses: [].into(), ..tenant("", true) });
        for (case, said, by_record, [in_own, in_shared, without_name]) in [
            ("its record says it is the tenant's", "x", Some("b"), [true, true, false]),
            ("its record says it is another's", "x", Some("a"), [false, false, false]),
            ("listed, though its record says another", "mine", Some("a"), [false, false, false]),
            ("listed for the tenant", "mine", None, [true, true, true]),
            ("an address that is listed", "1.2.3.4", None, [true, true, true]),
            ("listed for another", "theirs", None, [false, false, false]),
            ("nobody says anything of it", "x", None, [true, false, true]),
            ("a record that names nobody", "x", Some(""), [false, false, false]),
        ] {
            let object = Named { kind: "load balancer", field: "f", said, id: None, tenant: by_record };
            let told = [own.may_name(&object), sharing.may_name(&object), nameless.may_name(&object)];
            assert_eq!(told, [in_own, in_shared, without_name], "{case}");
        }
        let by_id = Named { said: "9.9.9.9", id: Some("mine"), ..Named::default() };
        assert!(sharing.may_name(&by_id), "listed by its id, named by its address");
    }

    #[test]
    fn what_is_not_there_is_told_like_what_is_anothers() {
        let sharing = tenant("b", true);
        let object = Named { kind: "load balancer", field: "annotations[id]", said: "lb-9", ..Named::default() };
        let foreign = sharing.check_named("mock", &Named { tenant: Some("a"), ..object }).unwrap_err();
        let absent = sharing.not_there("mock", &object);
        assert_eq!(foreign, absent);
        for part in ["annotations[id]: lb-9", "tenant \"b\"", "tenants.b.uses", "k8s-tenant=b"] {
            assert!(foreign.message().contains(part), "{part} not in {}", foreign.message());
        }
        assert!(!foreign.message().contains("\"a\""));
        assert_eq!(tenant("b", false).not_there("mock", &object).reason(), Reason::ReferenceMissing);
    }
}
