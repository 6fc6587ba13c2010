use std::time::Duration;

use super::*;
use crate::redis::RedisUrl;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Root {
    locale: String,
    order: Order,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(with = "human_duration")]
    payment_timeout: Duration,
    rate: f64,
}

const DEFAULTS: Source<'_> = Source {
    name: "defaults",
    yaml: "locale: zh\norder: { payment_timeout: 15m, rate: 0.7 }",
};

fn load_with(yaml: &str, variables: &[(&str, &str)]) -> Result<Root, String> {
    let file = Source {
        name: "bookstore.yaml",
        yaml,
    };
    let variables = variables
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    load(&[DEFAULTS, file], variables).map_err(|error| error.to_string())
}

#[test]
fn a_service_is_at_addresses_or_under_a_name() {
    let cases = [
        ("http://a:9003", "http://a:9003"),
        ("http://a:9003/", "http://a:9003"),
        (
            "http://a:9003, http://[::1]:9003",
            "http://a:9003,http://[::1]:9003",
        ),
        ("consul://catalog", "consul://catalog"),
    ];
    for (text, shown) in cases {
        let url: ServiceUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), shown);
    }
    let bad = [
        "",
        "a:9003",
        "http://a",
        "https://a:1",
        "http://a:1,",
        "http://a:1,http://a:1",
        "http://a:1/x",
        "http://a:1,consul://b",
        "consul://",
        "consul://a/b",
        "consul://A",
    ];
    for bad in bad {
        assert!(bad.parse::<ServiceUrl>().is_err(), "{bad}");
    }
}

#[test]
fn later_layers_win_and_the_rest_stays() {
    let root = load_with(
        "order: { rate: 1 }",
        &[("BOOKSTORE_ORDER__PAYMENT_TIMEOUT", "5s")],
    );
    let order = Order {
        payment_timeout: Duration::from_secs(5),
        rate: 1.0,
    };
    assert_eq!(
        root,
        Ok(Root {
            locale: "zh".to_owned(),
            order
        })
    );
    assert!(load_with("", &[("HOME", "x"), ("BOOKSTORE_TEST_X", "y")]).is_ok());
}

#[test]
fn queues_and_caches_are_named_by_a_word_or_a_url() {
    let url: RedisUrl = "rediss://a:s3cret@h:1/2".parse().unwrap();
    let text = "rediss://a:s3cret@h:1/2";
    assert_eq!("embedded".parse(), Ok(QueueUrl::Embedded));
    assert_eq!(text.parse(), Ok(QueueUrl::Redis(url.clone())));
    assert_eq!("memory".parse(), Ok(CacheUrl::Memory));
    assert_eq!(text.parse(), Ok(CacheUrl::Redis(url)));
    for wrong in ["s3cret", "http://a:s3cret@h", "redis://a:s3cret@h/x"] {
        let queue = wrong.parse::<QueueUrl>().unwrap_err();
        let cache = wrong.parse::<CacheUrl>().unwrap_err();
        for error in [queue, cache] {
            assert!(
                error.starts_with("must be ") && error.contains("redis://"),
                "{error}"
            );
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}

#[test]
fn every_mistake_names_its_place() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case<'_>; 6] = [
        (
            "order: { rat: 1 }",
            &[],
            "bookstore.yaml: order.rat: unknown field `rat`",
        ),
        (
            "order: { payment_timeout: soon }",
            &[],
            "bookstore.yaml: order.payment_timeout: must be",
        ),
        ("order: [", &[], "bookstore.yaml: "),
        (
            "{ \"a\\nb\": 1 }",
            &[],
            "bookstore.yaml: a\\nb: unknown field `a",
        ),
        (
            "",
            &[("BOOKSTORE_ORDER__RATE", "lots")],
            "BOOKSTORE_ORDER__RATE: must be a number, not a text",
        ),
        (
            "",
            &[("BOOKSTORE_ODER__RATE", "1")],
            "BOOKSTORE_ODER__RATE: unknown field `oder`",
        ),
    ];
    for (yaml, variables, start) in cases {
        let error = load_with(yaml, variables).unwrap_err();
        assert!(error.starts_with(start), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
#[test]
fn what_is_empty_is_refused_and_no_default() {
    let refused = [
        ("BOOKSTORE_ORDER__RATE", ""),
        ("BOOKSTORE_ORDER__RATE", " \n"),
        ("BOOKSTORE_ORDER__RATE", "~"),
        ("BOOKSTORE_LOCALE", ""),
        ("BOOKSTORE_ORDER", ""),
    ];
    for (name, text) in refused {
        let error = load_with("", &[(name, text)]).unwrap_err();
        assert_eq!(error, format!("{name}: is empty"));
    }
    for (yaml, key) in [
        ("locale:", "locale"),
        ("order: { rate: }", "order.rate"),
        ("order: { payment_timeout: null }", "order.payment_timeout"),
    ] {
        let error = load_with(yaml, &[]).unwrap_err();
        assert_eq!(error, format!("bookstore.yaml: {key}: is empty"));
    }
    assert!(load_with("order:", &[]).is_ok());
    let text = load_with("locale: ''", &[]).unwrap();
    assert_eq!(text.locale, "");
    let quoted = load_with("", &[("BOOKSTORE_LOCALE", "''")]).unwrap();
    assert_eq!(quoted.locale, "");
}

#[test]
fn a_text_of_a_variable_stays_as_it_stands() {
    for text in [
        "00123", "1e3", "0x10", "true", "null", "~", "no", "[a]", "a # b",
    ] {
        let root = load_with("", &[("BOOKSTORE_LOCALE", text)]).unwrap();
        assert_eq!(root.locale, text);
    }
    // As env files quote it, and as secret files end with a line break.
    for text in ["'00123'", "\"00123\"", "00123\n"] {
        let root = load_with("", &[("BOOKSTORE_LOCALE", text)]).unwrap();
        assert_eq!(root.locale, "00123");
    }
    let section = load_with("", &[("BOOKSTORE_ORDER", "{ rate: 1 }")]).unwrap();
    assert_eq!(section.order.rate.to_string(), "1");
}

#[test]
fn no_mistake_repeats_what_was_given() {
    let url = "mysql://root:s3cret@db/order_db";
    let cases = [
        ("BOOKSTORE_ORDER", "must be a section, not a text"),
        ("BOOKSTORE_ORDER__RATE", "must be a number, not a text"),
        ("BOOKSTORE_ORDER__PAYMENT_TIMEOUT", "must be a duration"),
    ];
    for (name, reason) in cases {
        let error = load_with("", &[(name, url)]).unwrap_err();
        assert!(error.starts_with(&format!("{name}: {reason}")), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    for yaml in [
        format!("order: {url}"),
        format!("order: [{url}]"),
        format!("order: {{ rate: '{url}' }}"),
        format!("order: {{ rate: ['{url}'] }}"),
        format!("order: {{ {url} }}"),
        format!("order: {url}: 1"),
        format!("order: {{ '{url}': 1 }}"),
        "order: *s3cret".to_owned(),
        "order: !s3cret x".to_owned(),
        "order: \"\\s3cret\"".to_owned(),
        format!("order: \"{url}"),
        url.to_owned(),
    ] {
        let error = load_with(&yaml, &[]).unwrap_err();
        assert!(error.starts_with("bookstore.yaml: "), "{error}");
        assert!(!error.contains("s3cret"), "{yaml}: {error}");
    }
}
