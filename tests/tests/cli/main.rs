//! Proves: the program behaves at the command line. Mistakes are one clear line and exit code 2; a
//! signal drains; `migrate`, `import`, `demo`, `load` and `check` do what they say and tell it by their exit
//! codes.

mod check;
mod demo;
mod import;
mod load;
mod migrate;
mod mistakes;
mod running;

use bookstore_e2e::{Layout, Shop};

/// A shop that is configured, and not started.
fn closed() -> anyhow::Result<Shop> {
    Shop::closed(Shop::plan(), Layout::Together)
}
