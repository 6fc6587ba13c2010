use crate::Violations;

/// What a text field may hold.
#[derive(Debug, Clone, Copy)]
pub struct TextRule {
    /// The fewest characters, after trimming.
    pub chars_min: usize,
    /// The most characters, after trimming.
    pub chars_max: usize,
    /// Whether tabs and line breaks are allowed.
    pub multiline: bool,
}

/// Trims `text` and checks it against `rule`; what is wrong is added under `field`.
pub fn checked_text(
    field: &str,
    text: &str,
    rule: TextRule,
    violations: &mut Violations,
) -> String {
    let text = text.trim();
    let chars = text.chars().count();
    let allowed = |c: char| !c.is_control() || (rule.multiline && matches!(c, '\t' | '\n'));
    // CRLF counts as a line break.
    if !text.replace("\r\n", "\n").chars().all(allowed) {
        violations.add(field, "must not hold control characters");
    } else if chars == 0 && rule.chars_min > 0 {
        violations.add(field, "must not be empty");
    } else if chars < rule.chars_min || chars > rule.chars_max {
        violations.add(
            field,
            format!(
                "must have {} to {} characters",
                rule.chars_min, rule.chars_max
            ),
        );
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed_and_counted_in_characters() {
        let rule = TextRule {
            chars_min: 1,
            chars_max: 3,
            multiline: false,
        };
        let cases = [
            (" 三体全 ", "三体全", true),
            ("三体全集", "三体全集", false),
            ("   ", "", false),
            ("a\0", "a\0", false),
            ("a\tb", "a\tb", false),
        ];
        for (text, kept, fine) in cases {
            let mut violations = Violations::default();
            assert_eq!(
                checked_text("book.title", text, rule, &mut violations),
                kept
            );
            assert_eq!(violations.is_empty(), fine, "{text:?}");
        }
    }

    #[test]
    fn a_text_of_several_lines_may_end_them_either_way() {
        let rule = TextRule {
            chars_min: 0,
            chars_max: 9,
            multiline: true,
        };
        for (text, fine) in [
            ("a\tb", true),
            ("a\nb", true),
            ("a\r\nb", true),
            ("a\rb", false),
            ("a\0b", false),
        ] {
            let mut violations = Violations::default();
            checked_text("book.description", text, rule, &mut violations);
            assert_eq!(violations.is_empty(), fine, "{text:?}");
        }
    }
}
