//! Payments as they were, on Redis, on the connection that the buckets are on.
//!
//! Must not know: what a payment is, who looks at it and when.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, Script, ServerErrorKind, aio::MultiplexedConnection};
use tollgate_domain::{PaymentId, Timestamp};
use tollgate_gateway::ports::{Statuses, statuses::KeptStatus};

use super::{RedisCounters, measure::Outcome};

const CODE: &str = include_str!("status.lua");

/// How many calls about payments wait for their answers at most. Those about buckets have places of their own.
pub(super) const MOST_IN_FLIGHT: usize = 64;
/// How many payments are renewed at once: half the places are left to others.
const RENEWED_AT_ONCE: usize = MOST_IN_FLIGHT / 2;

/// The script.
pub(super) struct StatusScript(Script);

/// What is done with a payment.
enum Call<'a> {
    Find,
    Put { status: &'a KeptStatus, lasts: Duration, only_where_kept: bool },
}

impl StatusScript {
    pub(super) fn new() -> Self {
        Self(Script::new(CODE))
    }

    /// One round trip; two where the server does not know the script (any more).
    async fn run<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
        key: &str,
        call: &Call<'_>,
    ) -> RedisResult<T> {
        match call.command("EVALSHA", self.0.get_hash(), key).query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                call.command("EVAL", CODE, key).query_async(connection).await
            }
            answer => answer,
        }
    }
}

impl Call<'_> {
    /// In metrics.
    const fn name(&self) -> &'static str {
        match self {
            Self::Find => "find_status",
            Self::Put { .. } => "keep_status",
        }
    }

    fn command(&self, name: &str, script: &str, key: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(1).arg(key);
        match self {
            Self::Find => command.arg("find"),
            Self::Put { status, lasts, only_where_kept } => {
                command.arg(if *only_where_kept { "renew" } else { "keep" });
                command.arg(status.version).arg(status.at.as_microsecond()).arg(write(status));
                // Five minutes at most. Nothing is kept for no time at all.
                command.arg(u64::try_from(lasts.as_millis()).unwrap_or(1).max(1))
            }
        };
        command
    }
}

/// A payment's key: each is on a node of its own of a cluster.
fn key(prefix: &str, payment: PaymentId) -> String {
    format!("{prefix}:{{{payment}}}:status")
}

fn write(status: &KeptStatus) -> String {
    let KeptStatus { version, at, merchant, body, .. } = status;
    format!("{version} {} {merchant} {body}", at.as_microsecond())
}

/// `None`: it was not we who wrote it.
fn read(payment: PaymentId, value: &[u8]) -> Option<KeptStatus> {
    let mut parts = std::str::from_utf8(value).ok()?.splitn(4, ' ');
    let version = parts.next()?.parse().ok()?;
    let at = Timestamp::from_microsecond(parts.next()?.parse().ok()?).ok()?;
    let merchant = parts.next()?.parse().ok()?;
    Some(KeptStatus { payment, merchant, version, at, body: parts.next()?.to_owned() })
}

impl RedisCounters {
    async fn ask_of<T: FromRedisValue>(&self, payment: PaymentId, call: Call<'_>) -> Result<T, Outcome> {
        let connected = self.link.connected().ok_or(Outcome::Away)?;
        let (key, mut connection) = (key(&self.prefix, payment), connected.connection.clone());
        let asked = self.status_script.run(&mut connection, &key, &call);
        self.answer(call.name(), &connected, &self.status_places, asked).await
    }

    /// Whether it was answered, and not that it is full.
    async fn put(&self, status: &KeptStatus, only_where_kept: bool) -> bool {
        let Some(lasts) = status.lasts(self.time.now()) else { return false };
        let call = Call::Put { status, lasts, only_where_kept };
        self.ask_of(status.payment, call).await.is_ok_and(|answer: i64| answer == 1)
    }
}

#[async_trait]
impl Statuses for RedisCounters {
    async fn keep(&self, status: &KeptStatus) -> bool {
        self.put(status, false).await
    }

    async fn renew(&self, statuses: &[KeptStatus]) -> usize {
        let mut left_out = 0;
        for (number, batch) in statuses.chunks(RENEWED_AT_ONCE).enumerate() {
            let taken = join_all(batch.iter().map(|status| self.put(status, true))).await;
            let refused = taken.iter().filter(|taken| !**taken).count();
            left_out += refused;
            // Nobody answers: the rest would only keep others from their places.
            if refused == batch.len() {
                return left_out + statuses.len() - (number * RENEWED_AT_ONCE + batch.len());
            }
        }
        left_out
    }

    async fn find(&self, payment: PaymentId) -> Option<KeptStatus> {
        let value: Option<Vec<u8>> = self.ask_of(payment, Call::Find).await.ok()?;
        // Redis forgets it in real time; the business clock may be ahead of that.
        read(payment, &value?).filter(|status| status.age(self.time.now()).is_some())
    }
}
