//! Proves that every store keeps the trait's promises: one suite of functions, run on each; and
//! that random batches have the same outcomes and leave the same books on all of them.

use catalog::domain::{
    Details, Op, Outcome, Patch, PrintedIsbn, Publish, Refusal, Revision, Unpublish, Update,
};
use catalog::store::{MemoryStore, Store};
use proptest::prelude::*;
use testkit::TestDatabase;
use types::{BookId, Fen, Page, UnixMillis, Violations};

use crate::harness::open;

fn id(number: u64) -> BookId {
    BookId::new(number).unwrap()
}

fn page(number: i32, size: i32) -> Page {
    Page::read(number, size, &mut Violations::default())
}

fn details(title: &str, isbn: &str) -> Details {
    Details {
        title: title.to_owned(),
        author: "作者 O'Brien".to_owned(),
        isbn: PrintedIsbn::new(isbn),
        price: Fen::stored(2300),
        description: "一\n\t二 🙂".to_owned(),
    }
}

fn publish(number: u64, isbn: &str) -> Op {
    let (id, details) = (BookId::new(number), details("三体", isbn));
    Op::Publish(Publish {
        id,
        details,
        at: UnixMillis::new(1_001),
    })
}

fn set_isbn(number: u64, isbn: &str) -> Op {
    let patch = Patch {
        isbn: Some(PrintedIsbn::new(isbn)),
        ..Patch::default()
    };
    Op::Update(Update {
        id: id(number),
        patch,
        at: UnixMillis::new(2_002),
    })
}

fn unpublish(number: u64) -> Op {
    Op::Unpublish(Unpublish {
        id: id(number),
        at: UnixMillis::new(3_003),
    })
}

async fn apply(store: &dyn Store, ops: &[Op]) -> Vec<Outcome> {
    store.apply_batch(ops.to_vec().into()).await.unwrap()
}

async fn ids_of(store: &dyn Store, ops: &[Op]) -> Vec<Result<u64, Refusal>> {
    let outcomes = apply(store, ops).await.into_iter();
    outcomes
        .map(|outcome| outcome.map(|book| book.id.get()))
        .collect()
}

async fn what_is_written_is_read_back(store: &dyn Store) {
    let written = apply(store, &[publish(1, "978-0"), publish(0, ""), unpublish(2)]).await;
    let (first, second) = (written[0].clone().unwrap(), written[2].clone().unwrap());
    let mut read = store.load_books(&[id(2), id(9), id(1)]).await.unwrap();
    read.sort_by_key(|book| book.id);
    assert_eq!(read, [first, second]);
    assert!(store.load_books(&[]).await.unwrap().is_empty());
}

async fn a_refusal_in_a_batch_leaves_its_neighbours_alone(store: &dyn Store) {
    let ops = [
        publish(1, "A"),
        publish(1, ""),
        publish(2, "a"),
        unpublish(7),
        publish(2, "B"),
    ];
    let expected = [
        Ok(1),
        Err(Refusal::IdExists),
        Err(Refusal::IsbnExists),
        Err(Refusal::NotFound),
        Ok(2),
    ];
    assert_eq!(ids_of(store, &ops).await, expected);
    // The same again, in a transaction of its own.
    let expected = [
        Err(Refusal::IdExists),
        Err(Refusal::IdExists),
        Err(Refusal::IdExists),
        Err(Refusal::NotFound),
        Err(Refusal::IdExists),
    ];
    assert_eq!(ids_of(store, &ops).await, expected);
}

async fn an_isbn_passes_from_book_to_book_within_a_batch(store: &dyn Store) {
    let ops = [publish(1, "A"), publish(2, "B"), publish(3, "C")];
    assert_eq!(ids_of(store, &ops).await, [Ok(1), Ok(2), Ok(3)]);
    // 3 gives C up, 1 takes C and gives A up, 2 takes A, and a new book takes B.
    let ops = [
        set_isbn(3, ""),
        set_isbn(1, "c"),
        set_isbn(2, "a"),
        publish(4, "B"),
        set_isbn(3, "B"),
    ];
    assert_eq!(
        ids_of(store, &ops).await,
        [Ok(3), Ok(1), Ok(2), Ok(4), Err(Refusal::IsbnExists)]
    );
}

async fn generated_ids_step_over_long_runs_of_given_ones(store: &dyn Store) {
    let given: Vec<Op> = (2..=1500).rev().map(|number| publish(number, "")).collect();
    apply(store, &given).await;
    let ops = [
        publish(0, ""),
        publish(1501, ""),
        publish(0, ""),
        publish(0, ""),
    ];
    assert_eq!(
        ids_of(store, &ops).await,
        [Ok(1), Ok(1501), Ok(1502), Ok(1503)]
    );
    assert_eq!(ids_of(store, &[publish(0, "")]).await, [Ok(1504)]);
    assert_eq!(ids_of(store, &[publish(1 << 53, "")]).await, [Ok(1 << 53)]);
    assert_eq!(ids_of(store, &[publish(0, "")]).await, [Ok(1505)]);
}

async fn the_list_leaves_unpublished_books_out(store: &dyn Store) {
    apply(
        store,
        &[publish(5, ""), publish(3, ""), publish(4, ""), unpublish(4)],
    )
    .await;
    let list = async |number, size| {
        let listed = store.list_published(page(number, size)).await.unwrap();
        let ids: Vec<u64> = listed.books.iter().map(|book| book.id.get()).collect();
        (ids, listed.total)
    };
    assert_eq!(list(1, 10).await, (vec![3, 5], 2));
    assert_eq!(list(2, 1).await, (vec![5], 2));
    assert_eq!(list(3, 1).await, (vec![], 2));
    assert_eq!(list(i32::MAX, 100).await, (vec![], 2));
}

async fn changes_come_once_a_book_in_the_order_of_their_revisions(store: &dyn Store) {
    apply(store, &[publish(1, ""), publish(2, ""), publish(3, "")]).await;
    apply(
        store,
        &[unpublish(1), set_isbn(2, "X-1"), set_isbn(2, "X-1")],
    )
    .await;
    let changes = async |after, limit| {
        let listings = store
            .list_changes(Revision::new(after), limit)
            .await
            .unwrap();
        listings
            .iter()
            .map(|listing| {
                (
                    listing.id.get(),
                    listing.revision.get(),
                    listing.unpublished,
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        changes(0, 10).await,
        [(3, 3, false), (1, 4, true), (2, 5, false)]
    );
    assert_eq!(changes(3, 1).await, [(1, 4, true)]);
    assert_eq!(changes(5, 10).await, []);
    let last = store.list_changes(Revision::new(4), 10).await.unwrap();
    let isbn = last[0].isbn.as_ref().map(types::Isbn::as_str);
    assert_eq!((last[0].title.as_str(), isbn), ("三体", Some("X1")));
}

macro_rules! on_every_store {
    ($($test:ident),+ $(,)?) => {
        mod memory {
            use catalog::store::MemoryStore;
            $(#[tokio::test]
            async fn $test() {
                super::$test(&MemoryStore::new()).await;
            })+
        }

        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let home = super::TestDatabase::sqlite().unwrap();
                let store = super::open(&home).await;
                super::$test(store.as_ref()).await;
                store.close().await;
            })+
        }

        mod mysql {
            $(#[tokio::test]
            async fn $test() {
                if let Some(home) = super::TestDatabase::mysql().await.unwrap() {
                    let store = super::open(&home).await;
                    super::$test(store.as_ref()).await;
                    store.close().await;
                }
            })+
        }
    };
}

on_every_store!(
    what_is_written_is_read_back,
    a_refusal_in_a_batch_leaves_its_neighbours_alone,
    an_isbn_passes_from_book_to_book_within_a_batch,
    generated_ids_step_over_long_runs_of_given_ones,
    the_list_leaves_unpublished_books_out,
    changes_come_once_a_book_in_the_order_of_their_revisions,
);

/// Few ids, few ISBNs, few prices: so that operations meet.
fn op() -> impl Strategy<Value = Op> {
    let isbn = prop::sample::select(vec!["", "1", "1-", "2", "X", "x"]);
    let publish = (0..8_u64, isbn.clone(), 0..9_i64).prop_map(|(number, isbn, at)| {
        let (id, details) = (BookId::new(number), details("书", isbn));
        Op::Publish(Publish {
            id,
            details,
            at: UnixMillis::new(at),
        })
    });
    let word = || prop::option::of(prop::sample::select(vec!["书", "A'b\"", "é "]));
    let patch = (
        prop::option::of(isbn),
        prop::option::of(0..3_i64),
        word(),
        word(),
        word(),
    )
        .prop_map(|(isbn, price, title, author, description)| Patch {
            isbn: isbn.map(PrintedIsbn::new),
            price: price.map(Fen::stored),
            title: title.map(str::to_owned),
            author: author.map(str::to_owned),
            description: description.map(str::to_owned),
        });
    let update = (1..10_u64, patch, 0..9_i64).prop_map(|(number, patch, at)| {
        Op::Update(Update {
            id: id(number),
            patch,
            at: UnixMillis::new(at),
        })
    });
    prop_oneof![3 => publish, 3 => update, 1 => (1..10_u64).prop_map(unpublish)]
}

/// Everything that a store shows of itself, as text.
async fn picture(store: &dyn Store) -> String {
    let ids: Vec<BookId> = (1..99).rev().map(id).collect();
    let mut books = store.load_books(&ids).await.unwrap();
    books.sort_by_key(|book| book.id);
    let mut picture = vec![format!("{books:?}")];
    for (number, size) in [(1, 100), (1, 2), (2, 2), (9, 100)] {
        let list = store.list_published(page(number, size)).await.unwrap();
        picture.push(format!("page {number} of {size}: {list:?}"));
    }
    for (after, limit) in [(0, 100), (0, 1), (3, 2), (7, 100)] {
        let changes = store.list_changes(Revision::new(after), limit);
        picture.push(format!("after {after}: {:?}", changes.await.unwrap()));
    }
    picture.join("\n")
}

async fn same_outcomes_and_books(
    homes: &[TestDatabase],
    batches: &[Vec<Op>],
) -> Result<(), TestCaseError> {
    let model = MemoryStore::new();
    let mut others = Vec::new();
    for home in homes {
        others.push(open(home).await);
    }
    for batch in batches {
        let expected = apply(&model, batch).await;
        let seen = picture(&model).await;
        for sql in &others {
            prop_assert_eq!(&apply(sql.as_ref(), batch).await, &expected);
            prop_assert_eq!(&picture(sql.as_ref()).await, &seen);
        }
    }
    for sql in others {
        sql.close().await;
    }
    Ok(())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn random_batches_do_the_same_on_sqlite_as_on_the_model(
        batches in prop::collection::vec(prop::collection::vec(op(), 1..8), 1..8)
    ) {
        runtime().block_on(async {
            same_outcomes_and_books(&[TestDatabase::sqlite().unwrap()], &batches).await
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn random_batches_do_the_same_on_mysql_and_sqlite_as_on_the_model(
        batches in prop::collection::vec(prop::collection::vec(op(), 1..8), 1..8)
    ) {
        runtime().block_on(async {
            match TestDatabase::mysql().await.unwrap() {
                Some(mysql) => {
                    let homes = [TestDatabase::sqlite().unwrap(), mysql];
                    same_outcomes_and_books(&homes, &batches).await
                }
                None => Ok(()),
            }
        })?;
    }
}

/// A follower never asks for a change again.
#[tokio::test]
async fn a_change_is_durable_before_it_is_followed() {
    let Some(home) = TestDatabase::mysql().await.unwrap() else {
        return;
    };
    let store = open(&home).await;
    let before = home.barrier_passes().await.unwrap();
    for books in [0, 1] {
        let changes = store.list_changes(Revision::START, 10).await.unwrap();
        assert_eq!(changes.len(), books);
        let passes = home.barrier_passes().await.unwrap() - before;
        assert_eq!(passes, i64::try_from(books).unwrap());
        apply(&*store, &[publish(1, "A")]).await;
    }
}
