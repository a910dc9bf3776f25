//! The provider daemon for Huawei Cloud.
