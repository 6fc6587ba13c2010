//! Proves what is found and in which order: by tables of real titles, and by random changes
//! compared with a search that reads every title.

use std::collections::BTreeMap;

use proptest::prelude::*;
use types::Violations;

use super::*;
use crate::domain::Revision;

fn listing(id: u64, title: &str, author: &str, isbn: &str) -> Listing {
    Listing {
        id: BookId::new(id).unwrap(),
        title: title.to_owned(),
        author: author.to_owned(),
        isbn: Isbn::new(isbn),
        unpublished: false,
        revision: Revision::START,
    }
}

fn page(number: i32, size: i32) -> Page {
    Page::read(number, size, &mut Violations::default())
}

fn found(index: &Index, keyword: &str) -> Vec<u64> {
    let found = index.search(keyword, page(1, 100));
    let ids: Vec<u64> = found.ids.into_iter().map(BookId::get).collect();
    assert_eq!(found.total, u64::try_from(ids.len()).unwrap(), "{keyword}");
    ids
}

fn library() -> Index {
    let mut index = Index::default();
    for listing in [
        listing(1, "Go微服务实战", "张三", "978-7-111-54742-6"),
        listing(2, "分布式系统原理", "李四", ""),
        listing(3, "三体", "刘慈欣", "9787536692930"),
        listing(4, "三体全集", "刘慈欣", ""),
        listing(5, "解读三体", "余华", ""),
        listing(6, "活着", "余华", "043965548X"),
        listing(
            7,
            "Harry Potter and the Sorcerer's Stone (Harry Potter, #1)",
            "J.K. Rowling",
            "",
        ),
        listing(
            8,
            "The Unofficial Harry Potter Cookbook",
            "Dinah Bucholz",
            "",
        ),
        listing(9, "1984", "George Orwell", ""),
        listing(10, "The C++ Programming Language", "Bjarne Stroustrup", ""),
        listing(11, "C Traps and Pitfalls", "Andrew Koenig", ""),
        listing(12, "The Things They Carried", "Tim O'Brien", ""),
        listing(13, "L'Étranger", "Albert Camus", ""),
        listing(14, "Why Orwell Matters", "Christopher Hitchens", ""),
        listing(15, "微服务设计", "Sam Newman", ""),
        listing(16, "百年孤独", "加西亚·马尔克斯", ""),
        listing(17, "Orwell", "Raymond Williams", ""),
    ] {
        index.put(&listing);
    }
    index
}

#[test]
fn keywords_find_the_books_that_people_mean_in_the_promised_order() {
    let cases: [(&str, &[u64]); 40] = [
        // A title equal to it, then one that starts with it, then one that contains it.
        ("三体", &[3, 4, 5]),
        ("体", &[3, 4, 5]),
        ("体全", &[4]),
        ("三集", &[]),
        ("微服务", &[15, 1]),
        ("服务实", &[1]),
        ("go微", &[1]),
        ("GO 微服务", &[1]),
        ("分布式 原理", &[2]),
        // Authors come after titles.
        ("余华", &[5, 6]),
        ("orwell", &[17, 14, 9]),
        ("刘慈", &[3, 4]),
        ("加西亚马尔克斯", &[16]),
        ("加西亚·马尔克斯", &[16]),
        // English words match from their beginning, in any case.
        ("harry pot", &[7, 8]),
        ("HARRY POTTER", &[7, 8]),
        ("otter", &[]),
        ("cook", &[8]),
        ("sorcerers stone", &[7]),
        ("sorcerer's", &[7]),
        ("rowling", &[7]),
        ("jk rowling", &[7]),
        ("j. k. rowling", &[7]),
        ("o'brien", &[12]),
        ("O’Brien", &[12]),
        ("obrien", &[12]),
        ("brien", &[12]),
        ("étranger", &[13]),
        ("etranger", &[13]),
        ("l'etranger", &[13]),
        ("c++", &[10]),
        ("ＨＡＲＲＹ　potter", &[7, 8]),
        // Words apart from each other, and of title and author together.
        ("1984 orwell", &[9]),
        ("potter rowling", &[7]),
        ("harry hobbit", &[]),
        // An exact ISBN, with or without hyphens, in any case.
        ("9787111547426", &[1]),
        ("978-7-5366-9293-0", &[3]),
        ("0-439-65548-x", &[6]),
        ("978711154742", &[]),
        ("?!", &[]),
    ];
    let index = library();
    for (keyword, expected) in cases {
        assert_eq!(found(&index, keyword), expected, "{keyword}");
    }
}

#[test]
fn an_exact_isbn_comes_before_every_title() {
    let mut index = library();
    index.put(&listing(40, "Nineteen", "x", "1984"));
    index.put(&listing(41, "1984", "x", ""));
    assert_eq!(found(&index, "1984"), [40, 9, 41]);
}

#[test]
fn pages_cut_the_list_and_keep_the_total() {
    let mut index = Index::default();
    for id in (1..=25).rev() {
        index.put(&listing(id, "同名", "作者", ""));
    }
    let ids = |number, size| {
        let found = index.search("同名", page(number, size));
        assert_eq!(found.total, 25);
        found.ids.into_iter().map(BookId::get).collect::<Vec<_>>()
    };
    assert_eq!(ids(1, 10), (1..=10).collect::<Vec<_>>());
    assert_eq!(ids(3, 10), (21..=25).collect::<Vec<_>>());
    assert!(ids(4, 10).is_empty());
    assert!(ids(i32::MAX, 100).is_empty());
}

#[test]
fn a_changed_book_is_found_by_its_new_words_alone() {
    let mut index = library();
    index.put(&listing(3, "球状闪电", "刘慈欣", "99"));
    assert_eq!(found(&index, "三体"), [4, 5]);
    assert_eq!(found(&index, "闪电"), [3]);
    assert_eq!(found(&index, "9787536692930"), Vec::<u64>::new());
    assert_eq!(found(&index, "99"), [3]);

    index.put(&Listing {
        unpublished: true,
        ..listing(3, "球状闪电", "刘慈欣", "99")
    });
    assert_eq!(found(&index, "闪电"), Vec::<u64>::new());
    assert_eq!(found(&index, "99"), Vec::<u64>::new());
}

#[test]
fn an_isbn_that_changed_hands_is_found_with_its_new_owner_in_either_order() {
    let mut index = Index::default();
    index.put(&listing(1, "a", "x", "11"));
    index.put(&listing(2, "b", "x", "22"));
    index.put(&listing(2, "b", "x", "11"));
    index.put(&listing(1, "a", "x", "22"));
    assert_eq!(
        (found(&index, "11"), found(&index, "22")),
        (vec![2], vec![1])
    );
}

#[test]
fn a_title_that_is_the_keyword_comes_before_those_that_read_like_it() {
    let mut index = Index::default();
    for (id, title) in [
        (1, "《三体》"),
        (2, "三 体"),
        (3, "三体"),
        (4, "Go-Book"),
        (5, "go book"),
    ] {
        index.put(&listing(id, title, "佚名", ""));
    }
    assert_eq!(found(&index, " 三体 "), [3, 1, 2]);
    assert_eq!(found(&index, "《三体》"), [1, 2, 3]);
    assert_eq!(found(&index, "Go Book"), [5, 4]);
    assert_eq!(found(&index, "go-book"), [4, 5]);
}

#[test]
fn an_index_emptied_holds_nothing() {
    let mut index = library();
    for id in 1..=17 {
        index.put(&Listing {
            unpublished: true,
            ..listing(id, "", "", "")
        });
    }
    assert!(index.entries.is_empty() && index.postings.is_empty() && index.isbns.is_empty());
}

/// Texts of few characters, so that keywords hit, overlap and repeat.
fn text() -> impl Strategy<Value = String> {
    let chunk = prop_oneof!["[三体书]{1,4}", "[ab]{1,3}"];
    prop::collection::vec(chunk, 1..4).prop_map(|chunks| chunks.join(" "))
}

/// The rank of a book by reading its title and author as a person would, without an index.
fn rank_by_reading(keyword: &str, title: &str, author: &str) -> Option<Rank> {
    if title == keyword {
        return Some(Rank::TitleIs);
    }
    let (keyword_text, title, author) = (squeeze(keyword), squeeze(title), squeeze(author));
    let words_in = |word: &str| {
        let word: Vec<char> = word.chars().collect();
        holds(&title, &word) || holds(&author, &word)
    };
    if title == keyword_text {
        Some(Rank::TitleEquals)
    } else if title.starts_with(&keyword_text) {
        Some(Rank::TitleStarts)
    } else if holds(&title, &keyword_text) {
        Some(Rank::TitleContains)
    } else if holds(&author, &keyword_text) {
        Some(Rank::Author)
    } else {
        keyword.split(' ').all(words_in).then_some(Rank::Scattered)
    }
}

/// Takes out blanks that touch a Chinese character.
fn squeeze(text: &str) -> Vec<char> {
    let chars: Vec<char> = text.chars().collect();
    let is_latin = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(char::is_ascii);
    let kept = |(at, c): (usize, &char)| {
        (*c != ' ' || (is_latin(at.checked_sub(1)) && is_latin(Some(at + 1)))).then_some(*c)
    };
    chars.iter().enumerate().filter_map(kept).collect()
}

fn holds(text: &[char], wanted: &[char]) -> bool {
    (0..text.len()).any(|at| {
        let inside_word = at > 0
            && text.get(at).is_some_and(char::is_ascii)
            && text.get(at - 1).is_some_and(|c| c.is_ascii() && *c != ' ');
        !inside_word && text.get(at..).is_some_and(|tail| tail.starts_with(wanted))
    })
}

proptest! {
    #[test]
    fn after_any_changes_search_finds_what_reading_every_title_finds(
        changes in prop::collection::vec((1..12_u64, text(), text(), prop::bool::weighted(0.2)), 1..40),
        keywords in prop::collection::vec(text(), 1..12),
    ) {
        let mut index = Index::default();
        let mut books = BTreeMap::new();
        for (id, title, author, unpublished) in &changes {
            index.put(&Listing { unpublished: *unpublished, ..listing(*id, title, author, "") });
            books.insert(*id, (title, author, *unpublished));
        }
        for keyword in &keywords {
            let mut expected: Vec<(Rank, u64)> = books
                .iter()
                .filter(|(_, (_, _, unpublished))| !unpublished)
                .filter_map(|(id, (title, author, _))| Some((rank_by_reading(keyword, title, author)?, *id)))
                .collect();
            expected.sort();
            let expected: Vec<u64> = expected.into_iter().map(|(_, id)| id).collect();
            prop_assert_eq!(found(&index, keyword), expected, "{}", keyword);
        }
    }
}
