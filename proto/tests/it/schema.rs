//! Descriptors to test against: the package as built, and small ones written in the tests.

use std::{collections::BTreeMap, path::PathBuf};

use prost_reflect::{DescriptorPool, EnumDescriptor, FileDescriptor, MessageDescriptor, ServiceDescriptor};
use prost_types::{FileDescriptorProto, source_code_info::Location};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

/// The API as this build has it.
pub(crate) fn today() -> DescriptorPool {
    DescriptorPool::decode(cloud_provider_api::FILE_DESCRIPTOR_SET).expect("the built descriptors decode")
}

/// A package `t` made of these declarations. `google.protobuf.Duration`, `Timestamp` and `Any` are there.
pub(crate) fn package(declarations: &str) -> DescriptorPool {
    struct OneFile(String);
    impl FileResolver for OneFile {
        fn open_file(&self, name: &str) -> Result<File, protox::Error> {
            match name {
                "t.proto" => File::from_source(name, &self.0),
                _ => Err(protox::Error::file_not_found(name)),
            }
        }
    }

    let imports = ["any", "duration", "timestamp"].map(|name| format!("import \"google/protobuf/{name}.proto\";"));
    let source = format!("syntax = \"proto3\"; package t; {} {declarations}", imports.concat());
    let mut resolver = ChainFileResolver::new();
    resolver.add(OneFile(source));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    compiler.open_file("t.proto").unwrap_or_else(|error| panic!("{error:?}: {declarations}"));
    DescriptorPool::from_file_descriptor_set(compiler.file_descriptor_set()).expect("the declarations make a pool")
}

/// Whether a full name is ours and not one of the well-known types.
fn is_ours(full_name: &str) -> bool {
    !full_name.starts_with("google.protobuf.")
}

/// Every message of ours, nested ones too, but for the entries that stand for maps.
pub(crate) fn messages(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    pool.all_messages().filter(|message| is_ours(message.full_name()) && !message.is_map_entry()).collect()
}

/// Every enum of ours.
pub(crate) fn enums(pool: &DescriptorPool) -> Vec<EnumDescriptor> {
    pool.all_enums().filter(|found| is_ours(found.full_name())).collect()
}

/// Every service of ours.
pub(crate) fn services(pool: &DescriptorPool) -> Vec<ServiceDescriptor> {
    pool.services().collect()
}

/// Comments of a file by the path of what they stand above.
pub(crate) struct Comments(BTreeMap<(String, Vec<i32>), String>);

impl Comments {
    pub(crate) fn of(pool: &DescriptorPool) -> Self {
        let files = pool.file_descriptor_protos().flat_map(|file: &FileDescriptorProto| {
            let locations = file.source_code_info.iter().flat_map(|info| &info.location);
            locations.map(|location: &Location| {
                let text = location.leading_comments().split_whitespace().collect::<Vec<_>>().join(" ");
                ((file.name().to_owned(), location.path.clone()), text)
            })
        });
        Self(files.collect())
    }

    /// The comment above an element, on one line; empty when there is none.
    pub(crate) fn above(&self, file: &FileDescriptor, path: &[i32]) -> &str {
        self.0.get(&(file.name().to_owned(), path.to_vec())).map_or("", String::as_str)
    }
}

/// A file beside the `.proto` files.
pub(crate) fn stored(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
