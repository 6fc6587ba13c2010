use platform::deadline::Deadline;
use types::{Code, OrderId};

use super::Payments;
use crate::domain::Payment;
use crate::error::PaymentError;

impl Payments {
    /// The payment of an order, as callers see it.
    ///
    /// # Errors
    /// `Refused` if nobody ever tried to pay.
    pub(crate) async fn find_payment(
        &self,
        order_id: OrderId,
        deadline: Deadline,
    ) -> Result<Payment, PaymentError> {
        let record = self.reader.find(order_id, deadline).await?;
        let record = record.ok_or(PaymentError::Refused(Code::PaymentNotFound))?;
        Ok(record.payment)
    }
}
