//! What stands around the console's routes: nobody else's page may make it do anything, and nothing in its pages runs but its own
//! script. Problems are pages for whoever asks for pages.
//!
//! Must not know: what the routes do.

use std::net::Ipv4Addr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use maud::html;
use tollgate_api::{Problem, ProblemCode};

use super::{Console, page};

/// Nothing inline, nothing from elsewhere, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const ALWAYS: [(HeaderName, HeaderValue); 6] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // (With none at all, browsers would not say either which page a form came from.)
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

/// Around every route of the console.
pub(super) async fn around(State(console): State<Console>, request: Request, next: Next) -> Response {
    let for_people = wants_pages(request.headers());
    let only_looks = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = if !is_here(request.headers()) {
        elsewhere().into_response()
    } else if only_looks || is_own(request.headers()) {
        next.run(request).await
    } else {
        let detail = "Only the console's own pages, on this machine, may do this. Programs have /v1 and /sandbox.";
        Problem::new(ProblemCode::Forbidden, detail).into_response()
    };
    if let Some(problem) = response.extensions().get::<Problem>().filter(|_| for_people).cloned() {
        let body = html! {
            p { (problem.detail) }
            p { a href="/console" { "All payments" } }
        };
        let page = page::page(&console, None, problem.code.title(), None, &body);
        let (status, extensions) = (response.status(), std::mem::take(response.extensions_mut()));
        response = (status, page).into_response();
        response.extensions_mut().extend(extensions);
    }
    response.headers_mut().extend(ALWAYS);
    response
}

/// Around the sandbox's own calls: programs say no page that they come from, and a page that is not ours may change nothing.
pub(crate) async fn no_strangers(request: Request, next: Next) -> Response {
    if !is_here(request.headers()) {
        return elsewhere().into_response();
    }
    let only_looks = matches!(*request.method(), Method::GET | Method::HEAD);
    if only_looks || !request.headers().contains_key(header::ORIGIN) || is_own(request.headers()) {
        return next.run(request).await;
    }
    let detail = "A page from elsewhere may not do this. Programs send no Origin header.";
    Problem::new(ProblemCode::Forbidden, detail).into_response()
}

/// Around pages that show keys, and change nothing.
pub(crate) async fn only_here(request: Request, next: Next) -> Response {
    if is_here(request.headers()) { next.run(request).await } else { elsewhere().into_response() }
}

fn elsewhere() -> Problem {
    let detail = "The sandbox is for this machine, and not by a name of the internet: use 127.0.0.1 or localhost.";
    Problem::new(ProblemCode::Forbidden, detail)
}

/// Whether it was asked for by an address, or by a name that only this machine or its network knows. By a name of somebody else's
/// that leads here (DNS rebinding), a page of theirs would read what is shown.
fn is_here(headers: &HeaderMap) -> bool {
    let is_known = |name: &str| !name.contains('.') || name.ends_with(".localhost") || name.parse::<Ipv4Addr>().is_ok();
    headers.get_all(header::HOST).iter().all(|host| host.to_str().is_ok_and(|host| is_known(name_of(host))))
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name })
}

fn is_this_machine(name: &str) -> bool {
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

/// Whether a form or a script of our own pages sent it: the browser says from where it came, and that is where it goes to, on
/// this machine by name (or a name of somebody else's that leads here would be an origin, too).
fn is_own(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        let only = values.next().and_then(|value| value.to_str().ok());
        only.filter(|_| values.next().is_none())
    };
    let (Some(origin), Some(host)) = (text(&header::ORIGIN), text(&header::HOST)) else { return false };
    is_this_machine(name_of(host)) && origin.strip_prefix("http://") == Some(host)
}

fn wants_pages(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|one| one.trim().starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(host: &str, origin: Option<&'static str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        is_own(&headers)
    }

    #[test]
    fn only_a_page_of_this_very_address_is_our_own() {
        for (host, origin, expected) in [
            ("127.0.0.1:8080", Some("http://127.0.0.1:8080"), true),
            ("localhost:8080", Some("http://localhost:8080"), true),
            ("[::1]:8080", Some("http://[::1]:8080"), true),
            ("localhost", Some("http://localhost"), true),
            ("[::1]", Some("http://[::1]"), true),
            ("127.0.0.1:8080", Some("http://127.0.0.1:9090"), false),
            ("127.0.0.1:8080", Some("http://localhost:8080"), false),
            ("127.0.0.1:8080", Some("https://127.0.0.1:8080"), false),
            ("127.0.0.1:8080", Some("http://shop.example"), false),
            ("127.0.0.1:8080", Some("null"), false),
            ("127.0.0.1:8080", None, false),
            // A name of somebody else's that leads to this machine.
            ("rebound.example:8080", Some("http://rebound.example:8080"), false),
            ("127.0.0.1.example:8080", Some("http://127.0.0.1.example:8080"), false),
        ] {
            assert_eq!(own(host, origin), expected, "{origin:?} to {host}");
        }
    }
}
