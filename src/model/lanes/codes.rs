//! Where do a row's inputs lie among the cuts of the trees? A byte each, so that one instruction compares 64.

use super::super::flat::{Flat, MISSING_LEFT};

/// Most bytes that say where a row lies: a byte also names one of them.
pub(super) const CODES_MAX: usize = 256;
/// Most cuts that one byte can tell apart: it counts those below the input.
const CUTS_MAX: usize = 255;
/// A table is searched by two looks at so many cuts.
const BLOCK: usize = 16;
pub(super) type Block = [f32; BLOCK];

/// The bytes of a row.
pub(super) type Codes = [u8; CODES_MAX];

/// All cuts, and the bytes they make of a row. An input with more cuts than a byte can count has more
/// bytes, and so has one that goes left when absent at some splits and right at others.
#[derive(Debug, Default)]
pub(super) struct Coder {
    tables: Vec<Table>,
    codes: Vec<Code>,
}

/// Up to 255 cuts of one input, ascending, filled up with infinities.
#[derive(Debug)]
#[repr(C, align(64))]
struct Table {
    /// The last cut of each block.
    lasts: Block,
    blocks: [Block; BLOCK],
}

#[derive(Debug)]
struct Code {
    input: u16,
    table: u16,
    /// What an absent input makes it at least.
    absent: u8,
}

impl Table {
    fn new(cuts: &[f32]) -> Table {
        let mut blocks = [[f32::INFINITY; BLOCK]; BLOCK];
        blocks.as_flattened_mut().iter_mut().zip(cuts).for_each(|(at, cut)| *at = *cut);
        Table { lasts: blocks.map(|block| block[BLOCK - 1]), blocks }
    }

    /// How many cuts are below `x`; none below what is absent.
    #[inline(always)]
    fn below(&self, x: f32, count: impl Fn(&Block, f32) -> u32) -> u8 {
        let block = count(&self.lasts, x);
        // The last cut of all is an infinity, so that no row is past every block.
        (block * BLOCK as u32 + count(&self.blocks[block as usize % BLOCK], x)) as u8
    }

    /// The place of a cut.
    fn find(&self, cut: f32) -> Option<u8> {
        self.blocks.as_flattened()[..CUTS_MAX].iter().position(|other| *other == cut).map(|at| at as u8)
    }
}

impl Coder {
    /// `None` when the bytes don't suffice.
    pub(super) fn new(splits: impl Iterator<Item = Flat>, inputs: usize) -> Option<Coder> {
        let mut cuts = vec![Vec::new(); inputs];
        let mut ways = vec![[false; 2]; inputs];
        for split in splits {
            cuts[split.input()].push(split.threshold());
            ways[split.input()][usize::from(split.marks() & MISSING_LEFT != 0)] = true;
        }
        let mut coder = Coder::default();
        for (input, (mut cuts, ways)) in (0..).zip(cuts.into_iter().zip(ways)) {
            cuts.sort_by(f32::total_cmp);
            cuts.dedup_by(|a, b| a == b);
            for cuts in cuts.chunks(CUTS_MAX) {
                let table = coder.tables.len() as u16;
                coder.tables.push(Table::new(cuts));
                let absent = [u8::MAX, 0].into_iter().zip(ways).filter(|(_, way)| *way);
                coder.codes.extend(absent.map(|(absent, _)| Code { input, table, absent }));
            }
            if coder.codes.len() > CODES_MAX {
                return None;
            }
        }
        Some(coder)
    }

    /// How many bytes say something.
    pub(super) fn len(&self) -> usize {
        self.codes.len()
    }

    /// Which byte a split asks, and the most it may be for the row to go left.
    pub(super) fn question(&self, split: Flat) -> Option<(u8, u8)> {
        let absent = if split.marks() & MISSING_LEFT != 0 { 0 } else { u8::MAX };
        let codes = (0..=u8::MAX).zip(&self.codes);
        codes.filter(|(_, code)| usize::from(code.input) == split.input() && code.absent == absent).find_map(
            |(at, code)| self.tables[usize::from(code.table)].find(split.threshold()).map(|cut| (at, cut)),
        )
    }

    /// The bytes of a row; `count` tells how many cuts of a block are below a number.
    #[inline(always)]
    pub(super) fn code(&self, row: &[f32], codes: &mut Codes, count: impl Fn(&Block, f32) -> u32) {
        for (byte, code) in codes.iter_mut().zip(&self.codes) {
            let x = row[usize::from(code.input)];
            let absent = if x.is_nan() { code.absent } else { 0 };
            *byte = self.tables[usize::from(code.table)].below(x, &count) | absent;
        }
    }
}
