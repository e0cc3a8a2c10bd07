//! Names of files by which their types are known.

use std::collections::VecDeque;
use std::ops::Range;

use super::database::Name;

/// The pattern that stands for no names at all.
pub(super) const NO_GLOBS: &str = "__NOGLOBS__";
/// Is set where upper and lower case differ.
const CASE_SENSITIVE: u32 = 0x100;

/// A pattern of names, for a type.
#[derive(Clone, Debug)]
pub(super) struct Glob {
    pub(super) of: Name,
    /// From 0 to 100, or -1 where it was wrong.
    pub(super) weight: i32,
    pub(super) is_case_sensitive: bool,
    /// Whether names of other directories are to be forgotten.
    pub(super) deletes: bool,
}

impl Glob {
    /// Returns its weight and its flag in one number.
    pub(super) fn flags(&self) -> u32 {
        let weight = self.weight.cast_unsigned() & 0xff;
        weight
            | if self.is_case_sensitive {
                CASE_SENSITIVE
            } else {
                0
            }
    }
}

/// How a pattern is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is a name.
    Literal,
    /// It is an asterisk and how names end.
    Suffix,
    /// It is compared with each name.
    Full,
}

/// Returns how a pattern is looked up.
pub(super) fn kind(pattern: &str) -> Kind {
    let end = pattern.strip_prefix('*');
    match (end, end.unwrap_or(pattern).contains(['\\', '[', '?', '*'])) {
        (_, true) => Kind::Full,
        (Some(_), false) => Kind::Suffix,
        (None, false) => Kind::Literal,
    }
}

/// The ends of names, as a tree of their characters from the last one on.
pub(super) struct Suffixes<'a> {
    /// The ends with their characters reversed, in order.
    ends: Vec<(Vec<char>, &'a [Glob])>,
}

/// A node of the tree: three numbers in the cache.
pub(super) enum Node<'a> {
    /// A character, and how many nodes are below it; where these are depends on what came before.
    Inner(char, usize),
    /// A type, and the flags of its glob.
    Leaf(&'a Name, u32),
}

impl<'a> Suffixes<'a> {
    /// Sorts the patterns that are suffixes. An asterisk alone ends in nothing that could be looked up.
    pub(super) fn of(patterns: impl Iterator<Item = (&'a str, &'a [Glob])>) -> Self {
        let is_suffix = |(pattern, _): &(&str, _)| kind(pattern) == Kind::Suffix;
        let ends = patterns.filter(is_suffix).filter_map(|(pattern, globs)| {
            let end: Vec<char> = pattern.chars().skip(1).collect::<Vec<_>>();
            let end: Vec<char> = end.into_iter().rev().collect();
            (!end.is_empty()).then_some((end, globs))
        });
        let mut ends: Vec<_> = ends.collect();
        ends.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self { ends }
    }

    /// Returns how many characters names end in.
    pub(super) fn roots(&self) -> usize {
        self.below(&(0..self.ends.len()), 0).len()
    }

    /// Calls `see` with each node, level by level.
    pub(super) fn nodes(&self, see: &mut dyn FnMut(Node<'a>)) {
        let mut level: VecDeque<_> = self.below(&(0..self.ends.len()), 0).into();
        while let Some((character, range, depth)) = level.pop_front() {
            let (leaves, inner) = match character {
                None => {
                    for (of, flags) in self.leaves(&range) {
                        see(Node::Leaf(of, flags));
                    }
                    continue;
                }
                Some(_) => (self.ended(&range, depth), self.below(&range, depth)),
            };
            if let Some(character) = character {
                let count = leaves.as_ref().map_or(0, |range| self.leaves(range).len());
                see(Node::Inner(character, count + inner.len()));
            }
            level.extend(leaves.map(|range| (None, range, depth)));
            level.extend(inner);
        }
    }

    /// Returns the pattern that ends where those of a range have so many characters.
    fn ended(&self, range: &Range<usize>, depth: usize) -> Option<Range<usize>> {
        let (first, _) = self.ends.get(range.start)?;
        (first.len() == depth).then_some(range.start..range.start + 1)
    }

    /// Splits a range by the characters at a depth.
    fn below(
        &self,
        range: &Range<usize>,
        depth: usize,
    ) -> Vec<(Option<char>, Range<usize>, usize)> {
        let mut found: Vec<(Option<char>, Range<usize>, usize)> = Vec::new();
        for index in range.clone() {
            let Some(next) = self.ends.get(index).and_then(|(end, _)| end.get(depth)) else {
                continue;
            };
            match found.last_mut() {
                Some((Some(last), range, _)) if last == next => range.end = index + 1,
                _ => found.push((Some(*next), index..index + 1, depth + 1)),
            }
        }
        found
    }

    /// Returns the types of a pattern, each once, with the largest of its weights.
    fn leaves(&self, range: &Range<usize>) -> Vec<(&'a Name, u32)> {
        let globs = self
            .ends
            .get(range.start)
            .map_or(&[][..], |(_, globs)| globs);
        let mut leaves: Vec<(&Name, i32, u32)> = Vec::new();
        for glob in globs {
            match leaves.iter_mut().find(|(of, ..)| **of == glob.of) {
                Some((_, weight, _)) => *weight = glob.weight.max(*weight),
                None => leaves.push((&glob.of, glob.weight, glob.flags() & CASE_SENSITIVE)),
            }
        }
        let both = |(of, weight, flag): (_, i32, u32)| (of, weight.cast_unsigned() & 0xff | flag);
        leaves.into_iter().map(both).collect()
    }
}
