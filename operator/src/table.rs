//! Tables and facts for people: columns one below the other, and nothing that could command a terminal.
//!
//! Must not know: what is in them.

use std::fmt::{self, Write};

/// Rows below headings.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Without rows yet.
    pub(crate) fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self { rows: vec![headings.map(str::to_owned).to_vec()] }
    }

    /// One more row.
    pub(crate) fn row<const N: usize>(&mut self, cells: &[String; N]) {
        self.rows.push(cells.iter().map(|cell| plain(cell)).collect());
    }

    /// Whether there is nothing below the headings.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_rows(&self.rows, f)
    }
}

/// Names and what they are, one a line; what is none is a dash.
pub(crate) fn facts<const N: usize>(facts: [(&str, Option<String>); N]) -> String {
    let rows =
        facts.map(|(name, value)| vec![name.to_owned(), value.map_or_else(|| "-".to_owned(), |text| plain(&text))]);
    let mut text = String::new();
    // Writing to a string does not fail.
    _ = write_rows(&rows, &mut text);
    text
}

fn write_rows(rows: &[Vec<String>], to: &mut impl Write) -> fmt::Result {
    // Once for all rows: a statement can have a hundred thousand.
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            write!(line, "{cell:<width$}  ")?;
        }
        writeln!(to, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Merchants' words and providers' words, without control characters.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["ID", "NAME"]);
        assert!(table.is_empty());
        table.row(&["mer_1".to_owned(), "Schuhe & Söhne".to_owned()]);
        table.row(&["m".to_owned(), "\u{1b}[2Jx\ny".to_owned()]);
        assert_eq!(table.to_string(), "ID     NAME\nmer_1  Schuhe & Söhne\nm      \u{fffd}[2Jx\u{fffd}y\n");
    }

    #[test]
    fn what_is_none_is_a_dash() {
        assert_eq!(facts([("url", Some("https://x".to_owned())), ("paused", None)]), "url     https://x\npaused  -\n");
    }
}
