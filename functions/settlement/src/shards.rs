//! A part of a settlement, as Pub/Sub pushes it.
//!
//! Must not know: how a shard is settled, or how far it is.

use axum::{Extension, body::Bytes, extract::State, http::StatusCode};
use tollgate_api::{Problem, ProblemCode};
use tollgate_gateway::{Context, Error, Gateway, ShardSettled};
use tollgate_messaging::shards::{self, PushedShard, SETTLEMENT_SHARDS};
use tollgate_runtime::{CorrelationId, trace::consumed};

use crate::SHARD_BUDGET;

/// A 2xx is the acknowledgement: given once the shard is done, or a message for its rest is published, or somebody else has the same
/// shard, whose own message stands for it.
///
/// What names no shard of a settlement that we have is refused: the queue gives it up after some tries, and a person sees it.
pub(crate) async fn pushed(
    State(gateway): State<Gateway>,
    Extension(correlation_id): Extension<CorrelationId>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let PushedShard { due, traceparent, .. } = shards::read(&body).map_err(|unreadable| {
        tracing::error!(%unreadable, "a push is no part of a settlement of ours; the queue will give it up");
        Problem::new(ProblemCode::InvalidRequest, "The body is no message of this gateway's.")
    })?;
    let context = Context { correlation_id: correlation_id.as_str().to_owned() };
    let work = gateway.settle_shard(due, SHARD_BUDGET, context);
    match consumed(SETTLEMENT_SHARDS, traceparent.as_deref(), work).await {
        Ok(ShardSettled::Done | ShardSettled::GoesOn | ShardSettled::AnotherIsAtIt) => Ok(StatusCode::NO_CONTENT),
        Err(error) => {
            tracing::warn!(settlement = %due.settlement, shard = due.shard, %error, "a shard was cut off; its message comes again");
            Err(match error {
                Error::NotFound => Problem::new(ProblemCode::NotFound, "There is no such part of a settlement."),
                Error::Queue(_) => Problem::new(ProblemCode::Overloaded, "Its rest is not published; push it again."),
                error => error.into(),
            })
        }
    }
}
