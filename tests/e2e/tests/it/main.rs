//! Real programs on a real control plane.

mod bad_daemons;
mod baidu_faults;
mod baidu_kills;
mod baidu_life;
mod baidu_places;
mod baidu_switch;
mod commands;
mod deployed;
mod hop;
mod huawei_faults;
mod huawei_kills;
mod huawei_life;
mod huawei_switch;
mod kills;
mod leader;
mod main_job;
mod manifests;
mod mixed_cluster;
mod pods;
mod service_writes;
mod serving;
mod short_lists;
mod tenants;
mod traces;
mod two_clouds;
