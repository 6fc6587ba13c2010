//! Ports that tests in other processes do not use.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::bail;

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

/// A port that nobody listens on; tests in other processes start to look elsewhere.
fn free_port() -> anyhow::Result<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let pid = u16::try_from(std::process::id() % u32::from(COUNT))?;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::SeqCst);
        let offset = pid.wrapping_mul(67).wrapping_add(step) % COUNT;
        if TcpListener::bind(("127.0.0.1", FIRST + offset)).is_ok() {
            return Ok(FIRST + offset);
        }
    }
    bail!("no free port from {FIRST} on");
}
