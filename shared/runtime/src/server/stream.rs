//! A connection's socket, which ends by itself where the client is too slow: with a request's head, with making another
//! request, or with taking what it is sent.
//!
//! Must not know: what is sent, but whether it is HTTP/2; which connection has to go.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tollgate_gateway::ports::Time;

use super::{ServerLimits, activity::Activity};

/// What HTTP/2 begins with, and no request of HTTP/1.1 does.
const HTTP_2: &[u8] = b"PRI * HTTP/2";

/// Who takes an answer, if slowly, takes at least so many bytes a second.
const LEAST_BYTES_A_SECOND: u64 = 4 * 1024;

/// How long after a request it is noticed at the latest that its connection is idle.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Why a connection was ended by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slow {
    FirstRequest,
    Head,
    Idle,
    Reader,
}

impl Slow {
    fn as_str(self) -> &'static str {
        match self {
            Self::FirstRequest => "no_request",
            Self::Head => "slow_head",
            Self::Idle => "idle",
            Self::Reader => "slow_reader",
        }
    }
}

/// The socket of one connection.
pub(super) struct WatchedStream<S> {
    stream: S,
    activity: Arc<Activity>,
    bounds: Bounds,
    /// The connection's first bytes, as long as they are HTTP/2's.
    http_2_bytes: usize,
    decided: bool,
    /// When the first bytes of a head came, and how many requests there had been.
    head: Option<(Duration, u64)>,
    /// Since when bytes wait to be taken, and how many were since then.
    waiting: Option<(Duration, u64)>,
    read_alarm: Alarm,
    write_alarm: Alarm,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    first_request: Duration,
    head: Duration,
    idle: Duration,
    answer_stalls: Duration,
}

impl<S> WatchedStream<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>, limits: &ServerLimits) -> Self {
        let bounds = Bounds {
            first_request: limits.first_request,
            head: limits.head_within,
            idle: limits.idle,
            answer_stalls: limits.answer_stalls,
        };
        let (read_alarm, write_alarm) = (Alarm::default(), Alarm::default());
        Self {
            stream,
            activity,
            bounds,
            http_2_bytes: 0,
            decided: false,
            head: None,
            waiting: None,
            read_alarm,
            write_alarm,
        }
    }

    fn is_http_2(&self) -> bool {
        self.http_2_bytes == HTTP_2.len()
    }

    /// Bytes came.
    fn came(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.decided {
                break;
            }
            if HTTP_2.get(self.http_2_bytes) == Some(byte) {
                self.http_2_bytes += 1;
            } else {
                self.http_2_bytes = 0;
                self.decided = true;
            }
            self.decided |= self.is_http_2();
        }
        // While a request is under way, they may be of its body. What is then already there of the next one is found when more comes.
        let begun = self.activity.begun();
        if !self.activity.is_busy() && self.head.is_none_or(|(_, at)| at != begun) {
            self.head = Some((self.activity.now(), begun));
        }
    }

    /// Until when something has to happen. (HTTP/2 says by its own pings whether somebody is there, and bounds by them how long
    /// a head may take.)
    fn read_deadline(&self) -> Option<(Duration, Slow)> {
        let (activity, bounds) = (&self.activity, self.bounds);
        let begun = activity.begun();
        if begun == 0 {
            return Some((activity.opened() + bounds.first_request, Slow::FirstRequest));
        }
        if let Some(got_on) = activity.answered_on() {
            return Some((got_on + bounds.answer_stalls, Slow::Reader));
        }
        if activity.is_busy() {
            return None;
        }
        match self.head {
            Some((since, at)) if at == begun && !self.is_http_2() => Some((since + bounds.head, Slow::Head)),
            _ => Some((activity.idle_since() + bounds.idle, Slow::Idle)),
        }
    }

    fn poll_read_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let time = self.activity.time();
        let Some((deadline, slow)) = self.read_deadline() else {
            // The end of a request does not make anybody read again who has read in vain meanwhile: look whether it is idle by then.
            let look_again = self.activity.now() + self.bounds.idle.min(LOOK_AGAIN);
            _ = self.read_alarm.poll(context, time, look_again);
            return Poll::Pending;
        };
        ready!(self.read_alarm.poll(context, time, deadline));
        Poll::Ready(ended(slow))
    }

    /// Bounds the time in which the client takes nothing, or next to nothing.
    fn wrote(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                if let Some((_, taken)) = &mut self.waiting {
                    *taken = taken.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending => {
                let (since, taken) = *self.waiting.get_or_insert_with(|| (self.activity.now(), 0));
                self.activity.block(true);
                let deadline =
                    since + self.bounds.answer_stalls + Duration::from_millis(taken * 1000 / LEAST_BYTES_A_SECOND);
                ready!(self.write_alarm.poll(context, self.activity.time(), deadline));
                Poll::Ready(Err(ended(Slow::Reader)))
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

fn ended(slow: Slow) -> io::Error {
    metrics::counter!("connections_closed_total", "reason" => slow.as_str()).increment(1);
    io::Error::new(io::ErrorKind::TimedOut, slow.as_str())
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                let bytes = buffer.filled().get(before..).unwrap_or_default();
                if !bytes.is_empty() {
                    self.came(bytes);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending => self.poll_read_deadline(context).map(Err),
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Who flushes has written all that it had.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if self.waiting.take().is_some() {
            self.activity.block(false);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Wakes its task when a time has come. A later time costs nothing: it is looked at again when the earlier one has come.
#[derive(Default)]
struct Alarm {
    armed: Option<(Duration, Sleep)>,
}

impl Alarm {
    fn poll(&mut self, context: &mut Context<'_>, time: &Arc<dyn Time>, deadline: Duration) -> Poll<()> {
        loop {
            let now = time.monotonic();
            match &mut self.armed {
                Some((at, sleep)) if *at <= deadline => {
                    ready!(sleep.as_mut().poll(context));
                    self.armed = None;
                }
                _ if now >= deadline => return Poll::Ready(()),
                _ => {
                    let (time, wait) = (Arc::clone(time), deadline.saturating_sub(now));
                    self.armed = Some((deadline, Box::pin(async move { time.sleep(wait).await })));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::{System, system::within};

    /// How a write of 20,000 bytes ends whose other side takes `piece` bytes at a time, every 10 ms.
    async fn written_while_taking(piece: usize) -> io::Result<()> {
        let system = System::real();
        let (ours, mut theirs): (DuplexStream, _) = duplex(64);
        let limits = ServerLimits { answer_stalls: Duration::from_millis(250), ..ServerLimits::default() };
        let mut stream = WatchedStream::new(ours, Activity::new(&system.time), &limits);
        let taking = async {
            let mut buffer = vec![0; piece];
            while theirs.read_exact(&mut buffer).await.is_ok() {
                system.time.sleep(Duration::from_millis(10)).await;
            }
        };
        let answer = vec![b'x'; 20_000];
        tokio::select! {
            written = within(&*system.time, Duration::from_secs(10), stream.write_all(&answer)) => written.expect("without end"),
            () = taking => panic!("the other side ended"),
        }
    }

    #[tokio::test]
    async fn who_takes_a_few_bytes_now_and_then_is_ended_and_who_is_only_slow_is_not() {
        assert_eq!(written_while_taking(4).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // Longer in all than nothing may be taken.
        written_while_taking(256).await.unwrap();
    }
}
