//! Asking inventory for the stock until there is an answer.

use platform::context::CallContext;
use platform::deadline::Deadline;

use super::Created;
use super::pauses::Pauses;
use crate::app::App;
use crate::clients::{Deduction, Unanswered};
use crate::domain::Basket;
use crate::error::OrderError;

/// What is known about the stock after asking for it.
pub(super) enum Hold {
    /// It is held.
    Held,
    /// It was refused. `in_doubt`: an earlier try may still arrive and succeed.
    Refused { error: OrderError, in_doubt: bool },
    /// Recovery was quicker and has called the creation off.
    Fenced,
    /// Whether it is held is not known.
    Unknown(Unanswered),
}

impl App {
    /// Asks for the stock until there is an answer or no time is left; under one key, so a retry
    /// deducts nothing twice.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn hold_stock(
        &self,
        context: &CallContext,
        basket: &Basket,
        created: &Created,
    ) -> Hold {
        let mut in_doubt = false;
        let mut pauses = Pauses::new();
        let mut settled_by = context.deadline;
        loop {
            let context = CallContext {
                deadline: settled_by,
                ..context.clone()
            };
            let asked = self
                .inventory
                .deduct(&context, &created.order_no, created.id, basket.lines())
                .await;
            let refused = |error| Hold::Refused { error, in_doubt };
            match asked {
                Deduction::Held => return Hold::Held,
                Deduction::Short(book) => {
                    book.inspect(|book| self.short_books.note(*book));
                    return refused(OrderError::InsufficientStock);
                }
                Deduction::Refused(reason) => return refused(OrderError::CreateRefused { reason }),
                Deduction::Fenced => return Hold::Fenced,
                Deduction::Unknown(unanswered) => {
                    if !in_doubt {
                        in_doubt = true;
                        let limit = Deadline::after(self.timing.settle_limit);
                        settled_by = settled_by.earlier(limit);
                    }
                    if !pauses.wait(settled_by).await {
                        return Hold::Unknown(unanswered);
                    }
                    tracing::warn!(error = %unanswered, "asking for the stock again");
                }
            }
        }
    }
}
