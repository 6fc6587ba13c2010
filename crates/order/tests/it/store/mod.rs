//! Proves that every kind of store keeps orders as the rules say: one suite for all of them, and
//! random batches on the model and the SQL stores side by side.

mod build;
mod side_by_side;
mod suite;

use anyhow::Context;
use order::domain::{AbandonedBy, Outcome, Stage, Verdict};
use order::store::MemoryStore;
use testkit::TestDatabase;
use types::OrderStatus;

use crate::shop::{FindOrder, open_store};
use build::{abandon, at, confirm, insert, order_no, pay, payment_no};

/// Declares the suite once for each kind of store.
macro_rules! on_every_store {
    ($($test:ident)+) => {
        mod on_memory {
            $(#[tokio::test]
            async fn $test() -> anyhow::Result<()> {
                super::suite::$test(std::sync::Arc::new(super::MemoryStore::new())).await
            })+
        }

        mod on_sqlite {
            $(#[tokio::test]
            async fn $test() -> anyhow::Result<()> {
                let home = super::TestDatabase::sqlite()?;
                let store = super::open_store(&home).await?;
                let result = super::suite::$test(std::sync::Arc::clone(&store)).await;
                store.close().await;
                result
            })+
        }

        mod on_mysql {
            $(#[tokio::test]
            async fn $test() -> anyhow::Result<()> {
                let Some(home) = super::TestDatabase::mysql().await? else {
                    return Ok(());
                };
                let store = super::open_store(&home).await?;
                let result = super::suite::$test(std::sync::Arc::clone(&store)).await;
                store.close().await;
                result
            })+
        }
    };
}

on_every_store! {
    ids_are_reserved_once
    an_order_reads_back_as_it_was_written
    an_order_is_found_by_its_own_number_alone
    a_batch_is_applied_in_its_order_and_each_hears_its_own_outcome
    a_transition_is_written_with_its_tasks_and_its_history
    a_dropped_order_is_gone_with_its_items_and_key
    a_confirmation_tells_of_money_that_was_noted_before
    a_key_freed_in_a_batch_is_taken_in_the_same_batch
    keys_are_bytes_and_each_users_own
    lists_show_what_callers_may_know_newest_first
    deadlines_are_paged_without_loss_also_where_they_are_equal
    due_tasks_come_soonest_first_and_parked_ones_apart
    the_feed_moves_orders_and_cursor_together
    leases_pass_from_holder_to_holder
    an_intent_reads_back_and_counts_its_orders
    an_order_in_doubt_is_looked_for_before_it_is_written
    health_counts_what_is_late
}

#[tokio::test]
async fn everything_survives_a_restart() -> anyhow::Result<()> {
    let home = TestDatabase::new().await?;
    let store = open_store(&home).await?;
    let before = suite::fill(&*store).await?;
    store.close().await;

    let store = open_store(&home).await?;
    assert_eq!(side_by_side::picture(&*store).await?, before);
    assert!(
        store.reserve_ids(1).await?.start > 1,
        "no id is handed out twice"
    );
    store.close().await;
    Ok(())
}

#[tokio::test]
async fn replicas_on_one_database_never_make_two_orders_of_one_key() -> anyhow::Result<()> {
    let home = TestDatabase::new().await?;
    let replicas = [open_store(&home).await?, open_store(&home).await?];
    suite::race_for_keys(&replicas).await?;
    for replica in replicas {
        replica.close().await;
    }
    Ok(())
}

/// Whoever repeats a request is told of the order, whichever replica made it.
#[tokio::test]
async fn a_repeat_passes_the_barrier_before_it_is_told_of_an_order() -> anyhow::Result<()> {
    let Some(home) = TestDatabase::mysql().await? else {
        return Ok(());
    };
    let replicas = [open_store(&home).await?, open_store(&home).await?];
    let passes = suite::repeat_elsewhere(&replicas, &home).await?;
    assert_eq!(passes, [0, 1], "of a creation nobody is told");
    for replica in replicas {
        replica.close().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_batch_that_sqlite_refuses_leaves_nothing() -> anyhow::Result<()> {
    refuse_a_batch(&TestDatabase::sqlite()?).await
}

#[tokio::test]
async fn a_batch_that_mysql_refuses_leaves_nothing() -> anyhow::Result<()> {
    match TestDatabase::mysql().await? {
        Some(home) => refuse_a_batch(&home).await,
        None => Ok(()),
    }
}

async fn refuse_a_batch(home: &TestDatabase) -> anyhow::Result<()> {
    let store = open_store(home).await?;
    suite::refuse_a_batch(std::sync::Arc::clone(&store)).await?;
    store.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_that_move_an_order_one_wins_on_sqlite() -> anyhow::Result<()> {
    race_pay_against_expiry(&TestDatabase::sqlite()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_that_move_an_order_one_wins_on_mysql() -> anyhow::Result<()> {
    match TestDatabase::mysql().await? {
        Some(home) => race_pay_against_expiry(&home).await,
        None => Ok(()),
    }
}

async fn race_pay_against_expiry(home: &TestDatabase) -> anyhow::Result<()> {
    let replicas = [open_store(home).await?, open_store(home).await?];
    suite::race_pay_against_expiry(&replicas).await?;
    for replica in replicas {
        replica.close().await;
    }
    Ok(())
}

/// One writes orders down under an intent that it remembers, the other one has taken it over.
async fn nothing_is_written_under_an_intent_that_was_taken_over_on(
    home: &TestDatabase,
) -> anyhow::Result<()> {
    let replicas = [open_store(home).await?, open_store(home).await?];
    suite::race_recovery(&replicas).await?;
    for replica in replicas {
        replica.close().await;
    }
    Ok(())
}

/// Two replicas over one database: what one wrote down, the other has moved on.
async fn a_creation_called_off_elsewhere_is_not_confirmed_on(
    home: &TestDatabase,
) -> anyhow::Result<()> {
    let (creator, recovery) = (open_store(home).await?, open_store(home).await?);
    suite::apply(&*creator, vec![insert(1, 7, None), insert(2, 7, None)]).await?;
    suite::apply(&*recovery, vec![abandon(1, AbandonedBy::Recovery, 20_000)]).await?;
    let outcomes = suite::apply(&*creator, vec![confirm(1, 50_000), confirm(2, 50_000)]).await?;
    let verdicts = outcomes.iter().map(|outcome| match outcome {
        Outcome::Move(Some(moved)) => Some(moved.verdict),
        _ => None,
    });
    assert_eq!(
        verdicts.collect::<Vec<_>>(),
        [Some(Verdict::Illegal), Some(Verdict::Now)],
        "whoever was slower gives way, and holds nobody else up"
    );
    let left = recovery.find_order(&order_no(1)).await?;
    assert_eq!(left.map(|found| found.order.stage), Some(Stage::Abandoned));
    creator.close().await;
    recovery.close().await;
    Ok(())
}

/// What one wrote down and confirms without a look at it, the other has noted money for.
async fn money_noted_elsewhere_outlasts_a_confirmation_on(
    home: &TestDatabase,
) -> anyhow::Result<()> {
    let (creator, payee) = (open_store(home).await?, open_store(home).await?);
    suite::apply(&*creator, vec![insert(1, 7, None)]).await?;
    suite::apply(&*payee, vec![pay(1, 100)]).await?;
    suite::apply(&*creator, vec![confirm(1, 50_000)]).await?;
    let found = payee.find_order(&order_no(1)).await?;
    let order = found.context("the order is gone")?.order;
    assert_eq!(order.stage, Stage::Live(OrderStatus::Pending));
    assert_eq!(order.expire_at, at(50_000));
    assert_eq!(
        order.payment.map(|payment| payment.payment_no),
        Some(payment_no(1))
    );
    creator.close().await;
    payee.close().await;
    Ok(())
}

mod on_sqlite_replicas {
    #[tokio::test]
    async fn money_noted_elsewhere_outlasts_a_confirmation() -> anyhow::Result<()> {
        let home = super::TestDatabase::sqlite()?;
        super::money_noted_elsewhere_outlasts_a_confirmation_on(&home).await
    }

    #[tokio::test]
    async fn nothing_is_written_under_an_intent_that_was_taken_over() -> anyhow::Result<()> {
        let home = super::TestDatabase::sqlite()?;
        super::nothing_is_written_under_an_intent_that_was_taken_over_on(&home).await
    }

    #[tokio::test]
    async fn a_creation_called_off_elsewhere_is_not_confirmed() -> anyhow::Result<()> {
        let home = super::TestDatabase::sqlite()?;
        super::a_creation_called_off_elsewhere_is_not_confirmed_on(&home).await
    }
}

mod on_mysql_replicas {
    #[tokio::test]
    async fn money_noted_elsewhere_outlasts_a_confirmation() -> anyhow::Result<()> {
        match super::TestDatabase::mysql().await? {
            Some(home) => super::money_noted_elsewhere_outlasts_a_confirmation_on(&home).await,
            None => Ok(()),
        }
    }

    #[tokio::test]
    async fn nothing_is_written_under_an_intent_that_was_taken_over() -> anyhow::Result<()> {
        match super::TestDatabase::mysql().await? {
            Some(home) => {
                super::nothing_is_written_under_an_intent_that_was_taken_over_on(&home).await
            }
            None => Ok(()),
        }
    }

    #[tokio::test]
    async fn a_creation_called_off_elsewhere_is_not_confirmed() -> anyhow::Result<()> {
        match super::TestDatabase::mysql().await? {
            Some(home) => super::a_creation_called_off_elsewhere_is_not_confirmed_on(&home).await,
            None => Ok(()),
        }
    }
}
