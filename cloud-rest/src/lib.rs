//! A cloud-neutral signed REST client, shared by the provider daemons.
