//! TLS to databases and to Redis: which authority is trusted, and what is wrong with a certificate, in
//! words.
//!
//! A URL's parameter `ssl-ca=FILE` names a private authority (PEM). It is then the only one that is
//! trusted; host names are checked with any authority.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::url_text::take_path;

const PARAMETER: &str = "ssl-ca";

/// Installs the one TLS provider of the process; idempotent.
pub(crate) fn name_provider() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Takes `ssl-ca=FILE` out of a URL, whose readers do not know it.
pub(crate) fn split_ca(url: &str) -> Result<(String, Option<PathBuf>), String> {
    take_path(url, PARAMETER, "a file of certificates")
}

/// Reads the certificates of an authority.
///
/// # Errors
/// One line: a file that cannot be read, or that holds no certificate.
pub(crate) fn read_ca(path: &Path) -> Result<Vec<u8>, String> {
    let place = format!("{PARAMETER} {}", path.display());
    let pem = std::fs::read(path).map_err(|error| format!("{place} cannot be read: {error}"))?;
    match CertificateDer::pem_slice_iter(&pem).next() {
        Some(Ok(_)) => Ok(pem),
        Some(Err(_)) | None => Err(format!("{place} holds no certificate in PEM form")),
    }
}

/// What is wrong with TLS, if that is what caused `error`.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(describe(error));
        }
        next = unwrap(error).or_else(|| error.source());
    }
    None
}

/// The inner error of a wrapper that does not report it as its source.
fn unwrap<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return Some(&**shared);
    }
    let inner = error.downcast_ref::<std::io::Error>()?.get_ref()?;
    Some(inner)
}

fn describe(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(mistake) = error else {
        return format!("TLS: {error}");
    };
    let reason = match mistake {
        // Authorities often share a name: the wrong one of that name makes a bad signature.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "an authority that is not trusted here signed it; {PARAMETER}=FILE in the URL names a \
             private one"
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is made out to another host name than the URL's".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        other => other.to_string(),
    };
    format!("TLS: the server's certificate is refused: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_named() {
        let absent = read_ca(Path::new("/no/such/file")).unwrap_err();
        assert!(
            absent.starts_with("ssl-ca /no/such/file cannot be read"),
            "{absent}"
        );
        let text = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let wrong = read_ca(Path::new(text)).unwrap_err();
        assert!(
            wrong.ends_with("holds no certificate in PEM form"),
            "{wrong}"
        );
    }

    #[test]
    fn an_error_of_tls_is_found_however_it_is_wrapped() {
        let tls = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = std::io::Error::new(std::io::ErrorKind::InvalidData, tls);
        let again = std::io::Error::other(wrapped);
        assert!(explain(&again).unwrap().contains("ssl-ca=FILE"));
        assert_eq!(explain(&std::io::Error::other("cut off")), None);
    }
}
