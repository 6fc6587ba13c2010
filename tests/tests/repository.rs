//! Proves: the repository keeps its own rules. Arrows between crates point one way, documents name
//! files and metrics that are there, the two READMEs have the same sections, no machine's paths are in
//! any file, and no column that may be NULL has a default that an `INSERT` would have to know of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use bookstore_e2e::repository;
use serde_json::Value;

const SERVICES: [&str; 4] = ["catalog", "inventory", "order", "payment"];

#[test]
fn arrows_between_crates_point_one_way() -> anyhow::Result<()> {
    let crates = crates()?;
    for (name, needs) in &crates {
        let may_need: BTreeSet<&str> = match name.as_str() {
            "types" => BTreeSet::new(),
            "api" => ["types"].into(),
            "platform" => ["types", "api"].into(),
            service if SERVICES.contains(&service) => ["types", "api", "platform"].into(),
            "testkit" => ["types", "api", "platform"].into(),
            // The simulation is another program around the same services.
            "bookstore" | "sim" => {
                let services = SERVICES.into_iter();
                services.chain(["types", "api", "platform"]).collect()
            }
            // It calls handlers and parsers themselves.
            "fuzz-targets" => {
                let services = SERVICES.into_iter();
                services
                    .chain(["types", "api", "platform", "bookstore"])
                    .collect()
            }
            // It reads the others as text.
            "planted" => BTreeSet::new(),
            // Whole-system tests know the program by its ports and commands alone.
            "bookstore-e2e" => ["types", "api", "platform", "testkit"].into(),
            _ => anyhow::bail!("{name} has no place in the picture: give it one here"),
        };
        let surplus: Vec<_> = needs
            .usual
            .iter()
            .filter(|n| !may_need.contains(n.as_str()))
            .collect();
        ensure!(surplus.is_empty(), "{name} must not need {surplus:?}");
        // Tests may use the testkit, and still no other service.
        let in_tests = needs
            .tests
            .iter()
            .filter(|n| !may_need.contains(n.as_str()));
        let surplus: Vec<_> = in_tests.filter(|n| *n != "testkit").collect();
        ensure!(
            surplus.is_empty(),
            "tests of {name} must not need {surplus:?}"
        );
    }
    Ok(())
}

/// Our own crates that a crate needs.
#[derive(Default)]
struct Needs {
    usual: BTreeSet<String>,
    tests: BTreeSet<String>,
}

/// The workspace's crates, by cargo's own word.
fn crates() -> anyhow::Result<BTreeMap<String, Needs>> {
    let told = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(repository())
        .output()?;
    ensure!(
        told.status.success(),
        "{}",
        String::from_utf8_lossy(&told.stderr)
    );
    let told: Value = serde_json::from_slice(&told.stdout)?;
    let mut crates = BTreeMap::new();
    for package in told["packages"].as_array().context("no packages")? {
        let mut needs = Needs::default();
        for dependency in package["dependencies"]
            .as_array()
            .context("no dependencies")?
        {
            // Only our own have a path.
            if dependency["path"].is_null() {
                continue;
            }
            let name = dependency["name"].as_str().unwrap_or_default().to_owned();
            if dependency["kind"].as_str() == Some("dev") {
                needs.tests.insert(name);
            } else {
                needs.usual.insert(name);
            }
        }
        crates.insert(
            package["name"].as_str().unwrap_or_default().to_owned(),
            needs,
        );
    }
    Ok(crates)
}

#[test]
fn every_path_that_a_document_names_is_there() -> anyhow::Result<()> {
    let root = repository();
    let folders = [
        "crates/", "proto/", "docs/", "tests/", "data/", ".ci/", ".config/",
    ];
    let mut checked = 0;
    for document in documents(&root)? {
        let text = std::fs::read_to_string(&document)?;
        for word in text.split('`').skip(1).step_by(2) {
            let is_path = folders.iter().any(|folder| word.starts_with(folder));
            // `crates/{catalog,order}/src` and `docs/adr/NNNN-title.md` are patterns.
            if !is_path || word.contains(['{', '*', ' ', '…', '<']) || word.contains("NNNN") {
                continue;
            }
            let path = word.split('#').next().unwrap_or(word);
            ensure!(
                root.join(path).exists(),
                "{}: `{word}` is not there",
                document.display()
            );
            checked += 1;
        }
    }
    ensure!(
        checked > 50,
        "only {checked} paths found: has the form changed?"
    );
    Ok(())
}

#[test]
fn every_link_of_a_document_leads_somewhere() -> anyhow::Result<()> {
    for document in documents(&repository())? {
        let text = std::fs::read_to_string(&document)?;
        let folder = document.parent().context("a document without a folder")?;
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let leads = folder.join(target).exists();
            ensure!(
                leads,
                "{} links to {target}, which is not there",
                document.display()
            );
        }
    }
    Ok(())
}

/// The documents at the root and under `docs/`.
fn documents(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let is_document = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "md");
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(root)? {
        found.push(entry?.path());
    }
    walk(&root.join("docs"), &mut found)?;
    Ok(found.into_iter().filter(is_document).collect())
}

#[test]
fn both_readmes_have_the_same_sections() -> anyhow::Result<()> {
    let english = sections("README.md")?;
    let chinese = sections("README.zh-CN.md")?;
    ensure!(
        english == chinese,
        "levels of headings: {english:?} in English, {chinese:?} in Chinese"
    );
    Ok(())
}

/// The levels of the headings, in their order; code is no heading.
fn sections(name: &str) -> anyhow::Result<Vec<usize>> {
    let text = std::fs::read_to_string(repository().join(name))?;
    let mut is_code = false;
    let mut levels = Vec::new();
    for line in text.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        if !is_code && level > 0 {
            levels.push(level);
        }
    }
    Ok(levels)
}

#[test]
fn every_metric_that_a_page_names_is_measured() -> anyhow::Result<()> {
    let root = repository();
    let mut files = Vec::new();
    walk(&root.join("crates"), &mut files)?;
    let mut sources = String::new();
    for file in files
        .iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "rs"))
        .filter(|path| !path.components().any(|part| part.as_os_str() == "tests"))
    {
        sources.push_str(&std::fs::read_to_string(file)?);
    }
    let mut metrics = 0;
    for page in ["README.md", "README.zh-CN.md", "docs/operations.md"] {
        let text = std::fs::read_to_string(root.join(page))?;
        for word in text.split('`').skip(1).step_by(2) {
            let is_metric = word.starts_with("bookstore_") && !word.contains(['*', '…', '/', ' ']);
            let name = word.split('{').next().unwrap_or(word);
            ensure!(
                !is_metric || sources.contains(&format!("\"{name}\"")),
                "{page}: {name}"
            );
            metrics += usize::from(is_metric);
        }
    }
    ensure!(
        metrics > 40,
        "only {metrics} metrics on the pages: has their form changed?"
    );
    Ok(())
}

/// An `INSERT` leaves out what is NULL in all its rows ([`platform::db::Insert`]).
#[test]
fn no_column_that_may_be_null_has_another_default() -> anyhow::Result<()> {
    let mut columns = 0;
    for service in SERVICES {
        let folder = repository().join("crates").join(service).join("migrations");
        for script in find_by_kind(&folder, "sql")? {
            for line in std::fs::read_to_string(&script)?.lines() {
                let (definition, _) = line.split_once("--").unwrap_or((line, ""));
                let words: Vec<_> = definition.split_whitespace().collect();
                let may_be_null = !words.windows(2).any(|pair| pair == ["NOT", "NULL"]);
                columns += usize::from(may_be_null && words.contains(&"NULL,"));
                ensure!(
                    !may_be_null || !words.contains(&"DEFAULT") || definition.starts_with(')'),
                    "{}: {line}",
                    script.display()
                );
            }
        }
    }
    ensure!(columns > 0, "no such column was found");
    Ok(())
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() -> anyhow::Result<()> {
    let root = repository();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&root)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        match name {
            ".git" | "target" => {}
            // What a run leaves behind is nobody's file.
            "data" => files.extend(find_by_kind(&path, "csv")?),
            _ if path.is_dir() => walk(&path, &mut files)?,
            _ => files.push(path),
        }
    }
    // Put together here, so that this file does not hold them itself.
    let private = ["work", "root", "home", "Users"].map(|folder| format!("/{folder}/"));
    for file in files {
        // Pictures and the like tell nobody where they were made.
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        for path in &private {
            ensure!(
                !text.contains(path.as_str()),
                "{} names {path}",
                file.display()
            );
        }
    }
    Ok(())
}

fn find_by_kind(folder: &Path, kind: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    walk(folder, &mut files)?;
    files.retain(|path| path.extension().is_some_and(|found| found == kind));
    Ok(files)
}

/// Every file under `folder`.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
