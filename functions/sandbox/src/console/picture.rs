//! A payment's story as a picture: time runs down one axis, each kind of thing has a lane, and every mark its label. Long waits are
//! shortened, and say how long they were.
//!
//! Must not know: where the story comes from.

use std::time::Duration;

use maud::{Markup, html};

use super::{
    page::{Tone, millis},
    story::{Entry, Lane},
};

const WIDTH: u32 = 640;
const AXIS: u32 = 98;
const FIRST_LANE: u32 = 116;
const LANE: u32 = 20;
const LABEL: u32 = FIRST_LANE + LANE * 5 - 4;
/// What the lanes' names take.
const TOP: u32 = 104;
const ROW: u32 = 38;
/// A wait from here on is said.
const SAID: Duration = Duration::from_secs(1);
/// The most letters of a line: the rest is in the table.
const LETTERS: usize = 58;

/// The picture. What it shows, the table beside it says in words.
pub(super) fn of(story: &[Entry]) -> Markup {
    let rows = rows(story);
    let height = rows.last().map_or(TOP, |row| row.y) + ROW;
    let lane_x =
        |lane: Lane| FIRST_LANE + LANE * Lane::ALL.iter().take_while(|of| **of != lane).fold(0, |count, _| count + 1);
    html! {
        svg.story xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {WIDTH} {height}")) width=(WIDTH) height=(height)
            role="img" aria-labelledby="story-title story-desc" {
            title id="story-title" { "Timeline of the payment" }
            desc id="story-desc" { (story.len()) " things that happened, by time from top to bottom. The table below says the same." }
            @for lane in Lane::ALL {
                @let x = lane_x(lane);
                text.lane x=(x) y=(TOP - 14) transform=(format!("rotate(-40 {x} {})", TOP - 14)) { (lane.title()) }
                line.guide x1=(x) y1=(TOP - 6) x2=(x) y2=(height - 12) {}
            }
            line.axis x1=(AXIS) y1=(TOP - 6) x2=(AXIS) y2=(height - 12) {}
            @for row in &rows {
                @let (y, x) = (row.y, lane_x(row.entry.lane));
                @if let Some(wait) = &row.wait {
                    @let middle = y - u32::midpoint(row.gap, ROW) + 4;
                    line.gap x1=(AXIS) y1=(y - row.gap - ROW / 2) x2=(AXIS) y2=(y - 14) {}
                    text.wait x=(AXIS + 12) y=(middle) { (wait) " later" }
                }
                @if let Some(time) = &row.time { text.time x=(AXIS - 8) y=(y + 4) { (time) } }
                line.tick x1=(AXIS - 4) y1=(y) x2=(AXIS + 4) y2=(y) {}
                line.lead x1=(AXIS) y1=(y) x2=(LABEL - 10) y2=(y) {}
                (mark(row.entry.tone, x, y))
                text.what x=(LABEL) y=(y - 1) { (short(&row.entry.what)) }
                text.detail x=(LABEL) y=(y + 13) { (short(&row.entry.detail)) }
            }
        }
    }
}

/// What the marks mean.
pub(super) fn legend() -> Markup {
    let tones = [
        (Tone::Done, "done"),
        (Tone::Waiting, "not known yet, or waits"),
        (Tone::Failed, "failed or refused"),
        (Tone::Plain, "begun, or nothing new"),
    ];
    html! {
        ul.legend {
            @for (tone, means) in tones {
                li { svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true" { (mark(tone, 10, 10)) } (means) }
            }
        }
    }
}

struct Row<'a> {
    entry: &'a Entry,
    y: u32,
    /// Said where it is another than the row's above.
    time: Option<String>,
    wait: Option<String>,
    /// What the wait takes on the picture, in addition to a row.
    gap: u32,
}

fn rows(story: &[Entry]) -> Vec<Row<'_>> {
    let mut rows = Vec::<Row>::new();
    let (mut y, mut day) = (TOP, String::new());
    for entry in story {
        let before = rows.last().map(|row| row.entry.at);
        let wait = before.and_then(|before| Duration::try_from(entry.at.duration_since(before)).ok());
        let wait = wait.filter(|wait| *wait >= SAID);
        let gap = wait.map_or(0, stretch);
        y += gap + if rows.is_empty() { 14 } else { ROW };
        let text = millis(entry.at);
        let (date, time) = text.trim_end_matches('Z').split_once('T').unwrap_or(("", &text));
        // The day is said once.
        let time = if before == Some(entry.at) {
            None
        } else if date == day {
            Some(time.to_owned())
        } else {
            Some(format!("{} {}", &date[date.len().min(5)..], &time[..time.len().min(8)]))
        };
        date.clone_into(&mut day);
        rows.push(Row { entry, y, time, wait: wait.map(span), gap });
    }
    rows
}

/// More for a longer wait, by its order of magnitude.
fn stretch(wait: Duration) -> u32 {
    let mut seconds = wait.as_secs();
    let mut pixels = 20;
    while seconds >= 10 {
        (seconds, pixels) = (seconds / 10, pixels + 6);
    }
    pixels
}

/// A wait in its two largest units.
pub(super) fn span(wait: Duration) -> String {
    let seconds = wait.as_secs();
    let two = |large: u64, one: &str, small: u64, other: &str| {
        if small == 0 { format!("{large} {one}") } else { format!("{large} {one} {small} {other}") }
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// Each tone has a shape of its own.
fn mark(tone: Tone, x: u32, y: u32) -> Markup {
    let class = format!("mark {}", tone.class());
    html! {
        @match tone {
            Tone::Done => circle class=(class) cx=(x) cy=(y) r="6" {},
            Tone::Plain => circle class=(class) cx=(x) cy=(y) r="5" {},
            Tone::Waiting => path class=(class) d=(format!("M{x} {} L{} {y} L{x} {} L{} {y} Z", y - 7, x + 7, y + 7, x - 7)) {},
            Tone::Failed => path class=(class) d=(format!("M{} {} l12 12 m0 -12 l-12 12", x - 6, y - 6)) {},
        }
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= LETTERS {
        return text.to_owned();
    }
    text.chars().take(LETTERS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use tollgate_domain::Timestamp;

    use super::*;

    fn entry(second: i64, what: &str) -> Entry {
        let at = Timestamp::constant(1_790_000_000, 0) + Duration::from_secs(second.unsigned_abs());
        let (what, detail, cause) = (what.to_owned(), String::new(), String::new());
        Entry { at, lane: Lane::Call, tone: Tone::Done, what, detail, cause }
    }

    #[test]
    fn time_runs_down_and_a_longer_wait_takes_more_room_and_says_how_long_it_was() {
        let story = [entry(0, "a"), entry(0, "b"), entry(5, "c"), entry(3605, "d"), entry(90_005, "e")];
        let rows = rows(&story);
        let waits: Vec<_> = rows.iter().map(|row| row.wait.as_deref()).collect();
        assert_eq!(waits, [None, None, Some("5 s"), Some("1 h"), Some("1 d")]);
        let steps: Vec<_> = rows.windows(2).map(|two| two[1].y - two[0].y).collect();
        assert!(steps.windows(2).all(|two| two[0] < two[1]), "{steps:?}");
        assert_eq!(rows[1].time, None, "the same moment is said once");
    }

    #[test]
    fn spans_are_said_in_their_two_largest_units() {
        let said = [59, 60, 61, 3660, 86_400 + 7200].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(said, ["59 s", "1 min", "1 min 1 s", "1 h 1 min", "1 d 2 h"]);
    }

    #[test]
    fn labels_are_text_and_no_longer_than_their_line() {
        let svg = of(&[entry(0, &format!("<script>{}", "x".repeat(200)))]).into_string();
        assert!(svg.contains("&lt;script&gt;") && !svg.contains("<script"), "{svg}");
        assert!(!svg.contains(&"x".repeat(60)));
    }
}
