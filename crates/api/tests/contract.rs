//! Proves that what this repository serves contains the agreed contract, unchanged.
//!
//! `BOOKSTORE_TEST_CONTRACT` names the folder of the contract's `.proto` files. Additions here are
//! fine; whatever the contract has must be here with the same name, number, type and label.
#![expect(clippy::expect_used, reason = "tests fail by panicking")]

mod compiled;

use std::collections::BTreeSet;
use std::path::Path;

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};

/// Breaks a file in one way.
type Change = fn(&mut FileDescriptorProto);

#[test]
fn everything_in_the_contract_is_served_unchanged() {
    let Some(folder) = std::env::var_os("BOOKSTORE_TEST_CONTRACT") else {
        eprintln!("BOOKSTORE_TEST_CONTRACT is not set: nothing to compare proto/ with");
        return;
    };
    let contract = facts(&compiled::compile(Path::new(&folder)));
    let own = facts(&compiled::compile(&compiled::own_folder()));
    assert!(
        !contract.is_empty(),
        "no facts in the contract at {}",
        folder.display()
    );
    let missing: Vec<_> = contract.difference(&own).collect();
    assert!(
        missing.is_empty(),
        "in the contract, but not so in proto/: {missing:#?}"
    );
}

#[test]
fn changes_of_fields_and_methods_are_seen() {
    let base = compiled::compile(&compiled::own_folder());
    let changes: [(&str, Change); 6] = [
        ("a field renumbered", |file| {
            file.message_type[0].field[0].number = Some(99);
        }),
        ("a field renamed", |file| {
            file.message_type[0].field[0].name = Some("x".to_owned());
        }),
        ("a field's type", |file| {
            file.message_type[0].field[0].r#type = Some(9);
        }),
        ("a field's label", |file| {
            file.message_type[0].field[0].label = Some(3);
        }),
        ("a method removed", |file| {
            drop(file.service[0].method.pop());
        }),
        ("a method streaming", |file| {
            file.service[0].method[0].server_streaming = Some(true);
        }),
    ];
    for (name, change) in changes {
        let mut changed = base.clone();
        let file = changed
            .file
            .iter_mut()
            .find(|file| file.package() == "order.v1");
        change(file.expect("the orders' file"));
        assert_ne!(
            facts(&base).difference(&facts(&changed)).count(),
            0,
            "{name}"
        );
    }
}

/// Every fact that the other side of a wire relies on, one line each.
fn facts(set: &FileDescriptorSet) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    for file in &set.file {
        let package = file.package();
        facts.insert(format!("package {package}, {}", file.syntax()));
        for message in &file.message_type {
            add_message(package, message, &mut facts);
        }
        for kind in &file.enum_type {
            add_enum(package, kind, &mut facts);
        }
        for service in &file.service {
            add_service(package, service, &mut facts);
        }
    }
    facts
}

fn add_message(scope: &str, message: &DescriptorProto, facts: &mut BTreeSet<String>) {
    let scope = format!("{scope}.{}", message.name());
    facts.insert(format!("message {scope}"));
    for field in &message.field {
        let oneof = field
            .oneof_index
            .and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?))
            .map_or("none", |oneof| oneof.name());
        facts.insert(format!(
            "field {scope}.{} = {}: {:?} {:?} {}, json {}, oneof {oneof}, optional {}, packed {:?}",
            field.name(),
            field.number(),
            field.label(),
            field.r#type(),
            field.type_name(),
            field.json_name(),
            field.proto3_optional(),
            field.options.as_ref().and_then(|options| options.packed),
        ));
    }
    for nested in &message.nested_type {
        add_message(&scope, nested, facts);
    }
    for kind in &message.enum_type {
        add_enum(&scope, kind, facts);
    }
}

fn add_enum(scope: &str, kind: &EnumDescriptorProto, facts: &mut BTreeSet<String>) {
    for value in &kind.value {
        facts.insert(format!(
            "enum {scope}.{}: {} = {}",
            kind.name(),
            value.name(),
            value.number()
        ));
    }
}

fn add_service(package: &str, service: &ServiceDescriptorProto, facts: &mut BTreeSet<String>) {
    let scope = format!("{package}.{}", service.name());
    facts.insert(format!("service {scope}"));
    for method in &service.method {
        facts.insert(format!(
            "method {scope}.{}: {} (stream: {}) -> {} (stream: {})",
            method.name(),
            method.input_type(),
            method.client_streaming(),
            method.output_type(),
            method.server_streaming(),
        ));
    }
}
