use super::{Order, Task};

/// What came of an operation. A refusal is an outcome like any other: it fails nobody else in the
/// batch, and changes nothing, except for money that cannot pay its order ([`super::Op::Pay`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`super::Op::Insert`].
    Insert(Inserted),
    /// Of every operation that moves one order; `None` where there is no such order.
    Move(Option<Box<Moved>>),
    /// Of [`super::Op::Follow`].
    Follow(Followed),
    /// Of [`super::Op::Task`]: the task as it is now (as it was, where it is done); `None` where the
    /// step does not apply to it.
    Task(Option<Box<Task>>),
    /// Of [`super::Op::Lease`]: whether the asker holds it now.
    Lease(bool),
    /// Of [`super::Op::Intent`]: whether it is now in the state that the step asks for.
    Intent(bool),
}

/// What came of writing an order down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It was written.
    New,
    /// It was written before, or the key made this order before, from the same parameters.
    Repeat(Box<Order>),
    /// The key was used before, with other parameters.
    Conflict,
    /// Recovery has taken its intent over, and gives back what is held for it.
    Overtaken,
}

/// What came of moving an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The order as it is now (as it was, where it was dropped).
    pub order: Order,
    /// Whether it moved.
    pub verdict: Verdict,
    /// The tasks that the move recorded. Whoever submitted it runs them now.
    pub tasks: Vec<Task>,
}

/// Whether an order moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    Now,
    /// It had been moved there before: a repeat.
    Before,
    /// The state machine has no such transition from where the order stands.
    Illegal,
    /// It is not overdue.
    NotDue,
}

/// What came of a step along the payment feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// The cursor is at `cursor`; every event up to it has been applied.
    Applied {
        /// The id of the last event applied.
        cursor: u64,
        /// How many of the events were new.
        applied: usize,
        /// The tasks that were recorded.
        tasks: Vec<Task>,
    },
    /// An event is missing; nothing was applied.
    Gap {
        /// The id that was expected.
        expected: u64,
        /// The id that came.
        got: u64,
    },
}
