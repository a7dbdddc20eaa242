//! Where a provider's own records and our books do not say the same: the open exceptions, the oldest first.

use axum::extract::{RawQuery, State};
use maud::{Markup, html};
use tollgate_api::Problem;
use tollgate_domain::Exception;

use super::{
    Console,
    forms::Fields,
    page::{Section, at, page, seconds, wide},
    read,
    story::words,
};

const SHOWN: u32 = 100;

pub(super) async fn list(State(console): State<Console>, RawQuery(query): RawQuery) -> Result<Markup, Problem> {
    let note = Fields::query(query.as_ref())?.note(&console);
    let counts = read(console.stores.exceptions.open_exceptions().await)?;
    let open = read(console.stores.exceptions.exceptions(true, None, SHOWN).await)?;
    let body = html! {
        p {
            "The jobs provider-records (hourly) and provider-records-day compare what providers say that moved with our books, both ways. "
            "What agrees later resolves itself; the rest waits for a person: " code { "tollgate reconciliation exceptions" } "."
        }
        @if open.is_empty() {
            p { "None is open." }
        } @else {
            p { @for of in &counts { (of.count) " " (words(of.kind.as_str())) ", the oldest since " (at(&seconds(of.oldest))) ". " } }
            (wide("Open exceptions", &table(&open)))
            @if open.len() == SHOWN as usize { p { "The oldest " (SHOWN) " are shown." } }
        }
    };
    Ok(page(&console, Some(Section::Exceptions), "Reconciliation exceptions", note.as_ref(), &body))
}

fn table(open: &[Exception]) -> Markup {
    html! {
        table {
            caption.hidden { "Open exceptions, the oldest first" }
            thead { tr {
                @for name in ["Kind", "Provider", "Record", "Payment", "They say", "We say", "First seen", "Last seen", "Owner"] {
                    th scope="col" { (name) }
                }
            } }
            tbody {
                @for exception in open {
                    @let record = &exception.record;
                    tr {
                        td { (words(exception.kind.as_str())) }
                        td { (exception.provider.as_str()) }
                        td { code { (record.id) } br; (record.movement.as_str()) }
                        td { @match record.payment {
                            Some(id) => a.id href=(format!("/console/payments/{id}")) { (id) },
                            None => "–",
                        } }
                        td { @if let Some(amount) = record.amount { (amount.to_string()) ", " } (record.state.as_str()) }
                        td { @if let Some(amount) = exception.our_amount { (amount.to_string()) ", " } (exception.our_state) }
                        td { (at(&seconds(exception.first_seen))) }
                        td { (at(&seconds(exception.last_seen))) }
                        td { (exception.owner.as_deref().unwrap_or("nobody")) }
                    }
                }
            }
        }
    }
}
