//! A runbook as it is followed: its parts, and the commands of its code blocks in their order.
//!
//! Must not know: what a command does.

use anyhow::{Context, ensure};

/// A page of docs/runbooks.
pub(super) struct Page {
    pub(super) name: &'static str,
    text: &'static str,
}

impl Page {
    pub(super) const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text }
    }

    /// A part, without its heading.
    pub(super) fn part(&self, heading: &str) -> anyhow::Result<&'static str> {
        let (_, rest) = self
            .text
            .split_once(&format!("\n## {heading}\n"))
            .with_context(|| format!("expected that the page has a part {heading:?}"))?;
        Ok(rest.split("\n## ").next().unwrap_or_default())
    }

    /// The commands of a part's blocks for a shell, block by block.
    pub(super) fn blocks(&self, heading: &str) -> anyhow::Result<Vec<Vec<String>>> {
        let blocks = self.part(heading)?.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
        let blocks: Vec<_> = blocks.map(commands).collect();
        ensure!(!blocks.is_empty(), "expected that there is something to type under {heading:?}");
        Ok(blocks)
    }

    /// Whether these stand in a part, in this order: what a drill checks by itself is what the page says.
    pub(super) fn says(&self, heading: &str, words: &[&str]) -> anyhow::Result<()> {
        let mut rest = self.part(heading)?;
        for word in words {
            (_, rest) = rest.split_once(word).with_context(|| {
                format!("{}: expected that {heading:?} says {word:?}: follow the page anew", self.name)
            })?;
        }
        Ok(())
    }
}

/// Commands, one a line, but for quotes that go on.
fn commands(block: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut open = None;
    for line in block.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match commands.last_mut().filter(|_| open.is_some()) {
            Some(command) => command.extend(["\n", line]),
            None => commands.push(line.to_owned()),
        }
        for letter in line.chars() {
            open = match (open, letter) {
                (None, '"' | '\'') => Some(letter),
                (Some(quote), _) if quote == letter => None,
                _ => open,
            };
        }
    }
    commands
}

/// A command's first word, and what it is given in single quotes or bare.
pub(super) fn first_word(command: &str) -> (&str, &str) {
    let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
    let given = rest.strip_prefix('\'').and_then(|rest| rest.split('\'').next()).unwrap_or(rest);
    (word, given)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Page = Page::new(
        "planted",
        "# A page\n\n## Look\n\n```sh\nprom 'max(x)'\nsql 'SELECT a\n     FROM b'\n```\n\nand\n\n   ```sh\n   job \"it's one\"\n   job one\n   ```\n\n## Over when\n\n`a` is 0, `b` too.\n",
    );

    #[test]
    fn commands_come_in_their_order_and_quotes_go_on_over_lines() {
        let blocks = PAGE.blocks("Look").unwrap();
        assert_eq!(blocks, [vec!["prom 'max(x)'", "sql 'SELECT a\nFROM b'"], vec!["job \"it's one\"", "job one"]]);
        assert_eq!(first_word(&blocks[0][1]), ("sql", "SELECT a\nFROM b"));
        assert_eq!(first_word("job one"), ("job", "one"));
        assert!(PAGE.blocks("Over when").is_err() && PAGE.blocks("Act").is_err());
    }

    #[test]
    fn a_page_that_says_something_else_is_found() {
        assert!(PAGE.says("Over when", &["`a` is 0", "`b`"]).is_ok());
        assert!(PAGE.says("Over when", &["`b`", "`a` is 0"]).is_err());
        assert!(PAGE.says("Over when", &["`a` is 1"]).is_err());
    }
}
