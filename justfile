# Shortcuts; `.ci/run` is the whole check. Nothing here is needed to build or test: see README.md.

default: check

# The quick part of `.ci/run`.
check: fmt lint doc test

fmt:
    cargo fmt --all --check

lint:
    cargo clippy --workspace --all-targets -- -D warnings

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

test:
    cargo test --workspace

# Kills the system that often, at random points on all stores, and prints what it counted.
crash-long KILLS="5000":
    BOOKSTORE_TEST_CRASH_LONG={{KILLS}} cargo test -p bookstore-e2e --test crash_matrix thousands -- --ignored --nocapture

# Licences, sources, advisories; needs cargo-deny.
deny:
    cargo deny check

# Writes crates/api/src/gen again after a change in proto/.
generate:
    BOOKSTORE_TEST_BLESS=1 cargo test -p api --test generated

up *ARGS:
    cargo run --release -- up {{ARGS}}

# Ten times too many callers: how much useful work is left, and how fast refusals are.
overload: strain
    BOOKSTORE_TEST_BIN={{justfile_directory()}}/target/release/bookstore target/release/examples/strain overload

# A steady load, and the memory of the process over time.
soak MINUTES="60": strain
    BOOKSTORE_TEST_BIN={{justfile_directory()}}/target/release/bookstore target/release/examples/strain soak {{MINUTES}}

# GetBook as a share of what a bare gRPC server makes.
echo: strain
    BOOKSTORE_TEST_BIN={{justfile_directory()}}/target/release/bookstore target/release/examples/strain echo

[private]
strain:
    cargo build --release -p bookstore
    cargo build --release -p bookstore-e2e --example strain

# Plants known bugs one at a time and shows which suite notices each: see CONTRIBUTING.md.
planted *ARGS:
    cargo run --package planted -- {{ARGS}}
