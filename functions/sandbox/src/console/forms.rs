//! What forms and queries say, read: each field by its name, nothing of it trusted.
//!
//! Must not know: which forms there are.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Bytes,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde_json::Value;
use tollgate_api::{Problem, ProblemCode};

use super::{Console, notes::Note, page::Tone};
use crate::client::{Answer, Client};

/// The fields of a form or a query; of two of the same name the last one counts.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    pub(super) fn of(encoded: &[u8]) -> Result<Self, Problem> {
        let unreadable = || Problem::new(ProblemCode::InvalidRequest, "The form cannot be read.");
        serde_urlencoded::from_bytes::<Vec<(String, String)>>(encoded)
            .map(|pairs| Self(pairs.into_iter().collect()))
            .map_err(|_| unreadable())
    }

    pub(super) fn form(body: &Bytes) -> Result<Self, Problem> {
        Self::of(body)
    }

    pub(super) fn query(query: Option<&String>) -> Result<Self, Problem> {
        Self::of(query.map(String::as_bytes).unwrap_or_default())
    }

    /// What was filled in; blanks around it do not count.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// A whole number, or what is wrong.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Problem> {
        let wrong = || Problem::new(ProblemCode::InvalidRequest, format!("{name} must be a whole number."));
        self.text(name).map(|text| text.parse().map_err(|_| wrong())).transpose()
    }

    /// The note that a form led back with.
    pub(super) fn note(&self, console: &Console) -> Option<Note> {
        console.notes.take(self.text("note")?.parse().ok()?)
    }

    /// The same fields but for some, as a query.
    pub(super) fn but(&self, changed: &[(&str, &str)]) -> String {
        let kept = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let kept = kept.filter(|(name, _)| *name != "note" && changed.iter().all(|(other, _)| other != name));
        let all: Vec<_> = kept.chain(changed.iter().copied()).collect();
        serde_urlencoded::to_string(all).unwrap_or_default()
    }
}

/// Leads back to a page, with what a form came to.
pub(super) fn back(console: &Console, path: &str, what: Result<String, Problem>) -> Response {
    let (tone, text) = match what {
        Ok(text) => (Tone::Done, text),
        Err(problem) => (Tone::Failed, format!("{}: {}", problem.code.title(), problem.detail)),
    };
    let number = console.notes.keep(tone, text);
    Redirect::to(&format!("{path}?note={number}")).into_response()
}

/// What the merchants' API answered, as it is said to people.
pub(super) fn said(answer: anyhow::Result<Answer>, done: impl FnOnce(&Answer) -> String) -> Result<String, Problem> {
    let answer = answer.map_err(|error| {
        let cause: Box<dyn std::error::Error + Send + Sync> = error.into();
        Problem::internal(cause)
    })?;
    if StatusCode::from_u16(answer.status).is_ok_and(|status| status.is_success()) {
        return Ok(done(&answer));
    }
    let code = ProblemCode::ALL.iter().copied().find(|code| code.as_str() == answer.text("code"));
    let fields = answer.body["errors"].as_array().into_iter().flatten();
    let fields: Vec<_> =
        fields.map(|field| format!("{} {}", text(&field["pointer"]), text(&field["detail"]))).collect();
    let detail = [vec![answer.text("detail").to_owned()], fields].concat().join(" ");
    Err(Problem::new(code.unwrap_or(ProblemCode::InternalError), detail))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A merchant of the sandbox: the console does what it does for him by his own API, with his key.
#[derive(Clone)]
pub(super) struct Shop {
    pub(super) id: tollgate_domain::MerchantId,
    pub(super) name: Arc<str>,
    pub(super) client: Client,
}
