//! Many connections that do what no client should, and how each of them ended.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::SocketAddr,
    time::Duration,
};

use anyhow::Result;
use bytes::Bytes;
use futures::{StreamExt, future::pending, stream::FuturesUnordered};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream, tcp::WriteHalf},
};
use tollgate_gateway::ports::Time;
use tollgate_runtime::{SystemClock, system::within};

/// A fleet opens so many connections a second.
const OPENS: f64 = 4000.0;
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Whoever takes nothing asks for so long, before it counts as there: by then answers wait for it.
const SAYS_FOR: Duration = Duration::from_secs(2);
/// Whoever looks whether its connection has ended does so for so long: too short for all the answers that it asked for.
const TAKES_FOR: Duration = Duration::from_secs(1);
/// What a client's kernel keeps for whoever reads nothing.
const RECEIVE_BUFFER: u32 = 4096;

/// How the hostile ones ended.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// All of the fleet have come.
    there: Cell<bool>,
    /// No more are to come.
    over: Cell<bool>,
    ends: RefCell<BTreeMap<String, u64>>,
    /// Seconds.
    longest: Cell<f64>,
}

impl Tally {
    pub(super) fn is_there(&self) -> bool {
        self.there.get()
    }

    pub(super) fn arrive(&self) {
        self.there.set(true);
    }

    pub(super) fn stop(&self) {
        self.over.set(true);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.get()
    }

    pub(super) fn note(&self, how: impl Into<String>) {
        *self.ends.borrow_mut().entry(how.into()).or_default() += 1;
    }

    pub(super) fn ends(&self) -> Vec<(String, u64)> {
        self.ends.borrow().clone().into_iter().collect()
    }

    pub(super) fn longest(&self) -> f64 {
        self.longest.get()
    }
}

/// What each of a fleet does.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// Said at once, by each one in turn.
    pub(super) says: Vec<Bytes>,
    /// Said again and again, after so long each.
    pub(super) drips: Option<(&'static [u8], Duration)>,
    /// Takes what it is answered.
    pub(super) reads: bool,
    /// Is answered at once, and only then counts as there.
    pub(super) is_answered: bool,
    /// Goes once it is answered.
    pub(super) leaves: bool,
    /// Comes again after so long, if at all.
    pub(super) again_after: Option<Duration>,
    /// Stays for so long at most when all is over.
    pub(super) held: Duration,
}

/// So many at once until the tally says that it is over, and then to the end of each.
pub(super) async fn play(address: SocketAddr, count: u32, manner: &Manner, tally: &Tally) {
    let clock = &SystemClock::start();
    let there = &Cell::new(0);
    let members: FuturesUnordered<_> = (0..count)
        .map(async |number| {
            clock.sleep(Duration::from_secs_f64(f64::from(number) / OPENS)).await;
            let mut is_first = true;
            while !tally.is_over() {
                let arrive = || {
                    there.set(there.get() + u32::from(is_first));
                    if there.get() == count {
                        tally.arrive();
                    }
                };
                let says = &manner.says[number as usize % manner.says.len()];
                let how = one(address, says, manner, (clock, tally), arrive).await;
                tally.note(how.unwrap_or_else(|()| "not connected".to_owned()));
                is_first = false;
                let Some(pause) = manner.again_after else { return };
                clock.sleep(pause).await;
            }
        })
        .collect();
    members.collect::<()>().await;
}

/// One connection, to its end.
async fn one(
    address: SocketAddr,
    says: &Bytes,
    manner: &Manner,
    (clock, tally): (&SystemClock, &Tally),
    arrive: impl FnOnce(),
) -> Result<String, ()> {
    let mut arrive = Some(arrive);
    let mut arrived = || arrive.take().into_iter().for_each(|arrive| arrive());
    let stream = open(address, manner).await;
    if manner.reads && !manner.is_answered {
        arrived();
    }
    let mut stream = stream.map_err(drop)?;
    let opened = clock.monotonic();
    let over = async {
        while !tally.is_over() {
            clock.sleep(LOOK_EVERY).await;
        }
        clock.sleep(manner.held).await;
    };
    let ended = if manner.reads {
        let (mut reader, writer) = stream.split();
        let mut answer = Vec::new();
        let hears = async {
            let mut piece = [0; 4096];
            loop {
                let read = reader.read(&mut piece).await;
                arrived();
                match read {
                    Ok(0) => return "closed",
                    Err(_) => return "reset",
                    Ok(read) => answer.extend_from_slice(&piece[..read.min(64)]),
                }
                if manner.leaves {
                    return "left";
                }
            }
        };
        let how = tokio::select! {
            biased;
            how = hears => how,
            () = talk(writer, says, manner, clock) => "never",
            () = over => "held",
        };
        let status = answer.get(9..12).map(String::from_utf8_lossy);
        status.map_or_else(|| how.to_owned(), |status| format!("answered {status}, {how}"))
    } else {
        // All cannot be said where nothing is taken.
        _ = within(clock, SAYS_FOR, async {
            stream.write_all(says).await?;
            pending::<anyhow::Result<()>>().await
        })
        .await;
        arrived();
        deaf(&mut stream, clock, over).await.to_owned()
    };
    if !manner.leaves && !ended.ends_with("held") {
        let took = clock.monotonic().saturating_sub(opened).as_secs_f64();
        tally.longest.set(tally.longest.get().max(took));
    }
    Ok(ended)
}

async fn open(address: SocketAddr, manner: &Manner) -> Result<TcpStream> {
    if manner.reads {
        return Ok(TcpStream::connect(address).await?);
    }
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    Ok(socket.connect(address).await?)
}

/// Says what is to be said, and never ends by itself.
async fn talk(mut writer: WriteHalf<'_>, says: &Bytes, manner: &Manner, clock: &SystemClock) {
    let talked = async {
        writer.write_all(says).await?;
        while let Some((drip, every)) = manner.drips {
            clock.sleep(every).await;
            writer.write_all(drip).await?;
        }
        anyhow::Ok(())
    };
    // Whoever listens learns what became of it.
    _ = talked.await;
    pending::<()>().await;
}

/// Takes nothing of the answers. When it is over, takes what is there: the end comes after that, or it is held still.
async fn deaf(stream: &mut TcpStream, clock: &SystemClock, over: impl Future<Output = ()>) -> &'static str {
    over.await;
    let takes = async {
        let mut piece = [0; 4096];
        while stream.read(&mut piece).await.is_ok_and(|read| read > 0) {}
    };
    if within(clock, TAKES_FOR, takes).await.is_some() { "cut off" } else { "held" }
}
