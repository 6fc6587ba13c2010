//! Proves: every scenario runs against a whole system and is found to add up, in closed loop, and one
//! of them in open loop; and a system that forges, loses or doubles orders is found out.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use api::catalog::v1::ListBooksRequest;
use api::catalog::v1::catalog_service_client::CatalogServiceClient;
use api::order::v1::order_service_client::OrderServiceClient;
use api::order::v1::order_service_server::{OrderService, OrderServiceServer};
use api::order::v1::{
    CancelOrderRequest, CancelOrderResponse, CompleteOrderRequest, CompleteOrderResponse,
    CreateOrderRequest, CreateOrderResponse, GetOrderRequest, GetOrderResponse, ListOrdersRequest,
    ListOrdersResponse, PayOrderRequest, PayOrderResponse, ShipOrderRequest, ShipOrderResponse,
};
use clap::ValueEnum;
use futures::future::{join_all, try_join};
use platform::clock::pause;
use platform::deadline::Deadline;
use platform::net::Transport;
use serde_json::Value;
use tempfile::TempDir;
use tonic::{Request, Response, Status};

use super::shelf::{BOOKS_MAX, Shelf};
use super::*;
use crate::config::Config;
use crate::system::System;

/// A system of the test's own, in process, in a folder of its own.
struct Shop {
    system: System,
    folder: TempDir,
}

impl Shop {
    async fn open() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("bookstore-load-")?;
        let config = Config::load(None, folder.path())?;
        let system = Box::pin(System::start(config, true)).await?;
        Ok(Self { system, folder })
    }

    async fn close(self) -> anyhow::Result<()> {
        self.system.stop().await;
        Ok(self.folder.close()?)
    }
}

fn plan(scenario: Scenario) -> Plan {
    Plan {
        scenario,
        concurrency: 8,
        connections: 2,
        rate: None,
        warmup: Duration::from_millis(200),
        duration: Duration::from_secs(1),
        books: Some(20),
        zipf: None,
        without_keys: false,
        stock: Some(20),
        // A loaded machine is slow, and not wrong.
        timeout: Duration::from_mins(1),
        settle: Some(Duration::from_mins(1)),
    }
}

async fn run_plan(plan: &Plan, clients: Clients) -> anyhow::Result<(Report, Value)> {
    let (mut live, stop) = (Live::lines(std::io::sink()), CancellationToken::new());
    let connections = [clients.clone(), clients];
    let watching = Watching::default();
    let report = Box::pin(run(plan.clone(), &connections, watching, &mut live, &stop)).await?;
    let mut json = Vec::new();
    report.write_json(&mut json)?;
    let json = serde_json::from_slice(&json)?;
    Ok((report, json))
}

/// Runs the plan; for longer and longer where the machine is so slow that too little was done.
async fn run_until(
    mut plan: Plan,
    clients: Clients,
    is_enough: fn(&Report) -> bool,
) -> anyhow::Result<(Report, Value)> {
    loop {
        let (report, json) = run_plan(&plan, clients.clone()).await?;
        if is_enough(&report) || plan.duration > Duration::from_mins(1) {
            return Ok((report, json));
        }
        plan.duration *= 4;
    }
}

fn text_of(report: &Report) -> anyhow::Result<String> {
    let mut text = Vec::new();
    report.write_text(&mut text)?;
    Ok(String::from_utf8(text)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_runs_and_adds_up_also_beside_all_others() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let runs = Scenario::value_variants().iter().map(|scenario| {
        let clients = shop.system.clients();
        async move {
            let ran = run_until(plan(*scenario), clients, |report| report.accepted > 0);
            (*scenario, ran.await)
        }
    });
    for (scenario, ran) in join_all(runs).await {
        let (report, json) = ran.with_context(|| scenario.name())?;
        let text = text_of(&report)?;
        ensure!(report.is_good(), "{scenario:?}:\n{text}");
        ensure!(report.latency.count > 0, "{text}");
        ensure!(text.contains("\nverified "), "{text}");
        ensure!(json["scenario"] == scenario.name(), "{json}");
        let verification = &json["verification"];
        let is_counted = verification["done"]["faults"] == 0;
        ensure!(is_counted == scenario.takes_stock(), "{json}");
        // What is told of the plan is what the run made of it.
        let books = match scenario {
            Scenario::DeductHot => 1,
            Scenario::FlashSale => 2,
            _ => 20,
        };
        ensure!(json["books"] == books, "{json}");
        ensure!(!is_counted || verification["done"]["books"] == books);
        let takes_part = [
            ("zipf", scenario.chooses_by_popularity()),
            ("order_keys", scenario.makes_orders()),
            ("stock", scenario == Scenario::FlashSale),
        ];
        for (key, is_told) in takes_part {
            ensure!(json.get(key).is_some() == is_told, "{key} in {json}");
        }
        let svg = draw(&report);
        ensure!(
            svg.starts_with("<svg") && svg.ends_with("</svg>\n"),
            "{svg}"
        );
        ensure!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
    shop.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flash_sale_sells_what_is_there_and_refuses_the_rest() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let plan = Plan {
        // The first buyers alone are more than that, however slow the machine is.
        stock: Some(5),
        ..plan(Scenario::FlashSale)
    };
    let clients = shop.system.clients();
    let (report, json) = run_until(plan, clients, |report| report.refused > 0).await?;
    let text = text_of(&report)?;
    ensure!(report.is_good() && report.latency.count == 5, "{text}");
    ensure!(report.refused > 0 && text.contains("sold out"), "{text}");
    ensure!(json["operations"]["create-order"]["refused"]["40100"].as_u64() > Some(0));
    shop.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_loop_makes_what_is_due_and_no_more() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let plan = Plan {
        rate: NonZeroU32::new(50),
        warmup: Duration::ZERO,
        ..plan(Scenario::DeductHot)
    };
    let (report, json) = run_plan(&plan, shop.system.clients()).await?;
    let text = text_of(&report)?;
    ensure!(json["cost"]["cpu"]["load"].is_object(), "{json}");
    // What was due and not taken up is in the latencies, too.
    ensure!(report.latency.count == 50, "{text}");
    ensure!(report.is_good(), "{text}");
    shop.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_without_keys_add_up_too() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let plan = Plan {
        without_keys: true,
        ..plan(Scenario::CreateOrder)
    };
    let ran = run_until(plan, shop.system.clients(), |report| report.accepted > 0);
    let (report, json) = ran.await?;
    ensure!(json["order_keys"] == false, "{json}");
    ensure!(report.is_good(), "{}", text_of(&report)?);
    shop.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_reports_what_it_did() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let plan = Plan {
        duration: Duration::from_hours(1),
        settle: Some(Duration::ZERO),
        warmup: Duration::ZERO,
        ..plan(Scenario::DeductUniform)
    };
    let stop = CancellationToken::new();
    // The display tells when a second is over in which something was done.
    let mut live = Live::lines(StopAtFirst(stop.clone()));
    let connections = [shop.system.clients()];
    let running = run(plan, &connections, Watching::default(), &mut live, &stop);
    let report = Box::pin(running).await?;
    let text = text_of(&report)?;
    ensure!(report.is_good() && text.contains("(interrupted)"), "{text}");
    ensure!(
        report.accepted > 0 && text.contains("\nverified "),
        "{text}"
    );
    shop.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_before_its_books_are_there_takes_them_out_again()
-> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let plan = Plan {
        books: Some(BOOKS_MAX),
        ..plan(Scenario::CreateOrder)
    };
    let (mut live, stop) = (Live::lines(std::io::sink()), CancellationToken::new());
    let connections = [shop.system.clients()];
    let running = run(plan, &connections, Watching::default(), &mut live, &stop);
    let mut catalog = shop.system.clients().catalog;
    let stopping = async {
        while count_books(&mut catalog).await? == 0 {
            pause(Duration::from_millis(5)).await;
        }
        stop.cancel();
        Ok(())
    };
    // A million books would take far longer.
    let both =
        Deadline::after(Duration::from_mins(1)).within(try_join(Box::pin(running), stopping));
    let (report, ()) = both.await??;
    let text = text_of(&report)?;
    ensure!(report.is_good() && text.contains("(interrupted)"), "{text}");
    ensure!(text.contains("\nverified      nothing"), "{text}");
    ensure!(!text.contains("warm-up"), "{text}");
    ensure!(count_books(&mut catalog).await? == 0, "books are left");
    shop.close().await
}

async fn count_books(catalog: &mut CatalogServiceClient<Transport>) -> anyhow::Result<i64> {
    let page = ListBooksRequest {
        page: 1,
        page_size: 1,
    };
    Ok(catalog.list_books(page).await?.into_inner().total)
}

/// Fires when it is told of the first second in which something was done.
struct StopAtFirst(CancellationToken);

impl std::io::Write for StopAtFirst {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let told = String::from_utf8_lossy(bytes);
        if told.contains(" done") && !told.contains(" 0 done") {
            self.0.cancel();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_do_not_wait_long_enough_are_refused_before_the_run() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let plan = Plan {
        duration: Duration::from_hours(1),
        ..plan(Scenario::CreateOrder)
    };
    let refused = run_plan(&plan, shop.system.clients()).await;
    let text = refused.err().map(|error| format!("{error:#}"));
    let text = text.unwrap_or_default();
    let told = text
        .split_once("orders wait ")
        .and_then(|(_, rest)| rest.split_once(" s for their payment"));
    let (seconds, _) = told.with_context(|| text.clone())?;
    // 900 run from when the order is PENDING, and an order says when it was created, a moment before.
    ensure!((900..910).contains(&seconds.parse::<u32>()?), "{text}");
    shop.close().await
}

/// How an order service lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// It acknowledges orders that it never makes.
    Forged,
    /// It loses orders that it made, and their stock with them.
    Lost,
    /// It makes orders twice.
    Doubled,
}

/// An order service that lies about one order in three.
struct Liar {
    honest: OrderServiceClient<Transport>,
    lie: Lie,
    orders: AtomicU64,
}

impl Liar {
    fn clients_of(system: &System, lie: Lie) -> Clients {
        let mut clients = system.clients();
        let liar = Self {
            honest: clients.order.clone(),
            lie,
            orders: AtomicU64::new(0),
        };
        clients.order = OrderServiceClient::new(Transport::new(OrderServiceServer::new(liar)));
        clients
    }

    async fn create(
        &self,
        message: CreateOrderRequest,
    ) -> Result<Response<CreateOrderResponse>, Status> {
        let mut honest = self.honest.clone();
        let number = self.orders.fetch_add(1, Ordering::Relaxed);
        // The first is made to see how long orders wait, before the run.
        if number == 0 || !number.is_multiple_of(3) {
            return honest.create_order(message).await;
        }
        if self.lie == Lie::Forged {
            return Ok(Response::new(forged(number, &message)));
        }
        let made = honest.create_order(message.clone()).await?;
        if self.lie == Lie::Lost {
            let cancellation = CancelOrderRequest {
                order_no: made.get_ref().order_no.clone(),
                reason: String::new(),
            };
            honest.cancel_order(cancellation).await?;
        } else {
            let again = CreateOrderRequest {
                idempotency_key: String::new(),
                ..message
            };
            honest.create_order(again).await?;
        }
        Ok(made)
    }
}

/// An acknowledgement with everything in it that can be known of an order before it is made.
fn forged(number: u64, message: &CreateOrderRequest) -> CreateOrderResponse {
    let ranks = u64::from(BOOKS_MAX) - 1;
    let total = message.items.iter().map(|item| {
        let rank = u32::try_from(item.book_id & ranks).unwrap_or(0);
        Shelf::price_fen(rank) * i64::from(item.quantity)
    });
    CreateOrderResponse {
        order_no: format!("ORD20261122000000{number:09}"),
        total: total.sum(),
        order_id: number,
        ..CreateOrderResponse::default()
    }
}

macro_rules! honest_but_for_create_order {
    ($($method:ident: $request:ident -> $reply:ident;)+) => {
        #[tonic::async_trait]
        impl OrderService for Liar {
            async fn create_order(
                &self,
                request: Request<CreateOrderRequest>,
            ) -> Result<Response<CreateOrderResponse>, Status> {
                self.create(request.into_inner()).await
            }

            $(async fn $method(
                &self,
                request: Request<$request>,
            ) -> Result<Response<$reply>, Status> {
                self.honest.clone().$method(request.into_inner()).await
            })+
        }
    };
}

honest_but_for_create_order! {
    get_order: GetOrderRequest -> GetOrderResponse;
    list_orders: ListOrdersRequest -> ListOrdersResponse;
    pay_order: PayOrderRequest -> PayOrderResponse;
    cancel_order: CancelOrderRequest -> CancelOrderResponse;
    ship_order: ShipOrderRequest -> ShipOrderResponse;
    complete_order: CompleteOrderRequest -> CompleteOrderResponse;
}

async fn find_out(lie: Lie, told: &str) -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let plan = Plan {
        // What a doubled order holds would be given time to be called off.
        settle: Some(Duration::ZERO),
        ..plan(Scenario::CreateOrder)
    };
    let (report, _) = run_plan(&plan, Liar::clients_of(&shop.system, lie)).await?;
    let text = text_of(&report)?;
    ensure!(!report.is_good(), "{lie:?} was believed:\n{text}");
    ensure!(text.contains("\nWRONG ") && text.contains(told), "{text}");
    shop.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_acknowledged_and_never_made_is_found_out() -> anyhow::Result<()> {
    find_out(Lie::Forged, "oversold, or lost").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_lost_is_found_out() -> anyhow::Result<()> {
    find_out(Lie::Lost, "oversold, or lost").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_made_twice_is_found_out() -> anyhow::Result<()> {
    find_out(Lie::Doubled, "at the most were asked for").await
}
