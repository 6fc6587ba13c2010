use std::fmt;

/// The longest idempotency key, in bytes.
pub const KEY_BYTES_MAX: usize = 64;

/// An idempotency key: 1 to 64 bytes, compared byte for byte (case, blanks and accents count).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Box<str>);

impl IdempotencyKey {
    /// Takes the key as it was given; `None` where it is empty, too long or holds a control character.
    pub fn new(key: &str) -> Option<Self> {
        let fits = !key.is_empty() && key.len() <= KEY_BYTES_MAX;
        (fits && !key.chars().any(char::is_control)).then(|| Self(key.into()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bytes_not_words() {
        assert_ne!(IdempotencyKey::new("a"), IdempotencyKey::new("A"));
        assert_ne!(IdempotencyKey::new("a"), IdempotencyKey::new("a "));
        assert!(IdempotencyKey::new(&"a".repeat(64)).is_some());
        assert!(IdempotencyKey::new(&"图".repeat(21)).is_some());
        assert!(IdempotencyKey::new(&"图".repeat(22)).is_none(), "66 bytes");
        assert!(IdempotencyKey::new("").is_none());
        assert!(IdempotencyKey::new("a\0").is_none());
    }
}
