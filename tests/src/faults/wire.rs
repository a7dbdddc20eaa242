//! A wire before a server that can be broken: connections are refused, lie dead, are slow, or are reset in the midst of an answer.
//! It counts what was really hit.
//!
//! Must not know: what is said on it, but for where an HTTP/2 answer begins.

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
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tollgate_gateway::ports::Time;
use tollgate_runtime::{SystemClock, TaskSpawner};

use super::frames::Frames;

/// Bytes that are passed on at a time.
const CHUNK: usize = 64 << 10;
/// What was written gets this long to be read before the reset follows.
const FLUSH: Duration = Duration::from_millis(20);

/// What is wrong with a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    /// Connections are reset as they come, and those that are open are reset.
    Refuse,
    /// What is sent is swallowed, and nothing is ever answered. A connection that has lost something stays dead afterwards, too: nobody
    /// tells its ends.
    Swallow,
    /// Everything takes so much longer, both ways.
    Delay(Duration),
    /// A part of an answer arrives, then a reset.
    Reset,
    /// The server's process was killed: only counts who finds that out.
    Gone,
}

/// What is said on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// One answer after the other: half of what arrives is the middle of an answer.
    Plain,
    /// HTTP/2: an answer begins with a frame of its own.
    Http2,
}

/// A wire on a port of its own, there until the process ends.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    /// Where it begins.
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    upstream: SocketAddr,
    speech: Speech,
    broken: watch::Sender<Option<Break>>,
    /// Connections that are dead end with the trouble: their client would wait for ever.
    ends_dead: bool,
    hits: AtomicU64,
}

impl State {
    fn now(&self) -> Option<Break> {
        *self.broken.borrow()
    }

    fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }
}

/// How a connection ends.
enum End {
    Closed,
    Reset,
}

impl Wire {
    /// A wire to the server at `upstream`; whether its dead connections end with the trouble.
    pub(super) async fn to(upstream: SocketAddr, speech: Speech, ends_dead: bool) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let broken = watch::Sender::new(None);
        let state = Arc::new(State { upstream, speech, broken, ends_dead, hits: AtomicU64::new(0) });
        let (accepting, tasks) = (Arc::clone(&state), TaskSpawner::default());
        let connections = tasks.clone();
        tasks.start(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if accepting.now() == Some(Break::Refuse) {
                    accepting.hit();
                    reset(stream);
                    continue;
                }
                connections.start(connection(stream, Arc::clone(&accepting)));
            }
        });
        Ok(Self { address, state })
    }

    /// Breaks it, or mends it. Answers how often it was hit since the last time.
    pub(super) fn set(&self, broken: Option<Break>) -> u64 {
        self.state.broken.send_replace(broken);
        self.state.hits.swap(0, Ordering::Relaxed)
    }
}

fn reset(stream: TcpStream) {
    // Where that fails it is closed instead.
    _ = stream.set_zero_linger();
    drop(stream);
}

async fn connection(mut client: TcpStream, state: Arc<State>) {
    let Ok(mut server) = TcpStream::connect(state.upstream).await else {
        if state.now() == Some(Break::Gone) {
            state.hit();
        }
        reset(client);
        return;
    };
    _ = client.set_nodelay(true);
    _ = server.set_nodelay(true);
    let dead = AtomicBool::new(false);
    let end = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        tokio::select! {
            end = asked(&mut from_client, &mut to_server, &state, &dead) => end,
            end = answered(&mut from_server, &mut to_client, &state, &dead) => end,
            end = refused(&state) => end,
            end = forgotten(&state, &dead) => end,
        }
    };
    if matches!(end, End::Reset) {
        reset(client);
        reset(server);
    }
}

/// Until those that are open are reset, too.
async fn refused(state: &State) -> End {
    let mut broken = state.broken.subscribe();
    // The wire outlives its connections.
    _ = broken.wait_for(|broken| *broken == Some(Break::Refuse)).await;
    End::Reset
}

/// Until the trouble ends in which this connection died, where that ends it.
async fn forgotten(state: &State, dead: &AtomicBool) -> End {
    let mut broken = state.broken.subscribe();
    loop {
        // The wire outlives its connections.
        _ = broken.changed().await;
        if state.ends_dead && dead.load(Ordering::Relaxed) {
            return End::Reset;
        }
    }
}

/// What the client sends. Ends with it.
async fn asked(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    state: &State,
    dead: &AtomicBool,
) -> End {
    let mut buffer = vec![0; CHUNK];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return End::Closed };
        if !passes(state, dead).await {
            continue;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return End::Closed;
        }
    }
}

/// What the server sends. Ends with it.
async fn answered(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    state: &State,
    dead: &AtomicBool,
) -> End {
    let mut buffer = vec![0; CHUNK];
    let mut frames = Frames::default();
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else {
            if state.now() == Some(Break::Gone) {
                state.hit();
            }
            return End::Closed;
        };
        let chunk = &buffer[..length];
        let middle = match state.speech {
            Speech::Plain => Some(length / 2),
            Speech::Http2 => frames.middle_of_an_answer(chunk),
        };
        if !passes(state, dead).await {
            continue;
        }
        if let (Some(Break::Reset), Some(middle)) = (state.now(), middle) {
            state.hit();
            _ = to.write_all(&chunk[..middle]).await;
            SystemClock::start().sleep(FLUSH).await;
            return End::Reset;
        }
        if to.write_all(chunk).await.is_err() {
            return End::Closed;
        }
    }
}

/// Whether what came gets through, at last.
async fn passes(state: &State, dead: &AtomicBool) -> bool {
    match state.now() {
        Some(Break::Swallow) => {
            dead.store(true, Ordering::Relaxed);
            state.hit();
        }
        Some(Break::Delay(delay)) => {
            state.hit();
            SystemClock::start().sleep(delay).await;
        }
        _ => {}
    }
    !dead.load(Ordering::Relaxed)
}
