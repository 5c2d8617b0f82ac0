//! A map and a set for the few dozen things that a Hub holds at once: sorted vectors, used like `BTreeMap` and
//! `BTreeSet`. Those are 50 to 100 functions anew for each type that they hold, and at these sizes no faster.

use std::borrow::Borrow;

use protocol::json::{FromJson, Json, Wrong};
use serde::{Serialize, Serializer};

/// Values by key, in order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map<K, V>(Vec<(K, V)>);

/// Values, each once, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set<K>(Vec<K>);

impl<K, V> Default for Map<K, V> {
    fn default() -> Map<K, V> {
        Map(Vec::new())
    }
}

impl<K: Ord, V> Map<K, V> {
    /// An empty one.
    pub fn new() -> Map<K, V> {
        Map::default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// The value of a key.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// Whether there is a value of this key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Puts a value in place of any of this key.
    pub fn insert(&mut self, key: K, value: V) {
        match self.find(&key) {
            Ok(at) => {
                if let Some((_, held)) = self.0.get_mut(at) {
                    *held = value;
                }
            }
            Err(at) => self.0.insert(at, (key, value)),
        }
    }

    /// Takes the value of a key out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        Some(self.0.remove(at).1)
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps those that are to be kept.
    pub fn retain(&mut self, mut keeps: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_mut(|(key, value)| keeps(key, value));
    }

    /// The value of a key, made when there is none.
    pub fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let at = self.find(&key).unwrap_or_else(|at| {
            self.0.insert(at, (key, V::default()));
            at
        });
        self.0.get_mut(at).map(|(_, value)| value).expect("it was found or inserted")
    }

    /// Every key and its value.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Every key and its value.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// Every key.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// Every value.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Every value.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Those above `key`.
    pub fn above(&self, key: &K) -> impl Iterator<Item = (&K, &V)> {
        let from = self.0.partition_point(|(known, _)| known <= key);
        self.0.get(from..).unwrap_or_default().iter().map(|(key, value)| (key, value))
    }

    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(from: I) -> Map<K, V> {
        let mut map = Map::new();
        from.into_iter().for_each(|(key, value)| map.insert(key, value));
        map
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K> Default for Set<K> {
    fn default() -> Set<K> {
        Set(Vec::new())
    }
}

impl<K: Ord> Set<K> {
    /// An empty one.
    pub fn new() -> Set<K> {
        Set::default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is there.
    pub fn contains(&self, key: &K) -> bool {
        self.0.binary_search(key).is_ok()
    }

    /// Adds a value. False when it is there already.
    pub fn insert(&mut self, key: K) -> bool {
        match self.0.binary_search(&key) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, key);
                true
            }
        }
    }

    /// Takes a value out. False when it is not there.
    pub fn remove(&mut self, key: &K) -> bool {
        self.0.binary_search(key).map(|at| self.0.remove(at)).is_ok()
    }

    /// Every value.
    pub fn iter(&self) -> std::slice::Iter<'_, K> {
        self.0.iter()
    }
}

impl<K: Ord> FromIterator<K> for Set<K> {
    fn from_iter<I: IntoIterator<Item = K>>(from: I) -> Set<K> {
        let mut set = Set::new();
        for key in from {
            set.insert(key);
        }
        set
    }
}

impl<K> IntoIterator for Set<K> {
    type Item = K;
    type IntoIter = std::vec::IntoIter<K>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Ord + FromJson> FromJson for Set<K> {
    fn from_json(json: Json) -> Result<Set<K>, Wrong> {
        Vec::from_json(json).map(Set::from_iter)
    }
}

impl<K: Serialize> Serialize for Set<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// They are what the standard library's are.
        #[test]
        fn as_those_of_the_standard_library(steps in proptest::collection::vec((0u8..4, 0u8..8, any::<u8>()), 0..40)) {
            let (mut map, mut set) = (Map::new(), Set::new());
            let (mut same_map, mut same_set) = (BTreeMap::new(), BTreeSet::new());
            for (step, key, value) in steps {
                match step {
                    0 | 1 => {
                        map.insert(key, value);
                        same_map.insert(key, value);
                        prop_assert_eq!(set.insert(key), same_set.insert(key));
                    }
                    2 => {
                        prop_assert_eq!(map.remove(&key), same_map.remove(&key));
                        prop_assert_eq!(set.remove(&key), same_set.remove(&key));
                    }
                    _ if value < 16 => {
                        map.clear();
                        same_map.clear();
                    }
                    _ => {
                        map.retain(|&known, _| known > key);
                        same_map.retain(|&known, _| known > key);
                        *map.or_default(key) = value;
                        *same_map.entry(key).or_default() = value;
                    }
                }
                prop_assert!(map.iter().eq(&same_map) && map.keys().eq(same_map.keys()) && map.values().eq(same_map.values()));
                prop_assert!(map.above(&key).eq(same_map.range(key + 1..)));
                prop_assert_eq!((map.get(&key), map.contains_key(&key)), (same_map.get(&key), same_map.contains_key(&key)));
                prop_assert_eq!((map.len(), map.is_empty()), (same_map.len(), same_map.is_empty()));
                prop_assert!(set.iter().eq(&same_set) && set.contains(&key) == same_set.contains(&key));
                prop_assert_eq!((set.len(), set.is_empty()), (same_set.len(), same_set.is_empty()));
            }
        }
    }
}
