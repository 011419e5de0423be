//! TLS of listeners: TLS 1.2 and 1.3 by rustls, with client certificates where the site asks for them.

use std::sync::Arc;

use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use tokio_rustls::TlsAcceptor;

use crate::{
    settings::ServerTls,
    uplink::{certificates, chain_and_key},
};

/// Why a listener cannot speak TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate or key cannot be read.
    #[error(transparent)]
    Credential(#[from] crate::uplink::Error),
    /// The certificate and key do not fit, or are unusable.
    #[error("cannot use the listener's certificate")]
    Certificate(#[source] rustls::Error),
    /// The authorities of clients are unusable.
    #[error("cannot use the client authorities")]
    ClientAuthority(#[source] rustls::server::VerifierBuilderError),
}

/// Makes the acceptor of a listener.
///
/// # Errors
/// If a certificate or key is missing or unusable.
pub fn acceptor(tls: &ServerTls) -> Result<TlsAcceptor, Error> {
    let (chain, key) = chain_and_key(&tls.certificate, tls.key.as_ref().unwrap_or(&tls.certificate))?;
    let builder = match &tls.client_ca {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(authority)? {
                roots.add(certificate).map_err(Error::Certificate)?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().map_err(Error::ClientAuthority)?;
            ServerConfig::builder().with_client_cert_verifier(verifier)
        }
    };
    let config = builder.with_single_cert(chain, key).map_err(Error::Certificate)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
