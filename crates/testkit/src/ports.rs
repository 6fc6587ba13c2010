use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::bail;

/// A port of loopback that nobody listens on, below those that the system hands out to outgoing
/// connections. Tests in other processes start to look elsewhere as a rule, and nobody here is given it
/// again before all others.
///
/// # Errors
/// Where all of them are taken.
pub fn free_port() -> anyhow::Result<u16> {
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
