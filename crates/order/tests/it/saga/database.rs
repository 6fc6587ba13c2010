//! The order service's own database failing at each step.

use super::*;

#[tokio::test]
async fn a_database_that_fails_at_the_first_step_leaves_nothing() -> anyhow::Result<()> {
    for fault in [Fault::Down, Fault::LoseRequest, Fault::LoseReply] {
        let inserts = |op: &Op| matches!(op, Op::Insert(_));
        let (shop, answer) = create_on_flaky_store("k", inserts, &[fault], Act::Serve).await?;
        let status = answer.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{fault:?}");
        assert!(tells_to_retry(&status));
        assert_clean_slate(&shop.world).await;
        let created = shop.create(&[(1, 2), (2, 1)], "k").await?;
        assert_whole(&shop, &created).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_confirmation_without_an_answer_is_asked_again() -> anyhow::Result<()> {
    for faults in [
        &[Fault::Down][..],
        &[Fault::LoseRequest],
        &[Fault::LoseReply],
        &[Fault::LoseReply, Fault::LoseRequest, Fault::Down],
    ] {
        let confirms = |op: &Op| matches!(op, Op::Confirm { .. });
        let (shop, answer) = create_on_flaky_store("k", confirms, faults, Act::Serve).await?;
        assert_whole(&shop, &answer?).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_calling_off_that_fails_is_left_to_recovery() -> anyhow::Result<()> {
    for fault in [Fault::Down, Fault::LoseRequest, Fault::LoseReply] {
        let abandons = |op: &Op| {
            matches!(
                op,
                Op::Abandon {
                    by: AbandonedBy::Creator,
                    ..
                }
            )
        };
        let (shop, answer) = create_on_flaky_store("k", abandons, &[fault], Act::LoseReply).await?;
        assert_eq!(answer.unwrap_err().code(), Code::Unavailable, "{fault:?}");
        assert_clean_slate(&shop.world).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_drop_that_fails_is_left_to_recovery() -> anyhow::Result<()> {
    for fault in [Fault::Down, Fault::LoseRequest, Fault::LoseReply] {
        let drops = |op: &Op| matches!(op, Op::Drop { .. });
        let (shop, answer) =
            create_on_flaky_store("k", drops, &[fault], Act::Refuse(40100)).await?;
        assert_eq!(answer?.code, 40100, "{fault:?}");
        assert_clean_slate(&shop.world).await;
    }
    Ok(())
}
