//! The function `webhook-delivery`: events to merchants. Configuration: see the README's table.

use std::process::ExitCode;

use tollgate_assembly::Outside;

#[tokio::main]
async fn main() -> ExitCode {
    tollgate_webhook_delivery::serve(Outside::real).await
}
