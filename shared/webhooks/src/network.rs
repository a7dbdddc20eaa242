//! The two things that are asked of the network: what a name's addresses are, and a connection to one address. Each is a
//! trait, so that another resolver can be put in, and tests can play one that changes its mind. Decides nothing.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::net::TcpStream;
use tollgate_gateway::ports::Time;

use crate::lookups::LookUps;

/// Finds a name's addresses.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// Every address of `host`, of both families; none if it has none. Called for each new connection: an implementation
    /// that caches must honour the records' life time. [`io::ErrorKind::ResourceBusy`] says that nobody was asked, for a
    /// reason of ours.
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
/// How long one may wait for its turn: a part of what a send may take.
const LOOKUP_TURN_WITHIN: Duration = Duration::from_secs(3);

/// The operating system's resolver.
pub struct SystemResolver(LookUps);

impl SystemResolver {
    /// The operating system's resolver, with a bound on lookups at once.
    pub fn new(time: Arc<dyn Time>) -> Self {
        Self(LookUps::new(Arc::new(look_up), MAX_LOOKUPS, LOOKUP_TURN_WITHIN, time))
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.0.find(host).await
    }
}

fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    // The dot at the end keeps the machine's search list out: no `hooks.example.com.our-cluster.internal`.
    let found = (format!("{host}."), 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
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
