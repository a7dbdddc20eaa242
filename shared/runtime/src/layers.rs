//! What is around every route: correlation id, door, body limit, admission, deadline, panics, log line and metrics.
//!
//! Must not know: any particular route.

mod body;
mod correlation;
mod encoding;
mod held;
mod panics;
mod record;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures::channel::oneshot;
use tollgate_api::{Problem, ProblemCode};
use tracing::{Instrument, Span};

use crate::{
    admission::{Admission, Overloaded, Place},
    door::{Door, Errand},
    logs::{PROBE_TARGET, REQUEST_TARGET},
    metrics::{self, Metrics},
    server::PastTheLimit,
    system::{System, within},
    trace,
};

pub use crate::trace::TraceContext;
pub use correlation::CorrelationId;
pub use held::HeldBodies;

use record::Record;

/// The bounds of requests.
#[derive(Debug, Clone)]
pub struct RequestLimits {
    /// The largest body.
    pub body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_within: Duration,
    /// How many bytes of bodies may be held at a time, those of all requests together.
    pub held: HeldBodies,
    /// How long a request may take as a whole.
    pub deadline: Duration,
    /// Routes (as they were declared) with a deadline of their own.
    pub deadlines: Vec<(&'static str, Duration)>,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            body_within: Duration::from_secs(10),
            held: HeldBodies::default(),
            deadline: Duration::from_secs(30),
            deadlines: Vec::new(),
        }
    }
}

impl RequestLimits {
    fn deadline_of(&self, route: &str) -> Duration {
        self.deadlines.iter().find(|(known, _)| *known == route).map_or(self.deadline, |(_, deadline)| *deadline)
    }
}

/// What the layers around a function's routes need.
pub struct Edge {
    function: &'static str,
    system: System,
    limits: RequestLimits,
    metrics: &'static Metrics,
    project: Option<Arc<str>>,
    door: Option<Arc<dyn Door>>,
    admission: Option<Admission>,
}

impl Edge {
    /// The edge of `function`, with the default limits.
    pub fn new(function: &'static str, system: &System) -> Self {
        let (system, limits) = (system.clone(), RequestLimits::default());
        Self { function, system, limits, metrics: metrics::install(), project: None, door: None, admission: None }
    }

    /// Changes the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: RequestLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Lets nobody in but by this door.
    #[must_use]
    pub fn with_door(mut self, door: Option<Arc<dyn Door>>) -> Self {
        self.door = door;
        self
    }

    /// Works for so many at a time. Edges can share one.
    #[must_use]
    pub fn with_admission(mut self, admission: Option<Admission>) -> Self {
        self.admission = admission;
        self
    }

    /// Names the Google Cloud project, so that log lines link to their traces.
    #[must_use]
    pub fn with_project(mut self, project: Option<String>) -> Self {
        // It is written as it is; none of Google's has anything else.
        let is_plain = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:_".contains(&byte));
        self.project = project.filter(is_plain).map(Arc::from);
        self
    }
}

/// Puts the layers around every route of `router`, and answers unknown paths with a problem.
pub fn layered(router: Router, edge: Edge) -> Router {
    layered_routes(router.fallback(not_found), edge)
}

/// Like [`layered`], but leaves unknown paths alone: for routers that are merged afterwards, each with its own layers.
/// The merged router is then given to [`layered_fallback`].
pub fn layered_routes(router: Router, edge: Edge) -> Router {
    router.method_not_allowed_fallback(method_not_allowed).layer(middleware::from_fn_with_state(Arc::new(edge), around))
}

/// Answers the unknown paths of an already layered router, within layers of their own.
pub fn layered_fallback(router: Router, edge: Edge) -> Router {
    router.merge(layered(Router::new(), edge))
}

async fn not_found() -> Problem {
    Problem::new(ProblemCode::NotFound, "There is nothing at this path.")
}

async fn method_not_allowed() -> Problem {
    Problem::new(
        ProblemCode::MethodNotAllowed,
        "The path does not take this method; the Allow header names those it takes.",
    )
}

/// Everything that happens around a request, outermost first.
async fn around(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let correlation_id = CorrelationId::of(request.headers(), &*edge.system.entropy);
    let route: Arc<str> = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).into();
    let span = request_span(&edge, &request, &route, &correlation_id);
    let caller = TraceContext::of(request.headers());
    let trace = trace::begin(&span, caller, edge.project.clone(), &*edge.system.entropy);
    let record = Record::start(&edge, request.method(), Arc::clone(&route), span.clone());
    request.extensions_mut().insert(correlation_id.clone());
    if let Some(trace) = trace {
        request.extensions_mut().insert(trace);
    }
    let mut response = edge.answer(request, next, &route).instrument(span).await;
    correlation_id.put_on(&mut response);
    record.finish(&response);
    response
}

/// The span around a request. One that comes every few seconds to see whether we are there is no trace of anything.
fn request_span(edge: &Edge, request: &Request, route: &str, correlation_id: &CorrelationId) -> Span {
    let (function, correlation_id) = (edge.function, correlation_id.as_str());
    if record::is_probe(route) {
        return tracing::error_span!(target: PROBE_TARGET, "request", function, correlation_id);
    }
    tracing::error_span!(
        target: REQUEST_TARGET,
        "request",
        otel.kind = "server",
        otel.name = format_args!("{} {route}", record::known_method(request.method())),
        function,
        correlation_id,
        // Who called, once the function's door has found out: its log lines say it, metrics do not.
        merchant = tracing::field::Empty,
    )
}

impl Edge {
    /// Health and metrics are answered whoever asks, whatever else waits.
    async fn answer(&self, request: Request, next: Next, route: &str) -> Response {
        if record::is_probe(route) {
            // Whoever asks how we are is never refused, whatever he sends along.
            return panics::caught(next.run(request)).await.unwrap_or_else(IntoResponse::into_response);
        }
        if request.extensions().get::<PastTheLimit>().is_some() {
            return Problem::new(ProblemCode::Overloaded, "There are too many requests at once.").into_response();
        }
        if let Err(problem) = body::may_be_read(&request) {
            body::leave_unread(request, &*self.system.time).await;
            return problem.into_response();
        }
        let Some(door) = &self.door else {
            return self.answer_visitor(request, next, route, Errand::OURS).await;
        };
        let (mut head, body) = request.into_parts();
        match door.enter(route, &mut head).await {
            Ok(visit) => {
                let request = Request::from_parts(head, body);
                let mut response = self.answer_visitor(request, next, route, visit.errand).await;
                door.leave(visit, &mut response).await;
                response
            }
            Err(problem) => {
                body::leave_unread(Request::from_parts(head, body), &*self.system.time).await;
                problem.into_response()
            }
        }
    }

    async fn answer_visitor(&self, request: Request, next: Next, route: &str, errand: Errand) -> Response {
        let deadline = self.limits.deadline_of(route);
        let work = async {
            let (request, held) = body::read(request, &self.limits, &*self.system.time).await?;
            let work = panics::caught(next.run(request));
            match self.place(errand, deadline).await? {
                Some(place) => self.to_the_end(work, (held, place)).await,
                None => work.await,
            }
        };
        match within(&*self.system.time, deadline, work).await {
            Some(Ok(response)) => as_problem(response),
            Some(Err(problem)) => problem.into_response(),
            None => past_deadline(deadline).into_response(),
        }
    }

    /// Does the work, which `keeps` its place and what is held of it until it is done: whoever goes away meanwhile, or waits no
    /// longer, has not ended what a payment has begun.
    async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<Response, Problem>> + Send + 'static,
        keeps: T,
    ) -> Result<Response, Problem> {
        let (sender, answered) = oneshot::channel();
        self.system.tasks.start(async move {
            let answer = work.await;
            drop(keeps);
            // A receiver that is gone has no use for the answer.
            _ = sender.send(answer);
        });
        answered.await.unwrap_or_else(|_| Err(Problem::internal("the work ended without an answer")))
    }

    /// A place to be worked for. Waiting may take half of the deadline: the other half is for the work.
    async fn place(&self, errand: Errand, deadline: Duration) -> Result<Option<Place>, Problem> {
        let Some(admission) = &self.admission else { return Ok(None) };
        let entered = admission.enter(errand.class, errand.who, deadline / 2).await;
        entered.map(Some).map_err(|Overloaded| {
            ::metrics::counter!("load_shed_total", "operation" => errand.operation).increment(1);
            let detail = "There is more to do than can be done now. Nothing was started; send it again later.";
            Problem::new(ProblemCode::Overloaded, detail)
        })
    }
}

fn past_deadline(deadline: Duration) -> Problem {
    let detail = format!(
        "No answer was found within {} s. What the request started goes on; sending it again with the same Idempotency-Key \
         tells how it ended.",
        deadline.as_secs()
    );
    Problem::new(ProblemCode::Overloaded, detail)
}

/// Turns a router's or extractor's own plain-text refusal into a problem. Its text is not kept: it may repeat values.
fn as_problem(response: Response) -> Response {
    let (code, detail) = match response.status() {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            (ProblemCode::InvalidRequest, "The path, query or body is not as this call needs it.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => (ProblemCode::BodyTooLarge, "The body is too large."),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            (ProblemCode::UnsupportedMediaType, "The body is not of a media type that this call takes.")
        }
        _ => return response,
    };
    let is_plain_text = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|media_type| media_type.as_bytes().starts_with(b"text/plain"));
    if is_plain_text { Problem::new(code, detail).into_response() } else { response }
}
