//! What all pages have in common: the frame with its navigation, notes, badges, times and tables.
//!
//! Must not know: what a page shows. Whatever comes from outside is a text that the templates escape.

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

use super::{Console, notes::Note};

/// A page of the console, in its navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Payments,
    Deliveries,
    Traffic,
    Settlements,
    Exceptions,
    Switches,
}

impl Section {
    const ALL: [Self; 6] =
        [Self::Payments, Self::Deliveries, Self::Traffic, Self::Settlements, Self::Exceptions, Self::Switches];

    const fn title(self) -> &'static str {
        match self {
            Self::Payments => "Payments",
            Self::Deliveries => "Deliveries",
            Self::Traffic => "Traffic",
            Self::Settlements => "Settlements",
            Self::Exceptions => "Exceptions",
            Self::Switches => "Switches",
        }
    }

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Payments => "/console",
            Self::Deliveries => "/console/deliveries",
            Self::Traffic => "/console/traffic",
            Self::Settlements => "/console/settlements",
            Self::Exceptions => "/console/exceptions",
            Self::Switches => "/console/switches",
        }
    }
}

/// How something stands, beside its name: shown by a sign and a colour, never by a colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Done,
    Waiting,
    Failed,
    Plain,
}

impl Tone {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Plain => "plain",
        }
    }

    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Done => "✓",
            Self::Waiting => "…",
            Self::Failed => "✕",
            Self::Plain => "·",
        }
    }
}

/// A page with its frame.
pub(super) fn page(
    console: &Console,
    section: Option<Section>,
    title: &str,
    note: Option<&Note>,
    body: &Markup,
) -> Markup {
    let clock = &console.control.clock.time;
    let runs = if clock.is_simulated() { "simulated, stands" } else { "real, runs" };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Tollgate sandbox" }
                link rel="stylesheet" href="/console/console.css";
                link rel="icon" href="/console/icon.svg" type="image/svg+xml";
                script defer src="/console/console.js" {}
            }
            body {
                a.skip href="#main" { "To the content" }
                header {
                    p.brand { a href="/console" { "Tollgate" } " sandbox" }
                    nav aria-label="Console" {
                        ul {
                            @for of in Section::ALL {
                                li { a href=(of.path()) aria-current=[(section == Some(of)).then_some("page")] { (of.title()) } }
                            }
                            li { a href="/docs" { "API" } }
                        }
                    }
                    p.clock { "Clock " (at(&seconds(clock_now(console)))) " (" (runs) ")" }
                }
                main id="main" tabindex="-1" {
                    h1 { (title) }
                    div.notes role="status" aria-live="polite" id="news" {
                        @if let Some(note) = note {
                            p.note.(note.tone.class()) { span.sign aria-hidden="true" { (note.tone.sign()) } (note.text) }
                        }
                    }
                    (body)
                }
                footer { p { "A sandbox: simulated providers, no real money." } }
            }
        }
    }
}

fn clock_now(console: &Console) -> Timestamp {
    use tollgate_gateway::ports::Time;
    console.control.clock.time.now()
}

/// A status or an outcome, with its sign.
pub(super) fn badge(text: &str, tone: Tone) -> Markup {
    html! { span.badge.(tone.class()) { span.sign aria-hidden="true" { (tone.sign()) } (text) } }
}

/// A moment, to the millisecond as a machine reads it.
pub(super) fn at(text: &str) -> Markup {
    html! { time datetime=(text) { (text.replace('T', " ").trim_end_matches('Z')) " UTC" } }
}

/// To the second.
pub(super) fn seconds(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// To the millisecond.
pub(super) fn millis(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// What may be wider than a phone, so that it alone is scrolled, by the keyboard too.
pub(super) fn wide(label: &str, inside: &Markup) -> Markup {
    html! { div.wide role="region" tabindex="0" aria-label=(label) { (inside) } }
}

/// Amounts that may be below zero, in the currency's own unit.
pub(super) fn signed(minor: i64, exponent: u8) -> String {
    let unit = 10_u64.pow(u32::from(exponent));
    let (sign, minor) = (if minor < 0 { "−" } else { "" }, minor.unsigned_abs());
    if exponent == 0 {
        return format!("{sign}{minor}");
    }
    format!("{sign}{}.{:0width$}", minor / unit, minor % unit, width = usize::from(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_in_the_currencys_unit_on_either_side_of_zero() {
        let shown =
            [(1000, 0), (1000, 2), (-5, 2), (-1234, 3), (0, 2)].map(|(minor, exponent)| signed(minor, exponent));
        assert_eq!(shown, ["1000", "10.00", "−0.05", "−1.234", "0.00"]);
    }
}
