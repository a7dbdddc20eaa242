//! Objects by id and in the order they were made: what a provider's lists are served from.

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
    sync::Arc,
};

/// Something with an id and a time of creation.
pub(crate) trait Filed {
    fn id(&self) -> &str;
    /// Unix seconds.
    fn created(&self) -> i64;
}

/// When an object was made, and as the how-manieth.
type Place = (i64, u64);

/// Objects of one kind.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    objects: HashMap<Arc<str>, (Place, T)>,
    order: BTreeMap<Place, Arc<str>>,
    next: u64,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { objects: HashMap::new(), order: BTreeMap::new(), next: 0 }
    }
}

impl<T: Filed> Shelf<T> {
    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.objects.get(id).map(|(_, object)| object)
    }

    /// Puts `object` in, over what had its id.
    pub(crate) fn put(&mut self, object: T) {
        if let Some((_, kept)) = self.objects.get_mut(object.id()) {
            *kept = object;
            return;
        }
        let id: Arc<str> = object.id().into();
        let place = (object.created(), self.next);
        self.next += 1;
        self.order.insert(place, Arc::clone(&id));
        self.objects.insert(id, (place, object));
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    /// Takes the oldest object out.
    pub(crate) fn pop_oldest(&mut self) -> Option<T> {
        let (_, id) = self.order.pop_first()?;
        self.objects.remove(&id).map(|(_, object)| object)
    }

    pub(crate) fn oldest(&self) -> Option<&T> {
        self.order.values().next().and_then(|id| self.get(id))
    }

    pub(crate) fn oldest_first(&self) -> impl Iterator<Item = &T> {
        self.order.values().filter_map(|id| self.get(id))
    }

    /// Objects created within `created` and older than `before` (an id), newest first.
    pub(crate) fn newest_first(&self, created: RangeInclusive<i64>, before: Option<&str>) -> impl Iterator<Item = &T> {
        let place = before.and_then(|id| self.objects.get(id)).map(|(place, _)| *place);
        let first = (*created.start(), 0);
        let last = (*created.end(), u64::MAX);
        let end = place.map_or(last, |place| last.min(place));
        // An empty range must not be asked for.
        let range = (first <= end).then(|| self.order.range(first..=end));
        range
            .into_iter()
            .flatten()
            .rev()
            .filter(move |(key, _)| Some(**key) != place)
            .filter_map(|(_, id)| self.get(id))
    }

    /// Objects created within `created` and newer than `after` (an id), oldest first.
    pub(crate) fn oldest_after(&self, created: RangeInclusive<i64>, after: &str) -> impl Iterator<Item = &T> {
        let first = (*created.start(), 0);
        let last = (*created.end(), u64::MAX);
        let place = self.objects.get(after).map_or(first, |(place, _)| *place);
        let start = first.max(place);
        let range = (start <= last).then(|| self.order.range(start..=last));
        range.into_iter().flatten().filter(move |(key, _)| **key != place).filter_map(|(_, id)| self.get(id))
    }
}
