//! Mistakes: one clear line each, which names what is wrong, and exit code 2.
//! A reader who leaves is none.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use anyhow::ensure;
use bookstore_e2e::{Service, Shop, run_within};

use super::closed;

/// Variables, arguments, and what the line must name.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a [&'a str]);

#[tokio::test]
async fn mistakes_in_the_configuration_are_one_line_and_exit_code_2() -> anyhow::Result<()> {
    let shop = closed()?;
    let file = |name: &str, yaml: &str| -> anyhow::Result<String> {
        let path = shop.folder().join(name);
        std::fs::write(&path, yaml)?;
        Ok(path.display().to_string())
    };
    let unknown = file("unknown.yaml", "order: { payment_tmeout: 5s }")?;
    let wrong = file("wrong.yaml", "payment: { mock: { success_rate: most } }")?;
    let torn = file("torn.yaml", "order: { payment_timeout: [5s")?;
    let empty = file("empty.yaml", "order: { database: }")?;
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
            &[("BOOKSTORE_TELEMETRY__LOG", "order=nonsense")],
            &[],
            &["telemetry.log"],
        ),
        (
            &[("BOOKSTORE_PAYMENT__GATEWAY", "barter")],
            &[],
            &["BOOKSTORE_PAYMENT__GATEWAY"],
        ),
        (
            &[("BOOKSTORE_ORDER__DATABASE", "")],
            &[],
            &["BOOKSTORE_ORDER__DATABASE", "is empty"],
        ),
        (
            &[("BOOKSTORE_ORDER", "mysql://root:s3cret@db/order_db")],
            &[],
            &["BOOKSTORE_ORDER", "must be a section"],
        ),
        (
            &[
                ("BOOKSTORE_DISCOVERY", "consul"),
                ("BOOKSTORE_CONSUL__ADDRESS", "http://192.0.2.1:8500"),
            ],
            &[],
            &["catalog.listen", "192.0.2.1", "127.0.0.1"],
        ),
        (
            &[],
            &["--config", &empty],
            &["empty.yaml", "order.database", "is empty"],
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
    for case in cases {
        refused(&shop, case).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_a_command_needs_and_does_not_find_is_named() -> anyhow::Result<()> {
    let shop = closed()?;
    let list = shop.folder().join("list.csv");
    std::fs::write(&list, "title,author\nEmma,Jane Austen\n")?;
    let list = list.display().to_string();
    let nobody = ["catalog at 127.0.0.1:", "nobody answers there"];
    let cases: &[(&[&str], &[&str])] = &[
        (&["import", &list], &nobody),
        (&["demo", "--against", "running"], &nobody),
        (
            &["check"],
            &["catalog", "there is no file", "bookstore migrate"],
        ),
        (&["resume"], &["order", "there is no file"]),
    ];
    for (arguments, named) in cases {
        let line = shop.run(arguments).await?.expect_code(2)?.stderr;
        let is_named = named.iter().all(|word| line.contains(word));
        ensure!(
            line.lines().count() == 1 && is_named,
            "{named:?} is not in {line}"
        );
    }
    Ok(())
}

/// A start with this mistake says one line that names it.
async fn refused(shop: &Shop, (variables, arguments, named): &Case<'_>) -> anyhow::Result<()> {
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
    ensure!(!line.contains("s3cret"), "{line}");
    ensure!(ran.stdout.is_empty(), "{}", ran.stdout);
    Ok(())
}

#[tokio::test]
async fn a_reader_who_leaves_ends_a_command_quietly() -> anyhow::Result<()> {
    let shop = closed()?;
    shop.run(&["migrate"]).await?.expect_code(0)?;
    for arguments in [&["doctor"][..], &["check", "--wait", "0s"], &["migrate"]] {
        let mut command = shop.command(arguments)?;
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        drop(child.stdout.take());
        let ended = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&ended.stderr);
        ensure!(
            said.is_empty() && ended.status.code() == Some(141),
            "{arguments:?}: {}: {said}",
            ended.status
        );
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

/// The commands that `--help` lists, but for `help` itself.
fn listed(help: &str) -> Vec<&str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:");
    let commands = lines.skip(1).map_while(|line| line.strip_prefix("  "));
    let names = commands.filter_map(|line| line.split(' ').next());
    names
        .filter(|name| !name.is_empty() && *name != "help")
        .collect()
}

#[tokio::test]
async fn every_listed_command_has_a_help_and_nonsense_is_exit_code_2() -> anyhow::Result<()> {
    let shop = closed()?;
    let help = shop.run(&["--help"]).await?.expect_code(0)?.stdout;
    ensure!(
        help.contains("  Run everything in one process\n"),
        "`up` runs on what is configured, embedded or not: {help}"
    );
    let commands = listed(&help);
    for command in ["up", "serve", "resume"] {
        ensure!(
            commands.contains(&command),
            "{command} is not in {commands:?}"
        );
    }
    for command in commands {
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
