//! Compiles the `.proto` files with a compiler written in Rust: no `protoc` binary is needed.

use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 7] = ["common", "identity", "instances", "load_balancers", "routes", "clusters", "registries"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=cloudprovider");
    let files: Vec<String> = FILES.iter().map(|name| format!("cloudprovider/v1/{name}.proto")).collect();
    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Served by reflection and compared with the stored baseline by the tests.
    fs::write(out.join("cloudprovider.v1.binpb"), prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure()
        .build_transport(false)
        // The payloads of these are secret: they must not be printable.
        .skip_debug(["IssueKubeconfigResponse", "RegistryCredential"])
        .compile_fds(descriptors)?;
    Ok(())
}
