//! Redis, where a service is configured to use one: for speed, never for correctness.
//!
//! What Redis holds can be lost at any moment and is kept elsewhere as well. So a [`Redis`] never holds a
//! caller up: a call has a limit, and once the server is lost all calls fail at once until a new connection was
//! made in the background and a write on it succeeded. Callers go on without it.
//!
//! - [`RedisUrl`] says where the server is and never shows its password;
//! - [`Redis`] is one connection, shared by all calls, that reconnects by itself;
//! - [`inspect`] tells an operator what is wrong with a server.
//!
//! Why: `docs/adr/0014-redis-accelerates-never-decides.md`.

mod connection;
mod error;
mod inspect;
mod url;

pub use connection::Redis;
pub use error::RedisError;
pub use inspect::{Inspection, inspect};
pub use redis::{Cmd, FromRedisValue, Script, ScriptInvocation, cmd};
pub use url::RedisUrl;
