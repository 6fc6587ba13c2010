//! Proves that the code and the descriptor set under `src/gen` are what the `.proto` files say.
//!
//! With `BOOKSTORE_TEST_BLESS=1` in the environment it writes them instead.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod compiled;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use prost::Message;

/// File names and contents.
type Files = BTreeMap<String, Vec<u8>>;

#[test]
fn the_generated_code_is_what_the_proto_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gen");
    let fresh = generate();
    if std::env::var_os("BOOKSTORE_TEST_BLESS").is_some() {
        write(&folder, &fresh);
    }
    let kept = read(&folder);
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&kept), names(&fresh), "files under src/gen");
    for (name, content) in &fresh {
        assert!(
            kept.get(name) == Some(content),
            "src/gen/{name} is stale: BOOKSTORE_TEST_BLESS=1 cargo test -p api --test generated"
        );
    }
}

#[test]
fn the_descriptor_set_holds_the_four_services() {
    let set = prost_types::FileDescriptorSet::decode(api::FILE_DESCRIPTOR_SET).unwrap();
    let services: Vec<_> = set
        .file
        .iter()
        .flat_map(|f| &f.service)
        .map(prost_types::ServiceDescriptorProto::name)
        .collect();
    assert_eq!(
        services,
        [
            "CatalogService",
            "InventoryService",
            "OrderService",
            "PaymentService"
        ]
    );
}

fn generate() -> Files {
    let out = tempfile::tempdir().unwrap();
    let mut descriptors = compiled::compile(&compiled::own_folder());
    tonic_prost_build::configure()
        .codec_path("crate::codec::ProstCodec")
        .out_dir(out.path())
        .compile_fds(descriptors.clone())
        .expect("code is generated");
    let mut files = read(out.path());

    // Reflection needs names, not comments: without them the set is a third of the size.
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    files.insert("descriptor.bin".to_owned(), descriptors.encode_to_vec());
    files
}

fn read(folder: &Path) -> Files {
    let mut files = Files::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        files.insert(name, fs::read(entry.path()).unwrap());
    }
    files
}

fn write(folder: &Path, files: &Files) {
    for name in read(folder)
        .keys()
        .filter(|name| !files.contains_key(*name))
    {
        fs::remove_file(folder.join(name)).unwrap();
    }
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
}
