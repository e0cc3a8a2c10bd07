//! Many expressions at once: which of them match a text is one walk over its bytes.
//!
//! The expressions are laid out as one automaton without backtracking. While texts are matched, the
//! sets of its states that come up are numbered and kept, so that a byte of a text is one step in a
//! table. The table is bounded: when it is full, it is begun again.

use std::collections::BTreeMap;

use crate::pattern::{Class, Node};

/// Most bytes that the table may take.
const MAX_TABLE: usize = 16 << 20;

/// A state of the automaton. The numbers are those of the states that follow.
#[derive(Clone, Copy)]
enum State {
    Byte(u8, u32),
    /// A byte of the class that has this number.
    Class(u32, u32),
    Both(u32, u32),
    Start(u32),
    End(u32),
    /// The expression of this number matches.
    Match(u32),
}

/// An automaton that is being laid out. It is done from the end to the beginning, so that each state
/// knows what follows.
#[derive(Default)]
pub struct Layout {
    states: Vec<State>,
    classes: Vec<Class>,
    numbers: BTreeMap<Class, u32>,
    starts: Vec<u32>,
    most: usize,
}

/// The states take more memory than they may.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Layout {
    /// Makes an empty automaton for so many states.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// Returns how many states it has.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Adds an expression, which may match anywhere in a text. Those that are added later have
    /// larger numbers.
    pub fn add(&mut self, node: &Node, number: u32) -> Result<(), Full> {
        let end = self.push(State::Match(number))?;
        // What is after the match does not matter.
        let rest = self.any(end)?;
        let alternatives = match node {
            Node::Either(all) => all.as_slice(),
            other => std::slice::from_ref(other),
        };
        for alternative in alternatives {
            let (first, last) = match alternative {
                Node::Sequence(nodes) => (nodes.first(), nodes.last()),
                other => (Some(other), Some(other)),
            };
            let next = match last {
                Some(Node::End) => end,
                _ => rest,
            };
            let begin = self.node(alternative, next)?;
            let begin = match first {
                Some(Node::Start) => begin,
                _ => self.any(begin)?,
            };
            self.starts.push(begin);
        }
        Ok(())
    }

    fn push(&mut self, state: State) -> Result<u32, Full> {
        if self.states.len() >= self.most {
            return Err(Full);
        }
        let number = u32::try_from(self.states.len()).map_err(|_| Full)?;
        self.states.push(state);
        Ok(number)
    }

    /// Adds any number of any bytes before a state.
    fn any(&mut self, next: u32) -> Result<u32, Full> {
        self.node(
            &Node::Repeated(Box::new(Node::Class(Box::new(Class::ANY))), 0, None),
            next,
        )
    }

    fn node(&mut self, node: &Node, next: u32) -> Result<u32, Full> {
        match node {
            Node::Byte(byte) => self.push(State::Byte(*byte, next)),
            Node::Class(class) => {
                let new = u32::try_from(self.classes.len()).map_err(|_| Full)?;
                let number = *self.numbers.entry(**class).or_insert(new);
                if number == new {
                    self.classes.push(**class);
                }
                self.push(State::Class(number, next))
            }
            Node::Sequence(nodes) => nodes
                .iter()
                .rev()
                .try_fold(next, |next, node| self.node(node, next)),
            Node::Either(all) => {
                let mut ways = Vec::new();
                for one in all {
                    ways.push(self.node(one, next)?);
                }
                let mut both = ways.pop().unwrap_or(next);
                for way in ways.into_iter().rev() {
                    both = self.push(State::Both(way, both))?;
                }
                Ok(both)
            }
            Node::Repeated(node, least, most) => {
                let mut begin = next;
                match most {
                    None => {
                        // What is repeated leads to the choice, which is only known after it.
                        let choice = self.push(State::Both(next, next))?;
                        let inside = self.node(node, choice)?;
                        if let Some(state) = self.states.get_mut(choice as usize) {
                            *state = State::Both(inside, next);
                        }
                        begin = choice;
                    }
                    Some(most) => {
                        for _ in *least..*most {
                            let inside = self.node(node, begin)?;
                            begin = self.push(State::Both(inside, next))?;
                        }
                    }
                }
                for _ in 0..*least {
                    let before = self.states.len();
                    begin = self.node(node, begin)?;
                    // Nothing, so many times, is nothing.
                    if self.states.len() == before {
                        break;
                    }
                }
                Ok(begin)
            }
            Node::Start => self.push(State::Start(next)),
            Node::End => self.push(State::End(next)),
        }
    }

    /// Makes it ready for texts.
    pub fn finish(self) -> Machine {
        let mut machine = Machine {
            seen: vec![0; self.states.len()],
            round: 0,
            states: self.states,
            classes: self.classes,
            sets: Vec::new(),
            numbers: BTreeMap::new(),
            bytes: 0,
            begin: Box::default(),
        };
        let mut begin = Vec::new();
        machine.round += 1;
        for start in self.starts {
            machine.reach(start, Where::AtStart, &mut begin);
        }
        begin.sort_unstable();
        machine.begin = begin.into();
        machine.forget();
        machine
    }
}

/// Where in a text anchors are asked for.
#[derive(Clone, Copy, PartialEq)]
enum Where {
    AtStart,
    Inside,
    AtEnd,
}

/// A set of states that came up.
struct Set {
    states: Box<[u32]>,
    /// The set after each byte, as far as it is known: one more than its number.
    next: Box<[u32; 256]>,
    /// The numbers of the expressions that match if the text ends here, the last first.
    matches: Option<Box<[u32]>>,
}

/// An automaton with the sets that have come up.
pub struct Machine {
    states: Vec<State>,
    classes: Vec<Class>,
    /// The round in which a state was last reached.
    seen: Vec<u32>,
    round: u32,
    /// The set in which texts begin.
    begin: Box<[u32]>,
    /// The sets that have come up; the first is that in which texts begin.
    sets: Vec<Set>,
    numbers: BTreeMap<Box<[u32]>, u32>,
    /// What the table takes.
    bytes: usize,
}

/// A text takes too many steps.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Machine {
    /// Returns what the table takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Begins the table again.
    pub fn forget(&mut self) {
        self.sets.clear();
        self.numbers.clear();
        self.bytes = 0;
        self.number(self.begin.clone());
    }

    /// Returns the numbers of the expressions that match a text, the largest first. `work` is how
    /// many states may be looked at while the table is filled.
    pub fn matches(&mut self, text: &[u8], work: &mut u64) -> Result<&[u32], TooLong> {
        let mut current = 0;
        for byte in text {
            let known = self
                .sets
                .get(current as usize)
                .and_then(|set| set.next.get(usize::from(*byte)));
            current = match known.copied().unwrap_or(0) {
                0 => self.step(current, *byte, work)?,
                next => next - 1,
            };
        }
        Ok(self.at_end(current))
    }

    /// Adds the states that are reached from one without a byte.
    fn reach(&mut self, from: u32, place: Where, found: &mut Vec<u32>) {
        let mut open = vec![from];
        while let Some(number) = open.pop() {
            let index = number as usize;
            let (Some(seen), Some(state)) = (self.seen.get_mut(index), self.states.get(index))
            else {
                continue;
            };
            if *seen == self.round {
                continue;
            }
            *seen = self.round;
            match *state {
                State::Both(one, other) => open.extend([one, other]),
                State::Start(next) if place == Where::AtStart => open.push(next),
                State::Start(_) => {}
                State::End(next) if place == Where::AtEnd => open.push(next),
                State::Byte(..) | State::Class(..) | State::End(_) | State::Match(_) => {
                    found.push(number)
                }
            }
        }
    }

    /// Begins a round in which no state was reached yet.
    fn begin_round(&mut self) {
        self.round = self.round.checked_add(1).unwrap_or_else(|| {
            self.seen.fill(0);
            1
        });
    }

    /// Finds out which set is after a byte.
    fn step(&mut self, current: u32, byte: u8, work: &mut u64) -> Result<u32, TooLong> {
        let states = self
            .sets
            .get(current as usize)
            .map(|set| set.states.clone())
            .unwrap_or_default();
        // A byte leads from each state to one, and from there to each at most once.
        let steps = states.len() as u64;
        *work = work.checked_sub(steps).ok_or(TooLong)?;
        self.begin_round();
        let mut found = Vec::new();
        for number in &states {
            let next = match self.states.get(*number as usize) {
                Some(State::Byte(wanted, next)) if *wanted == byte => *next,
                Some(State::Class(class, next))
                    if self
                        .classes
                        .get(*class as usize)
                        .is_some_and(|class| class.has(byte)) =>
                {
                    *next
                }
                _ => continue,
            };
            self.reach(next, Where::Inside, &mut found);
        }
        *work = work.saturating_sub(found.len() as u64);
        found.sort_unstable();
        if self.bytes > MAX_TABLE {
            self.forget();
            return Ok(self.number(found.into()));
        }
        let next = self.number(found.into());
        let set = self.sets.get_mut(current as usize);
        if let Some(place) = set.and_then(|set| set.next.get_mut(usize::from(byte))) {
            *place = next + 1;
        }
        Ok(next)
    }

    /// Returns the number of a set.
    fn number(&mut self, states: Box<[u32]>) -> u32 {
        if let Some(number) = self.numbers.get(&states) {
            return *number;
        }
        // The bound of the table is far below.
        let number = u32::try_from(self.sets.len()).unwrap_or(u32::MAX - 1);
        self.bytes += 2 * size_of_val(&*states) + size_of::<Set>() + 4 * 256;
        self.sets.push(Set {
            states: states.clone(),
            next: Box::new([0; 256]),
            matches: None,
        });
        self.numbers.insert(states, number);
        number
    }

    /// Returns what matches if a text ends in a set.
    fn at_end(&mut self, current: u32) -> &[u32] {
        let index = current as usize;
        if self
            .sets
            .get(index)
            .is_some_and(|set| set.matches.is_none())
        {
            let states = self
                .sets
                .get(index)
                .map(|set| set.states.clone())
                .unwrap_or_default();
            self.begin_round();
            let mut found = Vec::new();
            for number in &states {
                self.reach(*number, Where::AtEnd, &mut found);
            }
            let numbers = found
                .iter()
                .filter_map(|state| match self.states.get(*state as usize) {
                    Some(State::Match(number)) => Some(*number),
                    _ => None,
                });
            let mut numbers: Vec<_> = numbers.collect();
            numbers.sort_unstable_by(|one, other| other.cmp(one));
            numbers.dedup();
            self.bytes += size_of_val(&*numbers);
            if let Some(set) = self.sets.get_mut(index) {
                set.matches = Some(numbers.into());
            }
        }
        self.sets
            .get(index)
            .and_then(|set| set.matches.as_deref())
            .unwrap_or_default()
    }
}
