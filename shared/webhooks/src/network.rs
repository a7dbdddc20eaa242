//! The two things that are asked of the network: what a name's addresses are, and a connection to one address. Each is a
//! trait, so that another resolver can be put in, and tests can play one that changes its mind. Decides nothing.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use async_trait::async_trait;
use tokio::{net::TcpStream, sync::Semaphore};

/// Finds a name's addresses.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// Every address of `host`, of both families; none if it has none. Called for each new connection: an implementation
    /// that caches must honour the records' life time.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Connects to an address that has been checked.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    /// A connection to exactly `address`.
    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream>;
}

/// How many names are looked up at once. Each holds a thread for as long as the name's servers take to answer, and those
/// can belong to anybody.
const MAX_LOOKUPS: usize = 64;

/// The operating system's resolver.
#[derive(Debug)]
pub struct SystemResolver {
    lookups: Semaphore,
}

impl SystemResolver {
    /// The operating system's resolver, with a bound on lookups at once.
    pub fn new() -> Self {
        Self { lookups: Semaphore::new(MAX_LOOKUPS) }
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let _lookup = self.lookups.acquire().await.map_err(io::Error::other)?;
        // The dot at the end keeps the machine's search list out: no `hooks.example.com.our-cluster.internal`.
        let found = tokio::net::lookup_host((format!("{host}."), 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDialer;

#[async_trait]
impl Dial for SystemDialer {
    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(address).await
    }
}
