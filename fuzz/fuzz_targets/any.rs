//! Hands libFuzzer's bytes to the target that is named like the program.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| fuzz_targets::drive(env!("CARGO_BIN_NAME"), input));
