//! A small HTTP server (HTTP/1.1, and HTTP/2 in the clear) that can also hang up, which a fault may ask for.

use std::{future::Future, io, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::net::TcpListener;
use tollgate_gateway::ports::Time;
use tower::ServiceExt;

use super::{broken::HangUp, router};
use crate::Simulators;

/// How long calls under way may go on after the shutdown.
const LAST_CALLS: Duration = Duration::from_secs(2);
/// How long to wait when a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the simulators on `listener`, and does what becomes due as time passes, until `shutdown` completes.
pub async fn serve(
    listener: TcpListener,
    simulators: Arc<Simulators>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let router = router(Arc::clone(&simulators));
    let connections = GracefulShutdown::new();
    tokio::pin!(shutdown);
    let keep_time = simulators.keep_time();
    tokio::pin!(keep_time);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    simulators.ports.time.sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut keep_time => continue,
            () = &mut shutdown => break,
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone at once");
            continue;
        }
        let router = router.clone();
        let service = service_fn(move |request| answer(router.clone(), request));
        let server = auto::Builder::new(TokioExecutor::new());
        let connection = connections.watch(server.serve_connection(TokioIo::new(stream), service).into_owned());
        simulators.ports.spawn.spawn(Box::pin(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        }));
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = simulators.ports.time.sleep(LAST_CALLS) => {}
    }
    Ok(())
}

async fn answer(router: Router, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
    let Ok(response) = router.oneshot(request.map(Body::new)).await;
    if response.extensions().get::<HangUp>().is_some() {
        return Err(io::Error::other("a fault closed this connection"));
    }
    Ok(response)
}
