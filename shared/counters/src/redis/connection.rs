//! One connection to Redis, over TCP or TLS, that many calls share.
//!
//! Must not know: when to connect, what to do when it fails. An error says why, and nothing of the password.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Poll, ready},
};

use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider, pki_types::ServerName};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::RedisAddress;

/// Reads and writes what the calls send; ends with the connection.
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// TLS cannot be set up: in practice, the machine has no certificates to trust.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up")]
pub struct NoTls(#[from] rustls::Error);

/// Makes connections to one address.
pub(super) struct Connector {
    address: RedisAddress,
    tls: Option<TlsConnector>,
    most_in_flight: usize,
}

impl Connector {
    /// Reading the machine's certificates blocks for some milliseconds; where they are can be said with `SSL_CERT_FILE`.
    pub(super) fn new(
        address: RedisAddress,
        trusted: Option<RootCertStore>,
        most_in_flight: usize,
    ) -> Result<Self, NoTls> {
        let tls = if address.tls { Some(tls(trusted)?) } else { None };
        Ok(Self { address, tls, most_in_flight })
    }

    pub(super) fn address(&self) -> &RedisAddress {
        &self.address
    }

    /// A connection that Redis has let us in on. Nothing moves on it but while the driver is polled. No timeout: put one
    /// around it.
    pub(super) async fn connect(&self) -> Result<(MultiplexedConnection, Driver), String> {
        let stream = TcpStream::connect((self.address.host.as_str(), self.address.port)).await;
        let stream = stream.map_err(|error| format!("no connection: {error}"))?;
        stream.set_nodelay(true).map_err(|error| format!("no connection: {error}"))?;
        let Some(tls) = &self.tls else { return self.log_in(stream).await };
        let name = ServerName::try_from(self.address.host.clone()).map_err(|error| format!("no TLS: {error}"))?;
        let stream = tls.connect(name, stream).await.map_err(|error| format!("no TLS: {error}"))?;
        self.log_in(stream).await
    }

    async fn log_in<S>(&self, stream: S) -> Result<(MultiplexedConnection, Driver), String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Whoever calls watches the time, on the port's clock.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let config = config.set_pipeline_buffer_size(self.most_in_flight);
        let made = MultiplexedConnection::new_with_config(&self.address.login(), stream, config).await;
        let (connection, driver) = made.map_err(|error| format!("not let in: {error}"))?;
        Ok((connection, Box::pin(driver)))
    }
}

/// Polls `driver` until `work` has ended. `None`: the connection ended before.
pub(super) async fn driven<T>(driver: &mut Driver, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    std::future::poll_fn(|context| {
        if let Poll::Ready(value) = work.as_mut().poll(context) {
            return Poll::Ready(Some(value));
        }
        ready!(driver.as_mut().poll(context));
        // Its last answer may have been the one.
        match work.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Poll::Ready(None),
        }
    })
    .await
}

fn tls(trusted: Option<RootCertStore>) -> Result<TlsConnector, NoTls> {
    // The process may have chosen its provider before; then that one is used.
    let provider = CryptoProvider::get_default().cloned();
    let provider = provider.unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = match trusted {
        Some(roots) => versions.with_root_certificates(roots).with_no_client_auth(),
        None => versions.with_platform_verifier()?.with_no_client_auth(),
    };
    Ok(TlsConnector::from(Arc::new(config)))
}
