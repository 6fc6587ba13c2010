//! The laws, as plain functions over one reading: each group in a file of its own, each law with a
//! test that breaks it.

mod holds;
mod money;
mod orders;
mod stock;
mod workers;

use super::facts::Facts;
use super::finding::Finding;

/// Holds the facts against every law. What is found may need a second look: see
/// [`Proof`](super::finding::Proof).
pub(crate) fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    stock::judge(&facts.stock, &mut findings);
    holds::judge(facts, &mut findings);
    orders::judge(facts, &mut findings);
    money::judge(facts, &mut findings);
    workers::judge(facts, &mut findings);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::sample;

    #[test]
    fn a_sound_system_of_every_kind_of_order_breaks_no_law() {
        assert_eq!(judge(&sample::sound()), []);
    }
}
