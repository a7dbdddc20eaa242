//! Parts from outside that a test may need: a test whose part is missing says so and is skipped, unless it must not be.
//!
//! `TOLLGATE_REQUIRE` lists, with commas, the parts that have to be there: `stripe-python`, `paypal-python`,
//! `standardwebhooks-python`, `standardwebhooks-node`, `provider-specs`, and others that tests name. Then a missing one fails the test.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Is the part `name` present? If it is not, says how to get it; the test should then return.
///
/// # Panics
/// When the part is missing and `TOLLGATE_REQUIRE` names it.
#[allow(clippy::print_stderr, reason = "a skipped test has no other way to say so")]
pub fn require(name: &str, present: bool, how_to_get: &str) -> bool {
    if !present {
        let required = env::var("TOLLGATE_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|part| part.trim() == name);
        assert!(!is_required, "`{name}` is required and missing: {how_to_get}");
        eprintln!("skipped: `{name}` is missing: {how_to_get}");
    }
    present
}

/// A Python that has the official `stripe` client: `TOLLGATE_PYTHON`, or `python3`.
pub fn stripe_python() -> Option<PathBuf> {
    let python = python();
    let present = runs(Command::new(&python).args(["-c", "import stripe; stripe.StripeClient"]));
    let how = "make a virtual environment (python3 -m venv DIR), run DIR/bin/pip install 'stripe>=16,<17', and set \
               TOLLGATE_PYTHON=DIR/bin/python";
    require("stripe-python", present, how).then_some(python)
}

/// A Python that has the official `paypal-server-sdk`: `TOLLGATE_PYTHON`, or `python3`.
pub fn paypal_python() -> Option<PathBuf> {
    let python = python();
    let present = runs(Command::new(&python).args(["-c", "import paypalserversdk.paypal_serversdk_client"]))
        && runs(Command::new("openssl").arg("version"));
    let how = "make a virtual environment (python3 -m venv DIR), run DIR/bin/pip install 'paypal-server-sdk>=2,<3', set \
               TOLLGATE_PYTHON=DIR/bin/python, and install openssl";
    require("paypal-python", present, how).then_some(python)
}

/// A Python that has the official `standardwebhooks` library: `TOLLGATE_PYTHON`, or `python3`.
pub fn webhooks_python() -> Option<PathBuf> {
    let python = python();
    let present = runs(Command::new(&python).args(["-c", "from standardwebhooks.webhooks import Webhook"]));
    let how = "make a virtual environment (python3 -m venv DIR), run DIR/bin/pip install standardwebhooks, and set \
               TOLLGATE_PYTHON=DIR/bin/python";
    require("standardwebhooks-python", present, how).then_some(python)
}

/// The folder whose `node_modules` holds the official `standardwebhooks` package: `TOLLGATE_NODE_MODULES`.
pub fn webhooks_node() -> Option<PathBuf> {
    let folder = env::var_os("TOLLGATE_NODE_MODULES").map(PathBuf::from);
    let holds = |folder: &PathBuf| folder.join("node_modules/standardwebhooks/package.json").is_file();
    let present = folder.as_ref().is_some_and(holds) && runs(Command::new("node").arg("--version"));
    let how =
        "install Node 18 or newer, run npm install --prefix DIR standardwebhooks, and set TOLLGATE_NODE_MODULES=DIR";
    if require("standardwebhooks-node", present, how) { folder } else { None }
}

/// The Python that parts in Python are looked for in.
fn python() -> PathBuf {
    PathBuf::from(env::var_os("TOLLGATE_PYTHON").unwrap_or_else(|| "python3".into()))
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The folder with the providers' published specs: `TOLLGATE_PROVIDER_SPECS`, or `../shared/provider-specs` as seen from
/// the workspace.
pub fn provider_specs() -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/provider-specs");
    let folder = env::var_os("TOLLGATE_PROVIDER_SPECS").map_or_else(default, PathBuf::from);
    let how = format!("put the providers' spec files into {}, or set TOLLGATE_PROVIDER_SPECS", folder.display());
    require("provider-specs", folder.is_dir(), &how).then_some(folder)
}
