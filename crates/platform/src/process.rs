//! What a process uses of the machine, as Linux reports it.

use std::time::Duration;

/// Which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// This one.
    This,
    /// The one with this id.
    Id(u32),
}

/// How long one tick of `/proc` is: Linux reports 100 a second to user space on every machine.
const TICK: Duration = Duration::from_millis(10);
/// Fields of `stat` after the program's name, counted from 0.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;

/// The CPU time that all threads of `process` have used so far; `None` where there is no such process, or
/// no `/proc`.
pub fn cpu_time(process: Process) -> Option<Duration> {
    let stat = match process {
        Process::This => std::fs::read_to_string("/proc/self/stat"),
        Process::Id(id) => std::fs::read_to_string(format!("/proc/{id}/stat")),
    };
    cpu_time_in(&stat.ok()?)
}

/// The memory that `process` holds, in KiB; `None` where there is no such process, or no `/proc`.
pub fn resident_kib(process: Process) -> Option<u64> {
    let status = match process {
        Process::This => std::fs::read_to_string("/proc/self/status"),
        Process::Id(id) => std::fs::read_to_string(format!("/proc/{id}/status")),
    };
    let status = status.ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line?.split_whitespace().next()?.parse().ok()
}

fn cpu_time_in(stat: &str) -> Option<Duration> {
    // The name is in brackets and may hold anything, brackets and blanks too.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_ascii_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok();
    let ticks = ticks(USER_TICKS)?.checked_add(ticks(SYSTEM_TICKS)?)?;
    TICK.checked_mul(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added_whatever_the_program_is_called() {
        let stat = "17 (a) R 1 (b) S 1 17 17 0 -1 4194304 900 0 3 0 250 51 7 8 20 0 9 0 1234";
        assert_eq!(cpu_time_in(stat), Some(Duration::from_millis(3_010)));
        assert_eq!(cpu_time_in("17 (short) S 1"), None);
        assert_eq!(cpu_time_in(""), None);
    }

    #[test]
    fn a_process_that_is_not_there_has_used_nothing_that_is_known() {
        assert_eq!(cpu_time(Process::Id(u32::MAX)), None);
        assert_eq!(resident_kib(Process::Id(u32::MAX)), None);
    }
}
