//! A real Redis: a process of its own on a free port, killed when it is dropped, and when the test process ends.

use std::{
    env,
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use redis::{Client, Connection, FromRedisValue};
use tempfile::TempDir;

const HOW_TO_GET: &str = "apt-get install redis-server";

/// Redis, running or killed.
pub(crate) struct Server {
    pub(crate) port: u16,
    arguments: Vec<String>,
    process: Mutex<Option<Process>>,
    directory: TempDir,
}

struct Process {
    redis: Child,
    /// Waits for its input to end, and kills Redis then: the input ends with the test process, however that ends.
    watcher: Child,
}

impl Server {
    /// The one that tests share that do not harm it: each has keys of its own. `None`: there is no Redis here.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::with(&[])?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// One of the test's own. `None`: there is no Redis here.
    pub(crate) fn with(arguments: &[&str]) -> Option<Self> {
        Self::on(tempfile::tempdir().unwrap(), arguments)
    }

    /// One of the test's own, with its data in `directory`.
    pub(crate) fn on(directory: TempDir, arguments: &[&str]) -> Option<Self> {
        if !is_there() {
            return None;
        }
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        // Somebody else may take the port before Redis does.
        for _ in 0..5 {
            let port = free_port();
            if let Some(process) = start(port, &directory, &arguments) {
                return Some(Self { port, arguments, process: Mutex::new(Some(process)), directory });
            }
        }
        panic!("Redis does not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// As a machine that loses its power.
    pub(crate) fn kill(&self) {
        self.process.lock().unwrap().take();
    }

    /// After it was killed. Without its data.
    pub(crate) fn start_again(&self) {
        *self.process.lock().unwrap() = Some(start(self.port, &self.directory, &self.arguments).unwrap());
    }

    /// It neither answers nor closes anything, until it goes on.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.lock().unwrap();
        kill(process.as_ref().unwrap().redis.id(), signal);
    }

    /// A connection of our own, to the side of what is tested.
    pub(crate) fn connection(&self) -> Connection {
        Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// What a command answers, such as `"CONFIG SET maxmemory 1"`.
    pub(crate) fn ask<T: FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut asked = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            asked.arg(word);
        });
        asked.query(&mut self.connection()).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.redis.kill();
        _ = self.redis.wait();
        _ = self.watcher.kill();
        _ = self.watcher.wait();
    }
}

#[allow(clippy::print_stderr, reason = "a skipped test has no other way to say so")]
fn is_there() -> bool {
    let is_there = Command::new("redis-server").arg("--version").output().is_ok_and(|output| output.status.success());
    if !is_there {
        let required = env::var("TOLLGATE_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|part| part.trim() == "redis");
        assert!(!is_required, "`redis` is required and missing: {HOW_TO_GET}");
        eprintln!("skipped: `redis` is missing: {HOW_TO_GET}");
    }
    is_there
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Redis, once it answers. `None`: it ended.
#[allow(clippy::disallowed_methods, reason = "a process starts in real time")]
fn start(port: u16, directory: &TempDir, arguments: &[String]) -> Option<Process> {
    let mut redis = Command::new("redis-server");
    redis.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"]);
    redis.arg("--dir").arg(directory.path()).args(arguments);
    let redis = redis.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let watch = format!("read _; kill -9 {} 2>/dev/null", redis.id());
    let watcher = Command::new("sh").args(["-c", &watch]).stdin(Stdio::piped()).spawn().unwrap();
    let mut process = Process { redis, watcher };
    let client = Client::open(("127.0.0.1", port)).unwrap();
    for _ in 0..2_000 {
        if process.redis.try_wait().unwrap().is_some() {
            return None;
        }
        let answer =
            client.get_connection().and_then(|mut connection| redis::cmd("PING").query::<String>(&mut connection));
        // One that wants a password answers too.
        if answer.is_ok_and(|answer| answer == "PONG")
            || arguments.iter().any(|word| word == "--requirepass") && is_open(port)
        {
            return Some(process);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("Redis does not answer");
}

fn is_open(port: u16) -> bool {
    std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn kill(process: u32, signal: &str) {
    let status = Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).status().unwrap();
    assert!(status.success());
}
