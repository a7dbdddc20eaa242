//! `/docs`: the merchants' API as a page, made here from the document that `schemas/openapi.json` is, with the sandbox's own address
//! and key in every command. The document itself at `/docs/openapi.json`. Only the sandbox has it.
//!
//! Must not know: any call by name but the one that a reader begins with. What the page says, the document says.

mod call;
mod curl;
mod frame;
mod schema;

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    extract::State,
    http::{HeaderName, HeaderValue, header},
    middleware::{self, map_response},
    response::{IntoResponse, Response},
    routing::get,
};
use maud::PreEscaped;
use tollgate_payments::openapi;
use tollgate_runtime::{Edge, layered_routes};

use crate::{console, identity::Identity, system::SandboxSystem};

const STYLE: &str = concat!(include_str!("looks.css"), include_str!("api_page/docs.css"));
const ICON: &str = include_str!("api_page/icon.svg");
const SCRIPT: &str = include_str!("api_page/docs.js");

/// Nothing inline, nothing from elsewhere, no frame around it: it shows a key.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; \
                      frame-ancestors 'none'";
const ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Whom the commands are for.
#[derive(Debug, Clone)]
struct Reader {
    url: String,
    api_key: String,
}

#[derive(Clone)]
struct ApiPage {
    reader: Reader,
    /// Rendered when somebody first asks.
    page: Arc<OnceLock<String>>,
}

/// The page and its files.
pub(crate) fn router(system: &SandboxSystem, identity: &Identity) -> Router {
    let reader = Reader { url: identity.url.clone(), api_key: identity.api_key.clone() };
    let pages = Router::new()
        .route("/docs", get(page))
        .route("/docs/openapi.json", get(async || file("application/json", openapi::json())))
        .route("/docs/webhook-events.json", get(async || file("application/schema+json", openapi::webhook_events())))
        .route("/docs/docs.css", get(async || file("text/css; charset=utf-8", STYLE.to_owned())))
        .route("/docs/icon.svg", get(async || file("image/svg+xml", ICON.to_owned())))
        .route("/docs/docs.js", get(async || file("text/javascript; charset=utf-8", SCRIPT.to_owned())))
        .layer(map_response(async |mut response: Response| {
            response.headers_mut().extend(ALWAYS);
            response
        }))
        .layer(middleware::from_fn(console::only_here))
        .with_state(ApiPage { reader, page: Arc::default() });
    layered_routes(pages, Edge::new("sandbox", &system.system))
}

async fn page(State(docs): State<ApiPage>) -> impl IntoResponse {
    PreEscaped(docs.page.get_or_init(|| frame::page(&openapi::document(), &docs.reader).into_string()).clone())
}

fn file(media_type: &'static str, text: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))], text).into_response()
}
