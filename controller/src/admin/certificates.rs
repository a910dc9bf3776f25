//! The server's certificates: from files that may change at any time, or made here.

use std::{
    fs,
    io::Write as _,
    net::IpAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use rustls::{
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::config::{AdminConfig, CertificateSource, SniCertificate};

/// How often the files are looked at.
const RELOAD: Duration = Duration::from_secs(10);
/// Name of the pair in `--cert-dir`, upstream's.
const PAIR: &str = "cloud-controller-manager";

/// The certificates in use.
#[derive(Debug)]
pub(super) struct Certificates {
    main: Source,
    sni: Vec<SniCertificate>,
    current: ArcSwap<Loaded>,
}

#[derive(Clone, Debug)]
enum Source {
    Memory(Arc<CertifiedKey>),
    Files { certificate: PathBuf, key: PathBuf },
}

#[derive(Debug)]
struct Loaded {
    /// What the files held.
    contents: Vec<Vec<u8>>,
    main: Arc<CertifiedKey>,
    /// Names, as in certificates, with what is shown for them.
    by_name: Vec<(String, Arc<CertifiedKey>)>,
}

impl Certificates {
    /// Reads the files, or makes a certificate.
    pub(super) fn load(settings: &AdminConfig) -> anyhow::Result<Arc<Self>> {
        let main = match &settings.certificate {
            CertificateSource::InMemory => {
                let (certificate, key) = self_signed(settings.address)?;
                Source::Memory(pair(certificate.as_bytes(), key.as_bytes())?)
            }
            CertificateSource::Files { certificate, key } => {
                Source::Files { certificate: certificate.clone(), key: key.clone() }
            }
            CertificateSource::Folder(folder) => in_folder(folder, settings.address)?,
        };
        let loaded = read(&main, &settings.sni)?;
        Ok(Arc::new(Self { main, sni: settings.sni.clone(), current: ArcSwap::from_pointee(loaded) }))
    }

    /// Looks at the files again and again; bad ones are reported and the good ones stay.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut reported = String::new();
        loop {
            tokio::time::sleep(RELOAD).await;
            match self.reload() {
                Ok(true) => tracing::info!("the server's certificates were read again"),
                Ok(false) => reported.clear(),
                Err(error) => {
                    let error = format!("{error:#}");
                    if error != reported {
                        tracing::warn!(error, "new certificates of the server refused, the old ones stay in use");
                        reported = error;
                    }
                }
            }
        }
    }

    /// Whether the files had changed.
    fn reload(&self) -> anyhow::Result<bool> {
        if contents(&self.main, &self.sni)? == self.current.load().contents {
            return Ok(false);
        }
        self.current.store(Arc::new(read(&self.main, &self.sni)?));
        Ok(true)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.load();
        let named = hello.server_name().and_then(|name| {
            let found = current.by_name.iter().find(|(pattern, _)| matches(pattern, name))?;
            Some(Arc::clone(&found.1))
        });
        Some(named.unwrap_or_else(|| Arc::clone(&current.main)))
    }
}

/// Whether a name in a certificate covers a host; `*.` stands for one label.
fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(rest) => host.split_once('.').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(rest)),
        None => pattern.eq_ignore_ascii_case(host),
    }
}

fn files<'a>(main: &'a Source, sni: &'a [SniCertificate]) -> impl Iterator<Item = &'a Path> {
    let main = match main {
        Source::Memory(_) => None,
        Source::Files { certificate, key } => Some([certificate.as_path(), key.as_path()]),
    };
    let sni = sni.iter().flat_map(|pair| [pair.certificate.as_path(), pair.key.as_path()]);
    main.into_iter().flatten().chain(sni)
}

fn contents(main: &Source, sni: &[SniCertificate]) -> anyhow::Result<Vec<Vec<u8>>> {
    files(main, sni).map(|path| fs::read(path).with_context(|| path.display().to_string())).collect()
}

fn read(main: &Source, sni: &[SniCertificate]) -> anyhow::Result<Loaded> {
    let contents = contents(main, sni)?;
    let mut pairs = contents.chunks_exact(2).zip(files(main, sni).step_by(2));
    let mut next = || {
        let (pem, path) = pairs.next().context("two files a certificate")?;
        pair(&pem[0], &pem[1]).with_context(|| path.display().to_string())
    };
    let main = match main {
        Source::Memory(key) => Arc::clone(key),
        Source::Files { .. } => next()?,
    };
    let mut by_name = Vec::new();
    for one in sni {
        let key = next()?;
        let names = if one.names.is_empty() { names_in(&key) } else { one.names.clone() };
        by_name.extend(names.into_iter().map(|name| (name, Arc::clone(&key))));
    }
    Ok(Loaded { contents, main, by_name })
}

/// A chain and the key of its first certificate, from PEM. No error quotes what it read.
fn pair(certificate: &[u8], key: &[u8]) -> anyhow::Result<Arc<CertifiedKey>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .map_err(|_| anyhow::anyhow!("the certificate is not PEM"))?;
    if chain.is_empty() {
        bail!("there is no certificate in it");
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| anyhow::anyhow!("there is no private key in PEM form"))?;
    let key =
        any_supported_type(&key).map_err(|_| anyhow::anyhow!("the private key is of a kind that is not known"))?;
    let pair = CertifiedKey::new(chain, key);
    pair.keys_match().context("the private key does not belong to the certificate")?;
    Ok(Arc::new(pair))
}

fn names_in(key: &CertifiedKey) -> Vec<String> {
    let Some(parsed) = key.cert.first().and_then(|der| X509Certificate::from_der(der).ok()) else { return Vec::new() };
    let Ok(Some(names)) = parsed.1.subject_alternative_name() else { return Vec::new() };
    let dns = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    dns.collect()
}

/// PEM of a certificate for this machine's own names, and of its key.
fn self_signed(address: IpAddr) -> anyhow::Result<(String, String)> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    if !address.is_unspecified() && !address.is_loopback() {
        names.push(address.to_string());
    }
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    names.push(host);
    let made = rcgen::generate_simple_self_signed(names).context("a certificate cannot be made")?;
    Ok((made.cert.pem(), made.signing_key.serialize_pem()))
}

/// The pair in a folder, made when it is not there.
fn in_folder(folder: &Path, address: IpAddr) -> anyhow::Result<Source> {
    let (certificate, key) = (folder.join(format!("{PAIR}.crt")), folder.join(format!("{PAIR}.key")));
    if !certificate.exists() || !key.exists() {
        let (certificate_pem, key_pem) = self_signed(address)?;
        fs::create_dir_all(folder).with_context(|| format!("--cert-dir {}", folder.display()))?;
        write(&key, &key_pem, 0o600)?;
        write(&certificate, &certificate_pem, 0o644)?;
    }
    Ok(Source::Files { certificate, key })
}

fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    let write = || options.open(path)?.write_all(text.as_bytes());
    write().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(certificate: CertificateSource, sni: Vec<SniCertificate>) -> AdminConfig {
        AdminConfig { certificate, sni, ..AdminConfig::default() }
    }

    fn made(folder: &Path, name: &str, names: &[&str]) -> (PathBuf, PathBuf) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("made");
        let (certificate, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        fs::write(&certificate, made.cert.pem()).expect("written");
        fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        (certificate, key)
    }

    #[test]
    fn files_that_change_are_read_again_and_bad_ones_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = made(folder.path(), "a", &["a.example"]);
        let files = CertificateSource::Files { certificate: certificate.clone(), key };
        let certificates = Certificates::load(&settings(files, Vec::new())).expect("good");
        let before = certificates.current.load().main.cert.clone();
        assert!(!certificates.reload().expect("unchanged"));

        fs::write(&certificate, "half a certificate").expect("written");
        let error = certificates.reload().expect_err("bad");
        assert!(format!("{error:#}").contains("a.crt"), "{error:#}");
        assert_eq!(certificates.current.load().main.cert, before, "the old one stays");

        made(folder.path(), "a", &["a.example"]);
        assert!(certificates.reload().expect("good"));
        assert_ne!(certificates.current.load().main.cert, before);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, _) = made(folder.path(), "a", &["a"]);
        let (_, key) = made(folder.path(), "b", &["b"]);
        let error = Certificates::load(&settings(CertificateSource::Files { certificate, key }, Vec::new()))
            .expect_err("mismatch");
        assert!(format!("{error:#}").contains("does not belong"), "{error:#}");
    }

    #[test]
    fn a_folder_keeps_what_was_made_in_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let source = CertificateSource::Folder(folder.path().join("certs"));
        let first = Certificates::load(&settings(source.clone(), Vec::new())).expect("made");
        let second = Certificates::load(&settings(source, Vec::new())).expect("found");
        assert_eq!(first.current.load().main.cert, second.current.load().main.cert);
        let key = fs::metadata(folder.path().join("certs/cloud-controller-manager.key")).expect("there");
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn names_come_from_the_flag_or_the_certificate() {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = made(folder.path(), "a", &["a.example", "*.b.example"]);
        let from_certificate = SniCertificate { certificate: certificate.clone(), key: key.clone(), names: Vec::new() };
        let from_flag = SniCertificate { certificate, key, names: vec!["c.example".into()] };
        let sni = vec![from_certificate, from_flag];
        let loaded = Certificates::load(&settings(CertificateSource::InMemory, sni)).expect("good");
        let names: Vec<_> = loaded.current.load().by_name.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names, ["a.example", "*.b.example", "c.example"]);
    }

    #[test]
    fn a_star_stands_for_one_label() {
        for (pattern, host, want) in [
            ("a.example", "A.example", true),
            ("*.example", "a.example", true),
            ("*.example", "example", false),
            ("*.example", "a.b.example", false),
            ("a.example", "b.example", false),
        ] {
            assert_eq!(matches(pattern, host), want, "{pattern} {host}");
        }
    }
}
