//! The smallest function: what every function's `main` looks like.

use std::{process::ExitCode, time::Duration};

use axum::{Router, extract::State, routing::get};
use tollgate_runtime::{Function, System, health::Check, run};

#[tokio::main]
async fn main() -> ExitCode {
    run("hello", async |vars, system| {
        let greeting = vars.var("GREETING", "what to say").or("hello");
        let delay_ms = vars.var("DELAY_MS", "how long to think about it").parse::<u64>().or("0");
        vars.finish()?;
        let state = Hello { greeting: greeting?, delay: Duration::from_millis(delay_ms?), system: system.clone() };
        let router = Router::new().route("/hello", get(hello)).with_state(state);
        Ok(Function::new(router).ready_when(Check::new("greeting", async || Ok(()))))
    })
    .await
}

#[derive(Clone)]
struct Hello {
    greeting: String,
    delay: Duration,
    system: System,
}

async fn hello(State(hello): State<Hello>) -> String {
    hello.system.time.sleep(hello.delay).await;
    hello.greeting
}
