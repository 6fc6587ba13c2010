//! Durations on the command line, read as the configuration reads them.

pub(super) use platform::config::human_duration::parse as parse_duration;
