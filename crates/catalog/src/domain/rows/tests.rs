//! Proves every rule of publishing, updating and unpublishing, as tables of operations and
//! their outcomes.

use types::Fen;

use super::*;
use crate::domain::{Details, Patch, PrintedIsbn};

fn id(number: u64) -> BookId {
    BookId::new(number).unwrap()
}

fn details(title: &str, isbn: &str) -> Details {
    Details {
        title: title.to_owned(),
        author: "作者".to_owned(),
        isbn: PrintedIsbn::new(isbn),
        price: Fen::stored(100),
        description: String::new(),
    }
}

fn publish(number: u64, isbn: &str) -> Op {
    let details = details("书", isbn);
    Op::Publish(Publish {
        id: BookId::new(number),
        details,
        at: UnixMillis::new(1),
    })
}

fn update(number: u64, patch: Patch) -> Op {
    Op::Update(Update {
        id: id(number),
        patch,
        at: UnixMillis::new(2),
    })
}

fn isbn(text: &str) -> Patch {
    Patch {
        isbn: Some(PrintedIsbn::new(text)),
        ..Patch::default()
    }
}

fn unpublish(number: u64) -> Op {
    Op::Unpublish(Unpublish {
        id: id(number),
        at: UnixMillis::new(3),
    })
}

fn ids_of(rows: &mut Rows, ops: &[Op]) -> Vec<Result<u64, Refusal>> {
    ops.iter()
        .map(|op| rows.apply(op).map(|book| book.id.get()))
        .collect()
}

#[test]
fn an_id_given_is_used_and_generated_ones_fill_in_after_it() {
    let mut rows = Rows::default();
    let ops = [
        publish(1, ""),
        publish(0, ""),
        publish(4, ""),
        publish(0, ""),
        publish(0, ""),
    ];
    assert_eq!(ids_of(&mut rows, &ops), [Ok(1), Ok(2), Ok(4), Ok(3), Ok(5)]);
    assert_eq!(rows.counters().next_id, 6);
}

#[test]
fn the_greatest_id_does_not_use_the_others_up() {
    let mut rows = Rows::default();
    let ops = [publish(ID_MAX, ""), publish(0, "")];
    assert_eq!(ids_of(&mut rows, &ops), [Ok(ID_MAX), Ok(1)]);

    let last = Counters {
        next_id: ID_MAX,
        ..Counters::default()
    };
    let mut full = Rows::new(last);
    let ops = [publish(0, ""), publish(0, "")];
    assert_eq!(
        ids_of(&mut full, &ops),
        [Ok(ID_MAX), Err(Refusal::IdExists)]
    );
}

#[test]
fn an_id_in_use_is_refused_or_skipped() {
    let mut rows = Rows::default();
    rows.note_taken_id(id(1));
    let ops = [publish(1, ""), publish(0, ""), publish(2, "")];
    assert_eq!(
        ids_of(&mut rows, &ops),
        [Err(Refusal::IdExists), Ok(2), Err(Refusal::IdExists)]
    );
}

#[test]
fn an_isbn_has_one_owner_however_it_is_written() {
    let mut rows = Rows::default();
    rows.put_isbn_owner(Isbn::new("55").unwrap(), id(99));
    let ops = [
        publish(1, "978-1"),
        publish(0, "97 81"),
        publish(2, "55"),
        publish(0, "2"),
        update(2, isbn("9781")),
        update(2, isbn("-2-")),
    ];
    let taken = Err(Refusal::IsbnExists);
    assert_eq!(
        ids_of(&mut rows, &ops),
        [Ok(1), taken, taken, Ok(2), taken, Ok(2)]
    );
    assert_eq!(
        rows.book(id(2))
            .unwrap()
            .details
            .isbn
            .as_ref()
            .unwrap()
            .printed(),
        "-2-"
    );
}

#[test]
fn an_isbn_given_up_is_free_for_the_next() {
    let mut rows = Rows::default();
    let ops = [
        publish(1, "A"),
        publish(2, "B"),
        update(1, isbn("")),
        update(2, isbn("a")),
        publish(3, "B"),
    ];
    assert_eq!(ids_of(&mut rows, &ops), [Ok(1), Ok(2), Ok(1), Ok(2), Ok(3)]);
}

#[test]
fn a_refused_publication_leaves_no_gap() {
    let mut rows = Rows::default();
    let ops = [
        publish(0, "A"),
        publish(0, "A"),
        publish(2, "A"),
        publish(0, "B"),
    ];
    let taken = Err(Refusal::IsbnExists);
    assert_eq!(ids_of(&mut rows, &ops), [Ok(1), taken, taken, Ok(2)]);
}

#[test]
fn an_update_changes_what_it_names_and_takes_a_new_revision() {
    let mut rows = Rows::default();
    rows.apply(&publish(1, "A")).unwrap();
    let price = Patch {
        price: Some(Fen::stored(7)),
        ..Patch::default()
    };
    let book = rows.apply(&update(1, price.clone())).unwrap();
    let wanted = Book {
        id: id(1),
        details: Details {
            price: Fen::stored(7),
            ..details("书", "A")
        },
        created_at: UnixMillis::new(1),
        updated_at: UnixMillis::new(2),
        unpublished: false,
        revision: Revision::new(2),
    };
    assert_eq!(*book, wanted);
    // The same again changes nothing, not even a time.
    assert_eq!(*rows.apply(&update(1, price.clone())).unwrap(), wanted);
    assert_eq!(rows.apply(&update(9, price)), Err(Refusal::NotFound));
}

#[test]
fn unpublishing_is_idempotent_and_leaves_the_book_changeable() {
    let mut rows = Rows::default();
    rows.apply(&publish(1, "A")).unwrap();
    let first = rows.apply(&unpublish(1)).unwrap();
    assert!(first.unpublished);
    assert_eq!(rows.apply(&unpublish(1)).unwrap(), first);
    assert_eq!(rows.apply(&unpublish(2)), Err(Refusal::NotFound));

    let title = Patch {
        title: Some("新".to_owned()),
        ..Patch::default()
    };
    let updated = rows.apply(&update(1, title)).unwrap();
    assert!(updated.unpublished);
    assert_eq!(
        updated.updated_at,
        UnixMillis::new(3),
        "times never run backwards"
    );
    assert_eq!(
        ids_of(&mut rows, &[publish(2, "A")]),
        [Err(Refusal::IsbnExists)]
    );
}

#[test]
fn changes_are_counted_once_a_book_from_its_first_state() {
    let mut rows = Rows::default();
    rows.apply(&publish(1, "A")).unwrap();
    rows.settle();
    let old = rows.book(id(1)).unwrap().clone();
    for op in [
        update(1, isbn("B")),
        unpublish(1),
        publish(2, "A"),
        unpublish(3),
    ] {
        let _refused_or_done = rows.apply(&op);
    }
    let changes: Vec<_> = rows
        .changes()
        .map(|(before, after)| (before.cloned(), after.clone()))
        .collect();
    let (first, second) = (rows.book(id(1)).unwrap(), rows.book(id(2)).unwrap());
    assert_eq!(
        changes,
        [(Some(old), first.clone()), (None, second.clone())]
    );
    assert_eq!(rows.counters().last_revision, Revision::new(4));
}
