//! What a process says of itself at `/metrics`.

use std::net::SocketAddr;

use anyhow::Result;
use bytes::Bytes;
use http::Method;

use crate::http::Connection;

/// All of it, at one time.
pub(crate) struct Metrics(String);

impl Metrics {
    /// Those of the process that serves at `address`, now.
    pub(crate) async fn of(address: SocketAddr) -> Result<Self> {
        let mut connection = Connection::open(address).await?;
        let (_, text) = connection.send(Method::GET, "/metrics", &[], Bytes::new()).await?;
        Ok(Self(String::from_utf8_lossy(&text).into_owned()))
    }

    /// The sum of all values of `metric` whose labels hold all of these.
    pub(crate) fn sum(&self, metric: &str, labels: &[&str]) -> f64 {
        let of_metric = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(metric)?;
            rest.starts_with(['{', ' ']).then_some(rest)
        });
        let wanted = of_metric.filter(|line| labels.iter().all(|label| line.contains(label)));
        wanted.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}
