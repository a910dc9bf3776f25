#![doc = include_str!("../README.md")]

pub mod baidu;
pub mod engine;
pub mod huawei;
