//! The tables `flags` (as they are) and `flag_changes` (how they came to be so).

use async_trait::async_trait;
use google_cloud_spanner::key::KeyRange;
use tollgate_domain::routing::{Flag, FlagName};
use tollgate_gateway::ports::{Flags, StoreError, flags::FLAGS_AT_MOST};
use tollgate_store_records::{flag_name_from_text, flag_name_to_text, flag_value_from_text, flag_value_to_text};

use crate::{
    SpannerStore,
    cells::{Row, count, text, time, wrong},
    error::Result,
    reading::{Locked, Reader},
    rows::{Counted, Source, Write, key, prefix},
    transactions::{Decided, Decision},
};

const COLUMNS: &[&str] = &["name", "value", "revision", "changed_at", "changed_by", "why"];
static FLAGS: Source = Source { table: "flags", index: None, columns: COLUMNS };
static CHANGES: Source = Source { table: "flag_changes", index: None, columns: COLUMNS };

#[async_trait]
impl Flags for SpannerStore {
    async fn flags(&self) -> std::result::Result<Vec<Flag>, StoreError> {
        let work = async {
            let all = FLAGS.read(KeyRange::closed_closed(key([]), key([]))).limit(FLAGS_AT_MOST);
            let rows = self.present("tollgate:flags").await?.rows(all).await?;
            rows.iter().filter(|row| is_known(row)).map(read).collect()
        };
        self.measured("flags", "flags", work).await
    }

    async fn put_flag(&self, flag: &Flag) -> std::result::Result<bool, StoreError> {
        let work = self.transact("tollgate:put_flag", PutFlag(flag.clone()));
        self.measured("put_flag", flag.name, work).await
    }

    async fn flag_changes(&self, name: FlagName, limit: u32) -> std::result::Result<Vec<Flag>, StoreError> {
        let work = async {
            // A limit of nothing would be none at all.
            if limit == 0 {
                return Ok(Vec::new());
            }
            let changes = CHANGES.read(prefix([text(flag_name_to_text(name))])).limit(limit);
            self.present("tollgate:flag_changes").await?.rows(changes).await?.iter().map(read).collect()
        };
        self.measured("flag_changes", name, work).await
    }
}

/// Sets a flag where the revision before is there. Where this very change is (an answer was lost), that is success, too.
struct PutFlag(Flag);

#[async_trait]
impl Decision for PutFlag {
    type Answer = bool;

    async fn decide(&self, locked: &Locked) -> Result<Decided<bool>> {
        let Self(flag) = self;
        let present = locked.row(FLAGS.read(key([text(flag_name_to_text(flag.name))]))).await?;
        let present = present.map(|row| read(&row)).transpose()?;
        if present.as_ref() == Some(flag) {
            return Ok(Decided::nothing(true));
        }
        if present.map_or(0, |present| present.revision) + 1 != flag.revision {
            return Ok(Decided::nothing(false));
        }
        let writes = vec![row(Write::upsert("flags"), flag), row(Write::insert("flag_changes"), flag)];
        Ok(Decided { answer: true, writes })
    }
}

fn row(write: Write, flag: &Flag) -> Counted {
    write
        .set("name", text(flag_name_to_text(flag.name)))
        .set("value", text(flag_value_to_text(&flag.value)))
        .set("revision", count(flag.revision))
        .set("changed_at", time(flag.changed_at))
        .set("changed_by", text(&flag.changed_by))
        .set("why", text(&flag.why))
        .build()
}

/// A name that this program does not know stops no flag that it knows.
fn is_known(row: &Row) -> bool {
    let name = row.string("name").unwrap_or_default();
    let known = flag_name_from_text(&name).is_some();
    if !known {
        tracing::error!(name, "a flag that this program does not know is without effect");
    }
    known
}

fn read(row: &Row) -> Result<Flag> {
    let (name, value) = (row.string("name")?, row.string("value")?);
    Ok(Flag {
        name: flag_name_from_text(&name).ok_or_else(|| wrong("name", "names no flag"))?,
        value: flag_value_from_text(&value),
        revision: row.int("revision")?,
        changed_at: row.time("changed_at")?,
        changed_by: row.string("changed_by")?,
        why: row.string("why")?,
    })
}
