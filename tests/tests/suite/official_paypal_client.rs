//! The official Python client of PayPal against the simulated PayPal.

use std::{path::Path, process::Command, sync::Arc};

use tollgate_simulators::SandboxTime;
use tollgate_tests::{requirements::paypal_python, simulated::start_providers};

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_finds_paypal_in_the_simulator() {
    let Some(python) = paypal_python() else { return };
    let url = start_providers(Arc::new(SandboxTime::real())).await.unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/paypal_client.py");
    let output = Command::new(python).arg(script).arg(url).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.trim_end().ends_with("all as PayPal would"), "{said}");
}
