//! Messages as people read them: JSON as a gRPC client prints it, without what is zero or beside
//! the point.
//!
//! It reads the text that `{:?}` gives, so that every message is shown without code of its own. For
//! the eye only: nothing is decided by it.

use std::fmt::Debug;

/// Fields that would only lengthen a story.
const SILENT: [&str; 5] = [
    "created_at",
    "updated_at",
    "expire_at",
    "version",
    "description",
];
/// What zero looks like: such fields are left out, as they are on the wire.
const ZEROS: [&str; 4] = ["0", "false", "\"\"", "None"];
/// The widest line before lists are broken, in characters.
const WIDTH_MAX: usize = 108;
/// Where the elements of a broken list begin.
const INDENT: &str = "\n        ";

/// The message in one line, or a line an element of its lists where it is long.
pub(super) fn sketch(message: &impl Debug) -> String {
    let text = format!("{message:?}");
    let value = Reader { rest: &text }.value();
    let line = value.print("");
    if line.chars().count() <= WIDTH_MAX {
        line
    } else {
        value.print(INDENT)
    }
}

/// The message with only the fields in `focus`, an ellipsis for the others.
///
/// Messages inside it are looked into; `code` and `message` are always shown.
pub(super) fn sketch_of(message: &impl Debug, focus: &[&str]) -> String {
    let text = format!("{message:?}");
    Reader { rest: &text }.value().focused(focus).print("")
}

#[derive(Debug, PartialEq)]
enum Value<'a> {
    /// A number, a flag, a text with its quotes.
    Atom(&'a str),
    List(Vec<Value<'a>>),
    Message(Vec<(&'a str, Value<'a>)>),
}

impl Value<'_> {
    fn is_silent(&self) -> bool {
        match self {
            Self::Atom(text) => ZEROS.contains(text),
            Self::List(items) => items.is_empty(),
            Self::Message(_) => false,
        }
    }

    fn focused(self, focus: &[&str]) -> Self {
        let Self::Message(fields) = self else {
            return self;
        };
        let before = fields.len();
        let mut fields: Vec<_> = fields
            .into_iter()
            .filter(|(name, value)| {
                let is_message = matches!(value, Self::Message(_));
                is_message || focus.contains(name) || ["code", "message"].contains(name)
            })
            .map(|(name, value)| (name, value.focused(focus)))
            .collect();
        if fields.len() < before {
            fields.push(("", Self::Atom("…")));
        }
        Self::Message(fields)
    }

    /// `lead` stands before each element of a list.
    fn print(&self, lead: &str) -> String {
        match self {
            Self::Atom(text) => (*text).to_owned(),
            Self::List(items) => {
                let items: Vec<_> = items
                    .iter()
                    .map(|item| format!("{lead}{}", item.print("")))
                    .collect();
                format!("[{}]", items.join(","))
            }
            Self::Message(fields) => {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(name, value)| match *name {
                        "" => value.print(lead),
                        name => format!("\"{name}\":{}", value.print(lead)),
                    })
                    .collect();
                format!("{{{}}}", fields.join(","))
            }
        }
    }
}

/// Reads debug text from left to right. What it does not know it takes as an atom.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Value<'a> {
        if self.takes("[") {
            return Value::List(self.items());
        }
        if self.rest.starts_with('"') {
            return Value::Atom(self.text());
        }
        let word = self.until(&[' ', ',', '(', ')', ']', '}']);
        if self.takes("(") {
            // `Some(…)`, and nothing else in a message.
            let inner = self.value();
            self.takes(")");
            return inner;
        }
        if self.takes(" {") {
            return Value::Message(self.fields());
        }
        // A message without fields is its bare name.
        if word.starts_with(|c: char| c.is_ascii_uppercase()) && !ZEROS.contains(&word) {
            return Value::Message(Vec::new());
        }
        Value::Atom(word)
    }

    fn items(&mut self) -> Vec<Value<'a>> {
        let mut items = Vec::new();
        while !self.takes("]") && !self.rest.is_empty() {
            items.push(self.value());
            self.takes(", ");
        }
        items
    }

    fn fields(&mut self) -> Vec<(&'a str, Value<'a>)> {
        let mut fields = Vec::new();
        while !self.takes(" }") && !self.rest.is_empty() {
            self.takes(" ");
            let name = self.until(&[':']);
            self.takes(": ");
            let value = self.value();
            self.takes(",");
            if !value.is_silent() && !SILENT.contains(&name) {
                fields.push((name, value));
            }
        }
        fields
    }

    /// A text in quotes, as it stands.
    fn text(&mut self) -> &'a str {
        let mut is_escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !is_escaped;
            is_escaped = *c == '\\' && !is_escaped;
            ends
        });
        self.split(end.map_or(self.rest.len(), |(at, _)| at.saturating_add(1)))
    }

    fn until(&mut self, ends: &[char]) -> &'a str {
        // At least one character, so that no text keeps the reader where it is.
        let end = self
            .rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| ends.contains(c));
        self.split(end.map_or(self.rest.len(), |(at, _)| at))
    }

    fn split(&mut self, at: usize) -> &'a str {
        let (before, after) = self.rest.split_at_checked(at).unwrap_or((self.rest, ""));
        self.rest = after;
        before
    }

    fn takes(&mut self, start: &str) -> bool {
        let after = self.rest.strip_prefix(start);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }
}

#[cfg(test)]
mod tests {
    use api::catalog::v1::{Book, PublishBookRequest};
    use api::order::v1::{CompleteOrderResponse, GetOrderResponse, Order, OrderItem};

    use super::*;

    #[test]
    fn a_message_is_shown_as_a_client_prints_it() {
        let book = Book {
            id: 1,
            title: "Go微服务实战, \"第2版\" }".to_owned(),
            price: 12800,
            created_at: 1_795_355_045,
            ..Book::default()
        };
        assert_eq!(
            sketch(&PublishBookRequest { book: Some(book) }),
            r#"{"book":{"id":1,"title":"Go微服务实战, \"第2版\" }","price":12800}}"#
        );
        assert_eq!(sketch(&CompleteOrderResponse::default()), "{}");
        assert_eq!(sketch(&PublishBookRequest::default()), "{}");
    }

    #[test]
    fn a_long_list_gets_a_line_an_element() {
        let item = OrderItem {
            book_id: 1,
            book_title: "书".repeat(20),
            quantity: 2,
            price: 12800,
        };
        let order = Order {
            id: 7,
            items: vec![item; 2],
            ..Order::default()
        };
        let shown = sketch(&GetOrderResponse {
            order: Some(order),
            ..Default::default()
        });
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 3, "{shown}");
        assert_eq!(lines[0], r#"{"order":{"id":7,"items":["#);
        assert!(
            lines[2].trim_start().starts_with(r#"{"book_id":1,"#),
            "{shown}"
        );
    }

    #[test]
    fn a_focused_message_says_that_there_is_more() {
        let order = Order {
            id: 7,
            status: 5,
            user_id: 1,
            ..Order::default()
        };
        let reply = GetOrderResponse {
            order: Some(order),
            ..Default::default()
        };
        assert_eq!(
            sketch_of(&reply, &["status"]),
            r#"{"order":{"status":5,…}}"#
        );
        let refused = GetOrderResponse {
            code: 40401,
            ..Default::default()
        };
        assert_eq!(sketch_of(&refused, &["status"]), r#"{"code":40401}"#);
    }

    #[test]
    fn text_that_is_no_message_ends_all_the_same() {
        for text in [
            "",
            "[",
            "A { b",
            "A { b: ",
            "(((",
            "\"\\",
            "A { b: \"c",
            ", , ]",
        ] {
            let shown = Reader { rest: text }.value().print("");
            assert!(shown.len() <= text.len() * 2 + 8, "{text}: {shown}");
        }
    }
}
