//! The life of a task: claimed, then done, failed or parked.

use crate::domain::task::kept_error;
use crate::domain::{REFUSALS_MAX, Rows, Task, TaskKey, TaskStep};

impl Rows {
    /// The task as it is after the step (as it was, where it is done); `None` where it is gone, held
    /// by somebody else, parked, or to be resumed and not parked.
    pub(super) fn move_task(&mut self, key: TaskKey, step: &TaskStep) -> Option<Task> {
        let task = self.tasks.get(&key)?;
        match step {
            TaskStep::Claim { seen_due_at, until } => {
                if task.parked || task.due_at != *seen_due_at {
                    return None;
                }
                self.edit_task(key, |task| task.due_at = *until)
            }
            // Done is done: the effect is idempotent, so it does not matter whose try it was.
            TaskStep::Done => self.tasks.remove(&key),
            TaskStep::Fail {
                held_until,
                due_at,
                refused,
                error,
            } => {
                if task.parked || task.due_at != *held_until {
                    return None;
                }
                self.edit_task(key, |task| {
                    task.attempts = task.attempts.saturating_add(1);
                    task.refusals = if *refused {
                        task.refusals.saturating_add(1)
                    } else {
                        0
                    };
                    task.parked = task.refusals >= REFUSALS_MAX;
                    task.due_at = *due_at;
                    task.last_error = Some(kept_error(error));
                })
            }
            TaskStep::Resume { at } => {
                if !task.parked {
                    return None;
                }
                self.edit_task(key, |task| {
                    task.parked = false;
                    task.refusals = 0;
                    task.due_at = *at;
                })
            }
        }
    }

    fn edit_task(&mut self, key: TaskKey, change: impl FnOnce(&mut Task)) -> Option<Task> {
        let task = self.tasks.edit(&key)?;
        change(task);
        Some(task.clone())
    }
}
