//! A Redis that answers every command with an error, as one does that is still loading: a relay before a real one.
//!
//! Must not know: what a command does.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tollgate_gateway::ports::Time;
use tollgate_runtime::{SystemClock, TaskSpawner};

const LOADING: &[u8] = b"-LOADING Redis is loading the dataset in memory\r\n";
/// What was asked before the errors began is answered within this.
const ANSWERED_WITHIN: Duration = Duration::from_millis(50);

/// A relay on a port of its own, there until the process ends.
#[derive(Debug, Clone)]
pub(super) struct RedisRelay {
    /// Where it is.
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    upstream: SocketAddr,
    errs: AtomicBool,
    hits: AtomicU64,
}

impl RedisRelay {
    /// A relay before the Redis at `upstream`.
    pub(super) async fn before(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = State { upstream, errs: AtomicBool::new(false), hits: AtomicU64::new(0) };
        let state = Arc::new(state);
        let (accepting, tasks) = (Arc::clone(&state), TaskSpawner::default());
        let connections = tasks.clone();
        tasks.start(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&accepting);
                connections.start(async move {
                    // Whoever is cut off sees it.
                    _ = connection(stream, &state).await;
                });
            }
        });
        Ok(Self { address, state })
    }

    /// From now on every command fails, or none. Answers how many did since the last time.
    pub(super) fn set(&self, errs: bool) -> u64 {
        self.state.errs.store(errs, Ordering::Relaxed);
        self.state.hits.swap(0, Ordering::Relaxed)
    }
}

async fn connection(mut client: TcpStream, state: &State) -> io::Result<()> {
    let mut server = TcpStream::connect(state.upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut asked, mut answered, mut waiting) = (vec![0; 64 << 10], vec![0; 64 << 10], Vec::new());
    let mut was_fine = true;
    loop {
        tokio::select! {
            length = client.read(&mut asked) => {
                let length @ 1.. = length? else { return Ok(()) };
                waiting.extend_from_slice(&asked[..length]);
                while let Some(length) = command(&waiting) {
                    let command: Vec<u8> = waiting.drain(..length).collect();
                    if !state.errs.load(Ordering::Relaxed) {
                        was_fine = true;
                        server.write_all(&command).await?;
                        continue;
                    }
                    if std::mem::take(&mut was_fine) {
                        drain(&mut server, &mut client, &mut answered).await?;
                    }
                    state.hits.fetch_add(1, Ordering::Relaxed);
                    client.write_all(LOADING).await?;
                }
            }
            length = server.read(&mut answered) => {
                let length @ 1.. = length? else { return Ok(()) };
                client.write_all(&answered[..length]).await?;
            }
        }
    }
}

/// Passes on what was still to be answered: answers come in order.
async fn drain(server: &mut TcpStream, client: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    let clock = SystemClock::start();
    loop {
        tokio::select! {
            length = server.read(buffer) => {
                let length @ 1.. = length? else { return Ok(()) };
                client.write_all(&buffer[..length]).await?;
            }
            () = clock.sleep(ANSWERED_WITHIN) => return Ok(()),
        }
    }
}

/// How long the first command in `bytes` is (`*2\r\n$3\r\nGET\r\n$1\r\na\r\n`); `None`: it has not arrived whole.
fn command(bytes: &[u8]) -> Option<usize> {
    let (mut place, parts) = number(bytes, 0)?;
    for _ in 0..parts {
        let (start, length) = number(bytes, place)?;
        place = start + length + 2;
    }
    (place <= bytes.len()).then_some(place)
}

/// The number in the line at `place`, behind its first byte, and where the next line begins.
fn number(bytes: &[u8], place: usize) -> Option<(usize, usize)> {
    let line = bytes.get(place + 1..)?;
    let length = line.windows(2).position(|two| two == b"\r\n")?;
    let number = std::str::from_utf8(&line[..length]).ok()?.parse().ok()?;
    Some((place + 1 + length + 2, number))
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_command_ends_where_its_last_part_does() {
        let sent = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n";
        assert_eq!(command(sent), Some(20));
        assert_eq!(command(&sent[20..]), Some(14));
        assert_eq!((0..20).find_map(|end| command(&sent[..end])), None);
    }
}
