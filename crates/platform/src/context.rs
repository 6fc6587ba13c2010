//! What travels with a call: the caller's language, its deadline, its request id.

use std::sync::Arc;
use std::time::Duration;

use types::Locale;

use crate::deadline::Deadline;
use crate::random;

/// The context of one call. The server's shell makes it; handlers take it from the request.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The language of messages.
    pub locale: Locale,
    /// When the caller stops waiting.
    pub deadline: Deadline,
    /// Names the call in every log line and span, in this service and in those it calls.
    pub request_id: Arc<str>,
}

impl CallContext {
    /// The context that the shell attached to `request`.
    ///
    /// A request that bypassed the shell (a unit test's) gets a default one.
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .unwrap_or_else(|| Self::background("direct", Duration::from_secs(10)))
    }

    /// The context of work that no caller asked for: workers, recovery, retries.
    pub fn background(name: &str, limit: Duration) -> Self {
        let request_id = format!("{name}-{:08x}", random::number() >> 32);
        Self {
            locale: Locale::default(),
            deadline: Deadline::after(limit),
            request_id: request_id.into(),
        }
    }
}
