//! HTTP to a destination.
//!
//! One client per destination: kept connections, no redirects (a redirect could carry a message to another host), an answer
//! bound of [`limits::RESPONSE_BYTES_MAX`], and TLS by rustls against the system's roots or the configured authority. Says what
//! came back, not what it means; that is [`crate::delivery`]'s.

use std::{fs, path::Path, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use reqwest::{
    Client, Response,
    header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::{
    credentials::credential_path,
    settings::{ClientTls, Destination, SecretRef},
    units::limits,
};

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate or key cannot be read.
    #[error("cannot read {what}: {why}")]
    Credential {
        /// Which one.
        what: String,
        /// Why.
        why: String,
    },
    /// TLS does not accept the certificates.
    #[error("cannot use the certificates of the destination")]
    Tls(#[source] rustls::Error),
    /// The client cannot be built.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
}

/// What an attempt brought back.
#[derive(Debug)]
pub enum Reply {
    /// An answer.
    Answer {
        /// Its status.
        status: u16,
        /// `Retry-After`, if it is text.
        retry_after: Option<String>,
        /// Its body, cut at the bound; may hold patient data.
        body: Vec<u8>,
    },
    /// No answer in time: what became of the request is in doubt.
    Timeout,
    /// Not reached, or the connection broke.
    Unreachable,
}

/// The client of one destination.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client,
}

impl HttpClient {
    /// Makes the client of a destination.
    ///
    /// # Errors
    /// If a certificate cannot be read or used.
    pub fn new(destination: &Destination) -> Result<Self, Error> {
        let (idle, interval, retries) = limits::KEEPALIVE;
        let client = Client::builder()
            .tls_backend_preconfigured(client_config(&destination.tls)?)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(limits::CONNECT_TIMEOUT)
            .timeout(destination.timeout)
            .pool_max_idle_per_host(destination.in_flight)
            .pool_idle_timeout(Duration::from_secs(60))
            .tcp_nodelay(true)
            .tcp_keepalive(idle)
            .tcp_keepalive_interval(interval)
            .tcp_keepalive_retries(retries)
            .tcp_user_timeout(limits::WRITE_TIMEOUT)
            .user_agent(concat!("gurney/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Error::Client)?;
        Ok(Self { client })
    }

    /// Sends one request and reads what comes back.
    pub async fn post(&self, url: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Reply {
        let request = self.client.post(url).headers(header_map(headers)).body(body);
        match request.send().await {
            Ok(response) => read(response).await,
            Err(error) if error.is_timeout() && !error.is_connect() => Reply::Timeout,
            Err(_) => Reply::Unreachable,
        }
    }
}

/// Values are made by Gurney; one that cannot stand in a header is left out rather than sent changed.
fn header_map(headers: &[(&'static str, String)]) -> HeaderMap {
    headers
        .iter()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?)))
        .collect()
}

async fn read(response: Response) -> Reply {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(part) = stream.next().await {
        match part {
            Ok(part) => {
                let room = limits::RESPONSE_BYTES_MAX.saturating_sub(body.len());
                body.extend(part.iter().take(room));
                if part.len() >= room {
                    break;
                }
            }
            Err(error) if error.is_timeout() => return Reply::Timeout,
            Err(_) => return Reply::Unreachable,
        }
    }
    Reply::Answer { status, retry_after, body }
}

fn client_config(tls: &ClientTls) -> Result<ClientConfig, Error> {
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
