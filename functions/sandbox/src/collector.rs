//! A collector of traces, as OpenTelemetry's own would be beside a function: for drills and tests.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use prost::Message;
use tokio::{net::TcpListener, sync::oneshot};
use tollgate_runtime::{Server, System, TaskSpawner};

type Seen = Arc<Mutex<Vec<Span>>>;

/// Takes spans by OTLP over HTTP, as long as it lives.
pub struct Collector {
    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is to say.
    pub url: String,
    seen: Seen,
    _stop: oneshot::Sender<()>,
}

impl Collector {
    /// Starts one on any free port.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let seen = Seen::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&seen));
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(&System::real());
        // Nothing is ever sent: the end of the sender is the word.
        let stopped = async { _ = stopped.await };
        TaskSpawner::default().start(async move { _ = server.serve(listener, router, stopped).await });
        Ok(Self { url, seen, _stop: stop })
    }

    /// What came so far of the trace with this id, 32 hexadecimal digits, in the order of their starts.
    pub fn trace(&self, id: &str) -> Vec<Span> {
        let mut spans = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        spans.retain(|span| hex::encode(&span.trace_id) == id);
        spans.sort_by_key(|span| span.start_time_unix_nano);
        spans
    }

    /// All that came so far, in the order of its coming.
    pub fn spans(&self) -> Vec<Span> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn take(State(seen): State<Seen>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else { return StatusCode::BAD_REQUEST };
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    seen.lock().unwrap_or_else(PoisonError::into_inner).extend(scopes.flat_map(|scope| scope.spans));
    StatusCode::OK
}
