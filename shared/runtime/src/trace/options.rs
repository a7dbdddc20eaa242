//! Whether and where spans are exported, in OpenTelemetry's own variables.
//!
//! Must not know: how they get there.

use std::str::FromStr;

use axum::http::Uri;
use opentelemetry_sdk::trace::Sampler;

use crate::config::{Read, Variables};

/// Where spans go, under which name, and how many of them.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// The collector's `…/v1/traces`.
    pub(super) url: Uri,
    pub(super) service: String,
    pub(super) sampler: Sampler,
}

#[derive(Debug, Clone, Copy)]
enum Kept {
    All,
    Nothing,
    Share,
}

impl TraceOptions {
    /// Reads `OTEL_EXPORTER_OTLP_ENDPOINT`, without which nothing is exported, `OTEL_SERVICE_NAME` (else `function`),
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`.
    pub fn read(vars: &mut Variables, function: &'static str) -> Read<Option<Self>> {
        const SAMPLERS: &[(&str, (bool, Kept))] = &[
            ("parentbased_always_on", (true, Kept::All)),
            ("parentbased_traceidratio", (true, Kept::Share)),
            ("parentbased_always_off", (true, Kept::Nothing)),
            ("always_on", (false, Kept::All)),
            ("traceidratio", (false, Kept::Share)),
            ("always_off", (false, Kept::Nothing)),
        ];
        let endpoint = vars
            .var(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "the collector that gets spans by OTLP over http; without it nobody does",
            )
            .parse::<Endpoint>()
            .optional();
        let service = vars.var("OTEL_SERVICE_NAME", "the name in traces; the function's own without it").optional();
        let sampler = vars
            .var("OTEL_TRACES_SAMPLER", "which traces are kept; parentbased: those that the caller keeps")
            .one_of(SAMPLERS)
            .or("parentbased_always_on");
        let share = vars
            .var("OTEL_TRACES_SAMPLER_ARG", "the share of traces that a traceidratio sampler keeps, 0 to 1")
            .parse::<Share>()
            .or("1");
        let (endpoint, service, (parent_decides, kept), Share(share)) = (endpoint?, service?, sampler?, share?);
        let sampler = match kept {
            Kept::All => Sampler::AlwaysOn,
            Kept::Nothing => Sampler::AlwaysOff,
            Kept::Share => Sampler::TraceIdRatioBased(share),
        };
        let sampler = if parent_decides { Sampler::ParentBased(Box::new(sampler)) } else { sampler };
        let service = service.unwrap_or_else(|| function.to_owned());
        Ok(endpoint.map(|Endpoint(url)| Self { url, service, sampler }))
    }
}

struct Endpoint(Uri);

impl FromStr for Endpoint {
    type Err = &'static str;

    /// The endpoint is the collector as a whole; traces have their path there.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "must be a whole URL with http: the collector is beside the function";
        let url: Uri = format!("{}/v1/traces", text.trim_end_matches('/')).parse().map_err(|_| WRONG)?;
        let is_whole = url.scheme_str() == Some("http") && url.host().is_some_and(|host| !host.is_empty());
        if is_whole && url.query().is_none() { Ok(Self(url)) } else { Err(WRONG) }
    }
}

struct Share(f64);

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).map(Self).ok_or("must be between 0 and 1")
    }
}
