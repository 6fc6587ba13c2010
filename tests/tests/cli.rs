//! Proves: the program behaves at the command line. Mistakes are one clear line and exit code 2; a
//! signal drains; `doctor`, `migrate`, `import`, `demo` and `check` do what they say and tell it by
//! their exit codes.
//!
//! `BOOKSTORE_TEST_BOOKS_CSV` may name goodbooks-10k's list of 10,000 books, which is then imported.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use api::catalog::v1::{Book, ListBooksRequest, SearchBooksRequest, UnpublishBookRequest};
use api::inventory::v1::BatchGetStockRequest;
use bookstore_e2e::goods::{PAID, pay_order};
use bookstore_e2e::{Clients, Layout, Service, Shop, run_within, setting};
use rusqlite::Connection;
use serde_json::Value;
use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A shop that is configured, and not started.
fn closed() -> anyhow::Result<Shop> {
    Shop::closed(Shop::plan(), Layout::Together)
}

/// Variables, arguments, and what the line must name.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a [&'a str]);

#[tokio::test]
async fn every_mistake_in_the_configuration_is_one_line_and_exit_code_2() -> anyhow::Result<()> {
    let shop = closed()?;
    let file = |name: &str, yaml: &str| -> anyhow::Result<String> {
        let path = shop.folder().join(name);
        std::fs::write(&path, yaml)?;
        Ok(path.display().to_string())
    };
    let unknown = file("unknown.yaml", "order: { payment_tmeout: 5s }")?;
    let wrong = file("wrong.yaml", "payment: { mock: { success_rate: most } }")?;
    let torn = file("torn.yaml", "order: { payment_timeout: [5s")?;
    let absent = shop.folder().join("absent.yaml").display().to_string();
    let cases: &[Case<'_>] = &[
        (
            &[("BOOKSTORE_ORDER__PAYMENT_TIMEOUT", "soon")],
            &[],
            &["BOOKSTORE_ORDER__PAYMENT_TIMEOUT"],
        ),
        (
            &[("BOOKSTORE_ORDER__PAYMENT_TIMEOUT", "0s")],
            &[],
            &["order.payment_timeout"],
        ),
        (
            &[("BOOKSTORE_ORDER__PAYMENT_TIMEOUT", "2years")],
            &[],
            &["order.payment_timeout"],
        ),
        (
            &[("BOOKSTORE_PAYMENT__GATEWAY_TIMEOUT", "0s")],
            &[],
            &["payment.gateway_timeout"],
        ),
        (
            &[("BOOKSTORE_ORDER__PAYMENT_TMEOUT", "5s")],
            &[],
            &["BOOKSTORE_ORDER__PAYMENT_TMEOUT"],
        ),
        (&[("BOOKSTORE_LOCALE", "fr")], &[], &["BOOKSTORE_LOCALE"]),
        (
            &[("BOOKSTORE_CATALOG__LISTEN", "here")],
            &[],
            &["BOOKSTORE_CATALOG__LISTEN"],
        ),
        (
            &[("BOOKSTORE_CATALOG__DATABASE", "oracle://x")],
            &[],
            &["BOOKSTORE_CATALOG__DATABASE"],
        ),
        (
            &[("BOOKSTORE_PAYMENT__MOCK__SUCCESS_RATE", "1.5")],
            &[],
            &["MOCK__SUCCESS_RATE"],
        ),
        (
            &[("BOOKSTORE_PAYMENT__GATEWAY", "barter")],
            &[],
            &["BOOKSTORE_PAYMENT__GATEWAY"],
        ),
        (
            &[],
            &["--config", &unknown],
            &["unknown.yaml", "order.payment_tmeout"],
        ),
        (&[], &["--config", &wrong], &["wrong.yaml", "payment.mock"]),
        (&[], &["--config", &torn], &["torn.yaml"]),
        (&[], &["--config", &absent], &["absent.yaml"]),
    ];
    for (variables, arguments, named) in cases {
        let mut command = shop.command(&[&["up"], *arguments].concat())?;
        command.envs(variables.iter().copied());
        let ran = run_within(command, Duration::from_secs(20))
            .await?
            .expect_code(2)?;
        let line = ran.stderr.trim_end();
        ensure!(
            !line.is_empty() && line.lines().count() == 1,
            "{variables:?}{arguments:?}: {line}"
        );
        ensure!(
            named.iter().all(|name| line.contains(name)),
            "{named:?} is not in {line}"
        );
        ensure!(ran.stdout.is_empty(), "{}", ran.stdout);
    }
    Ok(())
}

#[tokio::test]
async fn variables_of_the_tests_and_of_others_are_no_configuration() -> anyhow::Result<()> {
    let shop = closed()?;
    let mut command = shop.command(&["doctor"])?;
    command
        .env("BOOKSTORE_TEST_KILLS", "3")
        .env("BOOKSTORE_REQUIRE_MYSQL", "1");
    run_within(command, Duration::from_secs(20))
        .await?
        .expect_code(0)?;
    Ok(())
}

#[tokio::test]
async fn a_taken_port_is_one_line_that_names_it() -> anyhow::Result<()> {
    let shop = closed()?;
    let taken = TcpListener::bind(("127.0.0.1", shop.port(Service::Payment)))?;
    for arguments in [&["up"][..], &["serve", "payment"]] {
        let ran = shop.run(arguments).await?.expect_code(2)?;
        let address = taken.local_addr()?.to_string();
        let is_named = ran.stderr.contains("payment.listen") && ran.stderr.contains(&address);
        ensure!(
            is_named && ran.stderr.lines().count() == 1,
            "{}",
            ran.stderr
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_database_that_cannot_be_written_is_one_line_that_names_it() -> anyhow::Result<()> {
    let shop = closed()?;
    // Even root cannot make a folder where a file is.
    std::fs::write(shop.data(), "in the way")?;
    for arguments in [&["up"][..], &["migrate"], &["check"]] {
        let ran = shop.run(arguments).await?.expect_code(2)?;
        let is_named = ran.stderr.contains("catalog.database");
        ensure!(
            is_named && ran.stderr.lines().count() == 1,
            "{arguments:?}: {}",
            ran.stderr
        );
    }
    Ok(())
}

#[tokio::test]
async fn help_names_every_command_and_nonsense_is_exit_code_2() -> anyhow::Result<()> {
    let shop = closed()?;
    let help = shop.run(&["--help"]).await?.expect_code(0)?.stdout;
    for command in [
        "up", "serve", "migrate", "doctor", "import", "demo", "check", "load",
    ] {
        ensure!(
            help.contains(&format!("\n  {command} ")),
            "{command} is not in {help}"
        );
        let own = shop.run(&[command, "--help"]).await?.expect_code(0)?.stdout;
        ensure!(own.contains("Usage: bookstore"), "{own}");
    }
    ensure!(
        shop.run(&["--version"])
            .await?
            .expect_code(0)?
            .stdout
            .starts_with("bookstore ")
    );
    shop.run(&["burn"]).await?.expect_code(2)?;
    shop.run(&["serve", "gatekeeper"]).await?.expect_code(2)?;
    shop.run(&["import", "no-such-file.csv"])
        .await?
        .expect_code(2)?;
    Ok(())
}

#[tokio::test]
async fn a_schema_is_migrated_once_and_can_be_demanded() -> anyhow::Result<()> {
    let mut shop = closed()?;
    let ran = shop.run(&["up", "--no-migrate"]).await?.expect_code(2)?;
    ensure!(ran.stderr.contains("catalog.database"), "{}", ran.stderr);
    let first = shop.run(&["migrate"]).await?.expect_code(0)?.stdout;
    let again = shop.run(&["migrate"]).await?.expect_code(0)?.stdout;
    ensure!(first == again && first.lines().count() == 4, "{first}");
    shop.start().await?;
    shop.expect_clean().await
}

#[tokio::test]
async fn the_doctor_tells_the_well_from_the_sick() -> anyhow::Result<()> {
    let mut shop = closed()?;
    let before = shop.run(&["doctor"]).await?.expect_code(0)?.stdout;
    ensure!(
        before.contains("catalog.database") && before.contains("payment.listen"),
        "{before}"
    );
    shop.start().await?;
    let well = shop.run(&["doctor"]).await?.expect_code(0)?.stdout;
    ensure!(well.matches(": serving").count() == 4, "{well}");
    shop.kill()?;
    // Somebody else sits on the port.
    let _squatter = TcpListener::bind(("127.0.0.1", shop.port(Service::Order)))?;
    let sick = shop.run(&["doctor"]).await?.expect_code(2)?.stdout;
    let line = sick
        .lines()
        .find(|line| line.contains("order.listen"))
        .unwrap_or_default();
    ensure!(line.starts_with("BAD"), "{sick}");
    Ok(())
}

#[tokio::test]
async fn a_signal_drains_what_runs_and_loses_nothing() -> anyhow::Result<()> {
    // Those that call others go first.
    let apart = [
        Service::Order,
        Service::Payment,
        Service::Inventory,
        Service::Catalog,
    ];
    let apart = apart.map(Some);
    for (layout, processes) in [(Layout::Together, &[None][..]), (Layout::Apart, &apart)] {
        // The payment is still on its way when the signal comes.
        let plan = Shop::plan()
            .set("PAYMENT__MOCK__SUCCESS_RATE", "1")
            .set("PAYMENT__MOCK__LATENCY", "1500ms");
        let mut shop = plan.start(layout).await?;
        let clients = shop.clients()?;
        let placed = clients.placed().await?;
        let paying = async { anyhow::Ok(clients.done(pay_order(&placed.no)).await?) };
        let ending = async {
            eventually("the payment in flight", || async {
                clients.payment_of(placed.id).await.ok().flatten()
            })
            .await;
            for service in processes {
                shop.terminate(*service).await?;
            }
            Ok(())
        };
        let (paid, ()) = futures::future::try_join(paying, ending).await?;
        ensure!(!paid.payment_no.is_empty(), "{paid:?}");
        shop.start().await?;
        ensure!(shop.clients()?.order_of(&placed.no).await?.status == PAID);
        shop.expect_clean().await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_metrics_page_tells_what_is_promised() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    shop.clients()?.paid().await?;
    let said = shop.announced().concat();
    let url = said
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .context("no page")?;
    let address = url.trim_end_matches("/metrics");
    let promised = [
        "bookstore_grpc_requests_total",
        "bookstore_grpc_request_seconds",
        "bookstore_combiner_batch_len",
        "bookstore_order_tasks_outstanding",
        "bookstore_order_tasks_parked",
        "bookstore_orders_overdue",
        "bookstore_inventory_conservation_drift",
    ];
    // Gauges are measured every few seconds.
    eventually("every promised metric on the page", || async {
        let page = fetch(address).await.ok()?;
        promised
            .iter()
            .all(|name| page.contains(name))
            .then_some(())
    })
    .await;
    Ok(())
}

/// `GET /metrics` by hand.
async fn fetch(address: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut page = String::new();
    stream.read_to_string(&mut page).await?;
    ensure!(page.starts_with("HTTP/1.1 200"), "{page}");
    Ok(page)
}

#[tokio::test]
async fn a_list_imported_twice_is_loaded_once_and_bad_rows_are_told() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let clients = shop.clients()?;
    let list = "\u{feff}书名,Author(s),ISBN-10,定价（元）,库存,简介\r\n\
        三体,刘慈欣,7536692935,23.00,7,科幻\r\n\
        Emma,\"Jane Austen, Somebody Else\",141439580,9.5,3,\r\n\
        ,Nobody,,1.00,1,no title\r\n\
        无号,佚名,,,,\r\n\
        三体,刘慈欣,7536692935,23.00,7,the same again\r\n\
        贵书,佚名,,dear,1,\r\n";
    let path = shop.folder().join("list.csv");
    std::fs::write(&path, list)?;
    let path = path.display().to_string();
    let report = shop.folder().join("report.csv").display().to_string();
    let arguments = [
        "import",
        &path,
        "--default-price",
        "49.00",
        "--default-stock",
        "20",
        "--report",
        &report,
    ];

    let dry = shop
        .run(&[&arguments[..], &["--dry-run"]].concat())
        .await?
        .expect_code(0)?;
    ensure!(shelf(&clients).await?.is_empty(), "{}", dry.stdout);

    let first = shop.run(&arguments).await?.expect_code(0)?.stdout;
    for refused in ["line 4: refused", "line 6: refused", "line 7: refused"] {
        ensure!(first.contains(refused), "{refused} is not in {first}");
    }
    ensure!(first.matches(": refused").count() == 3, "{first}");
    let loaded = shelf(&clients).await?;
    let told: Vec<_> = loaded
        .iter()
        .map(|(book, copies)| {
            (
                book.title.as_str(),
                book.isbn.replace('-', ""),
                book.price,
                *copies,
            )
        })
        .collect();
    let wanted = [
        ("Emma", "9780141439587".to_owned(), 950, 3),
        ("三体", "9787536692930".to_owned(), 2300, 7),
        ("无号", String::new(), 4900, 20),
    ];
    ensure!(told == wanted, "{told:?}");

    let again = shop.run(&arguments).await?.expect_code(0)?.stdout;
    ensure!(again.contains("in the shop already"), "{again}");
    ensure!(
        shelf(&clients).await? == loaded,
        "the second run changed something"
    );
    shop.expect_clean().await
}

/// All published books by title, with their free copies.
async fn shelf(clients: &Clients) -> anyhow::Result<Vec<(Book, i32)>> {
    let books = clients
        .done(ListBooksRequest {
            page: 1,
            page_size: 100,
        })
        .await?
        .books;
    let book_ids = books.iter().map(|book| book.id).collect();
    let stocks = clients
        .done(BatchGetStockRequest { book_ids })
        .await?
        .stocks;
    let copies = |id| {
        stocks
            .iter()
            .find(|s| s.book_id == id)
            .map_or(0, |s| s.quantity)
    };
    let mut shelf: Vec<_> = books
        .into_iter()
        .map(|book| (copies(book.id), book))
        .collect();
    shelf.sort_by(|one, other| one.1.title.cmp(&other.1.title));
    Ok(shelf
        .into_iter()
        .map(|(copies, book)| (book, copies))
        .collect())
}

#[tokio::test]
async fn the_classics_are_imported_whole() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let list = bookstore_e2e::repository().join("samples/classics-zh.csv");
    let rows = import(&shop, &list).await?;
    let clients = shop.clients()?;
    let total = clients.done(ListBooksRequest::default()).await?.total;
    ensure!(total == i64::try_from(rows)?, "{total} of {rows}");
    for title in ["红楼梦", "论语", "西游记"] {
        until_found(&clients, title, title).await;
    }
    shop.expect_clean().await
}

#[tokio::test]
async fn ten_thousand_real_books_are_imported_and_found() -> anyhow::Result<()> {
    let Some(list) = setting("BOOKSTORE_TEST_BOOKS_CSV") else {
        return Ok(());
    };
    let shop = Shop::open().await?;
    import(&shop, Path::new(&list)).await?;
    let clients = shop.clients()?;
    let total = clients.done(ListBooksRequest::default()).await?.total;
    ensure!(total > 9_900, "only {total} books");
    import(&shop, Path::new(&list)).await?;
    ensure!(clients.done(ListBooksRequest::default()).await?.total == total);
    import(
        &shop,
        &bookstore_e2e::repository().join("samples/classics-zh.csv"),
    )
    .await?;
    for (keyword, title) in [
        ("hunger games", "The Hunger Games"),
        ("MOCKINGBIRD", "To Kill a Mockingbird"),
        // An ISBN-10 that lost its zero, as ISBN-13.
        ("9780439023481", "The Hunger Games"),
        ("红楼", "红楼梦"),
    ] {
        until_found(&clients, keyword, title).await;
    }
    shop.expect_clean().await
}

/// Imports a list and answers how many rows it has.
async fn import(shop: &Shop, list: &Path) -> anyhow::Result<usize> {
    let rows = std::fs::read_to_string(list)?.lines().count() - 1;
    shop.run(&["import", &list.display().to_string()])
        .await?
        .expect_code(0)?;
    Ok(rows)
}

async fn until_found(clients: &Clients, keyword: &str, title: &str) {
    eventually(&format!("“{keyword}” finds {title}"), || async {
        let keyword = keyword.to_owned();
        let asked = SearchBooksRequest {
            keyword,
            page: 1,
            page_size: 100,
        };
        let found = clients.done(asked).await.ok()?.books;
        found
            .iter()
            .any(|book| book.title.contains(title))
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_demonstration_plays_on_its_own_and_on_a_running_system() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    for (against, language) in [("own", "zh"), ("own", "en"), ("running", "zh")] {
        let mut command = shop.command(&["demo", "--against", against])?;
        command.env("BOOKSTORE_LOCALE", language);
        let ran = run_within(command, Duration::from_mins(1))
            .await?
            .expect_code(0)?;
        ensure!(ran.stdout.contains("CreateOrder"), "{}", ran.stdout);
    }
    // It leaves nothing behind that is wrong, also where others go on using the system.
    shop.expect_clean().await
}

#[tokio::test]
async fn load_is_measured_and_leaves_nothing_behind_that_is_wrong() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let (json, plot) = (
        shop.folder().join("load.json"),
        shop.folder().join("load.svg"),
    );
    let mut command = shop.command(&["load", "mixed-day", "--duration", "2s", "--warmup", "0s"])?;
    command.args(["--books", "50", "--concurrency", "8", "--json"]);
    command.arg(&json).arg("--plot").arg(&plot);
    command.args(["--metrics", shop.metrics_page()?]);
    let ran = run_within(command, Duration::from_mins(3)).await?;
    let ran = ran.expect_code(0)?;
    ensure!(ran.stdout.contains("\nverified "), "{}", ran.stdout);
    let told: Value = serde_json::from_str(&std::fs::read_to_string(&json)?)?;
    ensure!(told["verification"]["done"]["faults"] == 0, "{told}");
    // The metrics page told what the run cost.
    let round_trips = told["cost"]["database"]["round_trips_per_answered"].as_f64();
    ensure!(round_trips > Some(0.0), "{told}");
    ensure!(std::fs::read_to_string(&plot)?.starts_with("<svg"));
    shop.expect_clean().await?;

    let shop = closed()?;
    let ran = shop.run(&["load", "get-book"]).await?.expect_code(2)?;
    let is_named = ran.stderr.contains("catalog does not answer");
    ensure!(
        is_named && ran.stderr.lines().count() == 1,
        "{}",
        ran.stderr
    );
    Ok(())
}

#[tokio::test]
async fn the_auditor_finds_what_was_planted() -> anyhow::Result<()> {
    let mut shop = Shop::open().await?;
    let clients = shop.clients()?;
    let book = clients.stocked(100, 10).await?;
    let placed = clients.place(1, &[(book, 1)]).await?;
    let paid = clients.paid().await?;
    shop.expect_clean().await?;
    shop.terminate(None).await?;
    shop.run(&["check", "--wait", "0s"]).await?.expect_code(0)?;

    let plants = [
        (
            "inventory",
            format!("UPDATE inventories SET quantity = quantity + 1 WHERE book_id = {book}"),
            format!("UPDATE inventories SET quantity = quantity - 1 WHERE book_id = {book}"),
            "balance-is-ledger",
        ),
        (
            "order",
            format!(
                "UPDATE orders SET total = total + 1 WHERE id = {}",
                placed.id
            ),
            format!(
                "UPDATE orders SET total = total - 1 WHERE id = {}",
                placed.id
            ),
            "total-is-items",
        ),
        (
            "order",
            format!("UPDATE orders SET status = 3 WHERE id = {}", placed.id),
            format!("UPDATE orders SET status = 1 WHERE id = {}", placed.id),
            "history-is-legal",
        ),
        (
            "payment",
            format!(
                "UPDATE payments SET amount = amount + 1 WHERE order_id = {}",
                paid.id
            ),
            format!(
                "UPDATE payments SET amount = amount - 1 WHERE order_id = {}",
                paid.id
            ),
            "payment-is-sound",
        ),
    ];
    for (service, plant, weed, law) in plants {
        change(&shop, service, &plant)?;
        let ran = shop
            .run(&["check", "--json", "--wait", "0s"])
            .await?
            .expect_code(1)?;
        ensure!(
            ran.stdout.contains(law),
            "{plant}: {law} is not in {}",
            ran.stdout
        );
        change(&shop, service, &weed)?;
        shop.run(&["check", "--wait", "0s"]).await?.expect_code(0)?;
    }
    Ok(())
}

/// Changes a row behind the services' backs.
fn change(shop: &Shop, service: &str, sql: &str) -> anyhow::Result<()> {
    let database = Connection::open(shop.data().join(format!("{service}.db")))?;
    ensure!(database.execute(sql, [])? == 1, "{sql} changed no row");
    Ok(())
}

#[tokio::test]
async fn the_auditor_accuses_nobody_while_customers_are_busy() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let clients = shop.clients()?;
    let book = clients.stocked(100, 100_000).await?;
    let buying = async {
        for _ in 0..150 {
            let placed = clients.place(1, &[(book, 1)]).await?;
            clients.pay_until_accepted(&placed.no).await?;
            clients.cancel(&placed.no).await?;
        }
        let withdrawn = clients.publish("撤下", 1).await?;
        clients
            .done(UnpublishBookRequest { book_id: withdrawn })
            .await?;
        anyhow::Ok(())
    };
    let auditing = async {
        for _ in 0..3 {
            shop.expect_clean().await?;
        }
        Ok(())
    };
    futures::future::try_join(buying, auditing).await?;
    shop.expect_clean().await
}
