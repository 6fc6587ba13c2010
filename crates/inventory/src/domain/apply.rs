//! The stock rule: what each operation does, and when it is refused.
//!
//! Every operation looks up its key before the stock: a retry that arrives after the last copy was
//! sold must get its first answer. All checks come before all changes, so that a refusal leaves
//! nothing behind.

use std::slice;

use types::{IdempotencyKey, UnixMillis};

use super::rows::Cause;
use super::{
    Answer, BatchDeduct, Command, Decision, Deduct, FirstAnswer, HeldLine, Hold, HoldState, KeyUse,
    Keyed, Line, Method, Movement, Op, Reference, Refusal, Release, Restock, Rows, Stock,
};

impl Rows {
    /// Carries out `op`, or refuses it and changes nothing.
    ///
    /// The rows must contain everything stored that `op` touches: its key, its books, the hold of
    /// its key, and for a release the oldest open holds that can cover it.
    pub fn apply(&mut self, op: &Op) -> Decision {
        let at = op.at;
        match &op.command {
            Command::Restock(restock) => self.restock(at, restock),
            Command::Deduct(Deduct {
                line,
                reference,
                keyed,
            }) => self.deduct(
                at,
                slice::from_ref(line),
                *reference,
                keyed,
                Deduction::Single,
            ),
            Command::Release(release) => self.release(at, release),
            Command::BatchDeduct(BatchDeduct {
                basket,
                reference,
                keyed,
            }) => self.deduct(at, basket.lines(), *reference, keyed, Deduction::Batch),
            Command::BatchRelease(key) => self.end(at, key, HoldState::Released),
            Command::Commit(key) => self.end(at, key, HoldState::Committed),
        }
    }

    fn restock(&mut self, at: UnixMillis, restock: &Restock) -> Decision {
        let Restock { line, keyed } = restock;
        let keyed = keyed.as_ref();
        if let Some(first) = self.replay_answered(Method::Restock, keyed) {
            return first;
        }
        let copies = line.quantity.get();
        let stock = self.stock(line.book).unwrap_or(Stock::none(line.book));
        let after = stock
            .after(Movement::Restock, copies)
            .ok_or(Refusal::TooManyCopies)?;
        let cause = Cause {
            at,
            key: keyed.map(Keyed::to_key),
            hold: None,
        };
        self.write_entry(after, Movement::Restock, copies, cause);
        self.remember_answered(at, Method::Restock, keyed, after.quantity);
        Ok(Answer::Quantity(after.quantity))
    }

    /// Reserves all lines or none, and opens the hold that is named by the key.
    fn deduct(
        &mut self,
        at: UnixMillis,
        lines: &[Line],
        reference: Reference,
        keyed: &Keyed,
        way: Deduction,
    ) -> Decision {
        if let Some(first) = self.replay_deduction(keyed) {
            return first;
        }
        let stocks = self.plan_move(Movement::Deduct, lines).map_err(|book| {
            let remaining = self.stock(book).map_or(0, |stock| stock.quantity);
            Refusal::Insufficient { book, remaining }
        })?;
        let mut held = Vec::with_capacity(lines.len());
        for (line, after) in lines.iter().zip(&stocks) {
            let copies = line.quantity.get();
            // An entry's `key` is unique, and a batch writes many entries: its key goes into `hold_key` only.
            let key = matches!(way, Deduction::Single).then(|| keyed.to_key());
            let cause = Cause {
                at,
                key,
                hold: Some((keyed.to_key(), reference)),
            };
            self.write_entry(*after, Movement::Deduct, copies, cause);
            let (book, version) = (line.book, after.version);
            held.push(HeldLine {
                book,
                version,
                outstanding: copies,
                settled: 0,
            });
        }
        let first_answer = match (way, stocks.first()) {
            (Deduction::Single, Some(stock)) => FirstAnswer::Remaining(stock.quantity),
            (Deduction::Single | Deduction::Batch, _) => FirstAnswer::Stocks(stocks),
        };
        let answer = answer_of(&first_answer);
        let fingerprint = keyed.fingerprint;
        let state = HoldState::Held;
        let hold = Hold {
            fingerprint,
            reference,
            state,
            lines: held,
            first_answer,
        };
        self.insert_key(keyed.to_key(), at, KeyUse::Hold(hold));
        Ok(answer)
    }

    /// Gives back copies that `DeductStock` holds for a reference, the oldest hold first.
    fn release(&mut self, at: UnixMillis, release: &Release) -> Decision {
        let Release {
            line,
            reference,
            keyed,
        } = release;
        let (line, reference, keyed) = (*line, *reference, keyed.as_ref());
        if let Some(first) = self.replay_answered(Method::Release, keyed) {
            return first;
        }
        let mut after = self.stock(line.book).ok_or(Refusal::StockNotFound)?;
        let shares = self.share_out(line, reference)?;
        let mut steps = Vec::with_capacity(shares.len());
        for (hold_key, copies) in shares {
            after = after
                .after(Movement::Release, copies)
                .ok_or(Refusal::Inconsistent { book: line.book })?;
            steps.push((hold_key, copies, after));
        }
        let mut key = keyed.map(Keyed::to_key);
        for (hold_key, copies, after) in steps {
            self.shrink_hold(&hold_key, copies);
            let cause = Cause {
                at,
                key: key.take(),
                hold: Some((hold_key, reference)),
            };
            self.write_entry(after, Movement::Release, copies, cause);
        }
        self.remember_answered(at, Method::Release, keyed, after.quantity);
        Ok(Answer::Quantity(after.quantity))
    }

    /// Splits `line` over the open holds: nothing to give back if nothing is outstanding, a refusal
    /// if less is outstanding than asked for.
    fn share_out(
        &self,
        line: Line,
        reference: Reference,
    ) -> Result<Vec<(IdempotencyKey, i32)>, Refusal> {
        let mut missing = line.quantity.get();
        let mut shares = Vec::new();
        for (key, outstanding) in self.open_holds(line.book, reference) {
            if missing == 0 {
                break;
            }
            let copies = outstanding.min(missing);
            missing = missing.saturating_sub(copies);
            shares.push((key.clone(), copies));
        }
        let enough = missing == 0 || shares.is_empty();
        enough
            .then_some(shares)
            .ok_or(Refusal::ReleaseExceedsDeducted)
    }

    /// Ends the hold named by `key`: what is outstanding is released or committed, together.
    fn end(&mut self, at: UnixMillis, key: &IdempotencyKey, end: HoldState) -> Decision {
        let hold = match self.key(key).map(|row| &row.used) {
            None => {
                if end == HoldState::Released {
                    // The deduction may still be in flight: the fence refuses it when it arrives.
                    self.insert_key(key.clone(), at, KeyUse::Fence);
                }
                return Ok(Answer::Lines(Vec::new()));
            }
            Some(KeyUse::Fence) => return Ok(Answer::Lines(Vec::new())),
            Some(KeyUse::Answered { .. }) => return Err(Refusal::KeyConflict),
            Some(KeyUse::Hold(hold)) => hold,
        };
        if hold.state == end {
            return Ok(Answer::Lines(hold.settled()));
        }
        let outstanding = hold.outstanding();
        let reference = hold.reference;
        // A hold ends only once: a committed hold is never fenced, nor a released one committed. A
        // commit that finds nothing outstanding does not end the hold, which can still be fenced.
        let ended = hold.state != HoldState::Held;
        let nothing_to_commit = end == HoldState::Committed && outstanding.is_empty();
        let Some(movement) = end.movement().filter(|_| !ended && !nothing_to_commit) else {
            return Ok(Answer::Lines(Vec::new()));
        };
        let stocks = self
            .plan_move(movement, &outstanding)
            .map_err(|book| Refusal::Inconsistent { book })?;
        for (line, after) in outstanding.iter().zip(stocks) {
            let cause = Cause {
                at,
                key: None,
                hold: Some((key.clone(), reference)),
            };
            self.write_entry(after, movement, line.quantity.get(), cause);
        }
        self.end_hold(key, end);
        Ok(Answer::Lines(outstanding))
    }

    /// The decision on a restock or a release whose key was used before; `None` if the key is new or absent.
    fn replay_answered(&self, asked: Method, keyed: Option<&Keyed>) -> Option<Decision> {
        let keyed = keyed?;
        Some(match &self.key(&keyed.key)?.used {
            KeyUse::Answered {
                method,
                fingerprint,
                quantity,
            } if *method == asked && *fingerprint == keyed.fingerprint => {
                Ok(Answer::Quantity(*quantity))
            }
            KeyUse::Answered { .. } | KeyUse::Hold(_) | KeyUse::Fence => Err(Refusal::KeyConflict),
        })
    }

    /// The decision on a deduction whose key was used before; `None` if the key is new.
    fn replay_deduction(&self, keyed: &Keyed) -> Option<Decision> {
        Some(match &self.key(&keyed.key)?.used {
            KeyUse::Fence => Err(Refusal::Cancelled),
            KeyUse::Hold(hold) if hold.fingerprint == keyed.fingerprint => match hold.state {
                HoldState::Released => Err(Refusal::Cancelled),
                HoldState::Held | HoldState::Committed => Ok(answer_of(&hold.first_answer)),
            },
            KeyUse::Hold(_) | KeyUse::Answered { .. } => Err(Refusal::KeyConflict),
        })
    }

    fn remember_answered(
        &mut self,
        at: UnixMillis,
        method: Method,
        keyed: Option<&Keyed>,
        quantity: i32,
    ) {
        if let Some(keyed) = keyed {
            self.insert_key(
                keyed.to_key(),
                at,
                KeyUse::answered(method, keyed, quantity),
            );
        }
    }
}

/// The two ways of deducting; they differ in their answer and in what can release the hold.
#[derive(Debug, Clone, Copy)]
enum Deduction {
    Single,
    Batch,
}

fn answer_of(first: &FirstAnswer) -> Answer {
    match first {
        FirstAnswer::Remaining(quantity) => Answer::Quantity(*quantity),
        FirstAnswer::Stocks(stocks) => Answer::Stocks(stocks.clone()),
    }
}
