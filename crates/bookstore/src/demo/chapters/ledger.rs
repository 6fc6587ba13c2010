//! Stock: restocked, deducted, asked twice, given back.

use api::inventory::v1::{DeductStockRequest, ReleaseStockRequest, RestockInventoryRequest};

use super::{Books, COPIES};
use crate::demo::claim::{done, equal};
use crate::demo::narration::Line;
use crate::demo::stage::{Stage, Stop};

/// Copies that are taken and given back.
const TAKEN: i32 = 5;
/// What is left meanwhile.
const LEFT: i32 = 95;

/// Restocks both books, and shows that a repeated deduction is one deduction.
pub(in crate::demo) async fn play(stage: &mut Stage, books: Books) -> Result<(), Stop> {
    restock(stage, books.go, "restock-1", Line::RestockOnce).await?;
    let deduct = DeductStockRequest {
        book_id: books.go,
        quantity: TAKEN,
        reference_id: 1,
        idempotency_key: stage.key("deduct-1"),
    };
    for why in [Line::Deducted, Line::DeductedOnce] {
        let reply = stage.call(deduct.clone()).await?;
        let left = equal("remaining_quantity", reply.remaining_quantity, LEFT);
        stage.answer(&reply, &[done(&reply), left], why)?;
    }
    let release = ReleaseStockRequest {
        book_id: books.go,
        quantity: TAKEN,
        reference_id: 1,
        idempotency_key: String::new(),
    };
    for why in [Line::Nothing, Line::ReleasedOnce] {
        let reply = stage.call(release.clone()).await?;
        let quantity = equal("new_quantity", reply.new_quantity, COPIES);
        stage.answer(&reply, &[done(&reply), quantity], why)?;
    }
    restock(stage, books.systems, "restock-2", Line::Nothing).await
}

async fn restock(stage: &mut Stage, book_id: u64, key: &str, why: Line) -> Result<(), Stop> {
    let idempotency_key = stage.key(key);
    let request = RestockInventoryRequest {
        book_id,
        quantity: COPIES,
        idempotency_key,
    };
    let reply = stage.call(request).await?;
    let quantity = equal("new_quantity", reply.new_quantity, COPIES);
    stage.answer(&reply, &[done(&reply), quantity], why)
}
