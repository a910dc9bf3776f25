//! The allow-list in force, swapped as a whole when its file changes. A file that is not right is refused and reported, and the list
//! that was there stays.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use provider_hop::{PeerIdentity, ReloadTask};
use tokio::sync::watch;

use super::Access;
use crate::{
    caller::{Caller, Identity},
    class::Class,
    kit::Kit,
    rate::Rate,
};

/// What an allow-list is made of, to be made again.
#[derive(Clone, Debug)]
pub struct AccessSource {
    /// The access file.
    pub file: PathBuf,
    /// Who is allowed besides.
    pub others: Vec<(Identity, Vec<Class>)>,
    /// The rate of those whose entry names none.
    pub rate: Option<Rate>,
}

impl AccessSource {
    /// Reads the file and adds the others, this process's own user among them.
    ///
    /// # Errors
    /// Every fault of the file.
    pub fn read(&self) -> Result<Access, Vec<String>> {
        let text = std::fs::read_to_string(&self.file).map_err(|error| self.at(vec![error.to_string()]))?;
        self.build(&text)
    }

    fn build(&self, text: &str) -> Result<Access, Vec<String>> {
        let access = Access::nobody().add_text(text, self.rate).map_err(|faults| self.at(faults))?;
        Ok(access.allow_besides(&self.others, self.rate))
    }

    fn at(&self, faults: Vec<String>) -> Vec<String> {
        faults.into_iter().map(|fault| format!("access file {}: {fault}", self.file.display())).collect()
    }
}

/// How the file fares, for metrics and conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccessStatus {
    /// How often a changed file was taken over since the start.
    pub(crate) reloads: u64,
    /// How often one was refused.
    pub(crate) refused: u64,
    /// Why the file on disk is not the list in force. `None`: it is.
    pub(crate) fault: Option<String>,
}

/// The allow-list in force.
#[derive(Debug)]
pub(crate) struct LiveAccess {
    current: Mutex<Arc<Access>>,
    source: Option<AccessSource>,
    /// The text the list in force was made of.
    text: Mutex<String>,
    status: watch::Sender<AccessStatus>,
}

impl LiveAccess {
    /// `source`: `None` for a list that never changes.
    pub(crate) fn new(access: Access, source: Option<AccessSource>) -> Arc<Self> {
        let text = source.as_ref().and_then(|source| std::fs::read_to_string(&source.file).ok()).unwrap_or_default();
        Arc::new(Self {
            current: Mutex::new(Arc::new(access)),
            source,
            text: Mutex::new(text),
            status: watch::Sender::default(),
        })
    }

    pub(crate) fn admit(&self, peer: &PeerIdentity) -> Option<Caller> {
        self.current().admit(peer)
    }

    fn current(&self) -> Arc<Access> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The state now and at each later change; `None` for a list without a file.
    pub(crate) fn status(&self) -> Option<watch::Receiver<AccessStatus>> {
        self.source.is_some().then(|| self.status.subscribe())
    }

    /// Follows the file until the task is dropped.
    pub(crate) fn watch(self: &Arc<Self>, kit: &Kit) -> Option<ReloadTask> {
        let file = self.source.as_ref()?.file.clone();
        tell(kit, &AccessStatus::default());
        let (access, kit) = (self.clone(), kit.clone());
        Some(ReloadTask::start("access file", &[&file], move || access.reload(&kit)))
    }

    /// Reads the file again. A changed one is in force from the next call on; callers are told to shake hands again.
    fn reload(&self, kit: &Kit) {
        let Some(source) = &self.source else { return };
        let read = std::fs::read_to_string(&source.file);
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let built = match read {
            Ok(now) if now == *text => {
                if self.status.send_if_modified(|status| status.fault.take().is_some()) {
                    tell(kit, &self.status.borrow());
                }
                return;
            }
            Ok(now) => source.build(&now).map(|access| (now, access)),
            Err(error) => Err(source.at(vec![error.to_string()])),
        };
        match built {
            Ok((now, mut access)) => {
                access.inherit(&self.current());
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
                *text = now;
                self.status.send_modify(|status| {
                    status.reloads += 1;
                    status.fault = None;
                });
                tracing::info!(file = %source.file.display(), "access file reloaded");
                kit.renew_epoch();
            }
            Err(faults) => self.refuse(&faults.join("; ")),
        }
        tell(kit, &self.status.borrow());
    }

    fn refuse(&self, fault: &str) {
        self.status.send_modify(|status| {
            // Said once per fault, not once per reading.
            if status.fault.as_deref() != Some(fault) {
                tracing::warn!(fault, "new access file refused, the old one stays in force");
                status.refused += 1;
                status.fault = Some(fault.to_owned());
            }
        });
    }
}

fn tell(kit: &Kit, status: &AccessStatus) {
    let (current, reason, message) = match &status.fault {
        None => (true, "InForce", ""),
        Some(fault) => (false, "Refused", fault.as_str()),
    };
    kit.status().set_condition("AccessFileCurrent", Some(current), reason, message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::Audit, metrics::Metrics};

    const TEAM_A: &str = "callers: [{ uid: 7, tenants: [team-a] }]\ntenants: { team-a: {} }\n";

    struct Rig {
        folder: tempfile::TempDir,
        kit: Kit,
        access: Arc<LiveAccess>,
    }

    impl Rig {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let source = AccessSource { file: folder.path().join("access.yaml"), others: Vec::new(), rate: None };
            std::fs::write(&source.file, TEAM_A).unwrap();
            let access = LiveAccess::new(source.read().unwrap(), Some(source));
            Self { folder, kit: Kit::new(Audit::off(), Metrics::new(None)), access }
        }

        fn write(&self, text: &str) {
            std::fs::write(self.folder.path().join("access.yaml"), text).unwrap();
            self.access.reload(&self.kit);
        }

        fn tenants(&self) -> Option<Vec<String>> {
            self.access.admit(&PeerIdentity::Uid { uid: 7, gid: 7, pid: None }).map(|caller| caller.tenants())
        }

        fn status(&self) -> AccessStatus {
            self.access.status().unwrap().borrow().clone()
        }
    }

    #[test]
    fn a_changed_file_is_in_force_and_callers_hear_of_it() {
        let rig = Rig::new();
        let epoch = rig.kit.epoch();
        rig.write(&TEAM_A.replace("team-a", "team-b"));
        assert_eq!(rig.tenants().unwrap(), ["team-b"]);
        assert_eq!(rig.status(), AccessStatus { reloads: 1, ..AccessStatus::default() });
        assert_ne!(rig.kit.epoch(), epoch, "who has shaken hands was told of other tenants");
    }

    #[test]
    fn a_wrong_file_is_refused_told_once_and_the_old_list_stays() {
        let rig = Rig::new();
        let epoch = rig.kit.epoch();
        for _ in 0..3 {
            rig.write("callers: [{ uid: 7, tenants: [nobody] }]");
        }
        assert_eq!(rig.tenants().unwrap(), ["team-a"]);
        let status = rig.status();
        assert_eq!((status.reloads, status.refused), (0, 1));
        assert!(status.fault.as_ref().unwrap().contains("tenant \"nobody\""), "{status:?}");
        let conditions = rig.kit.status().response().conditions;
        assert!(
            conditions.iter().any(|c| c.r#type == "AccessFileCurrent" && c.status == Some(false)),
            "{conditions:?}"
        );
        assert_eq!(rig.kit.epoch(), epoch);
        rig.write(TEAM_A);
        assert_eq!(rig.status(), AccessStatus { refused: 1, ..AccessStatus::default() });
        assert!(rig.kit.status().response().conditions.iter().all(|condition| condition.status == Some(true)));
    }

    #[test]
    fn a_file_that_is_gone_lets_nobody_out() {
        let rig = Rig::new();
        std::fs::remove_file(rig.folder.path().join("access.yaml")).unwrap();
        rig.access.reload(&rig.kit);
        assert_eq!(rig.tenants().unwrap(), ["team-a"]);
        assert_eq!(rig.status().refused, 1);
    }
}
