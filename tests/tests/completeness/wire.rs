//! Proves: what is not a call of the contract is refused as the caller's mistake, never as ours:
//! bytes that do not decode, methods that do not exist, messages that are too large. And that every
//! port answers reflection, old and new, and health checks.

use std::collections::BTreeSet;

use anyhow::{Context, bail, ensure};
use api::catalog::v1::{Book, PublishBookRequest};
use bookstore_e2e::{Clients, Layout, Service, Shop};
use prost::bytes::{Buf, BufMut};
use tokio_stream::once;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use crate::methods;

#[tokio::test]
async fn garbage_is_the_callers_mistake_at_every_method() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let clients = shop.clients()?;
    for method in methods()? {
        let status = send_garbage(&clients, &method.path).await?;
        ensure!(
            status.code() == Code::InvalidArgument,
            "{}: {status:?}",
            method.path
        );
    }
    // Text that is not UTF-8: field 2 of a search's request is its page, field 1 its keyword.
    let not_text = vec![0x0a, 0x02, 0xff, 0xfe];
    let path = "/catalog.v1.CatalogService/SearchBooks";
    let status = send_bytes(&clients, path, not_text).await?;
    ensure!(status.code() == Code::InvalidArgument, "{status:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_unimplemented() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let clients = shop.clients()?;
    for path in [
        "/catalog.v1.CatalogService/BurnBook",
        "/catalog.v2.CatalogService/GetBook",
    ] {
        let status = send_bytes(&clients, path, Vec::new()).await?;
        ensure!(status.code() == Code::Unimplemented, "{path}: {status:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused_as_such() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let clients = shop.clients()?;
    let book = Book {
        description: "d".repeat(2 * 1024 * 1024),
        ..Book::default()
    };
    match clients.call(PublishBookRequest { book: Some(book) }).await {
        Ok(reply) => bail!("{reply:?}"),
        Err(status) => ensure!(status.code() == Code::ResourceExhausted, "{status:?}"),
    }
    Ok(())
}

#[tokio::test]
async fn every_port_answers_reflection_and_health() -> anyhow::Result<()> {
    let shop = Shop::plan().start(Layout::Apart).await?;
    let ports = methods()?
        .into_iter()
        .map(|method| method.service)
        .collect::<BTreeSet<_>>();
    ensure!(ports.len() == 4, "{ports:?}");
    for name in ports {
        let service = Service::ALL
            .into_iter()
            .find(|service| name.starts_with(service.name()))
            .context("a service without a port")?;
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{}", shop.port(service)))?;
        let channel = endpoint.connect().await?;
        reflects_v1(channel.clone(), &name).await?;
        reflects_v1alpha(channel.clone(), &name).await?;
        is_healthy(channel, &name)
            .await
            .with_context(|| name.clone())?;
    }
    Ok(())
}

/// Asks for the list of services, then for the file of one of them.
macro_rules! reflects {
    ($function:ident, $version:ident) => {
        async fn $function(channel: Channel, name: &str) -> anyhow::Result<()> {
            use $version::server_reflection_client::ServerReflectionClient;
            use $version::server_reflection_request::MessageRequest;
            use $version::server_reflection_response::MessageResponse;
            let mut client = ServerReflectionClient::new(channel);
            for question in [
                MessageRequest::ListServices(String::new()),
                MessageRequest::FileContainingSymbol(name.to_owned()),
            ] {
                let request = $version::ServerReflectionRequest {
                    host: String::new(),
                    message_request: Some(question),
                };
                let mut replies = client
                    .server_reflection_info(once(request))
                    .await?
                    .into_inner();
                let reply = replies.message().await?.context("no answer")?;
                match reply.message_response.context("an empty answer")? {
                    MessageResponse::ListServicesResponse(list) => {
                        let names: Vec<_> = list.service.into_iter().map(|s| s.name).collect();
                        ensure!(
                            names.iter().any(|n| n == name),
                            "{name} is not in {names:?}"
                        );
                        let health = "grpc.health.v1.Health";
                        ensure!(names.iter().any(|n| n == health), "{names:?}");
                    }
                    MessageResponse::FileDescriptorResponse(files) => {
                        ensure!(!files.file_descriptor_proto.is_empty(), "{name}: no file");
                    }
                    other => bail!("{name}: {other:?}"),
                }
            }
            Ok(())
        }
    };
}
reflects!(reflects_v1, v1);
reflects!(reflects_v1alpha, v1alpha);

async fn is_healthy(channel: Channel, name: &str) -> anyhow::Result<()> {
    let mut client = HealthClient::new(channel);
    for service in ["", name] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let status = client.check(request).await?.into_inner().status();
        ensure!(status == ServingStatus::Serving, "{service}: {status:?}");
    }
    let request = HealthCheckRequest {
        service: "nobody.v1".to_owned(),
    };
    let unknown = client.check(request).await;
    ensure!(unknown.is_err_and(|status| status.code() == Code::NotFound));
    Ok(())
}

/// Sends bytes that are no protobuf message; answers the status.
pub(crate) async fn send_garbage(clients: &Clients, path: &str) -> anyhow::Result<Status> {
    send_bytes(clients, path, vec![0xff; 16]).await
}

async fn send_bytes(clients: &Clients, path: &str, bytes: Vec<u8>) -> anyhow::Result<Status> {
    // The generated clients hide their channel: this one is of the same port.
    let channel = clients.channel_of(path);
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    match grpc.unary(Request::new(bytes), path.parse()?, Bytes).await {
        Ok(reply) => bail!("{path} answered {:?}", reply.into_inner()),
        Err(status) => Ok(status),
    }
}

/// Messages as they are on the wire.
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, bytes: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&bytes);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}
