//! Durations on the command line, read as the configuration reads them.

use std::time::Duration;

use platform::config::human_duration;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};

/// Reads a duration with its unit: `30s`, `2m`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    let text: StrDeserializer<'_, ValueError> = text.into_deserializer();
    human_duration::deserialize(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_with_its_unit() {
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
        assert!(
            parse_duration("soon")
                .unwrap_err()
                .to_string()
                .starts_with("must be a duration")
        );
    }
}
