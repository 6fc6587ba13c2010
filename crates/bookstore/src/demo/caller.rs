//! Who makes the calls of the demonstration.

use std::time::Duration;

use api::Rpc;
use platform::context::CallContext;
use platform::deadline::Deadline;
use platform::net::{self, CallError};
use types::Locale;

use crate::clients::Clients;

/// Makes calls: in one language, all under one request id, each within `limit`.
pub(super) struct Caller {
    clients: Clients,
    context: CallContext,
    limit: Duration,
}

impl Caller {
    pub(super) fn new(clients: Clients, locale: Locale, limit: Duration) -> Self {
        let context = CallContext {
            locale,
            ..CallContext::background("demo", limit)
        };
        Self {
            clients,
            context,
            limit,
        }
    }

    /// The request id of every call: new for each caller, so keys made of it are new as well.
    pub(super) fn run(&self) -> &str {
        &self.context.request_id
    }

    pub(super) async fn ask<M: Rpc>(&self, message: M) -> Result<M::Reply, CallError> {
        let context = CallContext {
            deadline: Deadline::after(self.limit),
            ..self.context.clone()
        };
        let call = |request| M::send(&self.clients, request);
        net::call(&context, self.limit, message, call).await
    }
}
