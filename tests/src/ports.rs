//! Where the services of a shop listen.

use testkit::free_port;

/// Where the services of a shop listen, also after a restart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) catalog: u16,
    pub(crate) inventory: u16,
    pub(crate) order: u16,
    pub(crate) payment: u16,
}

impl Ports {
    /// Four ports that are free now, below those that the system hands out to outgoing connections.
    pub(crate) fn pick() -> anyhow::Result<Self> {
        Ok(Self {
            catalog: free_port()?,
            inventory: free_port()?,
            order: free_port()?,
            payment: free_port()?,
        })
    }
}
