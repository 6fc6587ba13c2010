/// An ISBN as it is compared: hyphens and spaces taken out, letters in capitals.
///
/// Any text of at most 20 characters may stand where an ISBN is asked for; only the comparison is
/// strict. Check digits are the importer's business ([`repair_isbn`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Isbn(Box<str>);

impl Isbn {
    /// Normalises `text`; `None` where nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let kept: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && !is_hyphen(*c))
            .flat_map(char::to_uppercase)
            .collect();
        (!kept.is_empty()).then(|| Self(kept.into()))
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// How [`repair_isbn`] read an ISBN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsbnRepair {
    /// A valid ISBN-13, or a valid ISBN-10 turned into one.
    Valid(String),
    /// A valid ISBN-10 that had lost its leading zeros, turned into an ISBN-13.
    LeadingZerosRestored(String),
    /// Not an ISBN: wrong length, wrong characters or a wrong check digit.
    Invalid,
}

/// Reads an ISBN from dirty data: hyphens, blanks, lost leading zeros; returns the ISBN-13.
pub fn repair_isbn(text: &str) -> IsbnRepair {
    let Some(isbn) = Isbn::new(text) else {
        return IsbnRepair::Invalid;
    };
    let digits = isbn.as_str();
    match digits.len() {
        13 if is_isbn13(digits) => IsbnRepair::Valid(digits.to_owned()),
        10 if is_isbn10(digits) => IsbnRepair::Valid(isbn13_of_isbn10(digits)),
        // Spreadsheets drop leading zeros; fewer than 7 digits is no longer a repair but a guess.
        7..=9 => {
            let padded = format!("{digits:0>10}");
            if is_isbn10(&padded) {
                IsbnRepair::LeadingZerosRestored(isbn13_of_isbn10(&padded))
            } else {
                IsbnRepair::Invalid
            }
        }
        _ => IsbnRepair::Invalid,
    }
}

fn is_isbn13(digits: &str) -> bool {
    (digits.starts_with("978") || digits.starts_with("979"))
        && digits.bytes().all(|b| b.is_ascii_digit())
        && digits.get(..12).and_then(check_digit13) == digits.chars().last()
}

fn is_isbn10(digits: &str) -> bool {
    let mut sum = 0_u32;
    for (position, c) in digits.chars().enumerate() {
        let value = match c {
            'X' if position == 9 => 10,
            _ => match c.to_digit(10) {
                Some(digit) => digit,
                None => return false,
            },
        };
        let weight = 10_u32.saturating_sub(u32::try_from(position).unwrap_or(10));
        sum = sum.saturating_add(value.saturating_mul(weight));
    }
    sum.rem_euclid(11) == 0
}

fn isbn13_of_isbn10(isbn10: &str) -> String {
    let body = format!("978{}", isbn10.get(..9).unwrap_or_default());
    let check = check_digit13(&body).unwrap_or('0');
    format!("{body}{check}")
}

fn check_digit13(body: &str) -> Option<char> {
    let mut sum = 0_u32;
    for (position, c) in body.chars().enumerate() {
        let weight = if position.rem_euclid(2) == 0 { 1 } else { 3 };
        sum = sum.saturating_add(c.to_digit(10)?.saturating_mul(weight));
    }
    char::from_digit(10_u32.saturating_sub(sum.rem_euclid(10)).rem_euclid(10), 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isbns_compare_without_hyphens_blanks_and_case() {
        assert_eq!(Isbn::new("978-7-111 54742-6"), Isbn::new("9787111547426"));
        assert_eq!(Isbn::new("043965548x"), Isbn::new("0-439-65548-X"));
        assert_eq!(Isbn::new(" - "), None);
    }

    #[test]
    fn dirty_isbns_are_repaired_or_refused() {
        let valid = |s: &str| IsbnRepair::Valid(s.to_owned());
        let restored = |s: &str| IsbnRepair::LeadingZerosRestored(s.to_owned());
        let cases = [
            ("439023483", restored("9780439023481")),
            ("0439023483", valid("9780439023481")),
            ("043965548X", valid("9780439655484")),
            ("978-0-439-02348-1", valid("9780439023481")),
            ("9780439023482", IsbnRepair::Invalid),
            ("9.78043902348e+12", IsbnRepair::Invalid),
            ("0439023484", IsbnRepair::Invalid),
            ("", IsbnRepair::Invalid),
            ("图书图书图", IsbnRepair::Invalid),
        ];
        for (text, expected) in cases {
            assert_eq!(repair_isbn(text), expected, "{text}");
        }
    }
}
