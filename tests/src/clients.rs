//! Clients of the four services over real ports, and what a call may answer.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use api::payment::v1::{PaymentEvent, WatchPaymentsRequest};
use api::{Reply, Rpc};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

/// The header's value that asks for English.
pub const ENGLISH: &str = "en-US,en;q=0.9";
/// How long a call may take: more than any that is not broken.
const CALL_LIMIT: Duration = Duration::from_secs(20);

/// Clients of the four services, and their connections; clones share these.
#[derive(Clone, Debug)]
pub struct Clients {
    services: api::Clients<Channel>,
    channels: [Channel; 4],
}

impl Clients {
    /// Connections to these ports, made when they are first needed.
    pub(crate) fn connect(
        catalog: u16,
        inventory: u16,
        order: u16,
        payment: u16,
    ) -> anyhow::Result<Self> {
        Ok(Self::over([
            endpoint(catalog)?.connect_lazy(),
            endpoint(inventory)?.connect_lazy(),
            endpoint(order)?.connect_lazy(),
            endpoint(payment)?.connect_lazy(),
        ]))
    }

    /// Connections that spread calls over two replicas, given by their ports: of catalog, inventory, order
    /// and payment.
    pub(crate) fn spread(ports: [[u16; 2]; 4]) -> anyhow::Result<Self> {
        let mut channels = Vec::new();
        for [first, second] in ports {
            let both = [endpoint(first)?, endpoint(second)?];
            channels.push(Channel::balance_list(both.into_iter()));
        }
        let channels = <[Channel; 4]>::try_from(channels);
        channels.map(Self::over).ok().context("four services")
    }

    fn over(channels: [Channel; 4]) -> Self {
        Self {
            services: api::Clients::new(channels.clone()),
            channels,
        }
    }

    /// The bare connection to the service that a path names, for what is not a call of the contract.
    pub fn channel_of(&self, path: &str) -> Channel {
        let [catalog, inventory, order, payment] = self.channels.clone();
        match path.trim_start_matches('/').split('.').next() {
            Some("inventory") => inventory,
            Some("order") => order,
            Some("payment") => payment,
            _ => catalog,
        }
    }

    /// Makes a call.
    ///
    /// # Errors
    /// A status other than OK.
    pub async fn call<M: Rpc>(&self, message: M) -> Result<M::Reply, Status> {
        self.call_in(None, message).await
    }

    /// Makes a call that asks for a language.
    ///
    /// # Errors
    /// A status other than OK.
    pub async fn call_in<M: Rpc>(
        &self,
        language: Option<&'static str>,
        message: M,
    ) -> Result<M::Reply, Status> {
        let mut request = Request::new(message);
        request.set_timeout(CALL_LIMIT);
        if let Some(language) = language {
            let value = MetadataValue::from_static(language);
            request.metadata_mut().insert("accept-language", value);
        }
        self.send(request).await
    }

    /// Makes a call with a deadline or headers of its own.
    ///
    /// # Errors
    /// A status other than OK.
    pub async fn send<M: Rpc>(&self, request: Request<M>) -> Result<M::Reply, Status> {
        Ok(M::send(&self.services, request).await?.into_inner())
    }

    /// Makes a call that must answer code 0.
    ///
    /// # Errors
    /// Another code, or a status.
    pub async fn done<M: Rpc>(&self, message: M) -> anyhow::Result<M::Reply> {
        let asked = format!("{message:?}");
        let reply = self.call(message).await.with_context(|| asked.clone())?;
        ensure!(reply.code() == 0, "{asked} answered {reply:?}");
        Ok(reply)
    }

    /// Makes a call that must be refused, in both languages; answers the Chinese reply.
    ///
    /// # Errors
    /// Another code or text, or a status.
    pub async fn refused<M: Rpc>(
        &self,
        message: M,
        code: i32,
        chinese: &str,
        english: &str,
    ) -> anyhow::Result<M::Reply> {
        let reply = self.said(message.clone(), None, code, chinese).await?;
        self.said(message, Some(ENGLISH), code, english).await?;
        Ok(reply)
    }

    /// Makes a call that must answer this code and this text.
    ///
    /// # Errors
    /// Another code or text, or a status.
    pub async fn said<M: Rpc>(
        &self,
        message: M,
        language: Option<&'static str>,
        code: i32,
        text: &str,
    ) -> anyhow::Result<M::Reply> {
        let asked = format!("{message:?}");
        let reply = self
            .call_in(language, message)
            .await
            .with_context(|| asked.clone())?;
        ensure!(
            reply.code() == code,
            "{asked}: {code} expected, answered {reply:?}"
        );
        ensure!(
            reply.message() == text,
            "{asked}: “{text}” expected, answered {reply:?}"
        );
        Ok(reply)
    }

    /// Makes a call that must be `INVALID_ARGUMENT` and name exactly these fields.
    ///
    /// # Errors
    /// Any other answer.
    pub async fn malformed<M: Rpc>(&self, message: M, fields: &[&str]) -> anyhow::Result<()> {
        let mut asked = format!("{message:?}");
        asked.truncate(
            asked
                .char_indices()
                .nth(300)
                .map_or(asked.len(), |(at, _)| at),
        );
        let status = match self.call(message).await {
            Ok(reply) => bail!("{asked}: bad in {fields:?}, but answered {reply:?}"),
            Err(status) => status,
        };
        ensure!(
            status.code() == Code::InvalidArgument,
            "{asked}: {status:?}"
        );
        let named = bad_fields(&status);
        let expected: BTreeSet<_> = fields.iter().map(|field| (*field).to_owned()).collect();
        ensure!(
            named == expected,
            "{asked}: {expected:?} expected, {named:?} named: {status:?}"
        );
        Ok(())
    }

    /// Follows the payment feed from past `after_event_id` until it has an event that `is_last` likes.
    ///
    /// # Errors
    /// Where the stream breaks off, or no such event comes within 30 s.
    pub async fn payment_events(
        &self,
        after_event_id: u64,
        mut is_last: impl FnMut(&PaymentEvent) -> bool + Send,
    ) -> anyhow::Result<Vec<PaymentEvent>> {
        let mut client = self.services.payment.clone();
        let following = async {
            let request = WatchPaymentsRequest { after_event_id };
            let mut stream = client.watch_payments(request).await?.into_inner();
            let mut events = Vec::new();
            while let Some(event) = stream.message().await? {
                let is_end = is_last(&event);
                events.push(event);
                if is_end {
                    return Ok(events);
                }
            }
            bail!("the feed ended after {} events", events.len())
        };
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, following)
            .await
            .context("the event did not come")?
    }
}

fn endpoint(port: u16) -> anyhow::Result<Endpoint> {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?;
    Ok(endpoint
        .connect_timeout(Duration::from_secs(2))
        .tcp_nodelay(true))
}

/// The fields that a status blames.
fn bad_fields(status: &Status) -> BTreeSet<String> {
    let details = status.get_error_details();
    let violations = details
        .bad_request()
        .map(|bad| bad.field_violations.clone());
    violations
        .unwrap_or_default()
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}
