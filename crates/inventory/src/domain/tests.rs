//! Proves the rules one by one, as stories: a list of operations, each with its decision, and
//! the balances at the end. Laws that hold for every story are in `tests/it/properties.rs`.
#![expect(
    clippy::unnecessary_wraps,
    reason = "the expected decisions are built like the real ones"
)]

use types::{BookId, IdempotencyKey, Quantity, UnixMillis};

use super::*;

fn book(id: u64) -> BookId {
    BookId::new(id).unwrap()
}

fn copies(count: i32) -> Quantity {
    Quantity::new(count).unwrap()
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

fn line(id: u64, count: i32) -> Line {
    Line {
        book: book(id),
        quantity: copies(count),
    }
}

fn restock(id: u64, count: i32, text: &str) -> Command {
    Restock::new(line(id, count), IdempotencyKey::new(text)).into()
}

fn deduct(id: u64, count: i32, reference: u64, text: &str) -> Command {
    Deduct::new(
        line(id, count),
        Reference::new(reference).unwrap(),
        key(text),
    )
    .into()
}

fn release(id: u64, count: i32, reference: u64, text: &str) -> Command {
    let reference = Reference::new(reference).unwrap();
    Release::new(line(id, count), reference, IdempotencyKey::new(text)).into()
}

fn batch(lines: &[(u64, i32)], text: &str) -> Command {
    let lines: Vec<Line> = lines.iter().map(|(id, count)| line(*id, *count)).collect();
    BatchDeduct::new(
        Basket::new(&lines).unwrap(),
        Reference::new(9).unwrap(),
        key(text),
    )
    .into()
}

fn batch_release(text: &str) -> Command {
    Command::BatchRelease(key(text))
}

fn commit(text: &str) -> Command {
    Command::Commit(key(text))
}

fn left(quantity: i32) -> Decision {
    Ok(Answer::Quantity(quantity))
}

fn moved(lines: &[(u64, i32)]) -> Decision {
    Ok(Answer::Lines(
        lines.iter().map(|(id, count)| line(*id, *count)).collect(),
    ))
}

fn stocks(rows: &[(u64, i32, i32, i64)]) -> Decision {
    let stock = |&(id, quantity, reserved, version): &(u64, i32, i32, i64)| Stock {
        book: book(id),
        quantity,
        reserved,
        version,
    };
    Ok(Answer::Stocks(rows.iter().map(stock).collect()))
}

fn short(id: u64, remaining: i32) -> Decision {
    Err(Refusal::Insufficient {
        book: book(id),
        remaining,
    })
}

const CONFLICT: Decision = Err(Refusal::KeyConflict);
const CANCELLED: Decision = Err(Refusal::Cancelled);

/// Applies each operation to rows that begin empty, and compares each decision.
#[track_caller]
fn tell(story: Vec<(Command, Decision)>) -> Rows {
    let mut rows = Rows::default();
    for (step, (command, decision)) in story.into_iter().enumerate() {
        let op = Op {
            at: UnixMillis::new(i64::try_from(step).unwrap()),
            command,
        };
        assert_eq!(rows.apply(&op), decision, "step {step}: {:?}", op.command);
    }
    rows
}

#[track_caller]
fn assert_balance(rows: &Rows, id: u64, quantity: i32, reserved: i32) {
    let stock = rows.stock(book(id)).unwrap();
    assert_eq!(
        (stock.quantity, stock.reserved),
        (quantity, reserved),
        "book {id}"
    );
}

#[test]
fn restocked_copies_are_free_and_a_repeat_adds_nothing() {
    let rows = tell(vec![
        (restock(1, 100, "r"), left(100)),
        (restock(1, 100, "r"), left(100)),
        (restock(1, 5, ""), left(105)),
        (restock(1, 5, ""), left(110)),
        (restock(1, 100, "r"), left(100)),
        (restock(1, 99, "r"), CONFLICT),
        (restock(2, 100, "r"), CONFLICT),
    ]);
    assert_balance(&rows, 1, 110, 0);
    assert_eq!(rows.stock(book(2)), None);
}

#[test]
fn copies_never_leave_32_bits_and_the_refused_key_stays_free() {
    let rows = tell(vec![
        (restock(1, i32::MAX, ""), left(i32::MAX)),
        (deduct(1, 10, 1, "d"), left(i32::MAX - 10)),
        (restock(1, 1, "r"), Err(Refusal::TooManyCopies)),
        (commit("d"), moved(&[(1, 10)])),
        (restock(1, 1, "r"), left(i32::MAX - 9)),
    ]);
    assert_balance(&rows, 1, i32::MAX - 9, 0);
}

#[test]
fn a_deduction_hears_its_first_answer_even_after_the_last_copy_is_sold() {
    let rows = tell(vec![
        (restock(1, 10, ""), left(10)),
        (deduct(1, 4, 1, "a"), left(6)),
        (deduct(1, 6, 1, "b"), left(0)),
        (deduct(1, 4, 1, "a"), left(6)),
        (deduct(1, 1, 1, "c"), short(1, 0)),
    ]);
    assert_balance(&rows, 1, 0, 10);
}

#[test]
fn a_deduction_with_other_parameters_is_a_conflict() {
    tell(vec![
        (restock(1, 10, ""), left(10)),
        (restock(2, 10, ""), left(10)),
        (deduct(1, 4, 1, "a"), left(6)),
        (deduct(1, 3, 1, "a"), CONFLICT),
        (deduct(2, 4, 1, "a"), CONFLICT),
        (deduct(1, 4, 2, "a"), CONFLICT),
        (deduct(1, 4, 1, "A"), left(2)),
    ]);
}

#[test]
fn a_refused_deduction_leaves_no_trace_and_its_key_may_succeed_later() {
    let rows = tell(vec![
        (deduct(1, 4, 1, "a"), short(1, 0)),
        (restock(1, 3, ""), left(3)),
        (deduct(1, 4, 1, "a"), short(1, 3)),
        (restock(1, 1, ""), left(4)),
        (deduct(1, 4, 1, "a"), left(0)),
    ]);
    assert_balance(&rows, 1, 0, 4);
    assert_eq!(rows.stock(book(1)).unwrap().version, 3);
}

#[test]
fn a_release_is_bounded_by_what_is_outstanding_for_book_and_reference() {
    let rows = tell(vec![
        (release(1, 1, 7, ""), Err(Refusal::StockNotFound)),
        (restock(1, 10, ""), left(10)),
        (release(1, 1, 7, ""), left(10)),
        (deduct(1, 5, 7, "a"), left(5)),
        (release(1, 5, 8, ""), left(5)),
        (release(1, 6, 7, ""), Err(Refusal::ReleaseExceedsDeducted)),
        (release(1, 2, 7, ""), left(7)),
        (release(1, 4, 7, ""), Err(Refusal::ReleaseExceedsDeducted)),
        (release(1, 3, 7, ""), left(10)),
        (release(1, 3, 7, ""), left(10)),
        (deduct(1, 5, 7, "a"), left(5)),
    ]);
    assert_balance(&rows, 1, 10, 0);
}

#[test]
fn a_release_with_a_key_is_done_once_and_remembered_even_where_nothing_was_outstanding() {
    let rows = tell(vec![
        (release(1, 2, 7, "r"), Err(Refusal::StockNotFound)),
        (restock(1, 10, ""), left(10)),
        (release(1, 2, 7, "r0"), left(10)),
        (deduct(1, 5, 7, "a"), left(5)),
        (release(1, 2, 7, "r0"), left(10)),
        (release(1, 2, 7, "r"), left(7)),
        (release(1, 2, 7, "r"), left(7)),
        (release(1, 1, 7, "r"), CONFLICT),
        (release(1, 4, 7, "s"), Err(Refusal::ReleaseExceedsDeducted)),
        (release(1, 3, 7, "s"), left(10)),
    ]);
    assert_balance(&rows, 1, 10, 0);
}

#[test]
fn a_release_reaches_several_deductions_oldest_first() {
    let mut rows = tell(vec![
        (restock(1, 20, ""), left(20)),
        (deduct(1, 3, 7, "z"), left(17)),
        (deduct(1, 4, 7, "a"), left(13)),
        (deduct(1, 5, 7, "m"), left(8)),
        (release(1, 5, 7, "r"), left(13)),
        (batch_release("z"), moved(&[])),
        (batch_release("a"), moved(&[(1, 2)])),
        (commit("m"), moved(&[(1, 5)])),
    ]);
    assert_balance(&rows, 1, 15, 0);
    let released: Vec<Entry> = rows
        .take_changes()
        .entries
        .into_iter()
        .filter(|e| e.key == Some(key("r")))
        .collect();
    assert_eq!(released.len(), 1, "a key stands on one entry only");
}

#[test]
fn a_release_never_reaches_a_batch() {
    let rows = tell(vec![
        (restock(1, 10, ""), left(10)),
        (batch(&[(1, 4)], "b"), stocks(&[(1, 6, 4, 2)])),
        (release(1, 4, 9, ""), left(6)),
        (batch_release("b"), moved(&[(1, 4)])),
    ]);
    assert_balance(&rows, 1, 10, 0);
}

#[test]
fn a_batch_is_all_or_nothing_and_names_the_first_short_book_in_its_own_order() {
    let rows = tell(vec![
        (restock(1, 10, ""), left(10)),
        (restock(2, 1, ""), left(1)),
        (batch(&[(3, 1), (2, 5), (1, 1)], "b"), short(3, 0)),
        (batch(&[(1, 1), (2, 5), (3, 1)], "b"), short(2, 1)),
        (
            batch(&[(2, 1), (1, 10)], "b"),
            stocks(&[(2, 0, 1, 2), (1, 0, 10, 2)]),
        ),
    ]);
    assert_balance(&rows, 1, 0, 10);
    assert_balance(&rows, 2, 0, 1);
}

#[test]
fn lines_of_one_book_are_checked_by_their_sum() {
    let rows = tell(vec![
        (restock(1, 10, ""), left(10)),
        (batch(&[(1, 6), (1, 6)], "b"), short(1, 10)),
        (batch(&[(1, 6), (1, 4)], "b"), stocks(&[(1, 0, 10, 2)])),
    ]);
    assert_balance(&rows, 1, 0, 10);
}

#[test]
fn a_batch_in_another_order_or_split_otherwise_is_the_same_request() {
    let first = stocks(&[(1, 7, 3, 2), (2, 8, 2, 2)]);
    let rows = tell(vec![
        (restock(1, 10, ""), left(10)),
        (restock(2, 10, ""), left(10)),
        (batch(&[(1, 3), (2, 2)], "b"), first.clone()),
        (batch(&[(2, 2), (1, 3)], "b"), first.clone()),
        (batch(&[(1, 1), (2, 2), (1, 2)], "b"), first),
        (batch(&[(1, 3)], "b"), CONFLICT),
        (batch(&[(1, 3), (2, 1)], "b"), CONFLICT),
        (deduct(1, 3, 9, "b"), CONFLICT),
    ]);
    assert_balance(&rows, 1, 7, 3);
}

#[test]
fn a_batch_release_gives_all_back_once_and_answers_the_same_again() {
    let rows = tell(vec![
        (restock(1, 10, ""), left(10)),
        (restock(2, 10, ""), left(10)),
        (
            batch(&[(2, 2), (1, 3)], "b"),
            stocks(&[(2, 8, 2, 2), (1, 7, 3, 2)]),
        ),
        (batch_release("b"), moved(&[(1, 3), (2, 2)])),
        (batch_release("b"), moved(&[(1, 3), (2, 2)])),
        (commit("b"), moved(&[])),
        (batch(&[(2, 2), (1, 3)], "b"), CANCELLED),
        (batch(&[(2, 2)], "b"), CONFLICT),
    ]);
    assert_balance(&rows, 1, 10, 0);
    assert_balance(&rows, 2, 10, 0);
}

#[test]
fn a_released_key_refuses_a_late_deduction() {
    let rows = tell(vec![
        (restock(1, 10, ""), left(10)),
        (batch_release("b"), moved(&[])),
        (batch(&[(1, 3)], "b"), CANCELLED),
        (deduct(1, 3, 1, "b"), CANCELLED),
        (batch_release("b"), moved(&[])),
        (commit("b"), moved(&[])),
        (restock(1, 1, "b"), CONFLICT),
        (release(1, 1, 1, "b"), CONFLICT),
    ]);
    assert_balance(&rows, 1, 10, 0);
}

#[test]
fn a_batch_release_reaches_and_fences_a_single_deduction_too() {
    let rows = tell(vec![
        (restock(1, 10, ""), left(10)),
        (deduct(1, 5, 1, "a"), left(5)),
        (release(1, 2, 1, ""), left(7)),
        (batch_release("a"), moved(&[(1, 3)])),
        (deduct(1, 5, 1, "a"), CANCELLED),
        (release(1, 1, 1, ""), left(10)),
        (batch_release("a"), moved(&[(1, 3)])),
    ]);
    assert_balance(&rows, 1, 10, 0);
}

#[test]
fn a_commit_lets_the_rest_go_once_and_is_never_undone() {
    let rows = tell(vec![
        (restock(1, 10, ""), left(10)),
        (commit("a"), moved(&[])),
        (deduct(1, 5, 1, "a"), left(5)),
        (release(1, 2, 1, ""), left(7)),
        (commit("a"), moved(&[(1, 3)])),
        (commit("a"), moved(&[(1, 3)])),
        (deduct(1, 5, 1, "a"), left(5)),
        (batch_release("a"), moved(&[])),
        (deduct(1, 5, 1, "a"), left(5)),
        (release(1, 1, 1, ""), left(7)),
    ]);
    assert_balance(&rows, 1, 7, 0);
}

#[test]
fn a_commit_of_a_hold_that_was_given_back_does_not_keep_it_from_being_fenced() {
    tell(vec![
        (restock(1, 10, ""), left(10)),
        (deduct(1, 5, 1, "a"), left(5)),
        (release(1, 5, 1, ""), left(10)),
        (commit("a"), moved(&[])),
        (deduct(1, 5, 1, "a"), left(5)),
        (batch_release("a"), moved(&[])),
        (deduct(1, 5, 1, "a"), CANCELLED),
    ]);
}

#[test]
fn all_methods_share_one_namespace_of_keys() {
    let commands = |text: &str| {
        vec![
            restock(1, 1, text),
            deduct(1, 1, 1, text),
            release(1, 1, 1, text),
            batch(&[(1, 1)], text),
        ]
    };
    for (used, first) in commands("k").into_iter().enumerate() {
        let mut story = vec![(restock(1, 50, ""), left(50))];
        let mut rows = tell(story.clone());
        let decision = rows.apply(&Op {
            at: UnixMillis::new(1),
            command: first.clone(),
        });
        assert!(decision.is_ok(), "{first:?}");
        story.push((first, decision));
        for (other, second) in commands("k").into_iter().enumerate() {
            if other != used {
                story.push((second, CONFLICT));
            }
        }
        let opens_no_hold = used == 0 || used == 2;
        if opens_no_hold {
            story.extend([(batch_release("k"), CONFLICT), (commit("k"), CONFLICT)]);
        }
        tell(story);
    }
}

#[test]
fn a_caller_may_use_any_key_whatever_holds_are_called() {
    tell(vec![
        (restock(1, 10, ""), left(10)),
        (deduct(1, 1, 1, "order-1-book-1"), left(9)),
        (batch(&[(1, 1)], "order-1"), stocks(&[(1, 8, 2, 3)])),
        (batch_release("order-1"), moved(&[(1, 1)])),
        (deduct(1, 1, 1, "order-1:fence"), left(8)),
    ]);
}

#[test]
fn rows_that_contradict_each_other_refuse_the_operation_and_stay_as_they_are() {
    let mut rows = tell(vec![
        (restock(1, 10, ""), left(10)),
        (deduct(1, 5, 1, "a"), left(5)),
        (batch(&[(1, 2)], "b"), stocks(&[(1, 3, 7, 3)])),
    ]);
    rows.put_stock(Stock {
        book: book(1),
        quantity: 9,
        reserved: 1,
        version: 3,
    });
    let broken = Err(Refusal::Inconsistent { book: book(1) });
    for command in [batch_release("b"), commit("b"), release(1, 5, 1, "")] {
        assert_eq!(
            rows.apply(&Op {
                at: UnixMillis::new(9),
                command
            }),
            broken
        );
    }
    assert_balance(&rows, 1, 9, 1);
}

#[test]
fn a_basket_keeps_the_order_sums_a_book_and_has_bounds() {
    let basket = Basket::new(&[line(2, 1), line(1, 1), line(2, 3)]).unwrap();
    assert_eq!(basket.lines(), [line(2, 4), line(1, 1)]);
    assert_eq!(basket.sorted(), [line(1, 1), line(2, 4)]);
    assert_eq!(Basket::new(&[]), Err(BasketError::Empty));
    assert!(Basket::new(&[line(1, 1); 100]).is_ok());
    assert_eq!(Basket::new(&[line(1, 1); 101]), Err(BasketError::TooLong));
    let lines = [line(1, i32::MAX), line(2, 1), line(1, 1)];
    assert_eq!(
        Basket::new(&lines),
        Err(BasketError::SumOverflows { index: 2 })
    );
}

#[test]
fn every_name_in_the_database_reads_back() {
    for movement in Movement::ALL {
        assert_eq!(Movement::from_name(movement.name()), Some(movement));
    }
    for state in HoldState::ALL {
        assert_eq!(HoldState::from_name(state.name()), Some(state));
    }
    assert_eq!(Movement::from_name("held"), None);
    assert_eq!(Reference::from_i64(-1), None);
    assert_eq!(Reference::from_i64(0).map(Reference::get), Some(0));
    assert_eq!(Reference::new((1 << 53) + 1), None);
}
