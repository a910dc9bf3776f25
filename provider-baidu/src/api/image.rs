//! The personal registry (CCE's image API v1): one user an account, whose name is for ever.

use cloud_rest::{Error, Kind};
use serde::Deserialize;

use crate::{cloud::Cloud, endpoints::Service};

#[derive(Deserialize)]
struct User {
    username: String,
}

impl Cloud {
    /// The name of the personal registry's user. `None`: the account has no personal registry.
    pub(crate) async fn image_user(&self) -> Result<Option<String>, Error> {
        let request = self.get(Service::Cce, "GetImageUser", &["v1", "image", "user"]);
        match request.send::<User>().await {
            Ok(answer) => Ok(Some(answer.value.username).filter(|name| !name.is_empty())),
            Err(error) if error.is_not_found() || error.kind == Kind::NoSuchApi => Ok(None),
            Err(error) => Err(error),
        }
    }
}
