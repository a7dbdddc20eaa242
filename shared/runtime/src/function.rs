//! A function's `main`: configuration in, server out.
//!
//! Must not know: any particular function.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use axum::Router;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    admission::Admission,
    background::{Background, stopping},
    config::{Mistakes, Variables},
    door::Door,
    health::{Check, Fact, Health},
    layers::{Edge, RequestLimits, layered},
    logs::{self, Chain, LogOptions},
    metrics,
    server::{Server, ServerLimits},
    system::System,
    trace::{TraceOptions, Traces},
};

/// How much of a graceful stop is for sending the spans that are left.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// A function as its composition leaves it: routes, readiness checks and bounds.
pub struct Function {
    router: Router,
    checks: Vec<Check>,
    facts: Vec<Fact>,
    background: Vec<Background>,
    request_limits: RequestLimits,
    server_limits: ServerLimits,
    door: Option<Arc<dyn Door>>,
    admission: Option<Admission>,
}

impl Function {
    /// A function that answers these routes; health and metrics are added.
    pub fn new(router: Router) -> Self {
        Self {
            router,
            checks: Vec::new(),
            facts: Vec::new(),
            background: Vec::new(),
            request_limits: RequestLimits::default(),
            server_limits: ServerLimits::default(),
            door: None,
            admission: None,
        }
    }

    /// Lets nobody in but by this door.
    #[must_use]
    pub fn door(mut self, door: impl Door) -> Self {
        self.door = Some(Arc::new(door));
        self
    }

    /// Works for so many at a time.
    #[must_use]
    pub fn admission(mut self, admission: Admission) -> Self {
        self.admission = Some(admission);
        self
    }

    /// Adds what must hold for the function to be ready.
    #[must_use]
    pub fn ready_when(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Adds what `/health/deep` shows beside the checks.
    #[must_use]
    pub fn showing(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        self.facts.extend(facts);
        self
    }

    /// Adds work that no request asks for.
    #[must_use]
    pub fn beside(mut self, work: impl IntoIterator<Item = Background>) -> Self {
        self.background.extend(work);
        self
    }

    /// Gives a route, named as it was declared, a deadline of its own.
    #[must_use]
    pub fn deadline(mut self, route: &'static str, deadline: Duration) -> Self {
        self.request_limits.deadlines.push((route, deadline));
        self
    }

    /// Takes larger or only smaller bodies.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.request_limits.body_bytes = bytes;
        self
    }

    /// Changes the server's bounds.
    #[must_use]
    pub fn server_limits(mut self, limits: ServerLimits) -> Self {
        self.server_limits = limits;
        self
    }

    /// Its routes with health and metrics, in their layers.
    fn into_router(self, name: &'static str, system: &System, project: Option<String>) -> Router {
        let health = Health::new(name, system, self.checks).showing(self.facts).router();
        let router = self.router.merge(health).merge(metrics::router(system));
        let edge = Edge::new(name, system).with_limits(self.request_limits).with_project(project);
        layered(router, edge.with_door(self.door).with_admission(self.admission))
    }
}

/// Runs a function until SIGTERM or SIGINT: reads `PORT`, `RUST_LOG`, `LOG_FORMAT`, `GOOGLE_CLOUD_PROJECT` and
/// what exports spans (`OTEL_*`), lets
/// `compose` read the rest, and serves on all addresses. Exits with 2 where the configuration is wrong, with one line
/// per mistake on stderr; with 1 where it cannot start; with 0 after a stop.
pub async fn run<C>(name: &'static str, compose: C) -> ExitCode
where
    C: AsyncFnOnce(&mut Variables, &System) -> anyhow::Result<Function>,
{
    let mut vars = Variables::of_process();
    if std::env::args_os().len() > 1 {
        vars.refuse("takes no arguments: it is configured by environment variables");
        return vars.finish().map_or_else(|mistakes| report(name, &mistakes.into()), |()| ExitCode::FAILURE);
    }
    let log_options = LogOptions::read(&mut vars);
    // A mistake in these is reported with all others.
    let trace_options = TraceOptions::read(&mut vars, name).ok().flatten();
    metrics::install();
    let traces = match trace_options.as_ref().map(Traces::start).transpose() {
        Ok(traces) => traces,
        Err(error) => {
            logs::install(&log_options.unwrap_or_default());
            return report(name, &error);
        }
    };
    logs::install_traced(&log_options.unwrap_or_default(), traces.as_ref());
    let ended = start(name, &mut vars, traces.is_some(), compose).await;
    let code = ended.map_or_else(|error| report(name, &error), |()| ExitCode::SUCCESS);
    if let Some(traces) = traces {
        traces.flush(FLUSH_WITHIN).await;
    }
    code
}

/// Says why the function cannot start, and gives the exit code for it.
fn report(name: &'static str, error: &anyhow::Error) -> ExitCode {
    let Some(mistakes) = error.downcast_ref::<Mistakes>() else {
        tracing::error!(function = name, error = %Chain(&**error), "cannot start");
        return ExitCode::FAILURE;
    };
    let mut stderr = std::io::stderr().lock();
    for line in &mistakes.0 {
        // There is nowhere else to say it.
        _ = writeln!(stderr, "{name}: {line}");
    }
    ExitCode::from(2)
}

async fn start<C>(name: &'static str, vars: &mut Variables, traced: bool, compose: C) -> anyhow::Result<()>
where
    C: AsyncFnOnce(&mut Variables, &System) -> anyhow::Result<Function>,
{
    let port = vars.var("PORT", "the port to listen on").parse::<u16>().or("8080");
    let project = vars.var("GOOGLE_CLOUD_PROJECT", "the project that traces belong to").optional();
    let system = System::real();
    let composed = compose(vars, &system).await;
    // Whatever else failed, it may have been for these.
    vars.finish()?;
    let (mut function, port, project) = (composed?, port?, project?);
    if traced {
        // The stop as a whole takes no longer.
        let limits = &mut function.server_limits;
        limits.stop_within = limits.stop_within.saturating_sub(FLUSH_WITHIN);
    }

    let stop = stop_signal().context("cannot listen for signals")?;
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(function = name, version = crate::VERSION, %address, "serving");
    let (stop_background, stopping) = stopping();
    for work in &function.background {
        work.start(&system.tasks, stopping.clone());
    }
    let stop = async move {
        stop.await;
        stop_background.now();
    };
    let server = Server::new(&system).with_limits(function.server_limits.clone());
    server.serve(listener, function.into_router(name, &system, project), stop).await;
    Ok(())
}

/// Resolves at the first SIGTERM or SIGINT. Listens from the call on, not only when awaited.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
