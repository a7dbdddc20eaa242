//! Makes connections, and is the only place that does: every address is checked here, right before it is dialled, so a
//! name that was public when it was set and is not any more leads nowhere.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustls::{RootCertStore, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tollgate_gateway::ports::{Time, webhook_sender::SendError};

use crate::{
    connection::{Connection, Socket},
    network::{Dial, Resolve},
    policy::{AddressPolicy, Target, TargetHost},
    tls::{self, NoTls},
};

/// Of a host's addresses, so many are tried.
const MAX_ADDRESSES: usize = 4;
/// An address that does not answer in this time is given up for the next one.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);

/// Makes connections to checked addresses.
pub(crate) struct Connector {
    pub(crate) policy: AddressPolicy,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) dialer: Arc<dyn Dial>,
    pub(crate) time: Arc<dyn Time>,
    pub(crate) roots: Option<RootCertStore>,
    pub(crate) tls: OnceLock<TlsConnector>,
}

impl Connector {
    /// A connection for `target`: checked, connected, and secured if the target asks for it.
    pub(crate) async fn connect(&self, target: &Target) -> Result<Connection, SendError> {
        let addresses = self.addresses(target).await?;
        let stream = self.dial(&addresses, target.port).await?;
        // Small requests: waiting to fill a packet only adds delay. Where it cannot be set, it is merely slower.
        let _ = stream.set_nodelay(true);
        let socket: Box<dyn Socket> = if target.secure { self.secure(target, stream).await? } else { Box::new(stream) };
        Connection::open(socket, self.time.monotonic()).await
    }

    /// Reads the certificates that are trusted, unless that has been done.
    pub(crate) fn tls(&self) -> Result<&TlsConnector, NoTls> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls);
        }
        let tls = tls::connector(self.roots.clone())?;
        Ok(self.tls.get_or_init(|| tls))
    }

    /// The addresses to try. One that may not be called refuses them all: an honest host has none, and whoever mixes them
    /// is betting on which one is taken.
    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, SendError> {
        let mut found = match &target.host {
            TargetHost::Address(address) => vec![*address],
            TargetHost::Name(_) if target.host.is_loopback() => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            TargetHost::Name(name) => self.resolver.resolve(name).await.map_err(|error| {
                if error.kind() == io::ErrorKind::ResourceBusy {
                    return SendError::Busy;
                }
                tracing::debug!(origin = target.origin, %error, "a webhook's host was not found");
                SendError::HostNotFound
            })?,
        };
        if found.is_empty() {
            return Err(SendError::HostNotFound);
        }
        if !found.iter().all(|address| self.policy.allows(*address)) {
            return Err(SendError::AddressRefused);
        }
        // Version 4 first: it is there on every network that we run on, version 6 is not.
        found.sort_by_key(IpAddr::is_ipv6);
        found.dedup();
        found.truncate(MAX_ADDRESSES);
        Ok(found)
    }

    async fn dial(&self, addresses: &[IpAddr], port: u16) -> Result<TcpStream, SendError> {
        for address in addresses {
            let address = SocketAddr::new(*address, port);
            let dialled = tokio::select! {
                biased;
                dialled = self.dialer.dial(address) => dialled,
                () = self.time.sleep(DIAL_TIMEOUT) => Err(io::ErrorKind::TimedOut.into()),
            };
            match dialled {
                Ok(stream) => return Ok(stream),
                Err(error) => tracing::debug!(%address, %error, "a webhook's address did not answer"),
            }
        }
        Err(SendError::NotConnected)
    }

    async fn secure(&self, target: &Target, stream: TcpStream) -> Result<Box<dyn Socket>, SendError> {
        let tls = self.tls().map_err(|error| {
            tracing::error!(error = ?error, "no webhook can be sent over TLS");
            SendError::Tls
        })?;
        let name = match &target.host {
            TargetHost::Address(address) => ServerName::from(*address),
            TargetHost::Name(name) => ServerName::try_from(name.clone()).map_err(|_| SendError::Tls)?,
        };
        let secured = tls.connect(name, stream).await.map_err(|error| {
            tracing::debug!(origin = target.origin, %error, "a webhook's endpoint did not agree on TLS");
            SendError::Tls
        })?;
        Ok(Box::new(secured))
    }
}
