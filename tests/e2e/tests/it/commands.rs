mod baidu;
mod changes;
mod kubeconfigs;
mod robots;
mod world;
