//! The key tree (RFC 2627; docs/spec.md, "Key tree"): nodes with keys and versions, and which of them a change renews.
//!
//! The tree is always the complete one: with L places for members its nodes are 1 to 2L - 1, the children of n are 2n and
//! 2n + 1, and the places are the leaves L to 2L - 1. It grows by splitting node L, so its depth is log2 of the most members
//! that there ever were at once. A place that a leave has freed is given to the next who joins.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mikey_crypto::SecretBytes;

/// Nodes of a page of keys. Keys never move, so no copy of one stays behind.
const PAGE: usize = 1024;

/// The nodes, without who sits at them.
pub(crate) struct Tree {
    key_len: usize,
    /// L.
    places: u32,
    pages: Vec<SecretBytes>,
    versions: Vec<u32>,
    /// Members below a node, or at it if it is a leaf.
    below: Vec<u32>,
    vacant: BTreeSet<u32>,
}

/// Why a node has a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// It was a leaf and has been split: there is no key before this one. Its first version.
    Fresh(u32),
    /// Who leaves knew its key: the new one goes out under those of its children.
    Leave,
    /// Somebody joins below it: the new key goes out under the old one.
    Join,
}

/// A member whose leaf was split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// Version of its leaf before.
    pub(crate) version: u32,
}

/// What a change of members does to the tree. It follows from the tree and the change alone.
#[derive(Default)]
pub(crate) struct Plan {
    /// L afterwards.
    pub(crate) places: u32,
    /// The leaves that are left.
    pub(crate) removed: Vec<u32>,
    /// The leaf of each who joins.
    pub(crate) placed: Vec<u32>,
    /// Who was there before and has another leaf now.
    pub(crate) moved: Vec<Move>,
    /// The nodes with new keys.
    pub(crate) dirty: BTreeMap<u32, Rule>,
    removed_below: HashMap<u32, u32>,
}

/// Who sits at a leaf that the plan has changed.
#[derive(Clone, Copy)]
enum Occupant {
    Joiner(usize),
    Stayer { from: u32, version: u32 },
}

impl Tree {
    pub(crate) fn new(key_len: usize) -> Self {
        Self {
            key_len,
            places: 0,
            pages: Vec::new(),
            versions: Vec::new(),
            below: Vec::new(),
            vacant: BTreeSet::new(),
        }
    }

    /// L: how many members there is room for before it grows.
    pub(crate) fn places(&self) -> u32 {
        self.places
    }

    /// Members in the tree.
    pub(crate) fn members(&self) -> u32 {
        self.below(1)
    }

    pub(crate) fn version(&self, node: u32) -> u32 {
        index(node).and_then(|at| self.versions.get(at)).copied().unwrap_or(0)
    }

    pub(crate) fn below(&self, node: u32) -> u32 {
        index(node).and_then(|at| self.below.get(at)).copied().unwrap_or(0)
    }

    /// The key of a node; no octets if there is none.
    pub(crate) fn key(&self, node: u32) -> &[u8] {
        let Some((page, span)) = self.place(node) else { return &[] };
        self.pages.get(page).and_then(|page| page.expose().get(span)).unwrap_or_default()
    }

    fn place(&self, node: u32) -> Option<(usize, std::ops::Range<usize>)> {
        let at = index(node)?;
        let start = (at % PAGE) * self.key_len;
        Some((at / PAGE, start..start + self.key_len))
    }

    /// Members below a node who were there before the plan and stay.
    pub(crate) fn stayers(&self, plan: &Plan, node: u32) -> u32 {
        self.below(node) - plan.removed_below.get(&node).copied().unwrap_or(0)
    }

    /// Plans a change: `removed` are occupied leaves, each once, and `joins` members come.
    pub(crate) fn plan(&self, mut removed: Vec<u32>, joins: usize) -> Plan {
        removed.sort_unstable();
        let mut plan = Plan { places: self.places, ..Plan::default() };
        let mut occupants: HashMap<u32, Occupant> = HashMap::new();
        let mut vacant = self.vacant.iter().copied().peekable();
        let mut freed = removed.iter().copied().peekable();
        for joiner in 0..joins {
            let next = match (vacant.peek(), freed.peek()) {
                (Some(a), Some(b)) if a < b => vacant.next(),
                (_, Some(_)) => freed.next(),
                (Some(_), None) => vacant.next(),
                (None, None) => None,
            };
            let leaf = match next {
                Some(leaf) => leaf,
                None if plan.places == 0 => {
                    plan.places = 1;
                    1
                }
                None => self.split(&mut plan, &mut occupants),
            };
            occupants.insert(leaf, Occupant::Joiner(joiner));
        }
        plan.placed = vec![0; joins];
        for (leaf, occupant) in occupants {
            match occupant {
                Occupant::Joiner(joiner) => {
                    if let Some(placed) = plan.placed.get_mut(joiner) {
                        *placed = leaf;
                    }
                }
                Occupant::Stayer { from, version } => plan.moved.push(Move { from, to: leaf, version }),
            }
        }
        plan.moved.sort_unstable_by_key(|moved| moved.from);
        for leaf in &removed {
            for node in ancestors_and(*leaf) {
                *plan.removed_below.entry(node).or_default() += 1;
            }
            ancestors(*leaf).for_each(|node| plan.mark(node, Rule::Leave));
        }
        for leaf in plan.placed.clone() {
            ancestors(leaf).for_each(|node| plan.mark(node, Rule::Join));
        }
        plan.removed = removed;
        plan
    }

    /// Splits node L: who sits there goes to its left child, and its right child is returned.
    fn split(&self, plan: &mut Plan, occupants: &mut HashMap<u32, Occupant>) -> u32 {
        let node = plan.places;
        let occupant = occupants.remove(&node);
        let occupant = occupant.unwrap_or(Occupant::Stayer { from: node, version: self.version(node) });
        let version = match occupant {
            Occupant::Joiner(_) => 0,
            Occupant::Stayer { from, version } => version + depth(node) - depth(from),
        };
        // A split leaf's own key is named by its version + 1 once more.
        plan.dirty.insert(node, Rule::Fresh(version + 2));
        occupants.insert(2 * node, occupant);
        plan.places += 1;
        2 * node + 1
    }

    /// Makes the plan true. `leaf_keys` are those of who joins, `key` gives the new key of a node.
    pub(crate) fn apply(
        &mut self,
        plan: &Plan,
        leaf_keys: &[SecretBytes],
        mut key: impl FnMut(u32) -> SecretBytes,
    ) {
        let nodes = usize::try_from((2 * plan.places).saturating_sub(1)).unwrap_or(0);
        while self.pages.len() * PAGE < nodes {
            self.pages.push(SecretBytes::zeroed(PAGE * self.key_len));
        }
        self.versions.resize(nodes, 0);
        self.below.resize(nodes, 0);
        for leaf in &plan.removed {
            self.set(*leaf, 0, &vec![0; self.key_len]);
            self.vacant.insert(*leaf);
            self.count(*leaf, |below| below.saturating_sub(1));
        }
        // The highest number first: what a move leaves behind is not yet anybody else's.
        for Move { from, to, version } in plan.moved.iter().rev() {
            let key = SecretBytes::copy_from(self.key(*from));
            self.set(*to, version + depth(*to) - depth(*from), key.expose());
            let mut node = *to;
            while node > *from {
                self.set_below(node, 1);
                node /= 2;
            }
        }
        for (node, rule) in &plan.dirty {
            let version = match rule {
                Rule::Fresh(version) => *version,
                Rule::Leave | Rule::Join => self.version(*node) + 1,
            };
            self.set(*node, version, key(*node).expose());
            // A place that was vacant, taken and split at once is no place any more.
            self.vacant.remove(node);
        }
        self.places = plan.places;
        for (leaf, key) in plan.placed.iter().zip(leaf_keys) {
            self.vacant.remove(leaf);
            self.set(*leaf, 0, key.expose());
            self.count(*leaf, |below| below + 1);
        }
    }

    /// Puts a node in place, as a snapshot has it.
    pub(crate) fn restore(&mut self, places: u32, nodes: impl Iterator<Item = (u32, SecretBytes)>) {
        let count = usize::try_from((2 * places).saturating_sub(1)).unwrap_or(0);
        self.places = places;
        while self.pages.len() * PAGE < count {
            self.pages.push(SecretBytes::zeroed(PAGE * self.key_len));
        }
        self.versions.resize(count, 0);
        self.below.resize(count, 0);
        for (node, (version, key)) in (1..).zip(nodes) {
            self.set(node, version, key.expose());
        }
        self.vacant = (places.max(1)..2 * places).collect();
    }

    /// Seats a member, as a snapshot has it; `false` if that leaf is none or taken.
    pub(crate) fn seat(&mut self, leaf: u32) -> bool {
        let free = self.vacant.remove(&leaf);
        if free {
            self.count(leaf, |below| below + 1);
        }
        free
    }

    fn set(&mut self, node: u32, version: u32, key: &[u8]) {
        let Some((page, span)) = self.place(node) else { return };
        if let Some(to) = self.pages.get_mut(page).and_then(|page| page.expose_mut().get_mut(span)) {
            to.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        }
        if let Some(to) = index(node).and_then(|at| self.versions.get_mut(at)) {
            *to = version;
        }
    }

    fn set_below(&mut self, node: u32, count: u32) {
        if let Some(below) = index(node).and_then(|at| self.below.get_mut(at)) {
            *below = count;
        }
    }

    fn count(&mut self, leaf: u32, change: impl Fn(u32) -> u32) {
        for node in ancestors_and(leaf) {
            self.set_below(node, change(self.below(node)));
        }
    }
}

impl Plan {
    fn mark(&mut self, node: u32, rule: Rule) {
        let entry = self.dirty.entry(node).or_insert(rule);
        if *entry == Rule::Join {
            *entry = rule;
        }
    }
}

fn index(node: u32) -> Option<usize> {
    usize::try_from(node).ok()?.checked_sub(1)
}

/// How many steps a node is below the root.
pub(crate) fn depth(node: u32) -> u32 {
    node.max(1).ilog2()
}

/// From the parent up to the root.
pub(crate) fn ancestors(node: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(node / 2), |node| Some(node / 2)).take_while(|node| *node > 0)
}

fn ancestors_and(node: u32) -> impl Iterator<Item = u32> {
    std::iter::once(node).chain(ancestors(node))
}
