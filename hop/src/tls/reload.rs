//! The present certificates, swapped as a whole when the files change.
//!
//! Each new connection takes the configuration of its moment; connections under way keep theirs, so a change drops
//! nothing. A pair that does not fit, has ended or cannot be read is refused and reported, and what was there stays.

use std::{sync::Arc, time::SystemTime};

use arc_swap::ArcSwap;
use rustls::{ClientConfig, ServerConfig};
use tokio::sync::watch;

use super::{
    San,
    material::{Contents, Material, TlsError, TlsFiles},
};
use crate::files::ReloadTask;

/// One identity on disk, with the newest valid state of it in memory.
pub struct Tls {
    files: TlsFiles,
    current: ArcSwap<Material>,
    status: watch::Sender<TlsStatus>,
}

/// What is in use, for metrics and conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsStatus {
    /// When the certificate in use begins.
    pub not_before: SystemTime,
    /// When the certificate in use ends.
    pub not_after: SystemTime,
    /// How often files were taken over since the start, the first time included.
    pub reloads: u64,
    /// How often files were refused since the start.
    pub refused: u64,
    /// Why the files on disk are not the ones in use. `None`: they are.
    pub fault: Option<String>,
}

impl Tls {
    /// Reads and checks the files.
    pub fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let material = Material::build(&files, &Contents::read(&files)?, SystemTime::now())?;
        let (status, _) = watch::channel(TlsStatus {
            not_before: material.not_before,
            not_after: material.not_after,
            reloads: 1,
            refused: 0,
            fault: None,
        });
        Ok(Arc::new(Self { files, current: ArcSwap::from_pointee(material), status }))
    }

    /// What a listener uses for a new connection.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.current.load().server.clone()
    }

    /// What a client uses for a new connection to the server with this name.
    pub fn client_config(&self, server: &San) -> Arc<ClientConfig> {
        Arc::new(self.current.load().client(server))
    }

    /// The state now and at each later change.
    pub fn status(&self) -> watch::Receiver<TlsStatus> {
        self.status.subscribe()
    }

    /// Reads the files again. `Ok(true)`: they differed and are in use now. On an error the old state stays in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let outcome = self.try_reload();
        match &outcome {
            Ok(true) => tracing::info!(certificate = %self.files.certificate.display(), "certificates reloaded"),
            Ok(false) => {}
            Err(error) => self.refuse(error),
        }
        outcome
    }

    fn try_reload(&self) -> Result<bool, TlsError> {
        let contents = Contents::read(&self.files)?;
        if contents.digest == self.current.load().digest {
            self.status.send_if_modified(|status| status.fault.take().is_some());
            return Ok(false);
        }
        let material = Material::build(&self.files, &contents, SystemTime::now())?;
        let (not_before, not_after) = (material.not_before, material.not_after);
        self.current.store(Arc::new(material));
        self.status.send_modify(|status| {
            *status =
                TlsStatus { not_before, not_after, reloads: status.reloads + 1, refused: status.refused, fault: None };
        });
        Ok(true)
    }

    fn refuse(&self, error: &TlsError) {
        let fault = error.to_string();
        self.status.send_modify(|status| {
            // Said once per fault, not once per reading.
            if status.fault.as_ref() != Some(&fault) {
                tracing::warn!(%error, "new certificates refused, the old ones stay in use");
                status.refused += 1;
                status.fault = Some(fault);
            }
        });
    }

    /// Follows the files until the task is dropped.
    pub fn watch(self: &Arc<Self>) -> ReloadTask {
        let files = [&*self.files.certificate, &*self.files.private_key, &*self.files.ca];
        let tls = self.clone();
        // The outcome is logged and in the status.
        ReloadTask::start("certificates", &files, move || drop(tls.reload()))
    }
}
