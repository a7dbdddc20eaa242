//! The Spanner emulator, with an instance for tests, and a database for each that wants one.
//!
//! Must not know: what is in a database.

use std::{env, sync::OnceLock};

use serde_json::{Value, json};

use crate::{
    installed,
    names::fresh_database_name,
    process::{self, InUse, Plan},
    require, rest,
};

/// Google's clients find REST by replacing the one port with the other: they are fixed.
const GRPC_PORT: u16 = 9010;
const REST_PORT: u16 = 9020;
/// Databases that a killed test left behind stay until the emulator ends.
const MAX_DATABASES: u32 = 10_000;
const PROJECT: &str = "tollgate-tests";
const INSTANCE: &str = "tests";

/// The emulator, there for as long as this process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanner {
    host: String,
}

struct Running {
    spanner: Spanner,
    _in_use: Option<InUse>,
}

/// The emulator that `SPANNER_EMULATOR_HOST` names, or this machine's own. `None` where it is missing: the test is skipped.
///
/// Google's client reads that variable: hand it [`Spanner::host`] otherwise.
///
/// # Panics
/// When it is missing and `TOLLGATE_REQUIRE` names `spanner`, or when it does not start.
pub fn spanner() -> Option<Spanner> {
    static RUNNING: OnceLock<Option<Running>> = OnceLock::new();
    let running = RUNNING.get_or_init(|| {
        let running = match env::var("SPANNER_EMULATOR_HOST") {
            Ok(host) => Running { spanner: Spanner { host }, _in_use: None },
            Err(_) => start()?,
        };
        running.spanner.make_instance();
        Some(running)
    });
    if running.is_none() {
        require(installed::SPANNER.name, false, installed::SPANNER.how_to_get);
    }
    running.as_ref().map(|running| running.spanner.clone())
}

fn start() -> Option<Running> {
    let program = installed::SPANNER.find()?;
    let spanner = Spanner { host: format!("127.0.0.1:{GRPC_PORT}") };
    let command = vec![
        program.display().to_string(),
        "--hostname=127.0.0.1".to_owned(),
        format!("--grpc_port={GRPC_PORT}"),
        format!("--http_port={REST_PORT}"),
        format!("--override_max_databases_per_instance={MAX_DATABASES}"),
    ];
    let is_ready = || {
        let answer =
            rest::call(&spanner.rest_host(), "GET", &format!("/v1/projects/{PROJECT}/instances"), &Value::Null);
        answer.is_ok_and(|answer| answer.status == 200)
    };
    let in_use = process::hold(&Plan { name: "spanner", port: GRPC_PORT, command, is_ready: &is_ready });
    Some(Running { spanner, _in_use: Some(in_use) })
}

impl Spanner {
    /// Where gRPC is: `127.0.0.1:9010`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where REST is: Google's own rule.
    fn rest_host(&self) -> String {
        self.host.replace(&GRPC_PORT.to_string(), &REST_PORT.to_string())
    }

    fn make_instance(&self) {
        let instance = json!({"instanceId": INSTANCE, "instance": {
            "config": format!("projects/{PROJECT}/instanceConfigs/emulator-config"),
            "displayName": INSTANCE,
            "nodeCount": 1,
        }});
        rest::must(&self.rest_host(), "POST", &format!("/v1/projects/{PROJECT}/instances"), &instance);
    }

    /// Makes an empty database that is this test's own.
    ///
    /// # Panics
    /// When the emulator does not make it.
    pub fn create_database(&self) -> Database {
        let short = fresh_database_name();
        let parent = format!("projects/{PROJECT}/instances/{INSTANCE}");
        let create = json!({"createStatement": format!("CREATE DATABASE `{short}`")});
        rest::must(&self.rest_host(), "POST", &format!("/v1/{parent}/databases"), &create);
        Database { name: format!("{parent}/databases/{short}"), spanner: self.clone() }
    }
}

/// A database that is gone when this is dropped.
#[derive(Debug)]
pub struct Database {
    name: String,
    spanner: Spanner,
}

impl Database {
    /// `projects/P/instances/I/databases/D`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // One that stays does no harm but to memory.
        let _ = rest::call(&self.spanner.rest_host(), "DELETE", &format!("/v1/{}", self.name), &Value::Null);
    }
}
