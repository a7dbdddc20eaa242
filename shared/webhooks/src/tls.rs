//! What TLS is set up with: the machine's certificates, or others that were given. Knows no endpoint.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_rustls::TlsConnector;

/// TLS cannot be set up: in practice, the machine has no certificates to trust.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up")]
pub struct NoTls(#[from] rustls::Error);

/// A connector that trusts `roots`, or what the machine trusts. Reading the machine's certificates blocks for some
/// milliseconds; where they are can be said with `SSL_CERT_FILE`.
pub(crate) fn connector(roots: Option<RootCertStore>) -> Result<TlsConnector, NoTls> {
    // The process may have chosen its provider before; then that one is used.
    let provider = CryptoProvider::get_default().cloned();
    let provider = provider.unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = match roots {
        Some(roots) => versions.with_root_certificates(roots).with_no_client_auth(),
        None => versions.with_platform_verifier()?.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
