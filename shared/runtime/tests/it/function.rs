//! A whole function as a process: the example `hello`.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;
use tollgate_gateway::ports::Time;
use tollgate_runtime::SystemClock;

use crate::collector::Collector;

/// Cargo builds examples with the tests, beside them.
fn hello() -> Command {
    let this = std::env::current_exe().unwrap();
    let path: PathBuf = this.parent().unwrap().parent().unwrap().join("examples/hello");
    let mut command = Command::new(path);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts it, and waits for the line that says it serves.
fn serving(command: &mut Command) -> (Child, impl Iterator<Item = Value> + use<>, u16) {
    let port = free_port();
    let mut child = command.env("PORT", port.to_string()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let first = lines.next().unwrap();
    assert_eq!((&first["message"], &first["function"]), (&"serving".into(), &"hello".into()));
    (child, lines, port)
}

fn get(port: u16, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

fn read(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn terminate(child: &Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn every_configuration_mistake_is_one_line_and_exit_code_2() {
    let output = hello().env("PORT", "80a").env("DELAY_MS", "soon").env("RUST_LOG", "=x=").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{stderr}");
    for (line, name) in lines.iter().zip(["RUST_LOG", "PORT", "DELAY_MS"]) {
        assert!(line.starts_with(&format!("hello: {name}=")), "{line}");
    }
}

#[test]
fn a_port_that_is_taken_is_one_clear_line_and_exit_code_1() {
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let output = hello().env("PORT", taken.local_addr().unwrap().port().to_string()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(line["message"], "cannot start");
    assert!(line["error"].as_str().unwrap().contains("Address already in use"), "{line}");
}

#[test]
fn it_serves_its_routes_health_and_metrics() {
    let (mut child, _lines, port) = serving(hello().env("GREETING", "hi"));
    assert!(read(get(port, "/hello")).ends_with("\r\n\r\nhi"));
    assert!(read(get(port, "/health/ready")).contains(r#"{"status":"ok","checks":{"greeting":"ok"}}"#));
    assert!(read(get(port, "/metrics")).contains("http_requests_total{function=\"hello\",route=\"/hello\""));
    terminate(&child);
    assert!(child.wait().unwrap().success());
}

#[test]
fn sigterm_finishes_the_request_that_runs_and_exits_with_0() {
    let (mut child, mut lines, port) = serving(hello().env("DELAY_MS", "500"));
    let slow = get(port, "/hello");
    // The server has read the request once a second connection, made later, has been answered.
    read(get(port, "/health/live"));
    terminate(&child);
    assert_eq!(lines.next().unwrap()["message"], "stopping");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(read(slow).ends_with("\r\n\r\nhello"));
    let rest: Vec<_> = lines.map(|line| line["message"].clone()).collect();
    assert_eq!(rest, ["GET /hello 200", "stopped"]);
    assert!(child.wait().unwrap().success());
}

#[test]
fn text_logs_go_to_stderr() {
    let port = free_port();
    let mut child = hello().env("PORT", port.to_string()).env("LOG_FORMAT", "text").spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(" INFO serving"), "{line}");
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_sends_the_spans_that_are_left() {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let line = tokio::task::block_in_place(|| {
        let (mut child, lines, port) = serving(hello().env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint));
        read(get(port, "/hello"));
        terminate(&child);
        let lines: Vec<_> = lines.collect();
        assert!(child.wait().unwrap().success());
        lines.into_iter().find(|line| line["message"] == "GET /hello 200").unwrap()
    });
    let span = collector.span("GET /hello");
    assert_eq!(
        (&*span.service, &span.trace),
        ("hello", &line["logging.googleapis.com/trace"].as_str().unwrap().to_owned())
    );
    assert_eq!(line["logging.googleapis.com/spanId"], span.id);
}

#[test]
fn a_collector_that_is_away_harms_nothing_and_is_one_line() {
    let mut command = hello();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", free_port()));
    let (mut child, lines, port) =
        serving(command.env("OTEL_BSP_SCHEDULE_DELAY", "50").env("OTEL_BSP_MAX_QUEUE_SIZE", "8"));
    for _ in 0..100 {
        assert!(read(get(port, "/hello")).ends_with("hello"));
    }
    let is_lost = || read(get(port, "/metrics")).contains("trace_spans_total{outcome=\"lost\"}");
    let started = SystemClock::start();
    while !is_lost() {
        assert!(started.monotonic().as_secs() < 10);
    }
    terminate(&child);
    let lines: Vec<_> = lines.filter(|line| line["severity"] != "INFO").collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0]["message"].as_str().unwrap().starts_with("spans cannot be exported"), "{lines:?}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_collector_that_never_answers_holds_up_neither_requests_nor_the_stop() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let mut command = hello();
    let (mut child, lines, port) =
        serving(command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "10"));
    for _ in 0..20 {
        assert!(read(get(port, "/hello")).ends_with("hello"));
    }
    let asked = SystemClock::start();
    terminate(&child);
    assert!(lines.map(|line| line["message"].clone()).any(|message| message == "stopped"));
    assert!(child.wait().unwrap().success());
    assert!(asked.monotonic().as_secs() < 5, "{:?}", asked.monotonic());
}

#[test]
fn a_function_that_runs_out_of_files_serves_again_as_soon_as_it_has_some() {
    let (mut child, _lines, port) = serving(&mut hello());
    // Fewer than it counted on when it started: connections are what it runs out of.
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    let limit = Rlimit { current: Some(32), maximum: Some(32) };
    prlimit(pid, Resource::Nofile, limit).unwrap();
    let idle: Vec<_> = (0..100).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    // While they are all there: they go for those who ask, and not only when their own time is over.
    for _ in 0..3 {
        let asking = get(port, "/hello");
        asking.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert!(read(asking).ends_with("\r\n\r\nhello"));
    }
    drop(idle);
    assert!(read(get(port, "/hello")).ends_with("\r\n\r\nhello"));
    terminate(&child);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_function_raises_its_bound_of_open_files_as_far_as_it_may() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -n 200 && exec \"$0\""]).arg(hello().get_program());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut child, _lines, port) = serving(&mut command);
    let metrics = read(get(port, "/metrics"));
    let most = getrlimit(Resource::Nofile).maximum;
    let shown = metrics.lines().find_map(|line| line.strip_prefix("process_max_fds ")).unwrap();
    assert_eq!(shown.parse::<u64>().ok(), most);
    terminate(&child);
    assert!(child.wait().unwrap().success());
}
