//! Smaller inputs that still find what a larger one found.

/// How many executions shrinking may take.
const TRIES_MAX: usize = 4000;

/// Takes parts out of `input` for as long as `still_fails`.
pub(crate) fn shrink(input: &[u8], mut still_fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut smallest = input.to_vec();
    let mut tries = 0_usize;
    let mut part = smallest.len().div_ceil(2);
    while part > 0 && tries < TRIES_MAX {
        let mut at = 0;
        while at < smallest.len() && tries < TRIES_MAX {
            let mut smaller = smallest.clone();
            smaller.drain(at..at.saturating_add(part).min(smallest.len()));
            tries = tries.saturating_add(1);
            if still_fails(&smaller) {
                smallest = smaller;
            } else {
                at = at.saturating_add(part);
            }
        }
        part = if part == 1 { 0 } else { part.div_ceil(2) };
    }
    smallest
}

#[cfg(test)]
mod tests {
    //! Proves that what does not matter goes, and what matters stays.

    use super::*;

    #[test]
    fn only_what_matters_stays() {
        let has = |input: &[u8], byte| input.contains(&byte);
        let smallest = shrink(b"abcXdefghijklYmnop", |input| {
            has(input, b'X') && has(input, b'Y')
        });
        assert_eq!(smallest, b"XY");
        assert_eq!(shrink(b"abc", |_| true), b"");
        assert_eq!(shrink(b"", |_| true), b"");
    }
}
