//! Reading an index that has a shard in front, in the order of what comes behind it: a page of each shard, merged, and the
//! next page of a shard only once its first is used up.

use std::collections::VecDeque;

use crate::{cells::Row, error::Result, reading::Reader, rows::Asked};

/// One shard's rows that were read and not yet taken.
struct Line<K> {
    shard: i64,
    ahead: VecDeque<(K, Row)>,
    /// Where its next page begins.
    next: Next<K>,
}

/// Where a shard's next page begins.
enum Next<K> {
    Beginning,
    Behind(K),
    /// There is none, or it is being read.
    Nowhere,
}

/// At most `limit` rows of these `shards` in the order of their keys. `asked` gives the read of one shard behind a key, in that order
/// and without a limit; `key_of` a row's key. All of it should be read through one snapshot: what is written meanwhile would else
/// be seen in one shard and missed in another.
pub(crate) async fn merged<K: Ord + Clone + Send>(
    reader: &dyn Reader,
    shards: std::ops::Range<i64>,
    after: Option<K>,
    limit: u32,
    asked: impl Fn(i64, Option<&K>) -> Asked,
    key_of: impl Fn(&Row) -> Result<K>,
) -> Result<Vec<(K, Row)>> {
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    // Shards are filled evenly: most need no second page.
    let page = (limit / u32::try_from(shards.end - shards.start).unwrap_or(1).max(1) * 2 + 8).min(limit.max(1));
    let line =
        |shard| Line { shard, ahead: VecDeque::new(), next: after.clone().map_or(Next::Beginning, Next::Behind) };
    let mut lines: Vec<Line<K>> = shards.map(line).collect();
    let mut taken = Vec::new();
    while taken.len() < wanted {
        refill(reader, &mut lines, page, &asked, &key_of).await?;
        let Some(first) = first_of(&lines) else { break };
        let Some(row) = lines[first].ahead.pop_front() else { break };
        taken.push(row);
    }
    Ok(taken)
}

/// Reads on where nothing is ahead and there is more.
async fn refill<K: Ord + Clone + Send>(
    reader: &dyn Reader,
    lines: &mut [Line<K>],
    page: u32,
    asked: impl Fn(i64, Option<&K>) -> Asked,
    key_of: impl Fn(&Row) -> Result<K>,
) -> Result<()> {
    let (mut wanted, mut reads) = (Vec::new(), Vec::new());
    for line in lines.iter_mut() {
        let shard = line.shard;
        if !line.ahead.is_empty() {
            continue;
        }
        let read = match std::mem::replace(&mut line.next, Next::Nowhere) {
            Next::Beginning => asked(shard, None),
            Next::Behind(place) => asked(shard, Some(&place)),
            Next::Nowhere => continue,
        };
        wanted.push(line);
        reads.push(read.limit(page));
    }
    if reads.is_empty() {
        return Ok(());
    }
    for (line, rows) in wanted.into_iter().zip(reader.all(reads).await?) {
        let is_last = rows.len() < usize::try_from(page).unwrap_or(usize::MAX);
        line.ahead = rows.into_iter().map(|row| Ok((key_of(&row)?, row))).collect::<Result<_>>()?;
        let last = line.ahead.back().filter(|_| !is_last);
        line.next = last.map_or(Next::Nowhere, |(key, _)| Next::Behind(key.clone()));
    }
    Ok(())
}

fn first_of<K: Ord>(lines: &[Line<K>]) -> Option<usize> {
    let fronts = lines.iter().enumerate().filter_map(|(place, line)| Some((place, &line.ahead.front()?.0)));
    fronts.min_by(|(_, one), (_, other)| one.cmp(other)).map(|(place, _)| place)
}
