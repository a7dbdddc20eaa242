//! `/sandbox/providers/{p}/switch` and `/sandbox/weights`: what `tollgate provider` does, for whoever only has the sandbox.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    routing::{get, post},
};
use serde_json::{Value, json};
use tollgate_api::{Problem, ProblemCode, strict_json};
use tollgate_domain::{
    Currency, ProviderName,
    routing::{Flag, FlagName, FlagValue, Scope},
};
use tollgate_gateway::Gateway;

const CURRENCY_CHARS: usize = 3;
const BY_CHARS: usize = 64;
const WHY_CHARS: usize = 200;
const WEIGHT_AT_MOST: i64 = 1_000_000;
const CHANGES: u32 = 20;

pub(crate) fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/sandbox/providers/{provider}/switch", get(changes).post(switch))
        .route("/sandbox/weights", post(weigh))
        .with_state(gateway)
}

/// Turns a provider off for new payments, or on: `{"state":"off","by":"ann","why":"incident 4711"}`.
async fn switch(
    State(gateway): State<Gateway>,
    Path(provider): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let name = FlagName::Provider(known(&provider)?);
    let mut fields = strict_json::read_object(&body)?;
    let state = fields.required_one_of("state", &[("off", &FlagValue::Off), ("on", &FlagValue::Unset)]);
    let (by, why) = (fields.required_string("by", BY_CHARS), fields.required_string("why", WHY_CHARS));
    fields.finish()?;
    let flag = gateway.change_flag(name, state?, &by?, &why?).await?;
    Ok(Json(shown(&flag)))
}

/// Shares new payments out: `{"weights":{"stripe":80,"paypal":20},"currency":"JPY","by":"ann","why":"trial"}`; without weights,
/// as if none had been set.
async fn weigh(State(gateway): State<Gateway>, body: Bytes) -> Result<Json<Value>, Problem> {
    let mut fields = strict_json::read_object(&body)?;
    let weights = fields.optional_object("weights", |object| {
        let mut weights = BTreeMap::new();
        for provider in ProviderName::ALL {
            let weight = object.optional_integer(provider.as_str(), 0..=WEIGHT_AT_MOST)?;
            weights.extend(weight.and_then(|weight| Some((provider, u32::try_from(weight).ok()?))));
        }
        Ok(weights)
    });
    let currency = fields.optional_parsed("currency", CURRENCY_CHARS, str::parse::<Currency>);
    let (by, why) = (fields.required_string("by", BY_CHARS), fields.required_string("why", WHY_CHARS));
    fields.finish()?;
    let name = FlagName::Weights(Scope { merchant: None, currency: currency? });
    let value = weights?.map_or(FlagValue::Unset, FlagValue::Weights);
    let flag = gateway.change_flag(name, &value, &by?, &why?).await?;
    Ok(Json(shown(&flag)))
}

/// Who switched it when and why, the last change first.
async fn changes(State(gateway): State<Gateway>, Path(provider): Path<String>) -> Result<Json<Value>, Problem> {
    let name = FlagName::Provider(known(&provider)?);
    let changes = gateway.flag_changes(name, CHANGES).await?;
    Ok(Json(json!(changes.iter().map(shown).collect::<Vec<_>>())))
}

fn shown(flag: &Flag) -> Value {
    let stands = match (flag.name, &flag.value) {
        (FlagName::Provider(_), FlagValue::Unset) => "on".to_owned(),
        (_, value) => value.to_string(),
    };
    json!({
        "flag": flag.name.to_string(), "stands": stands, "at": flag.changed_at.to_string(), "by": flag.changed_by,
        "why": flag.why,
    })
}

fn known(provider: &str) -> Result<ProviderName, Problem> {
    provider.parse().map_err(|_| Problem::new(ProblemCode::NotFound, "There is no such provider."))
}
