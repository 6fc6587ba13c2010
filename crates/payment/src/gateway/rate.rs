use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The whole, in parts per million.
const WHOLE_PPM: u32 = 1_000_000;

/// The decimals that a rate may have: parts per million.
const DECIMALS_MAX: usize = 6;

/// A share between 0 and 1 with at most six decimals, kept in parts per million.
///
/// It is read from decimal text, so that no floating point ever decides about money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(u32);

impl Rate {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(WHOLE_PPM);

    /// Whether a roll of the dice, spread evenly over all of `u64`, falls into the share.
    pub fn holds(self, roll: u64) -> bool {
        // 2^64 is no multiple of a million: the share is wrong by less than one part in 10^13.
        roll.rem_euclid(u64::from(WHOLE_PPM)) < u64::from(self.0)
    }
}

/// The error for a value that is not a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be between 0 and 1, with at most {DECIMALS_MAX} decimals")]
pub struct NotARate;

impl FromStr for Rate {
    type Err = NotARate;

    /// Reads `0`, `1`, `0.7`, `.25`, `1.000`; no sign, no exponent.
    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let decimals = decimals.trim_end_matches('0');
        if decimals.len() > DECIMALS_MAX {
            return Err(NotARate);
        }
        let padded = format!("{whole:0>1}{decimals:0<DECIMALS_MAX$}");
        if !padded.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotARate);
        }
        match padded.parse() {
            Ok(ppm) if ppm <= WHOLE_PPM => Ok(Self(ppm)),
            _ => Err(NotARate),
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RateVisitor)
    }
}

/// Takes a number from a file, or text from an environment variable.
struct RateVisitor;

impl Visitor<'_> for RateVisitor {
    type Value = Rate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate between 0 and 1")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Rate, E> {
        text.parse().map_err(E::custom)
    }

    // Printing a float gives the shortest decimal that reads back as itself, without an exponent:
    // what was written in the file.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Rate, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Rate, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Rate, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::Error as ValueError;

    use super::*;

    #[test]
    fn rates_are_decimal_shares_of_one() {
        let cases = [
            ("0", Some(0)),
            ("1", Some(1_000_000)),
            ("0.7", Some(700_000)),
            (".25", Some(250_000)),
            ("1.", Some(1_000_000)),
            ("1.00000000", Some(1_000_000)),
            ("0.000001", Some(1)),
            ("0.0000001", None),
            ("1.000001", None),
            ("7", None),
            ("-0.1", None),
            ("+1", None),
            ("1e-3", None),
            ("NaN", None),
            ("0.5.5", None),
            ("99999999999999999999", None),
        ];
        for (text, ppm) in cases {
            assert_eq!(text.parse::<Rate>().ok(), ppm.map(Rate), "{text}");
        }
    }

    #[test]
    fn a_file_gives_numbers_and_the_environment_text() {
        let read = |value: f64| {
            Rate::deserialize(IntoDeserializer::<ValueError>::into_deserializer(value))
        };
        assert_eq!(read(0.7), Ok(Rate(700_000)));
        assert_eq!(read(1.0), Ok(Rate::ALWAYS));
        assert!(read(1.5).is_err() && read(f64::NAN).is_err() && read(-0.0001).is_err());
        let whole: Result<Rate, ValueError> = Rate::deserialize(1_u64.into_deserializer());
        assert_eq!(whole, Ok(Rate::ALWAYS));
        let text: Result<Rate, ValueError> = Rate::deserialize("0.05".into_deserializer());
        assert_eq!(text, Ok(Rate(50_000)));
    }

    #[test]
    fn never_and_always_mean_it() {
        for roll in [0, 1, 699_999, 999_999, u64::MAX] {
            assert!(!Rate::NEVER.holds(roll) && Rate::ALWAYS.holds(roll));
        }
        assert!(Rate(700_000).holds(699_999) && !Rate(700_000).holds(700_000));
    }
}
