//! The environment: the variables that the functions read as well, and no others.
//!
//! Must not know: what is done with a store.

use std::{path::PathBuf, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use tollgate_runtime::{
    Variables,
    config::{Mistaken, Read},
};
use tollgate_store_spanner::DatabaseName;
use zeroize::Zeroizing;

/// Which store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreConfiguration {
    /// A file.
    Sqlite(PathBuf),
    /// A database.
    Spanner {
        /// Which.
        database: DatabaseName,
        /// Where the emulator is, if it is there.
        emulator: Option<String>,
    },
}

impl StoreConfiguration {
    /// Reads `STORE_URL` and `SPANNER_EMULATOR_HOST`.
    pub(crate) fn read(vars: &mut Variables) -> Read<Self> {
        let store = vars
            .var("STORE_URL", "the store: sqlite:PATH or spanner:projects/P/instances/I/databases/D")
            .url(&["sqlite", "spanner"])
            .required();
        let emulator = vars
            .var("SPANNER_EMULATOR_HOST", "where Spanner's emulator is, as in 127.0.0.1:9010")
            .parse::<EmulatorHost>()
            .optional();
        let (store, emulator) = (store?, emulator?);
        match store.scheme() {
            "sqlite" => read_path(vars, store.rest()).map(Self::Sqlite),
            _ => match store.rest().parse() {
                Ok(database) => Ok(Self::Spanner { database, emulator: emulator.map(|host| host.0) }),
                Err(why) => Err(vars.refuse(format!("STORE_URL is not valid: what follows spanner: {why}"))),
            },
        }
    }
}

/// `SQLite` would take an empty path or `:memory:` for a database that nobody else sees and that ends with the process.
fn read_path(vars: &mut Variables, path: &str) -> Result<PathBuf, Mistaken> {
    if path.is_empty() || path.starts_with(":memory:") {
        return Err(vars.refuse("STORE_URL names no file (sqlite:PATH)"));
    }
    Ok(PathBuf::from(path))
}

/// `HOST:PORT`.
struct EmulatorHost(String);

impl FromStr for EmulatorHost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let is_host = |(host, port): (&str, &str)| {
            let plain = |letter: char| letter.is_ascii_alphanumeric() || ".-[]:".contains(letter);
            !host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok()
        };
        let valid = text.rsplit_once(':').is_some_and(is_host);
        valid.then(|| Self(text.to_owned())).ok_or("must be HOST:PORT")
    }
}

/// Reads `SECRETS_KEY`.
pub(crate) fn read_secrets_key(vars: &mut Variables) -> Read<Zeroizing<[u8; 32]>> {
    let text = vars
        .var("SECRETS_KEY", "32 bytes in base64: what secrets in the store are encrypted with, the functions' own")
        .secret()
        .required()?;
    let bytes = STANDARD.decode(text.expose().trim()).map(Zeroizing::new).unwrap_or_default();
    <[u8; 32]>::try_from(bytes.as_slice()).map(Zeroizing::new).map_err(|_| {
        vars.refuse("SECRETS_KEY is not valid (must be 32 bytes in base64): it must be the functions' own")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<StoreConfiguration, Vec<String>> {
        let mut vars = Variables::of(values);
        let read = StoreConfiguration::read(&mut vars);
        vars.finish().map_err(|mistakes| mistakes.0)?;
        Ok(read.unwrap())
    }

    #[test]
    fn the_schemes_select_the_store() {
        assert_eq!(read([("STORE_URL", "sqlite:/data/t.db")]), Ok(StoreConfiguration::Sqlite("/data/t.db".into())));
        let name = "projects/p/instances/i/databases/d";
        let spanner = |emulator| Ok(StoreConfiguration::Spanner { database: name.parse().unwrap(), emulator });
        let url = format!("spanner:{name}");
        assert_eq!(read([("STORE_URL", url.as_str())]), spanner(None));
        let host = "127.0.0.1:9010";
        let values = [("STORE_URL", url.as_str()), ("SPANNER_EMULATOR_HOST", host)];
        assert_eq!(read(values), spanner(Some(host.to_owned())));
    }

    #[test]
    fn every_mistake_is_one_line() {
        for wrong in ["", "t.db", "mysql:t", "sqlite:", "sqlite::memory:", "spanner:", "spanner:projects/p"] {
            let mistakes = read([("STORE_URL", wrong)]).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].starts_with("STORE_URL"), "{wrong}: {mistakes:?}");
            assert!(!mistakes[0].contains('\n'), "{wrong}: {mistakes:?}");
        }
        for wrong in ["localhost", "http://localhost:9010", "localhost:x", ":9010"] {
            let mistakes = read([("STORE_URL", "sqlite:t.db"), ("SPANNER_EMULATOR_HOST", wrong)]).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].starts_with("SPANNER_EMULATOR_HOST"), "{wrong}: {mistakes:?}");
        }
    }

    #[test]
    fn a_wrong_secrets_key_is_not_repeated() {
        let mut vars = Variables::of([("SECRETS_KEY", "c2hvcnQ=")]);
        assert!(read_secrets_key(&mut vars).is_err());
        let said = vars.finish().unwrap_err().to_string();
        assert!(said.starts_with("SECRETS_KEY") && !said.contains("c2hvcnQ="), "{said}");
    }
}
