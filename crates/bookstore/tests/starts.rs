//! Proves: the program starts and says its version.
//!
//! Cargo builds a binary for tests only where its own package has an integration test. This one
//! sees to it that `cargo test --workspace` has `bookstore` built for the whole-system tests.

use std::process::Command;

#[test]
fn the_program_says_its_version() -> anyhow::Result<()> {
    let told = Command::new(env!("CARGO_BIN_EXE_bookstore"))
        .arg("--version")
        .output()?;
    assert!(told.status.success());
    let version = concat!("bookstore ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8(told.stdout)?, version);
    Ok(())
}
