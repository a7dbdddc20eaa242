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
use tollgate_api::{Problem, ProblemCode};
use tollgate_gateway::ports::Time;

use super::RequestLimits;
use crate::system::within;

/// How much of a body past the limit is still read and thrown away. Closing on a client that is still sending resets
/// the connection, and it would never see the answer.
const DRAINED_BYTES: usize = 1024 * 1024;
const DRAINED_WITHIN: Duration = Duration::from_secs(1);

/// Replaces the body by what came, so that handlers get it without waiting. Fails with `body_too_large`, and with
/// `invalid_request` where it does not come in time.
pub(super) async fn read(request: Request, limits: &RequestLimits, time: &dyn Time) -> Result<Request, Problem> {
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let (parts, mut body) = request.into_parts();
    match within(time, limits.body_within, collect(&mut body, limits.body_bytes)).await {
        Some(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Some(Err(Unread::TooLarge)) => {
            // A client that asks first has not sent anything; reading would tell it to go ahead.
            if !parts.headers.contains_key(header::EXPECT) {
                _ = within(time, DRAINED_WITHIN, drain(&mut body)).await;
            }
            let detail = format!("The body has more than {} bytes, the most that are taken.", limits.body_bytes);
            Err(Problem::new(ProblemCode::BodyTooLarge, detail))
        }
        Some(Err(Unread::Broken)) => Err(Problem::new(ProblemCode::InvalidRequest, "The body broke off.")),
        None => Err(Problem::new(ProblemCode::InvalidRequest, "The body did not arrive in time.")),
    }
}

enum Unread {
    TooLarge,
    Broken,
}

async fn collect(body: &mut Body, limit: usize) -> Result<Bytes, Unread> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Unread::TooLarge);
    }
    let mut whole = Bytes::new();
    let mut gathered = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() else { continue };
        if whole.len() + gathered.len() + data.len() > limit {
            return Err(Unread::TooLarge);
        }
        if whole.is_empty() && gathered.is_empty() {
            // Nearly every body comes in one piece, and is kept as it came.
            whole = data;
            continue;
        }
        if gathered.is_empty() {
            gathered.reserve(announced.max(whole.len() + data.len()));
            gathered.extend_from_slice(&std::mem::take(&mut whole));
        }
        gathered.extend_from_slice(&data);
    }
    Ok(if gathered.is_empty() { whole } else { gathered.freeze() })
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
