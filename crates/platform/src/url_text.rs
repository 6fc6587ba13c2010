//! What the URLs of servers have in common as text: a password that nobody may see, and parameters that their
//! drivers do not know.

use std::path::PathBuf;

/// What is wrong with a URL that [`cuts_password`].
pub(crate) const CUT_PASSWORD: &str =
    "must have /, ? and # in a password written as %2F, %3F and %23";

/// Whether what stands behind `://` has an `@` after the end of the authority: the rest of a password that
/// holds a character which ends the authority.
pub(crate) fn cuts_password(rest: &str) -> bool {
    rest.split_once(['/', '?', '#'])
        .is_some_and(|(_, after)| after.contains('@'))
}

/// `mysql://user:***@host/name`; parameters, which may name secrets too, are left out.
pub(crate) fn without_password(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return "***".to_owned();
    };
    match rest.rsplit_once('@') {
        None => url.to_owned(),
        Some((credentials, place)) => {
            let user = credentials.split(':').next().unwrap_or_default();
            let secret = if credentials.contains(':') {
                ":***"
            } else {
                ""
            };
            format!("{scheme}://{user}{secret}@{place}")
        }
    }
}

/// Takes the parameter `NAME=PATH` out of a URL; the path is taken as it is. `what` says what it must name.
pub(crate) fn take_path(
    url: &str,
    name: &str,
    what: &str,
) -> Result<(String, Option<PathBuf>), String> {
    let Some((place, parameters)) = url.split_once('?') else {
        return Ok((url.to_owned(), None));
    };
    let (mut others, mut path) = (Vec::new(), None);
    for parameter in parameters.split('&') {
        match parameter.split_once('=') {
            Some((given, "")) if given == name => return Err(format!("{name} must name {what}")),
            Some((given, text)) if given == name => path = Some(PathBuf::from(text)),
            _ => others.push(parameter),
        }
    }
    let url = if others.is_empty() {
        place.to_owned()
    } else {
        format!("{place}?{}", others.join("&"))
    };
    Ok((url, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_out_of_a_url() {
        let cases = [
            ("mysql://h/d", "mysql://h/d", None),
            ("mysql://h/d?a=1", "mysql://h/d?a=1", None),
            ("mysql://h/d?b=/x/y", "mysql://h/d", Some("/x/y")),
            ("mysql://h/d?a=1&b=x&c=2", "mysql://h/d?a=1&c=2", Some("x")),
        ];
        for (url, rest, path) in cases {
            let taken = take_path(url, "b", "a file").unwrap();
            assert_eq!(taken, (rest.to_owned(), path.map(PathBuf::from)), "{url}");
        }
        let empty = take_path("mysql://h/d?b=", "b", "a file");
        assert_eq!(empty, Err("b must name a file".to_owned()));
    }
}
