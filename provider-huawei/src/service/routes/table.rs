//! Which table routes are kept in, and whose turn it is to change it.

use cloud_provider_api::error::Reason;
use cloud_rest::Kind;
use provider_kit::{Error, Result};
use tokio::sync::{Mutex, MutexGuard};

use crate::{PROVIDER, cloud::Cloud, fault, routes::plan::TableRoute};

/// The route table of an account. A table has no version, so two writers would undo each other: those of this daemon take
/// turns.
#[derive(Default)]
pub(crate) struct RouteTables {
    turn: Mutex<()>,
    /// The table's id, once it is known.
    table: Mutex<Option<String>>,
}

impl RouteTables {
    /// Waits until no other change of the table is under way.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// The table's id, and its routes.
    pub(super) async fn read(&self, cloud: &Cloud) -> Result<(String, Vec<TableRoute>)> {
        let table = self.id(cloud).await?;
        match cloud.routes(&table).await {
            Ok(routes) => Ok((table, routes)),
            Err(error) => {
                if error.kind == Kind::NotFound {
                    *self.table.lock().await = None;
                }
                Err(fault::of(&error))
            }
        }
    }

    async fn id(&self, cloud: &Cloud) -> Result<String> {
        let config = &cloud.config().vpc;
        if let Some(table) = &config.route_table_id {
            return Ok(table.clone());
        }
        let mut known = self.table.lock().await;
        if let Some(table) = &*known {
            return Ok(table.clone());
        }
        let vpc = config.id.as_deref().unwrap_or_default();
        let tables = cloud.route_tables(vpc).await.map_err(|error| fault::of(&error))?;
        let default = tables.into_iter().find(|table| table.default && table.vpc_id == vpc);
        let table = default.map(|table| table.id).ok_or_else(|| {
            let message = format!(
                "VPC {vpc:?} shows no default route table; name one with route-table-id in the cloud configuration"
            );
            Error::cloud(PROVIDER, Reason::ReferenceMissing, message)
        })?;
        Ok(known.insert(table).clone())
    }
}
