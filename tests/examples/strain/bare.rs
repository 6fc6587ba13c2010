//! `GetBook` beside a server that does nothing but gRPC.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use api::catalog::v1::catalog_service_client::CatalogServiceClient;
use api::catalog::v1::catalog_service_server::{CatalogService, CatalogServiceServer};
use api::catalog::v1::{
    BatchGetBooksRequest, BatchGetBooksResponse, Book, GetBookRequest, GetBookResponse,
    ListBooksRequest, ListBooksResponse, PublishBookRequest, PublishBookResponse,
    SearchBooksRequest, SearchBooksResponse, UnpublishBookRequest, UnpublishBookResponse,
    UpdateBookRequest, UpdateBookResponse,
};
use bookstore_e2e::Service;
use bookstore_e2e::goods::book;
use futures::future::{join, join_all};
use platform::clock::pause;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

/// As `bookstore load` has it where nothing else is said.
const CALLERS: usize = 64;
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
const WARM_UP: Duration = Duration::from_secs(1);

/// The book that is read.
const TITLE: &str = "Bare Necessities";
const PRICE: i64 = 100;

/// Drives both in turn; prints both rates and their ratio, round by round.
pub(crate) async fn compare() -> anyhow::Result<()> {
    let shop = super::open().await?;
    let book_id = shop.clients()?.publish(TITLE, PRICE).await?;
    let bare = Bare::start()?;
    let (ours, theirs) = (shop.port(Service::Catalog), bare.port);
    let mut shares = Vec::with_capacity(ROUNDS);
    println!("GetBook/s   bare server's   share");
    for _ in 0..ROUNDS {
        let ours = rate(ours, book_id).await?;
        let theirs = rate(theirs, book_id).await?;
        let share = ours * 100 / theirs.max(1);
        println!("{ours:>9} {theirs:>15} {share:>5} %");
        shares.push(share);
    }
    shares.sort_unstable();
    println!("median {} %", shares[ROUNDS / 2]);
    Ok(())
}

/// Books read a second, in a closed loop.
async fn rate(port: u16, book_id: u64) -> anyhow::Result<u64> {
    let (counts, is_over, done) = (
        AtomicBool::new(false),
        AtomicBool::new(false),
        AtomicU64::new(0),
    );
    let endpoint = Endpoint::try_from(format!("http://127.0.0.1:{port}"))?;
    let connections: Vec<Channel> = (0..CONNECTIONS).map(|_| endpoint.connect_lazy()).collect();
    let callers = connections.iter().cycle().take(CALLERS).map(async |line| {
        let mut catalog = CatalogServiceClient::new(line.clone());
        while !is_over.load(Ordering::Relaxed) {
            let answer = catalog.get_book(GetBookRequest { book_id }).await?;
            let book = answer.into_inner().book.context("no book")?;
            ensure!(book.id == book_id, "another book: {book:?}");
            if counts.load(Ordering::Relaxed) {
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    });
    let timing = async {
        pause(WARM_UP).await;
        counts.store(true, Ordering::Relaxed);
        pause(ROUND).await;
        counts.store(false, Ordering::Relaxed);
        is_over.store(true, Ordering::Relaxed);
    };
    let (ended, ()) = join(join_all(callers), timing).await;
    ended.into_iter().collect::<anyhow::Result<()>>()?;
    Ok(done.into_inner() / ROUND.as_secs())
}

/// A bare server in a process of its own, killed at the end.
struct Bare {
    process: Child,
    port: u16,
}

impl Bare {
    fn start() -> anyhow::Result<Self> {
        let process = Command::new(std::env::current_exe()?)
            .arg("bare")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut bare = Self { process, port: 0 };
        let stdout = bare.process.stdout.take().context("no standard output")?;
        let mut said = String::new();
        BufReader::new(stdout).read_line(&mut said)?;
        bare.port = said.trim().parse().context("no port")?;
        Ok(bare)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Serves until it is killed, on a port that it prints.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = Server::builder().add_service(CatalogServiceServer::new(Echo));
    Ok(server.serve_with_incoming(incoming).await?)
}

/// Answers whatever book is asked for, out of nothing.
struct Echo;

#[tonic::async_trait]
impl CatalogService for Echo {
    async fn get_book(
        &self,
        request: Request<GetBookRequest>,
    ) -> Result<Response<GetBookResponse>, Status> {
        // As many bytes as the shop's book has.
        let published = book(request.into_inner().book_id, TITLE, PRICE);
        let book = published.book.map(|book| Book {
            created_at: 1_795_000_000,
            updated_at: 1_795_000_000,
            ..book
        });
        Ok(Response::new(GetBookResponse {
            book,
            ..GetBookResponse::default()
        }))
    }

    async fn publish_book(
        &self,
        _: Request<PublishBookRequest>,
    ) -> Result<Response<PublishBookResponse>, Status> {
        Err(bare())
    }

    async fn list_books(
        &self,
        _: Request<ListBooksRequest>,
    ) -> Result<Response<ListBooksResponse>, Status> {
        Err(bare())
    }

    async fn search_books(
        &self,
        _: Request<SearchBooksRequest>,
    ) -> Result<Response<SearchBooksResponse>, Status> {
        Err(bare())
    }

    async fn batch_get_books(
        &self,
        _: Request<BatchGetBooksRequest>,
    ) -> Result<Response<BatchGetBooksResponse>, Status> {
        Err(bare())
    }

    async fn update_book(
        &self,
        _: Request<UpdateBookRequest>,
    ) -> Result<Response<UpdateBookResponse>, Status> {
        Err(bare())
    }

    async fn unpublish_book(
        &self,
        _: Request<UnpublishBookRequest>,
    ) -> Result<Response<UnpublishBookResponse>, Status> {
        Err(bare())
    }
}

fn bare() -> Status {
    Status::unimplemented("the bare server has GetBook alone")
}
