//! Certificates of clients and listeners: where they are found, and the TLS of a client made of them.
//!
//! TLS 1.2 and 1.3 by rustls, against the system's roots or the configured authority alone.

use std::{fs, path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use super::Error;
use crate::{
    credentials::credential_path,
    settings::{ClientTls, SecretRef},
};

/// The TLS of a client.
pub(super) fn client_config(tls: &ClientTls) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder().with_root_certificates(roots(tls.ca.as_ref())?);
    match &tls.client_certificate {
        None => Ok(builder.with_no_client_auth()),
        Some(reference) => {
            let (chain, key) = chain_and_key(reference, reference)?;
            builder.with_client_auth_cert(chain, key).map_err(Error::Tls)
        }
    }
}

/// The authority to trust: the configured one alone, or the system's.
fn roots(authority: Option<&SecretRef>) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    match authority {
        Some(reference) => {
            for certificate in certificates(reference)? {
                roots.add(certificate).map_err(Error::Tls)?;
            }
        }
        None => {
            for certificate in system_roots() {
                // A root of the system that rustls cannot read is one fewer to trust.
                roots.add(certificate).ok();
            }
        }
    }
    Ok(Arc::new(roots))
}

/// Where Debian and others keep the roots.
const SYSTEM_ROOTS: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

fn system_roots() -> Vec<CertificateDer<'static>> {
    let file = SYSTEM_ROOTS.iter().find_map(|path| CertificateDer::pem_file_iter(path).ok());
    file.map(|certificates| certificates.filter_map(Result::ok).collect()).unwrap_or_default()
}

/// Reads the certificates that a configured name stands for.
///
/// # Errors
/// If the file is missing or holds none.
pub fn certificates(reference: &SecretRef) -> Result<Vec<CertificateDer<'static>>, Error> {
    let path = credential_path(reference).map_err(|why| Error::Credential { what: "a certificate".to_owned(), why })?;
    let found: Vec<_> = pem(&path)?.filter_map(Result::ok).collect();
    if found.is_empty() {
        return Err(unreadable(&path, "expected certificates in PEM form, found none"));
    }
    Ok(found)
}

/// Reads a chain and its private key.
///
/// # Errors
/// If either is missing.
pub fn chain_and_key(
    chain: &SecretRef,
    key: &SecretRef,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let chain = certificates(chain)?;
    let path = credential_path(key).map_err(|why| Error::Credential { what: "a private key".to_owned(), why })?;
    let key = PrivateKeyDer::from_pem_file(&path).map_err(|error| unreadable(&path, &error.to_string()))?;
    Ok((chain, key))
}

fn pem(
    path: &Path,
) -> Result<impl Iterator<Item = Result<CertificateDer<'static>, rustls_pki_types::pem::Error>>, Error> {
    fs::metadata(path).map_err(|error| unreadable(path, &error.to_string()))?;
    CertificateDer::pem_file_iter(path).map_err(|error| unreadable(path, &error.to_string()))
}

fn unreadable(path: &Path, why: &str) -> Error {
    Error::Credential { what: path.display().to_string(), why: why.to_owned() }
}
