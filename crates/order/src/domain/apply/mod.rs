//! What each operation does.

mod create;
mod follow;
mod intents;
mod leases;
mod pay;
mod tasks;
mod transitions;

#[cfg(test)]
mod tests;

use super::{Op, Outcome, Rows};

impl Rows {
    /// Decides `op` and changes the rows accordingly; a refusal changes nothing, but money that
    /// cannot pay its order is recorded and sent back.
    ///
    /// Shape: every row that [`Op::touch`] names is loaded. Idempotent: yes, every operation; a
    /// repeat changes nothing.
    pub fn apply(&mut self, op: &Op) -> Outcome {
        match op {
            Op::Insert(new) => Outcome::Insert(self.insert(new)),
            Op::Confirm { id, at, expire_at } => moved(self.confirm(*id, *at, *expire_at)),
            Op::Drop { id } => moved(self.drop_order(*id)),
            Op::Abandon { id, by, stamp } => moved(self.abandon(*id, *by, *stamp)),
            Op::Cancel { id, why, stamp } => moved(self.cancel(*id, why, *stamp)),
            Op::Ship { id, stamp } => moved(self.ship(*id, *stamp)),
            Op::Complete { id, at } => moved(self.complete(*id, *at)),
            Op::Pay { id, receipt, stamp } => moved(self.pay(*id, receipt, *stamp)),
            Op::Follow { events, stamp } => Outcome::Follow(self.follow(events, *stamp)),
            Op::Task { key, step } => Outcome::Task(self.move_task(*key, step).map(Box::new)),
            Op::Lease { name, holder, step } => Outcome::Lease(self.move_lease(name, holder, step)),
            Op::Intent { first, step } => Outcome::Intent(self.move_intent(*first, step)),
        }
    }
}

fn moved(moved: Option<super::Moved>) -> Outcome {
    Outcome::Move(moved.map(Box::new))
}
