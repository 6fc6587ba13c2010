//! What is wrong with a value, without the value itself: it may be a misplaced secret.

use serde_path_to_error::Segment;

/// The reason given for an empty value.
pub(super) const EMPTY: &str = "is empty";

/// A value that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The path of its key.
    pub(super) key: String,
    /// What is wrong with it.
    pub(super) reason: String,
    /// Whether the value is of the wrong type, such as a text for a number.
    pub(super) is_of_wrong_kind: bool,
}

impl Mistake {
    /// The value at this path is empty.
    pub(super) fn empty(path: &[String]) -> Self {
        let keys: Vec<_> = path.iter().map(|key| shown(key)).collect();
        Self {
            key: keys.join("."),
            reason: EMPTY.to_owned(),
            is_of_wrong_kind: false,
        }
    }
}

impl From<serde_path_to_error::Error<serde_json::Error>> for Mistake {
    fn from(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let keys = error.path().iter().map(|segment| match segment {
            Segment::Map { key } => shown(key).to_owned(),
            other => other.to_string(),
        });
        let key = keys.collect::<Vec<_>>().join(".");
        let text = error.inner().to_string();
        Self {
            key,
            is_of_wrong_kind: text.starts_with(INVALID_TYPE),
            reason: describe(text),
        }
    }
}

/// A key, unless it is a URL: that was meant to be a value.
fn shown(key: &str) -> &str {
    if key.contains("://") { "***" } else { key }
}

// How serde's own errors begin. They go on with the value, and end with what was expected.
const INVALID_TYPE: &str = "invalid type: ";
const INVALID_VALUE: &str = "invalid value: ";
const INVALID_LENGTH: &str = "invalid length ";
const UNKNOWN_VARIANT: &str = "unknown variant `";
const UNKNOWN_FIELD: &str = "unknown field `";

/// Rewords serde's errors; those of this program's own types, which repeat no value, stay as they are.
fn describe(text: String) -> String {
    // The value comes first and may hold the same words.
    let Some((given, expected)) = text.rsplit_once(", expected ") else {
        return text;
    };
    if let Some(given) = given.strip_prefix(INVALID_TYPE) {
        return match kind_given(given) {
            None => EMPTY.to_owned(),
            Some(kind) => format!("must be {}, not {kind}", kind_expected(expected)),
        };
    }
    if let Some(key) = given.strip_prefix(UNKNOWN_FIELD) {
        let key = shown(key.trim_end_matches('`'));
        return format!("{UNKNOWN_FIELD}{key}`, expected {expected}");
    }
    if given.starts_with(UNKNOWN_VARIANT) {
        return format!("unknown variant, must be {expected}");
    }
    let starts = [INVALID_VALUE, INVALID_LENGTH];
    if starts.iter().any(|start| given.starts_with(start)) {
        return format!("must be {}", kind_expected(expected));
    }
    text
}

/// The kind of value that was given; `None` if it is empty.
fn kind_given(given: &str) -> Option<&'static str> {
    let kinds = [
        ("string", "a text"),
        ("integer", "a number"),
        ("floating point", "a fraction"),
        ("boolean", "true or false"),
        ("map", "a section"),
        ("sequence", "a list"),
    ];
    if given.starts_with("null") || given.starts_with("unit") {
        return None;
    }
    let known = kinds.iter().find(|(start, _)| given.starts_with(start));
    Some(known.map_or("what stands there", |(_, kind)| kind))
}

/// The kind of value that was expected, for people who do not write Rust.
fn kind_expected(expected: &str) -> &str {
    match expected {
        "a string" => "a text",
        "a boolean" => "true or false",
        "f32" | "f64" => "a number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        struct_name if struct_name.starts_with("struct ") => "a section",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_says_is_said_without_the_value() {
        let cases = [
            (
                "invalid type: string \"a, expected b\", expected struct Config",
                "must be a section, not a text",
            ),
            (
                "invalid type: floating point `1.5`, expected usize",
                "must be a whole number from 0, not a fraction",
            ),
            (
                "invalid type: integer `5`, expected a string",
                "must be a text, not a number",
            ),
            ("invalid type: null, expected a string", EMPTY),
            (
                "invalid value: integer `-1`, expected usize",
                "must be a whole number from 0",
            ),
            (
                "unknown variant `fr`, expected `zh` or `en`",
                "unknown variant, must be `zh` or `en`",
            ),
            (
                "unknown field `rat`, expected `rate` or `seed`",
                "unknown field `rat`, expected `rate` or `seed`",
            ),
            (
                "unknown field `mysql://a:b@c`, expected `rate`",
                "unknown field `***`, expected `rate`",
            ),
            ("must be a duration", "must be a duration"),
        ];
        for (said, expected) in cases {
            assert_eq!(describe(said.to_owned()), expected);
        }
    }
}
