use anyhow::{bail, ensure};
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request};
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::runtime::Runtime;
use tonic::Code;

use super::raw::{body_of, frame, path, send};
use super::worlds::World;
use crate::mutate;
use crate::target::Target;

/// The name of the target.
pub(super) const NAME: &str = "around_a_call";

/// What surrounds a call: an input is lines with the HTTP method, the path and the values of headers,
/// and after them the body as it stands, frames and all.
pub(super) struct Around {
    pub(super) runtime: Runtime,
    pub(super) world: Box<dyn World>,
}

/// The headers, in the order of their lines.
const HEADERS: [HeaderName; 6] = [
    HeaderName::from_static("content-type"),
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("accept-language"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
];

const PATHS: &[&str] = &[
    "/inventory.v1.InventoryService/GetStock",
    "/inventory.v1.InventoryService/DeductStock",
    "/inventory.v1.InventoryService/RestockInventory",
    "/inventory.v1.InventoryService/CommitStock",
    "/inventory.v1.InventoryService/Burn",
    "/inventory.v2.InventoryService/GetStock",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/",
    "*",
];

const VALUES: [&[&str]; 6] = [
    &[
        "application/grpc",
        "application/grpc+proto",
        "application/json",
        "text/plain",
        "",
    ],
    &[
        "",
        "3S",
        "1H",
        "99999999H",
        "1n",
        "0m",
        "-1S",
        "123456789S",
        "S",
        "250m",
    ],
    &["", "en", "zh-CN,en;q=0.9", "en;q=rubbish", "*"],
    &[
        "",
        "r-1",
        "a b",
        "0123456789012345678901234567890123456789012345678901234567890123456789",
    ],
    &["", "gzip", "identity", "zstd", "x"],
    &["", "gzip", "identity,gzip"],
];

const BODIES: &[&[u8]] = &[
    b"\x08\x01",
    b"\x08\x01\x10\x01\x18\x01\x22\x01k",
    b"\x08\x01\x10\x05",
    b"\x0a\x01k",
    b"\x3a\x00",
    b"\x1a\x03abc",
    b"\x0a\x19inventory.v1.InventoryServ",
    b"\xff",
    b"",
];

impl Target for Around {
    fn execute(&mut self, input: &[u8]) -> anyhow::Result<()> {
        let Some(request) = read_request(input) else {
            return Ok(());
        };
        let what = format!("{} {}", request.method(), request.uri());
        let world = &mut *self.world;
        self.runtime.block_on(async {
            world.remember();
            let answer = send(&world.transport(), request).await?;
            world.settle().await?;
            match answer.code {
                Some(Code::Internal | Code::Unknown | Code::DataLoss) => {
                    bail!("{what}: {answer:?}")
                }
                // An operation that is late may be done; its caller is told that nobody knows.
                Some(Code::Ok | Code::DeadlineExceeded) => {}
                Some(_) => ensure!(!world.has_changed(), "{what}: {answer:?} changes something"),
                None => {
                    ensure!((400..500).contains(&answer.http), "{what}: {answer:?}");
                    ensure!(!world.has_changed(), "{what}: {answer:?} changes something");
                }
            }
            if world.has_changed() {
                world.audit().await?;
                world.restore().await?;
            }
            Ok(())
        })
    }

    fn generate(&self, rng: &mut SmallRng, input: &mut Vec<u8>) {
        input.clear();
        let verb = if rng.random_range(0..16_u8) == 0 {
            "GET"
        } else {
            "POST"
        };
        let mut lines = vec![verb];
        lines.extend(mutate::pick(rng, PATHS).copied());
        for values in VALUES {
            // The first is what a call usually has.
            let usual = rng.random_range(0..4_u8) > 0;
            lines.push(if usual {
                values[0]
            } else {
                mutate::pick(rng, values).copied().unwrap_or_default()
            });
        }
        input.extend_from_slice(lines.join("\n").as_bytes());
        input.push(b'\n');
        let message = mutate::pick(rng, BODIES).copied().unwrap_or_default();
        input.extend_from_slice(&frame(message));
    }

    fn mutate(&self, rng: &mut SmallRng, input: &mut Vec<u8>) {
        if rng.random_range(0..4_u8) == 0 {
            let values = mutate::pick(rng, &VALUES).copied().unwrap_or_default();
            let word = mutate::pick(rng, values).copied().unwrap_or_default();
            mutate::splice(rng, input, word.as_bytes());
        } else {
            mutate::bytes(rng, input);
        }
    }
}

/// `None` where no HTTP server would hand the request on.
fn read_request(input: &[u8]) -> Option<Request<tonic::body::Body>> {
    let mut parts = input.splitn(HEADERS.len().checked_add(3)?, |byte| *byte == b'\n');
    let verb = Method::from_bytes(parts.next()?).ok()?;
    let uri = path(parts.next()?).ok()?;
    let mut request = Request::builder().method(verb).uri(uri);
    for name in HEADERS {
        let value = parts.next()?;
        if !value.is_empty() {
            request = request.header(name, HeaderValue::from_bytes(value).ok()?);
        }
    }
    request.body(body_of(parts.next()?.to_vec())).ok()
}
