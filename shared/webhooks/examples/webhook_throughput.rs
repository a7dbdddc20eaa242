//! How fast webhooks leave, and what one costs: sign and POST to a kept-alive endpoint on 127.0.0.1, beside bare clients
//! that sign nothing and check nothing. The endpoint is a process of its own, so that the figures are the sender's alone.
//!
//! `cargo run --release -p tollgate-webhooks --example webhook_throughput [-- SENDS [AT_ONCE]]`
#![allow(clippy::print_stdout, reason = "it is made to print")]
#![allow(clippy::disallowed_methods, reason = "it measures real time and starts its own tasks")]

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tollgate_domain::Timestamp;
use tollgate_gateway::ports::{Time, WebhookSender as _, webhook_sender::Webhook};
use tollgate_webhooks::{AddressPolicy, HttpWebhookSender};
use zeroize::Zeroizing;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The size of an event with a payment in it.
const BODY_BYTES: usize = 1200;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "endpoint") {
        return runtime(1)?.block_on(endpoint());
    }
    let number = |index: usize, default| arguments.get(index).map_or(Ok(default), |text| text.parse::<usize>());
    let (sends, at_once) = (number(0, 50_000)?, number(1, 32)?);
    let mut child = Command::new(env::current_exe()?).arg("endpoint").stdout(Stdio::piped()).spawn()?;
    let mut port = String::new();
    BufReader::new(child.stdout.take().ok_or("the endpoint says its port")?).read_line(&mut port)?;
    let measured = runtime(2)?.block_on(measure(port.trim().parse()?, sends, at_once));
    child.kill()?;
    child.wait()?;
    measured
}

fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?)
}

async fn measure(port: u16, sends: usize, at_once: usize) -> Result<(), Failure> {
    println!("{sends} sends of {BODY_BYTES} bytes, {at_once} at once");
    let url: Arc<str> = format!("http://127.0.0.1:{port}/hooks").into();
    let body: Arc<str> = "x".repeat(BODY_BYTES).into();

    let sender = HttpWebhookSender::new(AddressPolicy::sandbox(), Arc::new(RealTime(Instant::now())));
    let (sender, secrets) = (Arc::new(sender), Arc::new(vec![Zeroizing::new(format!("whsec_{}", "A".repeat(32)))]));
    // The first run also warms everything up.
    for name in ["warm-up", "tollgate-webhooks"] {
        let (sender, secrets, url, body) = (sender.clone(), secrets.clone(), url.clone(), body.clone());
        run(name, sends, at_once, move || {
            let (sender, secrets, url, body) = (sender.clone(), secrets.clone(), url.clone(), body.clone());
            async move {
                let timeout = Duration::from_secs(10);
                let (url, body, secrets) = (&*url, &*body, &**secrets);
                let webhook = Webhook { url, id: "evt_1", at: Timestamp::now(), body, secrets, timeout };
                Ok(sender.send(webhook).await.answer.map(drop)?)
            }
        })
        .await?;
    }
    let (signing, of) = (secrets.clone(), body.clone());
    run("of which signing", sends, at_once, move || {
        let signed = standardwebhooks::Webhook::new(&signing[0])
            .and_then(|signer| signer.sign("evt_1", Timestamp::now().as_second(), of.as_bytes()));
        async move { Ok(signed.map(drop)?) }
    })
    .await?;
    bare_hyper(port, sends, at_once).await?;

    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let (to, of) = (url.clone(), body.clone());
    run("hyper-util's legacy client", sends, at_once, move || {
        let (client, request) = (client.clone(), request(&to, &of));
        async move { Ok(client.request(request?).await?.into_body().collect().await.map(drop)?) }
    })
    .await?;

    // reqwest wants a provider of TLS to be installed, even where nothing is secured.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build()?;
    run("reqwest", sends, at_once, move || {
        let request = client.post(&*url).body(body.to_string()).timeout(Duration::from_secs(10)).send();
        async move { Ok(request.await?.bytes().await.map(drop)?) }
    })
    .await
}

/// One connection for each of those that send, and a task that moves it: the least that hyper can do.
async fn bare_hyper(port: u16, sends: usize, at_once: usize) -> Result<(), Failure> {
    let (started, processor) = (Instant::now(), processor_time()?);
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..at_once {
        let share = sends / at_once;
        workers.spawn(async move {
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.set_nodelay(true)?;
            let (mut requests, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(driver);
            let body = "x".repeat(BODY_BYTES);
            for _ in 0..share {
                requests.ready().await?;
                let mut request = request("/hooks", &body)?;
                request.headers_mut().insert(header::HOST, "127.0.0.1".parse()?);
                requests.send_request(request).await?.into_body().collect().await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    report("bare hyper connections", sends / at_once * at_once, started.elapsed(), processor_time()? - processor);
    Ok(())
}

fn request(url: &str, body: &str) -> Result<Request<Full<Bytes>>, http::Error> {
    let request = Request::builder().method(Method::POST).uri(url);
    request.header(header::CONTENT_TYPE, "application/json").body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
}

/// Calls `send` so often, from so many tasks, and prints what it took.
async fn run<F, S>(name: &str, sends: usize, at_once: usize, send: S) -> Result<(), Failure>
where
    S: Fn() -> F + Clone + Send + 'static,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let (started, processor) = (Instant::now(), processor_time()?);
    let left = Arc::new(AtomicUsize::new(sends));
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..at_once {
        let (left, send) = (Arc::clone(&left), send.clone());
        workers.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                send().await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    report(name, sends, started.elapsed(), processor_time()? - processor);
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "for people to read")]
fn report(name: &str, sends: usize, took: Duration, processor: u64) {
    let each = processor as f64 / sends as f64;
    println!("{name:28} {:>8.0} sends/s {each:>8.1} µs of processor time each", sends as f64 / took.as_secs_f64());
}

/// Of this process, user and system, in microseconds: the kernel counts in ticks of 10 ms.
fn processor_time() -> Result<u64, Failure> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(ticks * 10_000)
}

/// Answers whatever comes with 204, and reads no more of it than it has to.
async fn endpoint() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let (mut bytes, mut filled) = (vec![0; 1 << 16], 0);
            while let Ok(1..) = stream.read(&mut bytes[filled..]).await.inspect(|read| filled += read) {
                // The body is known to be x's, and nothing else in a request ends so.
                let head = bytes[..filled].windows(4).position(|four| four == b"\r\n\r\n");
                if head.is_some_and(|head| filled >= head + 4 + BODY_BYTES) {
                    filled = 0;
                    if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
                        return;
                    }
                }
            }
        });
    }
}

struct RealTime(Instant);

#[async_trait]
impl Time for RealTime {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
