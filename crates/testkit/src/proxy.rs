//! A TCP proxy that breaks connections as networks do: between a service and its database, its
//! Redis, or another service.
//!
//! Start at [`Proxy::to`]. Faults are switched on and off while connections are open; where the
//! other side speaks the MySQL protocol, a connection can be cut at a COMMIT.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use platform::clock::pause;
use platform::tasks::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How much is carried at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;
/// What a text ends with that changes something; a commit that nothing goes with ends a read.
const COMMIT: &[u8] = b";\nCOMMIT";
/// The first byte of an answer that says what was wrong.
const ERR: u8 = 0xff;

/// Where a connection is cut at a COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the server has seen it: it never happens.
    Before,
    /// After the server has answered it: it has happened, and nobody is told.
    After,
}

/// One of the two ways through a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    There,
    /// From the server to the client.
    Back,
}

/// A proxy in front of one address; its connections break when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    closed: CancellationToken,
}

struct Shared {
    server: SocketAddr,
    faults: Mutex<Faults>,
    /// Commits that came by.
    commits: AtomicU64,
    /// Connections that were cut at a commit.
    cuts: AtomicU64,
    /// Bytes that were swallowed.
    swallowed: AtomicU64,
    /// Connections that were accepted.
    accepted: AtomicU64,
}

struct Faults {
    delay: Duration,
    swallow: Option<Way>,
    /// The number of the commit to cut at, counted by [`Shared::commits`], and how.
    cut: Option<(u64, Cut)>,
    /// Breaks every connection that is open now.
    broken: CancellationToken,
}

impl Proxy {
    /// Listens on a free port, and carries what comes to `server`.
    pub async fn to(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            faults: Mutex::new(Faults {
                delay: Duration::ZERO,
                swallow: None,
                cut: None,
                broken: CancellationToken::new(),
            }),
            commits: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            swallowed: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
        });
        let closed = CancellationToken::new();
        let (carried, tasks) = (Arc::clone(&shared), Tasks::new());
        let accepting = closed.clone().run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                carried.accepted.fetch_add(1, Ordering::SeqCst);
                tasks.spawn("carry a connection", carry(client, Arc::clone(&carried)));
            }
        });
        Tasks::new().spawn("accept connections", async move {
            accepting.await;
        });
        Ok(Self {
            address,
            shared,
            closed,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts one connection at the `nth` commit from now, 1 being the next; those that end a snapshot,
    /// which wrote nothing, do not count.
    pub fn cut_at_commit(&self, nth: u64, cut: Cut) {
        let number = self.shared.commits.load(Ordering::SeqCst) + nth;
        self.shared.faults().cut = Some((number, cut));
    }

    /// Holds everything back for so long, either way, from now on.
    pub fn delay(&self, delay: Duration) {
        self.shared.faults().delay = delay;
    }

    /// Swallows everything that goes one way, from now on; the connections stay.
    pub fn swallow(&self, way: Way) {
        self.shared.faults().swallow = Some(way);
    }

    /// Breaks all connections that are open now; new ones are well.
    pub fn break_connections(&self) {
        let fresh = CancellationToken::new();
        std::mem::replace(&mut self.shared.faults().broken, fresh).cancel();
    }

    /// Ends delays, losses, and a cut that has not come yet. What was swallowed stays lost: the
    /// connections that it was lost on are broken.
    pub fn heal(&self) {
        {
            let mut faults = self.shared.faults();
            faults.delay = Duration::ZERO;
            faults.swallow = None;
            faults.cut = None;
        }
        if self.swallowed() > 0 {
            self.break_connections();
        }
    }

    /// How many connections were cut at a commit.
    pub fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::SeqCst)
    }

    /// How many bytes were swallowed.
    pub fn swallowed(&self) -> u64 {
        self.shared.swallowed.load(Ordering::SeqCst)
    }

    /// How many connections came so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.closed.cancel();
        self.break_connections();
    }
}

impl Shared {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as chunks are held back; whether this one arrives at all.
    async fn let_pass(&self, way: Way, bytes: usize) -> bool {
        let (delay, swallow) = {
            let faults = self.faults();
            (faults.delay, faults.swallow)
        };
        if !delay.is_zero() {
            pause(delay).await;
        }
        if swallow == Some(way) {
            let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
            self.swallowed.fetch_add(bytes, Ordering::SeqCst);
            return false;
        }
        true
    }

    /// A commit comes by: is the connection to be cut?
    fn cut_now(&self) -> Option<Cut> {
        let number = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        let mut faults = self.faults();
        let cut = faults.cut.filter(|(at, _)| number >= *at);
        if cut.is_some() {
            faults.cut = None;
            self.cuts.fetch_add(1, Ordering::SeqCst);
        }
        cut.map(|(_, cut)| cut)
    }
}

/// Carries one connection until either side closes it, or a fault does.
async fn carry(client: TcpStream, shared: Arc<Shared>) {
    let broken = shared.faults().broken.clone();
    let carrying = async {
        let server = TcpStream::connect(shared.server)
            .await
            .context("the server is away")?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let eat = AtomicUsize::new(0);
        tokio::select! {
            done = carry_there(from_client, to_server, &shared, &eat) => done,
            done = carry_back(from_server, to_client, &shared, &eat) => done,
        }
    };
    // However it ends, both sides are closed: connections that break are what this is for.
    drop(broken.run_until_cancelled(carrying).await);
}

/// From the client to the server, looking for commits. `eat` says how many answers are not for the
/// client.
async fn carry_there(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    eat: &AtomicUsize,
) -> anyhow::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let len = from.read(&mut chunk).await?;
        let bytes = chunk.get(..len).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        // A client asks and waits for the answer, so the end of a text is the end of what it sent.
        let cut = bytes.ends_with(COMMIT).then(|| shared.cut_now()).flatten();
        match cut {
            Some(Cut::Before) => return Ok(()),
            Some(Cut::After) => eat.store(statements_in(bytes), Ordering::SeqCst),
            None => {}
        }
        if shared.let_pass(Way::There, len).await {
            to.write_all(bytes).await?;
        }
    }
}

async fn carry_back(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    eat: &AtomicUsize,
) -> anyhow::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut eaten = Vec::new();
    loop {
        let len = from.read(&mut chunk).await?;
        let bytes = chunk.get(..len).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        let answers = eat.load(Ordering::SeqCst);
        if answers > 0 {
            eaten.extend_from_slice(bytes);
            if is_answered(&eaten, answers) {
                return Ok(());
            }
        } else if shared.let_pass(Way::Back, len).await {
            to.write_all(bytes).await?;
        }
    }
}

/// How many statements a text has. None of those that go with a commit answers rows.
fn statements_in(text: &[u8]) -> usize {
    text.windows(2).filter(|pair| pair == b";\n").count() + 1
}

/// Whether the server has answered all statements, or the first that failed: a packet each. Some
/// servers send each answer when they have it, and roll back where the line is cut before the last.
fn is_answered(bytes: &[u8], statements: usize) -> bool {
    let (mut rest, mut packets) = (bytes, 0);
    while let Some(([low, middle, high, _], tail)) = rest.split_first_chunk() {
        let [low, middle, high] = [*low, *middle, *high].map(usize::from);
        let Some((packet, after)) = tail.split_at_checked(low + (middle << 8) + (high << 16))
        else {
            break;
        };
        packets += 1;
        if packets == statements || packet.first() == Some(&ERR) {
            return true;
        }
        rest = after;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Tasks::new().spawn("echo", async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                Tasks::new().spawn("echo one", async move {
                    let (mut from, mut to) = stream.split();
                    drop(tokio::io::copy(&mut from, &mut to).await);
                });
            }
        });
        Ok(address)
    }

    /// Two statements; what echoes it has two packets.
    const TEXT: &[u8] = b"\x01\0\0\0x\x11\0\0\0\x03DELETE t;\nCOMMIT";

    async fn ask(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        stream.write_all(bytes).await?;
        let mut answer = vec![0; bytes.len()];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn what_comes_is_carried_both_ways() -> anyhow::Result<()> {
        let proxy = Proxy::to(echo().await?).await?;
        let mut stream = TcpStream::connect(proxy.address()).await?;
        proxy.delay(Duration::from_millis(2));
        assert_eq!(ask(&mut stream, b"hello").await?, b"hello");
        assert_eq!(ask(&mut stream, TEXT).await?, TEXT);
        assert_eq!((proxy.accepted(), proxy.cuts()), (1, 0));
        Ok(())
    }

    #[tokio::test]
    async fn the_commit_that_was_named_is_cut_and_no_other() -> anyhow::Result<()> {
        for cut in [Cut::Before, Cut::After] {
            let proxy = Proxy::to(echo().await?).await?;
            let mut stream = TcpStream::connect(proxy.address()).await?;
            proxy.cut_at_commit(2, cut);
            ask(&mut stream, b"\x07\0\0\0\x03COMMIT").await?;
            ask(&mut stream, TEXT).await?;
            assert!(ask(&mut stream, TEXT).await.is_err(), "{cut:?}");
            let mut fresh = TcpStream::connect(proxy.address()).await?;
            ask(&mut fresh, TEXT).await?;
            assert_eq!(proxy.cuts(), 1);
        }
        Ok(())
    }

    #[tokio::test]
    async fn what_is_swallowed_is_lost_and_broken_connections_are_broken() -> anyhow::Result<()> {
        for way in [Way::There, Way::Back] {
            let proxy = Proxy::to(echo().await?).await?;
            let mut stream = TcpStream::connect(proxy.address()).await?;
            proxy.swallow(way);
            stream.write_all(b"lost").await?;
            crate::eventually("four bytes are swallowed", || async {
                (proxy.swallowed() == 4).then_some(())
            })
            .await;
            proxy.heal();
            assert!(ask(&mut stream, b"x").await.is_err(), "{way:?}");
            let mut fresh = TcpStream::connect(proxy.address()).await?;
            assert_eq!(ask(&mut fresh, b"well").await?, b"well");
        }
        Ok(())
    }

    #[test]
    fn an_answer_ends_with_its_last_packet_or_with_an_error() {
        let (ok, err): (&[u8], &[u8]) = (b"\x01\0\0\x01\0", b"\x01\0\0\x02\xff");
        assert!(!is_answered(ok, 2));
        assert!(!is_answered(&[ok, &ok[..4]].concat(), 2));
        assert!(is_answered(&[ok, ok].concat(), 2));
        assert!(is_answered(&[ok, err].concat(), 3));
    }
}
