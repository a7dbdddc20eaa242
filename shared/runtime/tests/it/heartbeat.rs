//! A process whose workers are blocked is not alive, and says so where it still can.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::{runtime::Runtime, sync::Notify};
use tollgate_gateway::ports::Time;
use tollgate_runtime::{System, TaskSpawner, health::Health, metrics};

use crate::support::Running;

fn runtime(workers: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

fn start(runtime: &Runtime, system: &System, delay: Duration) -> SocketAddr {
    let health = Health::new("heartbeat", system, Vec::new()).alive_within(delay).router();
    runtime.block_on(async {
        let server = Running::start(system, health.merge(metrics::router(system))).await;
        let address = server.address;
        // It serves as long as the runtime is there.
        std::mem::forget(server);
        address
    })
}

/// What a probe sees that waits for a second: the status, or nothing.
fn probe(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

fn is_alive(address: SocketAddr) -> bool {
    probe(address, "/health/live").is_some_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

#[test]
fn who_has_every_worker_blocked_does_not_answer_that_he_is_alive() {
    let (runtime, system) = (runtime(2), System::real());
    let address = start(&runtime, &system, Duration::from_secs(10));
    assert!(is_alive(address));
    let (blocked, release) = (mpsc::channel(), mpsc::channel::<()>());
    let release_receiver = Arc::new(std::sync::Mutex::new(release.1));
    runtime.block_on(async {
        for _ in 0..2 {
            let (blocked, release) = (blocked.0.clone(), Arc::clone(&release_receiver));
            TaskSpawner::default().start(async move {
                blocked.send(()).unwrap();
                // On purpose: this is what must not happen on a worker.
                _ = release.lock().unwrap().recv();
            });
        }
    });
    for _ in 0..2 {
        blocked.1.recv_timeout(Duration::from_secs(5)).unwrap();
    }
    assert_eq!(probe(address, "/health/live"), None);
    assert!(system.heartbeat.delay() > Duration::from_millis(500), "{:?}", system.heartbeat.delay());
    drop(release.0);
    let started = system.time.monotonic();
    while !is_alive(address) {
        assert!(system.time.monotonic().saturating_sub(started) < Duration::from_secs(5), "never again");
    }
    let text = probe(address, "/metrics").unwrap();
    let late = text.lines().find_map(|line| line.strip_prefix("tokio_delay_seconds_bucket{le=\"+Inf\"} ")).unwrap();
    assert!(late.parse::<u64>().unwrap() > 0);
}

/// A clock on which nobody wakes up before `ring`; from then on it runs.
struct Bell {
    system: System,
    ring: Notify,
    has_rung: AtomicBool,
}

#[async_trait]
impl Time for Bell {
    fn now(&self) -> Timestamp {
        self.system.time.now()
    }

    fn monotonic(&self) -> Duration {
        self.system.time.monotonic()
    }

    async fn sleep(&self, duration: Duration) {
        if !self.has_rung.load(Ordering::Acquire) {
            return self.ring.notified().await;
        }
        self.system.time.sleep(duration).await;
    }
}

#[test]
fn one_worker_that_is_blocked_for_good_with_the_heartbeat_behind_it_is_noticed() {
    let (runtime, system) = (runtime(2), System::real());
    let bell = Arc::new(Bell { system: system.clone(), ring: Notify::new(), has_rung: AtomicBool::new(false) });
    let time: Arc<dyn Time> = bell.clone();
    runtime.block_on(async { system.heartbeat.start(&time) });
    let address = start(&runtime, &system, Duration::from_millis(700));
    assert!(is_alive(address));
    let (release, blocked) = mpsc::channel::<()>();
    runtime.block_on(async {
        let ringing = Arc::clone(&bell);
        TaskSpawner::default().start(async move {
            ringing.has_rung.store(true, Ordering::Release);
            // Whom a worker wakes last runs next on that worker, and no other may take it from there.
            ringing.ring.notify_one();
            _ = blocked.recv();
        });
    });
    let started = system.time.monotonic();
    loop {
        let answer = probe(address, "/health/live").expect("the other worker answers");
        if answer.starts_with("HTTP/1.1 503 ") {
            assert!(answer.ends_with(r#"{"status":"unavailable","checks":{"executor":"timed_out"}}"#), "{answer}");
            break;
        }
        assert!(system.time.monotonic().saturating_sub(started) < Duration::from_secs(5), "never noticed");
    }
    drop(release);
    while !is_alive(address) {
        assert!(system.time.monotonic().saturating_sub(started) < Duration::from_secs(10), "never again");
    }
}
