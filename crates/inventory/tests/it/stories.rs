//! Builders of operations, and random ones from a small world, so that keys, books and
//! references meet often.

use inventory::domain::{
    Basket, BatchDeduct, Command, Deduct, Line, Op, Reference, Release, Restock,
};
use proptest::prelude::*;
use types::{BookId, IdempotencyKey, Quantity, UnixMillis};

pub(crate) fn book(id: u64) -> BookId {
    BookId::new(id).unwrap()
}

pub(crate) fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

pub(crate) fn line(id: u64, copies: i32) -> Line {
    Line {
        book: book(id),
        quantity: Quantity::new(copies).unwrap(),
    }
}

fn reference(id: u64) -> Reference {
    Reference::new(id).unwrap()
}

pub(crate) fn restock(id: u64, copies: i32, text: &str) -> Command {
    Restock::new(line(id, copies), IdempotencyKey::new(text)).into()
}

pub(crate) fn deduct(id: u64, copies: i32, for_what: u64, text: &str) -> Command {
    Deduct::new(line(id, copies), reference(for_what), key(text)).into()
}

pub(crate) fn release(id: u64, copies: i32, for_what: u64, text: &str) -> Command {
    Release::new(
        line(id, copies),
        reference(for_what),
        IdempotencyKey::new(text),
    )
    .into()
}

pub(crate) fn batch_deduct(lines: &[(u64, i32)], for_what: u64, text: &str) -> Command {
    let lines: Vec<Line> = lines.iter().map(|&(id, copies)| line(id, copies)).collect();
    BatchDeduct::new(Basket::new(&lines).unwrap(), reference(for_what), key(text)).into()
}

pub(crate) fn batch_release(text: &str) -> Command {
    Command::BatchRelease(key(text))
}

pub(crate) fn commit(text: &str) -> Command {
    Command::Commit(key(text))
}

/// Commands with the moments 1, 2, 3, …
pub(crate) fn ops(commands: Vec<Command>) -> Vec<Op> {
    let moments = (1..).map(UnixMillis::new);
    moments
        .zip(commands)
        .map(|(at, command)| Op { at, command })
        .collect()
}

/// One random command over three books, three references and eight keys.
pub(crate) fn any_command() -> impl Strategy<Value = Command> {
    let id = || 1_u64..=3;
    let copies = || prop_oneof![4 => 1..=6_i32, 1 => Just(i32::MAX)];
    let for_what = || 0_u64..=2;
    let text = || (0..8_u8).prop_map(|n| format!("key-{n}"));
    let optional = || prop_oneof![Just(String::new()), text()];
    let lines = || prop::collection::vec((id(), 1..=4_i32), 1..=4);
    prop_oneof![
        2 => (id(), prop_oneof![6 => 1..=20_i32, 1 => Just(i32::MAX)], optional())
            .prop_map(|(id, copies, text)| restock(id, copies, &text)),
        3 => (id(), copies(), for_what(), text())
            .prop_map(|(id, copies, what, text)| deduct(id, copies, what, &text)),
        3 => (id(), copies(), for_what(), optional())
            .prop_map(|(id, copies, what, text)| release(id, copies, what, &text)),
        3 => (lines(), for_what(), text())
            .prop_map(|(lines, what, text)| batch_deduct(&lines, what, &text)),
        2 => text().prop_map(|text| batch_release(&text)),
        1 => text().prop_map(|text| commit(&text)),
    ]
}

/// A random story; it begins with some stock, so that not everything is refused.
pub(crate) fn any_story(len_max: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(any_command(), 1..=len_max).prop_map(|commands| {
        let stocked = (1..=3).map(|id| restock(id, 15, ""));
        ops(stocked.chain(commands).collect())
    })
}
