//! Compiles a folder of `.proto` files without `protoc`.

use std::fs;
use std::path::{Path, PathBuf};

use prost_types::FileDescriptorSet;

/// The repository's own `proto/`.
pub(crate) fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto")
}

/// The descriptors of every `.proto` file under `folder`, comments included, in the order of their paths;
/// what a file imports comes before it.
pub(crate) fn compile(folder: &Path) -> FileDescriptorSet {
    let mut compiler = protox::Compiler::new([folder]).expect("the folder exists");
    compiler.include_source_info(true).include_imports(true);
    compiler
        .open_files(proto_files(folder))
        .expect("the proto files compile");
    compiler.file_descriptor_set()
}

fn proto_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        if path.is_dir() {
            files.extend(proto_files(&path));
        } else if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    files.sort();
    files
}
