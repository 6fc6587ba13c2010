use std::future::pending;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use types::PaymentNo;

use super::{
    ChargeAnswer, ChargeRequest, PaymentGateway, QueryAnswer, Rate, RefundAnswer, RefundRequest,
};
use crate::domain::{ChargeResult, RefundResult, ThirdPartyNo};

/// How the mock gateway behaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MockConfig {
    /// The share of payment numbers whose charge succeeds.
    pub success_rate: Rate,
    /// Gives the same payment numbers different luck.
    pub seed: u64,
    /// How long every answer takes.
    #[serde(with = "platform::config::human_duration")]
    pub latency: Duration,
    /// The share of payment numbers whose charge is never answered, whatever became of it.
    pub hang_rate: Rate,
    /// The share of successful charges whose answer is lost.
    pub lose_answer_rate: Rate,
}

/// A gateway that moves no money, and misbehaves as real ones do.
///
/// It remembers nothing: what becomes of a charge follows from the seed and the payment number
/// alone, so it says the same however often, by whomever and after whatever crash it is asked.
/// Only charges hang or get lost; a query or a refund is always answered.
#[derive(Debug)]
pub struct MockGateway {
    config: MockConfig,
}

impl MockGateway {
    /// A gateway that behaves as `config` says.
    pub const fn new(config: MockConfig) -> Self {
        Self { config }
    }

    fn luck_of(&self, payment_no: &PaymentNo) -> Luck {
        let mut hash = Sha256::new();
        hash.update(self.config.seed.to_be_bytes());
        hash.update(payment_no.as_str().as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        // A roll for each rate, so that one rate does not shift what another decides.
        let [success, hang, lose, _] = rolls(digest);
        let result = if self.config.success_rate.holds(success) {
            ChargeResult::Charged {
                third_party_no: ThirdPartyNo::mock(payment_no),
            }
        } else {
            ChargeResult::Refused
        };
        let loses = matches!(result, ChargeResult::Charged { .. })
            && self.config.lose_answer_rate.holds(lose);
        Luck {
            result,
            answers: !loses && !self.config.hang_rate.holds(hang),
        }
    }
}

/// What the dice say about one payment number.
struct Luck {
    result: ChargeResult,
    answers: bool,
}

/// Four independent numbers out of one digest.
fn rolls(digest: [u8; 32]) -> [u64; 4] {
    let (eights, _) = digest.as_chunks::<8>();
    let mut rolls = [0; 4];
    for (roll, eight) in rolls.iter_mut().zip(eights) {
        *roll = u64::from_be_bytes(*eight);
    }
    rolls
}

#[async_trait]
impl PaymentGateway for MockGateway {
    async fn charge(&self, request: &ChargeRequest) -> ChargeAnswer {
        let luck = self.luck_of(&request.payment_no);
        if !luck.answers {
            pending::<()>().await;
        }
        platform::clock::pause(self.config.latency).await;
        ChargeAnswer::Final(luck.result)
    }

    async fn query(&self, payment_no: &PaymentNo) -> QueryAnswer {
        platform::clock::pause(self.config.latency).await;
        QueryAnswer::Final(self.luck_of(payment_no).result)
    }

    async fn refund(&self, _: &RefundRequest) -> RefundAnswer {
        platform::clock::pause(self.config.latency).await;
        RefundAnswer::Final(RefundResult::Refunded)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use types::{Fen, OrderId, UnixMillis};

    use super::*;

    fn mock(success: &str, hang: &str, lose: &str) -> MockGateway {
        MockGateway::new(MockConfig {
            success_rate: success.parse().unwrap(),
            seed: 42,
            latency: Duration::ZERO,
            hang_rate: hang.parse().unwrap(),
            lose_answer_rate: lose.parse().unwrap(),
        })
    }

    fn number(serial: u64) -> PaymentNo {
        PaymentNo::generate(UnixMillis::new(1_795_355_045_000), serial)
    }

    /// How many of 10,000 payment numbers `counts` accepts.
    fn share(counts: impl Fn(&PaymentNo) -> bool) -> usize {
        (0..10_000)
            .filter(|serial| counts(&number(*serial)))
            .count()
    }

    fn succeeds(gateway: &MockGateway, payment_no: &PaymentNo) -> bool {
        matches!(
            gateway.luck_of(payment_no).result,
            ChargeResult::Charged { .. }
        )
    }

    #[test]
    fn about_seven_of_ten_numbers_succeed() {
        let gateway = mock("0.7", "0", "0");
        let succeeded = share(|no| succeeds(&gateway, no));
        assert!((6_800..7_200).contains(&succeeded), "{succeeded}");
        assert_eq!(share(|no| succeeds(&mock("0", "0", "0"), no)), 0);
        assert_eq!(share(|no| succeeds(&mock("1", "0", "0"), no)), 10_000);
    }

    #[test]
    fn luck_follows_from_seed_and_number_alone() {
        let (first, again) = (mock("0.7", "0.1", "0.1"), mock("0.7", "0.1", "0.1"));
        assert_eq!(
            share(|no| succeeds(&first, no) == succeeds(&again, no)),
            10_000
        );
        let other = MockGateway::new(MockConfig {
            seed: 43,
            ..first.config.clone()
        });
        assert!(share(|no| succeeds(&first, no) != succeeds(&other, no)) > 3_000);
        // Fixed for ever: the transcript and the demo of the same seed tell the same story.
        let lucky: Vec<u64> = (1..=8)
            .filter(|serial| succeeds(&first, &number(*serial)))
            .collect();
        assert_eq!(lucky, [2, 4, 5, 6, 8]);
    }

    #[test]
    fn silence_never_changes_what_became_of_a_charge() {
        let (plain, silent) = (mock("0.7", "0", "0"), mock("0.7", "0.5", "0.5"));
        assert_eq!(
            share(|no| succeeds(&plain, no) == succeeds(&silent, no)),
            10_000
        );
    }

    #[test]
    fn only_the_answer_of_a_success_is_lost() {
        let gateway = mock("0.7", "0", "1");
        assert_eq!(
            share(|no| gateway.luck_of(no).answers == succeeds(&gateway, no)),
            0
        );
        assert_eq!(share(|no| mock("0.7", "1", "0").luck_of(no).answers), 0);
    }

    #[tokio::test]
    async fn a_hanging_charge_never_answers_and_a_query_tells_the_truth() {
        let gateway = mock("1", "1", "0");
        let request = ChargeRequest {
            payment_no: number(1),
            order_id: OrderId::new(1).unwrap(),
            amount: Fen::amount(1).unwrap(),
        };
        assert_eq!(gateway.charge(&request).now_or_never(), None);
        let third_party_no = ThirdPartyNo::mock(&request.payment_no);
        assert!(third_party_no.as_str().starts_with("MOCKPAY"));
        let charged = ChargeResult::Charged { third_party_no };
        assert_eq!(
            gateway.query(&request.payment_no).await,
            QueryAnswer::Final(charged)
        );
    }
}
