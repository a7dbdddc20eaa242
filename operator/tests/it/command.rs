//! One run of the program: what it said, and how it ended.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

/// An environment for the program, and nothing of this process's own.
pub(crate) struct Environment(Vec<(&'static str, String)>);

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Environment {
    pub(crate) fn new(variables: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// With one variable more, or another value for it.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let others = self.0.iter().filter(|(known, _)| *known != name).cloned();
        Self(others.chain([(name, value.to_owned())]).collect())
    }

    /// Runs `tollgate` with these words.
    pub(crate) fn run(&self, words: &str) -> Ran {
        self.run_all(&words.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs it with arguments that hold spaces.
    pub(crate) fn run_all(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Runs it with this on its standard input.
    pub(crate) fn run_on(&self, words: &str, input: &str) -> Ran {
        let mut command = self.command(&words.split_whitespace().collect::<Vec<_>>());
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = command.spawn().unwrap();
        // Who refuses the command does not read on.
        _ = running.stdin.take().unwrap().write_all(input.as_bytes());
        Ran::of(running.wait_with_output().unwrap())
    }

    /// Runs it with a reader who is gone before the first word.
    pub(crate) fn run_unread(&self, words: &str) -> Ran {
        let mut command = self.command(&words.split_whitespace().collect::<Vec<_>>());
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = command.spawn().unwrap();
        drop(running.stdout.take());
        Ran::of(running.wait_with_output().unwrap())
    }

    /// Runs it where nothing can be written to stdout.
    pub(crate) fn run_on_a_full_disk(&self, words: &str) -> Ran {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = self.command(&words.split_whitespace().collect::<Vec<_>>());
        Ran::of(command.stdout(Stdio::from(full)).output().unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.env_clear().envs(self.0.iter().map(|(name, value)| (*name, value))).args(arguments);
        command
    }
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code().expect("it was not killed"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// What it answered, having succeeded.
    #[track_caller]
    pub(crate) fn answer(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// The same, for programs.
    #[track_caller]
    pub(crate) fn json(self) -> serde_json::Value {
        let answer = self.answer();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// The one line that it failed with.
    #[track_caller]
    pub(crate) fn failure(self, code: i32) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{self:?}");
        let line = self.stderr.strip_prefix("error: ").unwrap_or_else(|| panic!("{self:?}")).trim_end();
        assert!(!line.contains('\n'), "{line}");
        line.to_owned()
    }
}
