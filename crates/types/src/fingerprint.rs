use sha2::{Digest, Sha256};

/// What a request asked for, in 16 bytes: two requests under one idempotency key are the same
/// request exactly when their fingerprints are equal.
///
/// The first half of a SHA-256, so that nobody can craft two requests that share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The stored form.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the stored form back; `None` where it is not 16 bytes long.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// Builds a [`Fingerprint`] from numbers in a fixed order.
///
/// Put the method's name first; then every parameter, lists in the form in which the rule compares
/// them: sorted and summed.
#[derive(Debug)]
pub struct Fingerprinter(Sha256);

impl Fingerprinter {
    /// Starts a fingerprint for `method`.
    pub fn new(method: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(method.as_bytes());
        hash.update([0]);
        Self(hash)
    }

    /// Adds one number.
    #[must_use]
    pub fn with(mut self, number: impl Into<i128>) -> Self {
        self.0.update(number.into().to_be_bytes());
        self
    }

    /// The fingerprint of all that was added.
    pub fn finish(self) -> Fingerprint {
        let digest: [u8; 32] = self.0.finalize().into();
        let mut half = [0; 16];
        half.copy_from_slice(&digest[..16]);
        Fingerprint(half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_the_order_and_every_number_count() {
        let base = || {
            Fingerprinter::new("deduct")
                .with(1_u64)
                .with(2_i32)
                .finish()
        };
        assert_eq!(base(), base());
        assert_ne!(
            base(),
            Fingerprinter::new("deduct")
                .with(2_u64)
                .with(1_i32)
                .finish()
        );
        assert_ne!(
            base(),
            Fingerprinter::new("release")
                .with(1_u64)
                .with(2_i32)
                .finish()
        );
        assert_ne!(base(), Fingerprinter::new("deduct").with(1_u64).finish());
    }
}
