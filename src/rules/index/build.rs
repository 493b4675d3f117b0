//! How does an index come about? Conditions to clauses, clauses to questions and masks.

use crate::expr::Test;
use crate::expr::ir::{How, Node, Num, Op, Same, Text};
use crate::rules::index::columns::Leaves;
use crate::rules::index::number::Source;
use crate::rules::index::question::Question;
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
            match groups.iter_mut().find(|(k, _)| *k == key) {
                Some((_, atoms)) => atoms.push(atom),
                None => groups.push((key, vec![atom])),
            }
        }
        groups.sort_by_key(|(key, _)| key.cost());
        let mut all = vec![0; words];
        (0..self.clauses.len()).for_each(|c| all[c / 64] |= 1 << (c % 64));
        let mut index = RuleIndex {
            words,
            questions: Vec::new(),
            always: groups.iter().filter(|(key, _)| key.cost() == 0).count(),
            masks: Vec::new(),
            all,
            rules: self.clauses.iter().map(|(rule, _)| *rule).collect(),
            leaves: Leaves::default(),
        };
        for (key, atoms) in groups {
            let nodes: Vec<&Node> = atoms.iter().map(|a| &self.atoms[*a]).collect();
            let (question, classes) = key.question(&nodes, &mut index.leaves);
            // For each atom of the question and each class: is the atom true, false or unknown?
            let truths: Vec<Vec<Option<bool>>> = nodes
                .iter()
                .map(|node| (0..classes).map(|class| truth_in_class(node, &question, class)).collect())
                .collect();
            let uses = index.masks.len();
            let table = uses + words;
            index.masks.resize(table + words * classes, 0);
            for (c, (_, clause)) in self.clauses.iter().enumerate() {
                let literals: Vec<(usize, bool)> = clause
                    .iter()
                    .filter_map(|(atom, want)| Some((atoms.iter().position(|a| a == atom)?, *want)))
                    .collect();
                if !literals.is_empty() {
                    index.masks[uses + c / 64] |= 1 << (c % 64);
                }
                let masks = index.masks[table..].chunks_exact_mut(words);
                for (class, mask) in masks.enumerate() {
                    if literals.iter().all(|(atom, want)| truths[*atom][class] == Some(*want)) {
                        mask[c / 64] |= 1 << (c % 64);
                    }
                }
            }
            index.questions.push(Asked { question, table, uses });
        }
        index
    }
}

/// What an atom asks about; atoms of one key share a question.
#[derive(PartialEq)]
enum Key<'a> {
    Number(&'a Num),
    Flag(FieldId),
    Symbol(FieldId),
    Same(FieldId, FieldId),
    Begins(FieldId, &'a Node),
    Truth(&'a Node),
}

impl<'a> Key<'a> {
    fn of(node: &'a Node) -> Key<'a> {
        match node {
            Node::Compare { left, right: Num::Const(_), .. } if !matches!(left, Num::Const(_)) => {
                Key::Number(left)
            }
            Node::InNumbers { value, .. } => Key::Number(value),
            Node::Field(field) => Key::Flag(*field),
            Node::InTexts { text: Text::Field(field), set } if !set.symbols.is_empty() => Key::Symbol(*field),
            Node::SameText { left: Text::Field(left), right: Text::Field(right), how: Same::Symbols } => {
                Key::Same(*left, *right)
            }
            Node::Match { how: How::StartsWith, text: Text::Field(field), patterns }
                if patterns.iter().all(|p| !p.exact) =>
            {
                Key::Begins(*field, node)
            }
            other => Key::Truth(other),
        }
    }

    /// 0 for what is asked of every payment; the rest is asked only for clauses still alive, the
    /// cheaper first.
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

    /// The question, and how many classes its answers have.
    fn question(self, nodes: &[&Node], leaves: &mut Leaves) -> (Question, usize) {
        match self {
            Key::Number(number) => {
                let mut cuts: Vec<f64> = nodes
                    .iter()
                    .flat_map(|node| match node {
                        Node::Compare { right: Num::Const(cut), .. } => vec![*cut],
                        Node::InNumbers { set, .. } => set.to_vec(),
                        _ => Vec::new(),
                    })
                    .collect();
                cuts.sort_by(f64::total_cmp);
                cuts.dedup();
                let classes = cuts.len() * 2 + 2;
                (Question::Number { source: Source::new(number, leaves), cuts: cuts.into() }, classes)
            }
            Key::Flag(field) => (Question::Flag(leaves.flag(field)), 3),
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
                (Question::Symbol { leaf: leaves.symbol(field), classes }, symbols.len() + 2)
            }
            Key::Same(left, right) => (Question::Same(leaves.symbol(left), leaves.symbol(right)), 3),
            Key::Begins(field, Node::Match { patterns, .. }) => {
                let heads = patterns.iter().map(|p| p.text.as_bytes().into()).collect();
                (Question::Begins { field, heads }, 3)
            }
            Key::Truth(Node::Compare { op, left, right }) => {
                let (left, right) = (Source::new(left, leaves), Source::new(right, leaves));
                (Question::Compare { op: *op, left, right }, 3)
            }
            Key::Begins(_, node) | Key::Truth(node) => (Question::Truth(node.clone()), 3),
        }
    }
}

/// What an atom comes to for every payment of a class.
fn truth_in_class(node: &Node, question: &Question, class: usize) -> Option<bool> {
    match (question, node) {
        (Question::Number { cuts, .. }, _) if class == cuts.len() * 2 + 1 => None,
        (Question::Number { cuts, .. }, Node::Compare { op, right: Num::Const(cut), .. }) => {
            let own = cuts.iter().position(|c| c == cut)? * 2 + 1;
            // The order of classes is the order of the numbers in them.
            Some(match op {
                Op::Eq => class == own,
                Op::Ne => class != own,
                Op::Lt => class < own,
                Op::Le => class <= own,
                Op::Gt => class > own,
                Op::Ge => class >= own,
            })
        }
        (Question::Number { cuts, .. }, Node::InNumbers { set, .. }) => {
            Some(class % 2 == 1 && set.contains(&cuts[class / 2]))
        }
        (Question::Symbol { .. }, _) if class == ABSENT as usize => None,
        (Question::Symbol { classes, .. }, Node::InTexts { set, .. }) => {
            Some(set.symbols.iter().any(|s| classes.class(packed(Some(*s))) as usize == class))
        }
        _ => [Some(false), Some(true), None][class.min(2)],
    }
}
