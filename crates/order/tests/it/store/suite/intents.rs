//! Intents, and the orders that are written down under them.

use super::*;

pub(in crate::store) async fn an_intent_reads_back_and_counts_its_orders(
    store: Arc<dyn Store>,
) -> Checked {
    apply(&*store, vec![open_intent(1, 4), open_intent(5, 5)]).await?;
    let held = vec![insert_held(1, 1), insert_held(4, 1), insert_held(5, 1)];
    let outcomes = apply(&*store, held).await?;
    let (new, overtaken) = (Inserted::New, Inserted::Overtaken);
    assert_eq!(
        outcomes,
        [new.clone(), new, overtaken].map(Outcome::Insert),
        "5 is another's"
    );
    assert_eq!(store.due_intents(at(6_999), 9).await?, []);
    let mut first = intent(1, 4);
    first.written = 2;
    assert_eq!(
        store.due_intents(at(7_000), 9).await?,
        [first, intent(5, 5)]
    );
    assert_eq!(store.due_intents(at(7_000), 1).await?, [first]);
    let written = store.written_under(first).await?;
    assert_eq!(written, [order_id(1), order_id(4)].into());

    let order = store.find_order(&order_no(4)).await?.unwrap();
    assert_eq!(order.order.stage, Stage::Live(OrderStatus::Pending));
    assert_eq!(order.order.expire_at, at(900));
    assert_eq!(order.items, items(2).to_vec());
    assert_eq!(store.find_order(&order_no(5)).await?, None);
    let due = store
        .due_orders(order.order.stage, at(900), None, 9)
        .await?;
    assert_eq!(due.len(), 2, "their deadlines are known");
    Ok(())
}

pub(in crate::store) async fn an_order_in_doubt_is_looked_for_before_it_is_written(
    store: Arc<dyn Store>,
) -> Checked {
    apply(&*store, vec![open_intent(1, 4), insert_held(1, 1)]).await?;
    let again = vec![insert_held_again(1, 1), insert_held_again(2, 1)];
    let outcomes = apply(&*store, again).await?;
    assert!(
        matches!(&outcomes[0], Outcome::Insert(Inserted::Repeat(first)) if first.id == order_id(1))
    );
    assert_eq!(outcomes[1], Outcome::Insert(Inserted::New));
    Ok(())
}

/// One replica writes orders down as fast as it can, another one takes its intent over meanwhile: what
/// that one sees then is all there will be.
pub(in crate::store) async fn race_recovery(replicas: &[Arc<dyn Store>; 2]) -> Checked {
    let [creator, recovery] = replicas;
    for first in (1..=20).map(|round: u64| round * 100) {
        let last = first + 49;
        apply(&**creator, vec![open_intent(first, last)]).await?;
        let writing = async {
            let mut written = Vec::new();
            for id in first..=last {
                let outcome = apply(&**creator, vec![insert_held(id, first)])
                    .await?
                    .remove(0);
                match outcome {
                    Outcome::Insert(Inserted::New) => written.push(order_id(id)),
                    Outcome::Insert(Inserted::Overtaken) => break,
                    other => panic!("{other:?}"),
                }
            }
            anyhow::Ok(written)
        };
        let recovering = async {
            // Any moment will do; each round has its own.
            for _ in 0..first / 100 {
                recovery.feed_cursor().await?;
            }
            let taken = apply(&**recovery, vec![take_over(first, 7_000)]).await?;
            assert_eq!(taken, [Outcome::Intent(true)]);
            Ok(recovery.written_under(intent(first, last)).await?)
        };
        let (written, seen) = tokio::join!(writing, recovering);
        let written: std::collections::BTreeSet<_> = written?.into_iter().collect();
        let seen: anyhow::Result<_> = seen;
        assert_eq!(seen?, written, "of {first}");
    }
    Ok(())
}
