//! The cloud's calls about machines.

use std::{net::IpAddr, sync::Arc};

use super::{
    Address, AddressKind, Cloud, CloudError, Machine, MachinePatch, MachineState, Operation, State,
    ids::{free_address, stable_hash},
    world::Change,
};
use crate::scenario::{AccountSettings, InstanceMode, MachineSettings};

/// A machine somebody looks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The id, without the scheme. Empty: not known, it is found by name.
    pub id: &'a str,
    /// Name of the node.
    pub name: &'a str,
    /// What the node says its internal IP is; a machine made on demand takes it.
    pub internal_ip: Option<IpAddr>,
}

/// What the cloud says about a machine somebody looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookUp {
    /// It is there.
    Found(Machine),
    /// There is no machine of this id.
    Absent {
        /// Account asked.
        account: String,
        /// Region asked.
        region: String,
        /// The cloud's words.
        evidence: String,
    },
    /// No id was given and no machine has this name: that says nothing about any machine.
    Unidentified,
    /// The name is none of this provider's.
    NotOurs,
}

impl Cloud {
    /// Looks for machines: one answer each, in the order asked.
    pub fn look_up(&self, wanted: &[Wanted<'_>]) -> Vec<LookUp> {
        self.call(|state| {
            state.count_read(Operation::DescribeInstances);
            wanted.iter().map(|wanted| state.look_up(*wanted)).collect()
        })
    }

    /// Every machine, by id, gone ones too.
    pub fn machines(&self) -> Vec<Machine> {
        self.lock().world.machines().cloned().collect()
    }

    /// The machine of this id, or of this name if it is not gone.
    pub fn machine(&self, id_or_name: &str) -> Option<Machine> {
        self.lock().find(id_or_name).cloned()
    }

    /// Makes a machine.
    ///
    /// # Errors
    /// The id or name is taken, the account is not known, or a value makes no sense.
    pub fn add_machine(&self, settings: &MachineSettings) -> Result<Machine, CloudError> {
        self.call(|state| state.run_machine(settings))
    }

    /// Makes machines, all or none.
    ///
    /// # Errors
    /// As [`add_machine`](Self::add_machine), about the first that cannot be made.
    pub fn add_machines(&self, settings: &[MachineSettings]) -> Result<Vec<Machine>, CloudError> {
        self.call(|state| {
            for (index, machine) in settings.iter().enumerate() {
                state.check_machine(machine)?;
                let same = |other: &MachineSettings| {
                    other.name == machine.name || (other.id.is_some() && other.id == machine.id)
                };
                if settings[..index].iter().any(same) {
                    return Err(CloudError::Exists { kind: "machine", name: machine.name.clone() });
                }
            }
            settings.iter().map(|machine| state.run_machine(machine)).collect()
        })
    }

    /// Changes a machine. Ending it (`terminated`) is for good.
    ///
    /// # Errors
    /// There is no such machine, it is gone, or a value makes no sense.
    pub fn patch_machine(&self, id_or_name: &str, patch: MachinePatch) -> Result<Machine, CloudError> {
        self.call(|state| state.patch_machine(id_or_name, patch))
    }

    /// Sets the power state of a machine.
    ///
    /// # Errors
    /// As [`patch_machine`](Self::patch_machine).
    pub fn set_machine_state(&self, id_or_name: &str, state: MachineState) -> Result<Machine, CloudError> {
        self.patch_machine(id_or_name, MachinePatch { state: Some(state), ..MachinePatch::default() })
    }
}

impl State {
    fn find(&self, id_or_name: &str) -> Option<&Machine> {
        self.world.machine(id_or_name).or_else(|| self.world.machine_named(id_or_name))
    }

    fn look_up(&mut self, wanted: Wanted<'_>) -> LookUp {
        let on_demand = self.scenario.instances.mode == InstanceMode::OnDemand;
        let known =
            if wanted.id.is_empty() { self.world.machine_named(wanted.name) } else { self.world.machine(wanted.id) };
        match known {
            Some(machine) if machine.state == MachineState::Terminated => {
                absent(&machine.account, &machine.region, &machine.id, "was terminated")
            }
            Some(machine) => LookUp::Found(machine.clone()),
            None if !wanted.id.is_empty() && on_demand => {
                LookUp::Found(self.make(Operation::AdoptInstance, wanted.id.to_owned(), wanted))
            }
            None if !wanted.id.is_empty() => {
                let account = self.scenario.account();
                absent(&account.id, &account.region, wanted.id, "does not exist")
            }
            None if !on_demand => LookUp::Unidentified,
            None if !self.scenario.instances.claims(wanted.name) => LookUp::NotOurs,
            None => LookUp::Found(self.make(Operation::RunInstance, self.free_id(wanted.name), wanted)),
        }
    }

    /// The id a machine of this name gets: always the same one, unless a machine of this name went before.
    fn free_id(&self, name: &str) -> String {
        (0..=u32::MAX)
            .map(|generation| format!("i-{:016x}", stable_hash(&["machine", name, &generation.to_string()])))
            .find(|id| self.world.machine(id).is_none())
            .expect("ids do not run out")
    }

    fn make(&mut self, operation: Operation, id: String, wanted: Wanted<'_>) -> Machine {
        let account = self.scenario.account();
        let settings = MachineSettings { id: Some(id), ..MachineSettings::named(wanted.name) };
        let machine = self.build(&settings, &account, wanted.internal_ip);
        self.mutate(operation, &*machine.id, Change::Machine(machine.clone()));
        machine
    }

    /// Whether the machine can be made.
    fn check_machine(&self, settings: &MachineSettings) -> Result<(), CloudError> {
        let exists = |name: &str| CloudError::Exists { kind: "machine", name: name.to_owned() };
        if let Some((field, fault)) = settings.faults().into_iter().next() {
            return Err(CloudError::Invalid { field, fault });
        }
        if self.world.machine_named(&settings.name).is_some() {
            return Err(exists(&settings.name));
        }
        if let Some(id) = settings.id.as_deref().filter(|id| self.world.machine(id).is_some()) {
            return Err(exists(id));
        }
        self.account_of(settings).map(drop)
    }

    fn run_machine(&mut self, settings: &MachineSettings) -> Result<Machine, CloudError> {
        self.check_machine(settings)?;
        let account = self.account_of(settings)?;
        let machine = self.build(settings, &account, None);
        self.mutate(Operation::RunInstance, &*machine.id, Change::Machine(machine.clone()));
        self.hint(&machine);
        Ok(machine)
    }

    fn account_of(&self, settings: &MachineSettings) -> Result<AccountSettings, CloudError> {
        let Some(id) = &settings.account else { return Ok(self.scenario.account()) };
        let known = self.scenario.accounts().into_iter().find(|account| account.id == *id);
        known.ok_or_else(|| CloudError::Absent { kind: "account", name: id.clone() })
    }

    fn build(&self, settings: &MachineSettings, account: &AccountSettings, internal_ip: Option<IpAddr>) -> Machine {
        let name = settings.name.as_str();
        let hash = stable_hash(&[name]);
        let pick = |choices: Vec<String>| choices[usize::try_from(hash % choices.len() as u64).unwrap_or(0)].clone();
        let addresses = if settings.addresses.is_empty() {
            self.default_addresses(name, &account.region, internal_ip)
        } else {
            settings.addresses.clone()
        };
        Machine {
            id: settings.id.clone().unwrap_or_else(|| self.free_id(name)).into(),
            name: name.into(),
            account: account.id.as_str().into(),
            region: account.region.as_str().into(),
            zone: settings.zone.clone().unwrap_or_else(|| pick(account.zones())).into(),
            instance_type: settings
                .instance_type
                .clone()
                .unwrap_or_else(|| pick(self.scenario.instances.types()))
                .into(),
            addresses,
            state: settings.state,
            labels: settings.labels.clone(),
        }
    }

    /// An internal IP on loopback that no other machine has, so that backends of several machines can listen on one
    /// computer; the name; and a DNS name.
    fn default_addresses(&self, name: &str, region: &str, internal_ip: Option<IpAddr>) -> Vec<Address> {
        let network = self.scenario.network.machines;
        let ip = internal_ip.or_else(|| {
            free_address(network, stable_hash(&["address", name]), |address| self.world.is_machine_address(address))
                .map(IpAddr::from)
        });
        let mut addresses = Vec::with_capacity(3);
        if ip.is_none() {
            tracing::warn!(machine = name, %network, "no address left: the machine has none");
        }
        addresses.extend(ip.map(|ip| Address::new(AddressKind::InternalIP, ip.to_string())));
        addresses.push(Address::new(AddressKind::Hostname, name));
        let dns = Address::new(AddressKind::InternalDNS, format!("{name}.{region}.mock.internal"));
        addresses.extend(Some(dns).filter(|dns| dns.fault().is_none()));
        addresses
    }

    fn patch_machine(&mut self, id_or_name: &str, patch: MachinePatch) -> Result<Machine, CloudError> {
        let absent = || CloudError::Absent { kind: "machine", name: id_or_name.to_owned() };
        let old = self.find(id_or_name).ok_or_else(absent)?;
        if old.state == MachineState::Terminated {
            return Err(CloudError::Busy { kind: "machine", name: old.id.to_string(), state: "terminated" });
        }
        let mut machine = old.clone();
        if let Some(addresses) = patch.addresses {
            if let Some(fault) = addresses.iter().find_map(Address::fault) {
                return Err(CloudError::Invalid { field: "addresses".to_owned(), fault });
            }
            machine.addresses = addresses;
        }
        if let Some(state) = patch.state {
            machine.state = state;
        }
        if let Some(zone) = patch.zone {
            machine.zone = zone.into();
        }
        if let Some(instance_type) = patch.instance_type {
            machine.instance_type = instance_type.into();
        }
        if let Some(labels) = patch.labels {
            machine.labels = labels;
        }
        let operation = match machine.state {
            MachineState::Terminated => Operation::TerminateInstance,
            _ => Operation::ModifyInstance,
        };
        self.mutate(operation, &*machine.id, Change::Machine(machine.clone()));
        self.hint(&machine);
        Ok(machine)
    }

    pub(super) fn take_machines(&mut self, old: &[MachineSettings], new: &[MachineSettings]) {
        for settings in new.iter().filter(|settings| !old.contains(settings)) {
            // What the state file tells about a listed machine is newer than the list, unless the list has changed.
            let before = old.iter().any(|other| other.name == settings.name);
            match self.listed(settings) {
                Some(id) if before => self.relist(&id, settings),
                Some(_) => {}
                None => {
                    if let Err(error) = self.run_machine(settings) {
                        tracing::warn!(machine = settings.name, %error, "listed machine left out");
                    }
                }
            }
        }
        for settings in old.iter().filter(|settings| new.iter().all(|other| other.name != settings.name)) {
            let gone = MachinePatch { state: Some(MachineState::Terminated), ..MachinePatch::default() };
            // Somebody may have ended it already.
            let _ = self.patch_machine(&settings.name, gone);
        }
    }

    /// The id of the machine the list means, gone or not.
    fn listed(&self, settings: &MachineSettings) -> Option<Arc<str>> {
        let by_id = settings.id.as_deref().and_then(|id| self.world.machine(id));
        let machine = by_id
            .or_else(|| self.world.machine_named(&settings.name))
            .or_else(|| self.world.machines().find(|machine| *machine.name == settings.name));
        machine.map(|machine| Arc::clone(&machine.id))
    }

    fn relist(&mut self, id: &Arc<str>, settings: &MachineSettings) {
        let patch = MachinePatch {
            state: Some(settings.state),
            addresses: (!settings.addresses.is_empty()).then(|| settings.addresses.clone()),
            zone: settings.zone.clone(),
            instance_type: settings.instance_type.clone(),
            labels: Some(settings.labels.clone()),
        };
        if let Err(error) = self.patch_machine(id, patch) {
            tracing::warn!(machine = settings.name, %error, "listed machine left as it is");
        }
    }
}

fn absent(account: &str, region: &str, id: &str, what: &str) -> LookUp {
    LookUp::Absent {
        account: account.to_owned(),
        region: region.to_owned(),
        evidence: format!("InstanceNotFound: machine {id} {what} (account {account}, region {region})"),
    }
}
