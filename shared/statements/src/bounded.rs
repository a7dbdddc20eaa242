//! The bytes of the file, counted: no more of them than may be, no token longer than may be, and which line they are on.

use std::io::{self, BufRead, Read};

use crate::{error::Problem, limits::Limits};

/// Bytes that run out.
pub(crate) struct Bounded<R> {
    input: R,
    limits: Limits,
    left: u64,
    token_left: usize,
    line: u64,
    token_line: u64,
    /// Which bound was met.
    over: Option<Problem>,
}

impl<R> Bounded<R> {
    pub(crate) fn new(input: R, limits: &Limits) -> Self {
        let (left, token_left) = (limits.bytes, limits.token);
        Self { input, limits: *limits, left, token_left, line: 1, token_line: 1, over: None }
    }

    /// What comes next is another token.
    pub(crate) fn begin_token(&mut self) {
        self.token_left = self.limits.token;
        self.token_line = self.line;
    }

    /// Where the present token begins.
    pub(crate) fn token_line(&self) -> u64 {
        self.token_line
    }

    /// The bound that ended the reading.
    pub(crate) fn over(&self) -> Option<Problem> {
        self.over.clone()
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.input.fill_buf()?;
        if bytes.is_empty() {
            return Ok(bytes);
        }
        if self.left == 0 {
            self.over = Some(Problem::TooMuch(format!("{} bytes", self.limits.bytes)));
        } else if self.token_left == 0 {
            self.over = Some(Problem::TooMuch(format!("{} bytes in one tag or text", self.limits.token)));
        }
        if self.over.is_some() {
            return Err(io::Error::other("a bound of the reading"));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.token_left);
        Ok(&bytes[..bytes.len().min(most)])
    }

    fn consume(&mut self, count: usize) {
        // What was looked at is still there, and is not read again.
        let bytes = self.input.fill_buf().unwrap_or_default();
        let lines = bytes.iter().take(count).filter(|byte| **byte == b'\n').count();
        self.line += lines as u64;
        self.left = self.left.saturating_sub(count as u64);
        self.token_left = self.token_left.saturating_sub(count);
        self.input.consume(count);
    }
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(into.len());
        into[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}
