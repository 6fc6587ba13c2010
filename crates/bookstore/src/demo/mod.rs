//! The demonstration: the transcript of a first day, then the stories of what goes wrong.
//!
//! Owns: the chapters, the way calls are shown, and the check of every answer. Never does: anything
//! that a stranger's gRPC client could not do; every call goes through the public methods.
//!
//! Start reading at [`chapters`]: each file is one story. [`Stage`] shows and checks,
//! [`narration`] holds every sentence in both languages, [`Scene`] is the system played on.

mod caller;
mod chapters;
mod claim;
mod narration;
mod scene;
mod sketch;
mod stage;

use std::io;
use std::time::Instant;

use chapters::{
    expiry, last_copy, late_money, ledger, life, refused, shelf, shipped, twice, wrong_amount,
};
use narration::Line;

pub(crate) use scene::{Against, Scene};
pub(crate) use stage::Stage;

/// Plays all chapters on `scene`; answers whether every answer was as promised.
///
/// A chapter ends at its first broken promise; the next one plays on all the same.
///
/// # Errors
/// Output that cannot be written.
pub(crate) async fn play(stage: &mut Stage, scene: &Scene) -> io::Result<bool> {
    let began = Instant::now();
    stage.open(scene)?;
    // Without books there is nothing to play with.
    if let Some(books) = stage.act(Line::ShelfTitle, shelf::play).await? {
        stage
            .act(Line::LedgerTitle, async |stage| {
                ledger::play(stage, books).await
            })
            .await?;
        stage
            .act(Line::LifeTitle, async |stage| {
                life::play(stage, books).await
            })
            .await?;
        stage
            .act(Line::ShippedTitle, async |stage| {
                shipped::play(stage, books).await
            })
            .await?;
        stage
            .act(Line::TwiceTitle, async |stage| {
                twice::play(stage, books).await
            })
            .await?;
        stage.act(Line::LastCopyTitle, last_copy::play).await?;
        stage
            .act(Line::RefusedTitle, async |stage| {
                refused::play(stage, books).await
            })
            .await?;
        stage
            .act(Line::LateMoneyTitle, async |stage| {
                late_money::play(stage, books).await
            })
            .await?;
        stage
            .act(Line::WrongAmountTitle, async |stage| {
                wrong_amount::play(stage, books).await
            })
            .await?;
        stage
            .act(Line::ExpiryTitle, async |stage| {
                expiry::play(stage, books).await
            })
            .await?;
        chapters::take_down(stage, &[books.go, books.systems]).await;
    }
    stage.close(began.elapsed())
}
