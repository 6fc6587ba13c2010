//! Redis, where a service is configured to use one: to be quick, never to be right.
//!
//! What Redis holds can be lost at any moment and is known elsewhere. So a [`Redis`] never makes
//! anybody wait for it: a call has a limit, and after a failure all calls fail at once until the
//! server was reached again, in the background, and took a write. Callers go on without it.
//!
//! - [`RedisUrl`] says where the server is and never shows its password;
//! - [`Redis`] is one connection, shared by all calls, that mends itself;
//! - [`inspect`] tells an operator what is wrong with a server.
//!
//! Why so: `docs/adr/0014-redis-accelerates-never-decides.md`.

mod connection;
mod error;
mod inspect;
mod url;

pub use connection::Redis;
pub use error::RedisError;
pub use inspect::{Inspection, inspect};
pub use redis::{Cmd, FromRedisValue, Script, ScriptInvocation, cmd};
pub use url::RedisUrl;
