//! The description of the merchants' API, from the handlers themselves. `schemas/openapi.json` is what it renders to.

use utoipa::{
    Modify, OpenApi, PartialSchema,
    openapi::{
        Header, RefOr, Response,
        security::{ApiKey, ApiKeyValue, SecurityScheme},
    },
};

/// Tollgate's API.
#[derive(OpenApi)]
#[openapi(
    info(title = "Tollgate", description = "A payment gateway: create, capture, void, refund and look at payments, and be told of them."),
    paths(
        crate::payments::create,
        crate::payments::list,
        crate::payments::show,
        crate::payments::capture,
        crate::payments::void,
        crate::payments::timeline,
        crate::refunds::create,
        crate::refunds::show,
        crate::webhooks::show_endpoint,
        crate::webhooks::set_endpoint,
        crate::webhooks::rotate_secret,
        crate::webhooks::status,
        crate::webhooks::redeliver,
        crate::webhooks::events,
        crate::settlements::on_date,
        crate::settlements::show,
        crate::payer::returned,
    ),
    modifiers(&WithApiKey, &BehindTheDoor)
)]
struct Api;

struct WithApiKey;

impl Modify for WithApiKey {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
        api.components.get_or_insert_default().add_security_scheme("api_key", scheme);
    }
}

/// What a merchant can be told before any handler sees the request, the same for every call of `/v1`.
struct BehindTheDoor;

impl Modify for BehindTheDoor {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let merchants = api.paths.paths.iter_mut().filter(|(path, _)| path.starts_with("/v1/"));
        for (_, item) in merchants {
            for operation in [&mut item.get, &mut item.post, &mut item.put].into_iter().flatten() {
                let responses = &mut operation.responses.responses;
                let Some(RefOr::T(problem)) = responses.get("401").cloned() else { continue };
                let limited =
                    "More requests than the merchant's limit, or too many of nobody we know; nothing was done";
                responses.insert(
                    "429".to_owned(),
                    told(&problem, limited, &["Retry-After", "RateLimit", "RateLimit-Policy"]),
                );
                let away = "`overloaded`, `store_unavailable` or `provider_unavailable`: send it again later, with the same key";
                responses.insert("503".to_owned(), told(&problem, away, &["Retry-After"]));
            }
        }
    }
}

/// A problem with these headers.
fn told(problem: &Response, description: &str, headers: &[&str]) -> RefOr<Response> {
    let mut response = problem.clone();
    description.clone_into(&mut response.description);
    for name in headers {
        response.headers.insert((*name).to_owned(), RefOr::T(Header::new(String::schema())));
    }
    RefOr::T(response)
}

/// The description, as JSON.
pub fn json() -> String {
    // Strings and maps: this cannot fail.
    Api::openapi().to_pretty_json().unwrap_or_default()
}
