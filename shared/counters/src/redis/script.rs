//! The script's call and its answer, and how buckets are named on Redis.
//!
//! Must not know: connections, what happens when there is no answer.

use redis::{Cmd, ErrorKind, RedisResult, Script, ServerErrorKind, aio::MultiplexedConnection};
use tollgate_gateway::ports::counters::{Bucket, DecidedBy, Standing};

use crate::bucket::{Flow, Level, STANDS_STILL_MS, TOKEN};

const CODE: &str = include_str!("bucket.lua");

/// A bucket that is not full is forgotten after a day without use: keys expire, whatever the limit.
const FORGOTTEN_AFTER_MS: u64 = 24 * 60 * 60 * 1_000;

/// What is done to a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Take,
    Look,
    GiveBack,
}

impl Action {
    /// In metrics.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Take => "take",
            Self::Look => "look",
            Self::GiveBack => "give_back",
        }
    }

    const fn argument(self) -> &'static str {
        match self {
            Self::Take => "take",
            Self::Look => "look",
            Self::GiveBack => "give",
        }
    }
}

/// One call of the script.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) action: Action,
    pub(super) key: String,
    pub(super) flow: Flow,
    /// The bucket is believed to hold no more units than this.
    pub(super) ceiling: Option<u64>,
}

/// The script.
pub(super) struct BucketScript(Script);

impl BucketScript {
    pub(super) fn new() -> Self {
        Self(Script::new(CODE))
    }

    /// One round trip; two where the server does not know the script (any more).
    pub(super) async fn run(&self, connection: &mut MultiplexedConnection, call: &Call) -> RedisResult<Standing> {
        let by_hash = call.command("EVALSHA", self.0.get_hash()).query_async(connection).await;
        let answer = match by_hash {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                call.command("EVAL", CODE).query_async(connection).await
            }
            answer => answer,
        };
        answer.map(|answer| call.standing(answer))
    }

    /// Asks whether Redis takes tokens: whether it runs the script, and writes.
    pub(super) async fn probe(&self, connection: &mut MultiplexedConnection, prefix: &str) -> RedisResult<()> {
        let flow = Flow { rate: TOKEN, capacity: TOKEN };
        // Believing in nothing is a change, and so it is written, whoever asked a moment ago.
        let call = Call { action: Action::GiveBack, key: format!("{prefix}:{{probe}}"), flow, ceiling: Some(0) };
        self.run(connection, &call).await.map(drop)
    }
}

impl Call {
    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(1).arg(&self.key).arg(self.action.argument());
        command.arg(self.flow.rate).arg(self.flow.capacity).arg(TOKEN);
        // Levels are far below what an `i64` holds.
        command.arg(self.ceiling.map_or(-1, |units| i64::try_from(units).unwrap_or(i64::MAX)));
        command.arg(STANDS_STILL_MS).arg(FORGOTTEN_AFTER_MS);
        command
    }

    fn standing(&self, (granted, units, ahead_ms): (i64, i64, i64)) -> Standing {
        let level = Level { units: u64::try_from(units).unwrap_or(0), at_ms: ahead_ms };
        level.standing(granted == 1, 0, self.flow, DecidedBy::Shared)
    }
}

/// The key of a bucket. What belongs to one merchant or provider is on one node of a cluster.
pub(super) fn key(prefix: &str, bucket: Bucket) -> String {
    match bucket {
        Bucket::Merchant(merchant) => format!("{prefix}:{{{merchant}}}:requests"),
        Bucket::MerchantReplays(merchant) => format!("{prefix}:{{{merchant}}}:replays"),
        Bucket::Address(address) => format!("{prefix}:{{{}}}:strangers", hex(address.to_bytes())),
        Bucket::MadeUp(address) => format!("{prefix}:{{{}}}:made-up", hex(address.to_bytes())),
        Bucket::Provider { provider, share } => format!("{prefix}:{{{provider}}}:{}", share.as_str()),
    }
}

fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}
