//! The program with crash points, for the crash matrix: see `platform::crash`.

use std::process::ExitCode;

fn main() -> ExitCode {
    bookstore::main()
}
