//! How does an index come about? Conditions to clauses, clauses to questions and masks.

use crate::expr::Test;
use crate::expr::ir::{How, Node, Num, Same, Text};
use crate::rules::index::columns::Leaves;
use crate::rules::index::cuts::Cuts;
use crate::rules::index::joined::{Ask, Digit, Group, TABLE_WORDS_MAX, share_out};
use crate::rules::index::number::Source;
use crate::rules::index::question::{Heads, Question};
use crate::rules::index::symbols::{ABSENT, SymbolClasses, packed};
use crate::rules::index::{Asked, RuleIndex, WORDS};
use crate::schema::FieldId;

/// Most clauses of one rule; a condition that needs more is asked as a whole.
const RULE_CLAUSES_MAX: usize = 32;
/// Most clauses of an index: 64 words of 64.
const CLAUSES_MAX: usize = 4096;

/// Literals that must all hold: an atom, and whether it must be true or false.
type Clause = Vec<(usize, bool)>;

pub(super) fn build(tests: &[&Test]) -> RuleIndex {
    let mut builder = Builder::default();
    // Every rule has room for one clause; the first that need more get what is left.
    let mut room = CLAUSES_MAX.saturating_sub(tests.len());
    for (rule, test) in tests.iter().enumerate() {
        let normal = builder.normal_form(test.root(), true).filter(|c| c.len() <= room + 1);
        let clauses = normal.unwrap_or_else(|| vec![vec![(builder.atom(test.root()), true)]]);
        room -= clauses.len().saturating_sub(1);
        builder.clauses.extend(clauses.into_iter().map(|clause| (rule as u32, clause)));
    }
    builder.build()
}

#[derive(Default)]
struct Builder {
    atoms: Vec<Node>,
    clauses: Vec<(u32, Clause)>,
}

impl Builder {
    fn atom(&mut self, node: &Node) -> usize {
        self.atoms.iter().position(|a| a == node).unwrap_or_else(|| {
            self.atoms.push(node.clone());
            self.atoms.len() - 1
        })
    }

    /// Clauses of which one holds exactly when `node` is `want`; `None` when there are too many.
    fn normal_form(&mut self, node: &Node, want: bool) -> Option<Vec<Clause>> {
        match (node, want) {
            (Node::Const(truth), _) => Some(if *truth == Some(want) { vec![Vec::new()] } else { Vec::new() }),
            (Node::Not(inner), _) => self.normal_form(inner, !want),
            (Node::And(all), true) | (Node::Or(all), false) => {
                let mut product = vec![Vec::new()];
                for node in all {
                    let factor = self.normal_form(node, want)?;
                    if product.len() * factor.len() > RULE_CLAUSES_MAX {
                        return None;
                    }
                    product = product
                        .iter()
                        .flat_map(|left: &Clause| factor.iter().map(move |right| [&left[..], right].concat()))
                        .collect();
                }
                Some(product)
            }
            (Node::And(all), false) | (Node::Or(all), true) => {
                let mut sum = Vec::new();
                for node in all {
                    sum.extend(self.normal_form(node, want)?);
                    if sum.len() > RULE_CLAUSES_MAX {
                        return None;
                    }
                }
                Some(sum)
            }
            (leaf, _) => Some(vec![vec![(self.atom(leaf), want)]]),
        }
    }

    fn build(self) -> RuleIndex {
        let needed = self.clauses.len().div_ceil(64).max(1);
        let words = WORDS.into_iter().find(|w| *w >= needed).unwrap_or(WORDS[WORDS.len() - 1]);
        let mut groups: Vec<(Key<'_>, Vec<usize>)> = Vec::new();
        for (atom, node) in self.atoms.iter().enumerate() {
            let key = Key::of(node);
            let room =
                |atoms: &[usize]| !matches!(key, Key::Begins(_)) || atoms.len() < Heads::CONDITIONS_MAX;
            match groups.iter_mut().find(|(k, atoms)| *k == key && room(atoms)) {
                Some((_, atoms)) => atoms.push(atom),
                None => groups.push((key, vec![atom])),
            }
        }
        groups.sort_by_key(|(key, _)| key.cost());
        let mut all = vec![0; words];
        (0..self.clauses.len()).for_each(|c| all[c / 64] |= 1 << (c % 64));
        let mut index = RuleIndex {
            words,
            always: Vec::new(),
            seldom: Vec::new(),
            doubtful: 0,
            masks: vec![0; words],
            all,
            rules: self.clauses.iter().map(|(rule, _)| *rule).collect(),
            leaves: Leaves::default(),
        };
        let mut asks: Vec<(Ask, Masks)> = Vec::new();
        for (key, atoms) in groups {
            let nodes: Vec<&Node> = atoms.iter().map(|a| &self.atoms[*a]).collect();
            let (asked, truths) = key.asked(&nodes, &mut index.leaves);
            let masks = self.masks(&atoms, &truths, words);
            match asked {
                Asking::Always(ask) => asks.push((ask, masks)),
                Asking::Seldom(question) => {
                    let uses = index.masks.len();
                    index.masks.extend(&masks.uses);
                    index.masks.extend(masks.of_classes.concat());
                    index.masks.iter_mut().zip(&masks.uses).for_each(|(doubtful, mine)| *doubtful |= mine);
                    index.seldom.push(Asked { question, table: uses + words, uses });
                }
            }
        }
        index.join(asks);
        index
    }

    /// For every class of some atoms' question, the clauses that can still hold.
    fn masks(&self, atoms: &[usize], truths: &[Vec<Option<bool>>], words: usize) -> Masks {
        let classes = truths.first().map_or(0, Vec::len);
        let mut masks = Masks { uses: vec![0; words], of_classes: vec![vec![0; words]; classes] };
        for (c, (_, clause)) in self.clauses.iter().enumerate() {
            let literals: Vec<(usize, bool)> = clause
                .iter()
                .filter_map(|(atom, want)| Some((atoms.iter().position(|a| a == atom)?, *want)))
                .collect();
            if !literals.is_empty() {
                masks.uses[c / 64] |= 1 << (c % 64);
            }
            for (class, mask) in masks.of_classes.iter_mut().enumerate() {
                if literals.iter().all(|(atom, want)| truths[*atom][class] == Some(*want)) {
                    mask[c / 64] |= 1 << (c % 64);
                }
            }
        }
        masks
    }
}

/// The masks of one question.
struct Masks {
    /// Clauses that ask it.
    uses: Vec<u64>,
    /// Of each class of its answers, the clauses that can still hold.
    of_classes: Vec<Vec<u64>>,
}

/// What kind of question it is.
enum Asking {
    Always(Ask),
    Seldom(Question),
}

impl RuleIndex {
    /// Puts the questions that every payment is asked into groups with a table each.
    fn join(&mut self, asks: Vec<(Ask, Masks)>) {
        let classes: Vec<usize> = asks.iter().map(|(_, masks)| masks.of_classes.len()).collect();
        let groups = share_out(&classes, TABLE_WORDS_MAX / self.words);
        let mut asks: Vec<Option<(Ask, Masks)>> = asks.into_iter().map(Some).collect();
        for members in groups {
            let mut group = Group { digits: Vec::new(), table: self.masks.len() };
            // Row by row: the first question's class counts most slowly.
            let mut table: Vec<Vec<u64>> = vec![self.all.clone()];
            for (ask, masks) in members.into_iter().filter_map(|q| asks[q].take()) {
                group.digits.iter_mut().for_each(|d: &mut Digit| d.factor *= masks.of_classes.len() as u32);
                group.digits.push(Digit { ask, factor: 1 });
                let and =
                    |row: &Vec<u64>, mask: &Vec<u64>| row.iter().zip(mask).map(|(a, b)| a & b).collect();
                table = table
                    .iter()
                    .flat_map(|row| masks.of_classes.iter().map(move |mask| and(row, mask)))
                    .collect();
            }
            self.masks.extend(table.concat());
            self.always.push(group);
        }
    }
}

/// What an atom asks about; atoms of one key share a question.
#[derive(PartialEq)]
enum Key<'a> {
    Number(&'a Num),
    Flag(FieldId),
    Symbol(FieldId),
    Same(FieldId, FieldId),
    Begins(FieldId),
    Truth(&'a Node),
}

impl<'a> Key<'a> {
    fn of(node: &'a Node) -> Key<'a> {
        match node {
            Node::Compare { left, right: Num::Const(_), .. }
                if !matches!(left, Num::Const(_)) && Cuts::can_cut(node) =>
            {
                Key::Number(left)
            }
            Node::InNumbers { value, .. } if Cuts::can_cut(node) => Key::Number(value),
            Node::Field(field) => Key::Flag(*field),
            Node::InTexts { text: Text::Field(field), set } if !set.symbols.is_empty() => Key::Symbol(*field),
            Node::SameText { left: Text::Field(left), right: Text::Field(right), how: Same::Symbols } => {
                Key::Same(*left, *right)
            }
            Node::Match { how: How::StartsWith, text: Text::Field(field), patterns }
                if patterns.iter().all(|p| !p.exact) =>
            {
                Key::Begins(*field)
            }
            other => Key::Truth(other),
        }
    }

    /// What is asked of clauses still alive is asked the cheaper first.
    fn cost(&self) -> usize {
        match self {
            Key::Number(Num::Field(_) | Num::Money(_) | Num::Time(_) | Num::Aggregate(_))
            | Key::Flag(_)
            | Key::Symbol(_) => 0,
            Key::Same(..) => 1,
            Key::Begins(..) | Key::Truth(Node::Missing(_)) => 2,
            Key::Truth(Node::Compare { .. }) | Key::Number(Num::Arith { .. }) => 3,
            Key::Number(_) | Key::Truth(Node::Match { .. }) => 4,
            Key::Truth(_) => 5,
        }
    }

    /// What to ask, and what each of these conditions comes to for each class of answers.
    fn asked(self, nodes: &[&Node], leaves: &mut Leaves) -> (Asking, Vec<Vec<Option<bool>>>) {
        let of_all = |classes: usize, truth: &dyn Fn(&Node, usize) -> Option<bool>| {
            nodes.iter().map(|node| (0..classes).map(|class| truth(node, class)).collect()).collect()
        };
        // A condition that is asked by its own truth: false, true, unknown.
        let own = |_: &Node, class: usize| [Some(false), Some(true), None][class.min(2)];
        let question = match self {
            Key::Number(number) => {
                let cuts = Cuts::new(nodes);
                let truths = of_all(cuts.classes(), &|node, class| cuts.truth(node, class));
                let asking = match Source::new(number, leaves) {
                    Source::Leaf(leaf) => Asking::Always(Ask::Number { leaf, cuts }),
                    source => Asking::Seldom(Question::Number { source, cuts }),
                };
                return (asking, truths);
            }
            Key::Symbol(field) => {
                let mut symbols: Vec<u64> = nodes
                    .iter()
                    .flat_map(|node| match node {
                        Node::InTexts { set, .. } => set.symbols.to_vec(),
                        _ => Vec::new(),
                    })
                    .collect();
                symbols.sort_unstable();
                symbols.dedup();
                let classes = SymbolClasses::new(&symbols);
                let truths = of_all(symbols.len() + 2, &|node, class| match node {
                    Node::InTexts { set, .. } if class != ABSENT as usize => {
                        Some(set.symbols.iter().any(|s| classes.class(packed(Some(*s))) as usize == class))
                    }
                    _ => None,
                });
                return (Asking::Always(Ask::Symbol { leaf: leaves.symbol(field), classes }), truths);
            }
            Key::Flag(field) => return (Asking::Always(Ask::Flag(leaves.flag(field))), of_all(3, &own)),
            Key::Same(left, right) => Question::Same(leaves.symbol(left), leaves.symbol(right)),
            Key::Begins(field) => {
                let heads = Heads::new(field, nodes);
                let truths = (0..nodes.len())
                    .map(|i| (0..heads.classes()).map(|class| heads.truth(i, class)).collect())
                    .collect();
                return (Asking::Seldom(Question::Begins(heads)), truths);
            }
            Key::Truth(Node::Compare { op, left, right }) => {
                let (left, right) = (Source::new(left, leaves), Source::new(right, leaves));
                Question::Compare { op: *op, left, right }
            }
            Key::Truth(node) => Question::Truth(node.clone()),
        };
        (Asking::Seldom(question), of_all(3, &own))
    }
}
