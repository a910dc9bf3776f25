//! Certificates.

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    At, Elb, Fields,
    fields::{patch, read, show, yes},
    load_balancers::time,
    refusals::{check_one_of, check_text, conflict, invalid},
};
use crate::engine::Problem;

const CHANGEABLE: &[&str] = &["name", "description", "domain", "certificate", "private_key"];

/// A certificate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Certificate {
    /// Its id: 32 hexadecimal digits.
    pub id: String,
    /// Its project.
    pub project: String,
    /// The rest, in the API's words.
    pub fields: CertificateFields,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed.
    pub updated_at: Timestamp,
}

/// Fields of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFields {
    /// PEM.
    pub certificate: String,
    /// PEM. A server's has one.
    pub private_key: Option<String>,
    /// `server` or `client`.
    #[serde(default = "server", rename = "type")]
    pub kind: String,
    /// Names it serves.
    #[serde(default)]
    pub domain: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// It works.
    #[serde(default = "yes")]
    pub admin_state_up: bool,
    /// Its enterprise project.
    #[serde(default)]
    pub enterprise_project_id: String,
}

fn server() -> String {
    "server".to_owned()
}

impl Elb {
    /// Stores a certificate.
    pub fn create_certificate(&mut self, at: &At, body: Fields) -> Result<String, Problem> {
        let fields: CertificateFields = read(body)?;
        check(&fields)?;
        self.room_for(at, "certificate", 1)?;
        let id = self.new_hex_id();
        let made =
            Certificate { id: id.clone(), project: at.project.clone(), fields, created_at: at.now, updated_at: at.now };
        self.certificates.insert(at.now, &id, made);
        Ok(id)
    }

    /// Changes a certificate.
    pub fn update_certificate(&mut self, at: &At, id: &str, change: Fields) -> Result<(), Problem> {
        let fields = patch(&self.certificate(at, id)?.fields, change, CHANGEABLE)?;
        check(&fields)?;
        if let Some(object) = self.certificates.change(at.now, id) {
            object.fields = fields;
            object.updated_at = at.now;
        }
        Ok(())
    }

    /// Deletes a certificate that no listener uses.
    pub fn delete_certificate(&mut self, at: &At, id: &str) -> Result<(), Problem> {
        self.certificate(at, id)?;
        let uses = |name: &Option<String>| name.as_deref() == Some(id);
        if let Some(listener) = self.listeners.iter().find(|listener| {
            let fields = &listener.fields;
            uses(&fields.default_tls_container_ref)
                || uses(&fields.client_ca_tls_container_ref)
                || fields.sni_container_refs.iter().any(|name| name == id)
        }) {
            return Err(conflict(format!("Certificate {id} is in use by listener {}.", listener.id)));
        }
        self.certificates.remove(at.now, id);
        Ok(())
    }

    /// A certificate as v3 shows it: without its key.
    pub fn show_certificate(object: &Certificate) -> Fields {
        let mut view = show(&object.fields);
        view.remove("private_key");
        let names: Vec<_> = object.fields.domain.split(',').filter(|name| !name.is_empty()).collect();
        for (name, value) in [
            ("id", json!(object.id)),
            ("project_id", json!(object.project)),
            ("common_name", json!(names.first().copied().unwrap_or_default())),
            ("subject_alternative_names", json!(names)),
            ("fingerprint", json!(fingerprint(&object.fields.certificate))),
            ("created_at", json!(time(object.created_at))),
            ("updated_at", json!(time(object.updated_at))),
        ] {
            view.insert(name.to_owned(), value);
        }
        view
    }
}

fn fingerprint(pem: &str) -> String {
    CertificateDer::from_pem_slice(pem.as_bytes()).map(|der| hex::encode(Sha256::digest(&der))).unwrap_or_default()
}

fn check(fields: &CertificateFields) -> Result<(), Problem> {
    check_text("name", &fields.name)?;
    check_text("description", &fields.description)?;
    check_one_of("type", &fields.kind, &["server", "client"])?;
    if CertificateDer::from_pem_slice(fields.certificate.as_bytes()).is_err() {
        return Err(invalid("certificate", "it is no certificate in PEM"));
    }
    match (&fields.kind[..], &fields.private_key) {
        ("server", None) => Err(invalid("private_key", "a server's certificate needs it")),
        (_, Some(key)) if PrivateKeyDer::from_pem_slice(key.as_bytes()).is_err() => {
            Err(invalid("private_key", "it is no key in PEM"))
        }
        _ => Ok(()),
    }
}
