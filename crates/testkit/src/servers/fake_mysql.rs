use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Protocol 4.1 with passwords by plug-in, a database at the greeting, several statements at once.
const ABILITIES: u32 = 0x0000_0001 // long passwords
    | 0x0000_0008 // a database at the greeting
    | 0x0000_0200 // protocol 4.1
    | 0x0000_2000 // transactions
    | 0x0000_8000 // secure passwords
    | 0x0003_0000 // several statements, several answers
    | 0x0008_0000; // passwords by plug-in
const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const END_OF_ROWS: &[u8] = &[0xfe, 0, 0, 2, 0];
/// What nobody set: the largest packet, the longest wait.
const LARGE: &str = "1048576";
/// Error 1146, no such table: the answer to queries of tables, and to commands that are not statements.
const NO_TABLE: &[u8] = b"\xff\x7a\x04#42S02no such table";

/// What speaks just enough of MySQL's protocol to be asked for its settings: stands in for servers that
/// are not to be had, as an old release, or one behind a proxy that swallows `SET`.
pub struct FakeMysql {
    address: SocketAddr,
    _stop: DropGuard,
}

impl FakeMysql {
    /// Listens until it is dropped. `settings` are what `SELECT @@name` answers, the version among
    /// them; anything else is a large number.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's own server has no tracker above it"
    )]
    pub async fn start(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let settings = settings
            .iter()
            .map(|(name, value)| (format!("@@{name}"), (*value).to_owned()))
            .collect();
        let script = Arc::new(Script { settings });
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            let serve = async {
                while let Ok((stream, _)) = listener.accept().await {
                    // A client that breaks off has seen what it wanted to see.
                    tokio::spawn(Arc::clone(&script).talk(stream));
                }
            };
            stopped.run_until_cancelled(serve).await;
        });
        Ok(Self {
            address,
            _stop: stop.drop_guard(),
        })
    }

    /// The URL of a database on it.
    pub fn url(&self) -> String {
        format!("mysql://root@{}/bookstore", self.address)
    }
}

struct Script {
    settings: Vec<(String, String)>,
}

impl Script {
    async fn talk(self: Arc<Self>, mut stream: TcpStream) -> std::io::Result<()> {
        send(&mut stream, 0, &[self.greeting()]).await?;
        receive(&mut stream).await?;
        send(&mut stream, 2, &[OK.to_vec()]).await?;
        loop {
            let command = receive(&mut stream).await?;
            let answer = match command.split_first() {
                Some((3, text)) => self.answer(&String::from_utf8_lossy(text)),
                Some((1, _)) | None => return Ok(()),
                Some(_) => vec![NO_TABLE.to_vec()],
            };
            send(&mut stream, 1, &answer).await?;
        }
    }

    fn greeting(&self) -> Vec<u8> {
        let [low, also_low, high, also_high] = ABILITIES.to_le_bytes();
        let mut packet = vec![10];
        packet.extend(self.value("@@version").as_bytes());
        packet.extend([0, 1, 0, 0, 0]); // the connection's id
        packet.extend(b"12345678\0"); // salt
        packet.extend([low, also_low, 45, 2, 0, high, also_high, 21]);
        packet.extend([0; 10]);
        packet.extend(b"123456789012\0"); // more salt
        packet.extend(b"mysql_native_password\0");
        packet
    }

    fn value(&self, name: &str) -> &str {
        let name = name.replace("@@session.", "@@");
        let known = self.settings.iter().find(|(known, _)| *known == name);
        known.map_or(LARGE, |(_, value)| value)
    }

    fn answer(&self, statement: &str) -> Vec<Vec<u8>> {
        let Some(list) = statement.strip_prefix("SELECT ") else {
            return vec![OK.to_vec()];
        };
        if list.contains(" FROM ") {
            return vec![NO_TABLE.to_vec()];
        }
        let names: Vec<_> = list.split(',').map(str::trim).collect();
        let mut packets = vec![vec![u8::try_from(names.len()).unwrap_or(u8::MAX)]];
        packets.extend(names.iter().map(|name| column(name)));
        packets.push(END_OF_ROWS.to_vec());
        packets.push(
            names
                .iter()
                .flat_map(|name| text(self.value(name)))
                .collect(),
        );
        packets.push(END_OF_ROWS.to_vec());
        packets
    }
}

/// The description of a column of text.
fn column(name: &str) -> Vec<u8> {
    let mut packet = text("def");
    for word in ["", "", "", name, name] {
        packet.extend(text(word));
    }
    // Fixed part: UTF-8, 1,024 bytes at most, a variable string.
    packet.extend([12, 45, 0, 0, 4, 0, 0, 0xfd, 0, 0, 0, 0, 0]);
    packet
}

/// A string of at most 250 bytes behind its length.
fn text(value: &str) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(value.len()).unwrap_or(250)];
    bytes.extend(value.bytes().take(250));
    bytes
}

async fn send(stream: &mut TcpStream, first: u8, packets: &[Vec<u8>]) -> std::io::Result<()> {
    let mut number = first;
    let mut bytes = Vec::new();
    for packet in packets {
        let len = u32::try_from(packet.len()).unwrap_or(0);
        bytes.extend(len.to_le_bytes().into_iter().take(3));
        bytes.push(number);
        bytes.extend(packet);
        number = number.wrapping_add(1);
    }
    stream.write_all(&bytes).await
}

async fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let header = stream.read_u32_le().await? & 0x00ff_ffff;
    let mut packet = vec![0; usize::try_from(header).unwrap_or(0)];
    stream.read_exact(&mut packet).await?;
    Ok(packet)
}
