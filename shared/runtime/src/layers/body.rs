//! Reads a request's body as a whole, up to the limit, before any handler sees the request.
//!
//! Must not know: what is in it.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::header,
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Frame;
use tollgate_api::{Problem, ProblemCode};
use tollgate_gateway::ports::Time;

use super::{RequestLimits, encoding::taken_as_it_is, held::HeldBody};
use crate::system::within;

/// How much of a body past the limit is still read and thrown away. Closing on a client that is still sending resets
/// the connection, and it would never see the answer.
const DRAINED_BYTES: usize = 1024 * 1024;
const DRAINED_WITHIN: Duration = Duration::from_secs(1);

/// A body that has not come as a whole by then is slow, and has less room.
const SLOW_AFTER: Duration = Duration::from_secs(1);

/// Replaces the body by what came, so that handlers get it without waiting. Fails with `body_too_large`, with `overloaded` where too much of bodies is held already, and with `invalid_request` where
/// it does not come in time. It counts as held until what is answered is dropped.
pub(super) async fn read(
    request: Request,
    limits: &RequestLimits,
    time: &dyn Time,
) -> Result<(Request, Option<HeldBody>), Problem> {
    if request.body().is_end_stream() {
        return Ok((request, None));
    }
    let (parts, mut body) = request.into_parts();
    let mut held = limits.held.body();
    let problem = match within(time, limits.body_within, collect(&mut body, limits, &mut held, time)).await {
        Some(Ok(bytes)) => {
            held.is_whole();
            return Ok((Request::from_parts(parts, Body::from(bytes)), Some(held)));
        }
        Some(Err(Unread::Refused(problem))) => problem,
        Some(Err(Unread::Broken)) => return Err(Problem::new(ProblemCode::InvalidRequest, "The body broke off.")),
        None => return Err(Problem::new(ProblemCode::InvalidRequest, "The body did not arrive in time.")),
    };
    drop(held);
    leave_unread(Request::from_parts(parts, body), time).await;
    Err(problem)
}

/// Fails with `unsupported_media_type` where the body, if there is one, is compressed.
pub(super) fn may_be_read(request: &Request) -> Result<(), Problem> {
    if request.body().is_end_stream() { Ok(()) } else { taken_as_it_is(request.headers()) }
}

/// Throws away what comes of a body that nobody is going to read, as far as it comes at once.
pub(super) async fn leave_unread(request: Request, time: &dyn Time) {
    let (head, mut body) = request.into_parts();
    // A client that asks first has not sent anything; reading would tell it to go ahead.
    if !body.is_end_stream() && !head.headers.contains_key(header::EXPECT) {
        _ = within(time, DRAINED_WITHIN, drain(&mut body)).await;
    }
}

enum Unread {
    Refused(Problem),
    Broken,
}

impl From<Problem> for Unread {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

async fn collect(
    body: &mut Body,
    limits: &RequestLimits,
    held: &mut HeldBody,
    time: &dyn Time,
) -> Result<Bytes, Unread> {
    let limit = limits.body_bytes;
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large(limit));
    }
    let mut whole = Bytes::new();
    let mut gathered = BytesMut::new();
    let started = time.monotonic();
    let mut is_slow = false;
    while let Some(frame) = next_frame(body, held, &mut is_slow, started, time).await? {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        if whole.len() + gathered.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        held.more(data.len())?;
        if whole.is_empty() && gathered.is_empty() {
            // Nearly every body comes in one piece, and is kept as it came.
            whole = data;
            continue;
        }
        if gathered.is_empty() {
            gathered.extend_from_slice(&std::mem::take(&mut whole));
        }
        gathered.extend_from_slice(&data);
    }
    Ok(if gathered.is_empty() { whole } else { gathered.freeze() })
}

type NextFrame = Option<Result<Frame<Bytes>, axum::Error>>;

/// The next piece; says on the way that the body is slow, when it is.
async fn next_frame(
    body: &mut Body,
    held: &mut HeldBody,
    is_slow: &mut bool,
    started: Duration,
    time: &dyn Time,
) -> Result<NextFrame, Unread> {
    if *is_slow {
        return Ok(body.frame().await);
    }
    let left = SLOW_AFTER.saturating_sub(time.monotonic().saturating_sub(started));
    if let Some(frame) = within(time, left, body.frame()).await {
        return Ok(frame);
    }
    *is_slow = true;
    held.is_slow()?;
    Ok(body.frame().await)
}

fn too_large(limit: usize) -> Unread {
    let detail = format!("The body has more than {limit} bytes, the most that are taken.");
    Unread::Refused(Problem::new(ProblemCode::BodyTooLarge, detail))
}

async fn drain(body: &mut Body) {
    let mut drained = 0;
    while drained < DRAINED_BYTES {
        match body.frame().await {
            Some(Ok(frame)) => drained += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => return,
        }
    }
}
