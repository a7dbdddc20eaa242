//! The description of the merchants' API, from the handlers themselves. `schemas/openapi.json` is what it renders to.

use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, SecurityScheme},
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
    modifiers(&WithApiKey)
)]
struct Api;

struct WithApiKey;

impl Modify for WithApiKey {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key")));
        api.components.get_or_insert_default().add_security_scheme("api_key", scheme);
    }
}

/// The description, as JSON.
pub fn json() -> String {
    // Strings and maps: this cannot fail.
    Api::openapi().to_pretty_json().unwrap_or_default()
}
