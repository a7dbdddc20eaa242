//! The file as elements that open and close, each known by those around it. Only elements of the statement's own namespace have
//! names here; what is in others is passed over.
//!
//! Must not know: what a statement holds.

use std::io::BufRead;

use quick_xml::{
    NsReader,
    escape::resolve_predefined_entity,
    events::{BytesDecl, BytesRef, BytesStart, Event},
    name::{Namespace, ResolveResult},
};

use crate::{
    bounded::Bounded,
    error::{Problem, StatementError, quoted},
    limits::Limits,
};

/// What every message of ISO 20022 is in.
const ISO_20022: &str = "urn:iso:std:iso:20022:tech:xsd:";
const MESSAGE: &str = "camt.053.001.";
const VERSIONS: std::ops::RangeInclusive<u8> = 2..=13;
const ROOT: &str = "Document";
/// How an element of another namespace stands in a path: it is none of those that are looked for.
const FOREIGN: &str = "?";
/// An amount has one attribute, and the root some more.
const ATTRIBUTES_AT_MOST: usize = 32;

/// What comes next.
pub(crate) enum Step {
    /// An element, the last of the path.
    Opened,
    /// Its end; what it held.
    Closed(Leaf),
    /// The file's end.
    End,
}

/// What an element held.
pub(crate) struct Leaf {
    /// Its text; `None` where it held elements.
    pub(crate) text: Option<String>,
    /// Its attribute `Ccy`.
    pub(crate) currency: Option<String>,
}

struct Open {
    /// How long the path was before it.
    path_len: usize,
    is_foreign: bool,
    holds_elements: bool,
    currency: Option<String>,
}

/// The elements of a file.
pub(crate) struct Elements<R> {
    reader: NsReader<Bounded<R>>,
    buffer: Vec<u8>,
    limits: Limits,
    namespace: Option<String>,
    path: String,
    closed: String,
    open: Vec<Open>,
    text: String,
    is_begun: bool,
    is_over: bool,
}

impl<R: BufRead> Elements<R> {
    pub(crate) fn new(input: R, limits: &Limits) -> Self {
        let mut reader = NsReader::from_reader(Bounded::new(input, limits));
        reader.config_mut().expand_empty_elements = true;
        reader.config_mut().check_comments = true;
        Self {
            reader,
            buffer: Vec::new(),
            limits: *limits,
            namespace: None,
            path: String::new(),
            closed: String::new(),
            open: Vec::new(),
            text: String::new(),
            is_begun: false,
            is_over: false,
        }
    }

    /// The elements that are open, from the outside in.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The same, as it was before the last one closed.
    pub(crate) fn closed_path(&self) -> &str {
        &self.closed
    }

    /// Where that is.
    pub(crate) fn line(&self) -> u64 {
        self.reader.get_ref().token_line()
    }

    /// The refusal of what was read last.
    pub(crate) fn error(&self, problem: Problem) -> StatementError {
        let element = if self.closed.is_empty() { &self.path } else { &self.closed };
        StatementError { line: self.line(), element: element.clone(), problem }
    }

    /// Reads on.
    pub(crate) fn next(&mut self) -> Result<Step, StatementError> {
        self.closed.clear();
        loop {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            self.reader.get_mut().begin_token();
            let step = self.step(&mut buffer);
            self.buffer = buffer;
            match step {
                Ok(Some(step)) => return Ok(step),
                Ok(None) => {}
                Err(problem) => return Err(self.error(problem)),
            }
        }
    }

    /// One token; `None`: nothing to tell of yet.
    fn step(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Step>, Problem> {
        let event = self.reader.read_event_into(buffer).map_err(|error| self.unread(&error))?;
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        match event {
            Event::Start(start) => return self.open(&start).map(|()| Some(Step::Opened)),
            Event::End(_) => return Ok(Some(Step::Closed(self.close()))),
            Event::Text(text) => self.add(&text.xml10_content())?,
            Event::CData(text) => self.add(&text.xml10_content())?,
            Event::GeneralRef(reference) => self.add_reference(&reference)?,
            Event::DocType(_) => return Err(Problem::Doctype),
            Event::Decl(declaration) => check_declaration(&declaration, is_first)?,
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof if self.open.is_empty() && self.is_over => return Ok(Some(Step::End)),
            Event::Eof if self.open.is_empty() => {
                return Err(Problem::NotAStatement("there is no element".to_owned()));
            }
            Event::Eof => return Err(Problem::Truncated),
            Event::Empty(_) => return Err(Problem::NotXml("an element that is none".to_owned())),
        }
        Ok(None)
    }

    fn unread(&self, error: &quick_xml::Error) -> Problem {
        if let Some(over) = self.reader.get_ref().over() {
            return over;
        }
        match error {
            quick_xml::Error::Io(error) => Problem::Unreadable(error.to_string()),
            error => Problem::NotXml(quoted(&error.to_string())),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), Problem> {
        if self.is_over {
            return Err(Problem::Misplaced);
        }
        if self.open.len() >= self.limits.depth {
            return Err(Problem::TooMuch(format!("{} elements within each other", self.limits.depth)));
        }
        if let Some(around) = self.open.last_mut() {
            around.holds_elements = true;
            if !around.is_foreign && !is_blank(&self.text) {
                return Err(Problem::TextBetweenElements);
            }
        }
        self.text.clear();
        let (found, local) = self.reader.resolver().resolve_element(start.name());
        let found = match found {
            ResolveResult::Bound(Namespace(name)) => Some(name),
            _ => None,
        };
        if self.namespace.is_none() {
            self.namespace = Some(statements_namespace(found, local.as_ref())?.to_owned());
        }
        let is_foreign = found != self.namespace.as_deref() || self.open.last().is_some_and(|around| around.is_foreign);
        let name = if is_foreign || !is_plain(local.as_ref()) { FOREIGN } else { local.as_ref() };
        let currency = if is_foreign { None } else { currency(start)? };
        let path_len = self.path.len();
        if path_len > 0 {
            self.path.push('/');
        }
        self.path.push_str(name);
        self.open.push(Open { path_len, is_foreign, holds_elements: false, currency });
        Ok(())
    }

    fn close(&mut self) -> Leaf {
        self.closed.push_str(&self.path);
        // The reader has checked that there is one, and that it is this one's end.
        let open = self.open.pop();
        self.path.truncate(open.as_ref().map_or(0, |open| open.path_len));
        self.is_over = self.open.is_empty();
        let text = std::mem::take(&mut self.text);
        let (is_leaf, currency) = open.map_or((false, None), |open| (!open.holds_elements, open.currency));
        Leaf { text: is_leaf.then(|| text.trim().to_owned()), currency }
    }

    fn add(&mut self, text: &str) -> Result<(), Problem> {
        let Some(around) = self.open.last() else {
            return if is_blank(text) { Ok(()) } else { Err(Problem::Misplaced) };
        };
        if around.is_foreign {
            return Ok(());
        }
        if around.holds_elements {
            return if is_blank(text) { Ok(()) } else { Err(Problem::TextBetweenElements) };
        }
        if self.text.len() + text.len() > self.limits.text {
            return Err(Problem::TooMuch(format!("{} bytes of text", self.limits.text)));
        }
        self.text.push_str(text);
        Ok(())
    }

    fn add_reference(&mut self, reference: &BytesRef<'_>) -> Result<(), Problem> {
        let not_xml = |error: &quick_xml::Error| Problem::NotXml(quoted(&error.to_string()));
        if let Some(letter) = reference.resolve_char_ref().map_err(|error| not_xml(&error))? {
            return self.add(letter.encode_utf8(&mut [0; 4]));
        }
        let text = resolve_predefined_entity(reference).ok_or_else(|| Problem::Entity(quoted(reference)))?;
        self.add(text)
    }
}

fn check_declaration(declaration: &BytesDecl<'_>, is_first: bool) -> Result<(), Problem> {
    if !is_first {
        return Err(Problem::NotXml("an XML declaration that is not at the beginning".to_owned()));
    }
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("utf-8") => Ok(()),
        Some(Ok(encoding)) if encoding.eq_ignore_ascii_case("us-ascii") => Ok(()),
        Some(Ok(encoding)) => Err(Problem::Encoding(quoted(&encoding))),
        Some(Err(error)) => Err(Problem::NotXml(quoted(&error.to_string()))),
    }
}

/// The namespace of the root, if that is one of a statement.
fn statements_namespace<'a>(found: Option<&'a str>, root: &str) -> Result<&'a str, Problem> {
    let namespace = found.ok_or_else(|| Problem::NotAStatement("the first element has no namespace".to_owned()))?;
    let message = namespace.strip_prefix(ISO_20022);
    let version = message.and_then(|message| message.strip_prefix(MESSAGE));
    let is_version = |text: &str| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number && text.parse().is_ok_and(|number: u8| VERSIONS.contains(&number))
    };
    if root == ROOT && version.is_some_and(is_version) {
        return Ok(namespace);
    }
    Err(Problem::NotAStatement(format!("the first element is {} of {}", quoted(root), quoted(namespace))))
}

/// The attribute `Ccy`; all of them are looked at, so that a broken one is refused wherever it is.
fn currency(start: &BytesStart<'_>) -> Result<Option<String>, Problem> {
    let mut found = None;
    for (index, attribute) in start.attributes().enumerate() {
        if index >= ATTRIBUTES_AT_MOST {
            return Err(Problem::TooMuch(format!("{ATTRIBUTES_AT_MOST} attributes")));
        }
        let attribute = attribute.map_err(|error| Problem::NotXml(quoted(&error.to_string())))?;
        if attribute.key.as_ref() == "Ccy" {
            found = Some(attribute.value.into_owned());
        }
    }
    Ok(found)
}

/// ISO's names; anything else is shown as nothing that could be mistaken for one.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}
