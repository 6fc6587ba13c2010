//! Proves: every RPC method is tested for success, for each code it can answer, in both languages,
//! for bad input that names its fields, and for an idempotent repeat; against one running system, and
//! against two replicas that the cells take in turn.
//!
//! The list of methods is generated: it comes out of the descriptor set. A method without its cells
//! in the [`table`] fails, and so does a cell for a method that is not there.

mod catalog;
mod inventory;
mod order;
mod payment;
mod table;
mod wire;

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use bookstore_e2e::{Layout, System, repository};
use futures::{StreamExt, stream};
use prost::Message;
use prost_types::FileDescriptorSet;
use table::{Aspect, CODES, Cell};

/// How many cells are proved at once.
const AT_ONCE: usize = 16;
/// How many where eight processes share the machine: calls between services have 3 s.
const AT_ONCE_TWICE: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cell_of_the_table_holds() -> anyhow::Result<()> {
    let stingy = [("PAYMENT__MOCK__SUCCESS_RATE", "0.7")];
    prove_all(System::alone(Layout::Together, &stingy).await?, AT_ONCE).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cell_of_the_table_holds_over_two_replicas() -> anyhow::Result<()> {
    let stingy = [("PAYMENT__MOCK__SUCCESS_RATE", "0.7")];
    let Some(system) = System::twice(&stingy).await? else {
        return Ok(());
    };
    prove_all(system, AT_ONCE_TWICE).await
}

async fn prove_all(shop: System, at_once: usize) -> anyhow::Result<()> {
    let proofs = cells().into_iter().enumerate().map(|(turn, cell)| {
        let clients = shop.clients_in_turn(turn);
        async move {
            let proof = async { (cell.prove)(clients?).await };
            proof
                .await
                .err()
                .map(|error| format!("{} {:?}: {error:#}", cell.method, cell.aspect))
        }
    });
    let failed: Vec<String> = stream::iter(proofs)
        .buffer_unordered(at_once)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    ensure!(
        failed.is_empty(),
        "{} cells do not hold:\n{}",
        failed.len(),
        failed.join("\n")
    );
    shop.expect_clean().await
}

#[test]
fn the_table_has_every_method_with_every_aspect_and_nothing_else() -> anyhow::Result<()> {
    let mut wanted = BTreeSet::new();
    for method in methods()? {
        for aspect in [Aspect::Success, Aspect::BadInput, Aspect::Repeat] {
            wanted.insert((method.name.clone(), aspect));
        }
    }
    for (method, codes) in CODES {
        wanted.extend(
            codes
                .iter()
                .map(|code| ((*method).to_owned(), Aspect::Code(*code))),
        );
    }
    let tested: BTreeSet<_> = cells()
        .into_iter()
        .map(|cell| (cell.method.to_owned(), cell.aspect))
        .collect();
    let missing: Vec<_> = wanted.difference(&tested).collect();
    let surplus: Vec<_> = tested.difference(&wanted).collect();
    ensure!(missing.is_empty(), "not tested: {missing:?}");
    ensure!(
        surplus.is_empty(),
        "tested, but not in the contract: {surplus:?}"
    );
    Ok(())
}

#[test]
fn the_table_knows_every_code_that_the_errors_page_gives_to_a_method() -> anyhow::Result<()> {
    let page = std::fs::read_to_string(repository().join("docs/errors.md"))?;
    let names: BTreeSet<String> = methods()?.into_iter().map(|method| method.name).collect();
    let mut code = None;
    let mut found = 0;
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            code = heading
                .split(' ')
                .next()
                .and_then(|number| number.parse::<i32>().ok());
        }
        let (Some(code), Some(answered)) = (code, line.strip_prefix("Answered by ")) else {
            continue;
        };
        for name in answered.split('`').filter(|word| names.contains(*word)) {
            let codes = CODES
                .iter()
                .find(|(method, _)| *method == name)
                .map(|(_, codes)| *codes);
            ensure!(
                codes.is_some_and(|codes| codes.contains(&code)),
                "{name} answers {code}"
            );
            found += 1;
        }
    }
    ensure!(
        found > 15,
        "only {found} pairs on the page: has its form changed?"
    );
    Ok(())
}

fn cells() -> Vec<Cell> {
    [
        catalog::cells(),
        inventory::cells(),
        order::cells(),
        payment::cells(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A method of the contract.
struct Method {
    /// As `GetBook`; no two services share one.
    name: String,
    /// As `/catalog.v1.CatalogService/GetBook`.
    path: String,
    /// As `catalog.v1.CatalogService`.
    service: String,
}

/// Every method that the descriptor set has, of every service.
fn methods() -> anyhow::Result<Vec<Method>> {
    let set = FileDescriptorSet::decode(api::FILE_DESCRIPTOR_SET)?;
    let mut methods = Vec::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let service = format!("{}.{}", file.package(), service.name());
                let name = method.name().to_owned();
                methods.push(Method {
                    path: format!("/{service}/{name}"),
                    name,
                    service,
                });
            }
        }
    }
    methods
        .first()
        .context("no methods in the descriptor set")?;
    Ok(methods)
}
