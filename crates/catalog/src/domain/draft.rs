use types::{Fen, PRICE_FEN_MAX, TextRule, Violations, checked_text};

use super::{Details, Patch, PrintedIsbn};

/// The longest description, in bytes: what a TEXT column holds.
pub const DESCRIPTION_BYTES_MAX: usize = 65_535;

const TITLE: TextRule = TextRule {
    chars_min: 1,
    chars_max: 200,
    multiline: false,
};
const AUTHOR: TextRule = TextRule {
    chars_min: 1,
    chars_max: 100,
    multiline: false,
};
const ISBN: TextRule = TextRule {
    chars_min: 0,
    chars_max: 20,
    multiline: false,
};
// A description is limited in bytes, not characters; that is checked separately.
const DESCRIPTION: TextRule = TextRule {
    chars_min: 0,
    chars_max: usize::MAX,
    multiline: true,
};

/// A field of a book that `UpdateBook` can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `title`
    Title,
    /// `author`
    Author,
    /// `isbn`
    Isbn,
    /// `price`
    Price,
    /// `description`
    Description,
}

impl Field {
    /// Every field that can be changed: what an empty mask means.
    pub const ALL: [Self; 5] = [
        Self::Title,
        Self::Author,
        Self::Isbn,
        Self::Price,
        Self::Description,
    ];

    /// The path of the field in an update mask.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Author => "author",
            Self::Isbn => "isbn",
            Self::Price => "price",
            Self::Description => "description",
        }
    }

    /// Reads the paths of an update mask; an empty mask means every field. A path that names
    /// no field is added to `violations`.
    pub fn read_mask(paths: &[String], violations: &mut Violations) -> Vec<Self> {
        if paths.is_empty() {
            return Self::ALL.to_vec();
        }
        let mut fields = Vec::with_capacity(paths.len());
        for (position, path) in paths.iter().enumerate() {
            let known = Self::ALL.into_iter().find(|field| field.path() == path);
            let path = format!("update_mask.paths[{position}]");
            fields.extend(violations.require(&path, known, "names no field that can be changed"));
        }
        fields
    }
}

/// A book's fields as a caller wrote them, not yet checked.
///
/// Every check adds what is wrong to the given violations, under the field's path; what it returns
/// is of use only if they stay empty.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// `book.title`
    pub title: &'a str,
    /// `book.author`
    pub author: &'a str,
    /// `book.isbn`; empty where there is none.
    pub isbn: &'a str,
    /// `book.price`, in fen.
    pub price: i64,
    /// `book.description`
    pub description: &'a str,
}

impl Draft<'_> {
    /// Checks every field, for a book to be published.
    pub fn check(&self, violations: &mut Violations) -> Details {
        Details {
            title: self.title(violations),
            author: self.author(violations),
            isbn: self.isbn(violations),
            price: self.price(violations),
            description: self.description(violations),
        }
    }

    /// Checks the fields named, and those alone, for a book to be updated.
    pub fn check_fields(&self, fields: &[Field], violations: &mut Violations) -> Patch {
        let mut patch = Patch::default();
        for field in Field::ALL
            .into_iter()
            .filter(|field| fields.contains(field))
        {
            match field {
                Field::Title => patch.title = Some(self.title(violations)),
                Field::Author => patch.author = Some(self.author(violations)),
                Field::Isbn => patch.isbn = Some(self.isbn(violations)),
                Field::Price => patch.price = Some(self.price(violations)),
                Field::Description => patch.description = Some(self.description(violations)),
            }
        }
        patch
    }

    fn title(&self, violations: &mut Violations) -> String {
        checked_text("book.title", self.title, TITLE, violations)
    }

    fn author(&self, violations: &mut Violations) -> String {
        checked_text("book.author", self.author, AUTHOR, violations)
    }

    fn isbn(&self, violations: &mut Violations) -> Option<PrintedIsbn> {
        let text = checked_text("book.isbn", self.isbn, ISBN, violations);
        if text.is_empty() {
            return None;
        }
        violations.require(
            "book.isbn",
            PrintedIsbn::new(&text),
            "must hold more than hyphens",
        )
    }

    fn price(&self, violations: &mut Violations) -> Fen {
        let rule = format!("must be between 0 and {PRICE_FEN_MAX} fen");
        violations
            .require("book.price", Fen::price(self.price), &rule)
            .unwrap_or_default()
    }

    fn description(&self, violations: &mut Violations) -> String {
        let text = checked_text(
            "book.description",
            self.description,
            DESCRIPTION,
            violations,
        );
        if text.len() > DESCRIPTION_BYTES_MAX {
            let rule = format!("must have at most {DESCRIPTION_BYTES_MAX} bytes");
            violations.add("book.description", rule);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    //! Proves the bounds of every field, at the bound and one past it, and that a mask decides
    //! which fields are looked at.

    use super::*;

    const FINE: Draft<'_> = Draft {
        title: "三体",
        author: "刘慈欣",
        isbn: "978-7-5366-9293-0",
        price: 2300,
        description: "第一行\n\t第二行",
    };

    fn wrong_fields(draft: &Draft<'_>) -> Vec<String> {
        let mut violations = Violations::default();
        draft.check(&mut violations);
        violations.fields().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn the_widest_and_the_emptiest_fields_are_fine() {
        let chars = |count: usize| "书".repeat(count);
        let (title, author, isbn, text) = (
            chars(200),
            chars(100),
            "9".repeat(20),
            "a".repeat(DESCRIPTION_BYTES_MAX),
        );
        let widest = Draft {
            title: &title,
            author: &author,
            isbn: &isbn,
            price: PRICE_FEN_MAX,
            description: &text,
        };
        assert!(wrong_fields(&FINE).is_empty());
        assert!(wrong_fields(&widest).is_empty());
        assert!(
            wrong_fields(&Draft {
                isbn: "",
                price: 0,
                description: "",
                ..FINE
            })
            .is_empty()
        );
    }

    #[test]
    fn a_field_past_its_bounds_is_named() {
        let chars = |count: usize| "书".repeat(count);
        let (title, author, isbn) = (chars(201), chars(101), "9".repeat(21));
        // 21,846 characters of three bytes each: the limit counts bytes.
        let text = chars(21_846);
        let cases = [
            (
                Draft {
                    title: &title,
                    ..FINE
                },
                "book.title",
            ),
            (
                Draft {
                    title: "  ",
                    ..FINE
                },
                "book.title",
            ),
            (
                Draft {
                    title: "三\0体",
                    ..FINE
                },
                "book.title",
            ),
            (
                Draft {
                    author: &author,
                    ..FINE
                },
                "book.author",
            ),
            (Draft { author: "", ..FINE }, "book.author"),
            (
                Draft {
                    author: "a\nb",
                    ..FINE
                },
                "book.author",
            ),
            (
                Draft {
                    isbn: &isbn,
                    ..FINE
                },
                "book.isbn",
            ),
            (
                Draft {
                    isbn: "- -",
                    ..FINE
                },
                "book.isbn",
            ),
            (Draft { price: -1, ..FINE }, "book.price"),
            (
                Draft {
                    price: PRICE_FEN_MAX + 1,
                    ..FINE
                },
                "book.price",
            ),
            (
                Draft {
                    description: &text,
                    ..FINE
                },
                "book.description",
            ),
            (
                Draft {
                    description: "a\u{7}",
                    ..FINE
                },
                "book.description",
            ),
        ];
        for (draft, field) in cases {
            assert_eq!(wrong_fields(&draft), [field], "{draft:.60?}");
        }
    }

    #[test]
    fn text_is_kept_trimmed_and_an_isbn_as_it_was_given() {
        let mut violations = Violations::default();
        let details = Draft {
            title: " 三体 ",
            ..FINE
        }
        .check(&mut violations);
        assert_eq!(details.title, "三体");
        let isbn = details.isbn.unwrap();
        assert_eq!(
            (isbn.printed(), isbn.key().as_str()),
            ("978-7-5366-9293-0", "9787536692930")
        );
    }

    #[test]
    fn only_the_fields_of_the_mask_are_looked_at() {
        let draft = Draft {
            title: "",
            author: "",
            price: 5,
            ..FINE
        };
        let mut violations = Violations::default();
        let patch = draft.check_fields(&[Field::Price, Field::Price], &mut violations);
        assert_eq!(
            patch,
            Patch {
                price: Some(Fen::stored(5)),
                ..Patch::default()
            }
        );
        assert!(violations.is_empty());

        let cleared = Draft { isbn: "", ..FINE }.check_fields(&[Field::Isbn], &mut violations);
        assert_eq!(cleared.isbn, Some(None));
    }

    #[test]
    fn a_mask_is_empty_for_all_or_names_known_fields() {
        let read = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            let mut violations = Violations::default();
            let fields = Field::read_mask(&paths, &mut violations);
            (
                fields,
                violations
                    .fields()
                    .map(ToOwned::to_owned)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(read(&[]), (Field::ALL.to_vec(), vec![]));
        assert_eq!(
            read(&["price", "title"]),
            (vec![Field::Price, Field::Title], vec![])
        );
        for path in ["id", "unpublished", "Title", "book.title", "created_at", ""] {
            assert_eq!(read(&["price", path]).1, ["update_mask.paths[1]"], "{path}");
        }
    }
}
