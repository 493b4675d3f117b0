//! The comparisons of 64 trees at a time, in the widest instructions the processor has. The `unsafe` here
//! calls functions for which the processor was asked first.
#![allow(unsafe_code)]

use super::codes::{CODES_MAX, Coder, Codes};

/// Trees side by side.
pub(super) const LANES: usize = 64;

/// One split of each of 64 trees.
#[repr(C, align(64))]
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
pub(super) struct Slot {
    /// The byte of the row that is asked.
    pub(super) codes: [u8; LANES],
    /// The most it may be for the row to go left.
    pub(super) cuts: [u8; LANES],
    /// The leaves that are left when it goes right.
    pub(super) masks: [u32; LANES],
}

impl Slot {
    /// Splits that send every row left.
    pub(super) const IDLE: Slot =
        Slot { codes: [0; LANES], cuts: [u8::MAX; LANES], masks: [u32::MAX; LANES] };
}

/// Where a tree is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Its first leaf.
    pub(super) first: u32,
    /// Its first lane.
    pub(super) lane: u8,
}

/// Trees whose lanes stand side by side.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) slots: &'a [Slot],
    pub(super) places: &'a [Place],
    /// Every tree has one lane, so that a tree's number is its lane's.
    pub(super) single: bool,
}

/// The leaves reached, tree by tree.
pub(super) type Leaves = [u32; LANES];

impl Block<'_> {
    /// From each lane's first leaf and a bit for each lane that has one.
    #[inline(always)]
    fn leaves(&self, firsts: &[u32; LANES], some: u64) -> Leaves {
        let mut leaves = [0; LANES];
        if self.single {
            for ((leaf, place), first) in leaves.iter_mut().zip(self.places).zip(firsts) {
                *leaf = place.first + first;
            }
        } else {
            for (leaf, place) in leaves.iter_mut().zip(self.places) {
                let lanes = some.wrapping_shr(u32::from(place.lane)).trailing_zeros();
                let at = usize::from(place.lane) + lanes as usize;
                *leaf = place.first + lanes * u32::BITS + firsts[at % LANES];
            }
        }
        leaves
    }
}

/// What the processor can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    /// Any processor: for tests, since a walk down the trees is faster.
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    /// Those that run here, the fastest first.
    pub(super) fn here() -> impl Iterator<Item = Kernel> {
        #[cfg(target_arch = "x86_64")]
        let wide = [
            (Kernel::Avx512, is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vbmi")),
            (Kernel::Avx2, is_x86_feature_detected!("avx2")),
        ];
        #[cfg(not(target_arch = "x86_64"))]
        let wide: [(Kernel, bool); 0] = [];
        wide.into_iter().filter(|(_, here)| *here).map(|(kernel, _)| kernel).chain([Kernel::Plain])
    }

    /// The bytes of a row.
    #[inline]
    pub(super) fn code(self, coder: &Coder, row: &[f32], codes: &mut Codes) {
        match self {
            Kernel::Plain => {
                coder.code(row, codes, |cuts, x| cuts.iter().map(|cut| u32::from(*cut < x)).sum())
            }
            // SAFETY: `here` gives these only where the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { code_avx2(coder, row, codes) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kernel::Avx512 => unsafe { code_avx512(coder, row, codes) },
        }
    }

    /// The leaf that a row reaches in each tree. `used` bytes of `codes` are asked.
    #[inline]
    pub(super) fn ask(self, codes: &Codes, used: usize, block: Block<'_>) -> Leaves {
        match self {
            Kernel::Plain => plain(codes, block),
            // SAFETY: `here` gives these only where the processor has the instructions.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { avx2(codes, used, block) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kernel::Avx512 => unsafe {
                match used {
                    ..=64 => avx512::<1>(codes, block),
                    65..=128 => avx512::<2>(codes, block),
                    _ => avx512::<4>(codes, block),
                }
            },
        }
    }
}

fn plain(codes: &Codes, block: Block<'_>) -> Leaves {
    let mut left = [u32::MAX; LANES];
    for slot in block.slots {
        for (lane, left) in left.iter_mut().enumerate() {
            if codes[usize::from(slot.codes[lane])] > slot.cuts[lane] {
                *left &= slot.masks[lane];
            }
        }
    }
    let some = (0..).zip(&left).fold(0, |some, (lane, left)| some | u64::from(*left != 0) << lane);
    block.leaves(&left.map(u32::trailing_zeros), some)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,popcnt")]
fn code_avx512(coder: &Coder, row: &[f32], codes: &mut Codes) {
    use core::arch::x86_64::{_CMP_LT_OQ, _mm512_cmp_ps_mask, _mm512_set1_ps};
    coder.code(row, codes, |cuts, x| {
        _mm512_cmp_ps_mask::<_CMP_LT_OQ>(bytemuck::cast(*cuts), _mm512_set1_ps(x)).count_ones()
    });
}

/// Asks the first `TABLES` x 64 bytes of the row: 1, 2 or 4.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,bmi1,bmi2")]
fn avx512<const TABLES: usize>(codes: &Codes, block: Block<'_>) -> Leaves {
    use core::arch::x86_64::{
        __m512i, _mm512_and_si512, _mm512_castps_si512, _mm512_cmpgt_epu8_mask, _mm512_cvtepu32_ps,
        _mm512_mask_and_epi32, _mm512_mask_blend_epi8, _mm512_movepi8_mask, _mm512_permutex2var_epi8,
        _mm512_permutexvar_epi8, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_srli_epi32,
        _mm512_sub_epi32, _mm512_test_epi32_mask,
    };
    let tables: [__m512i; 4] = bytemuck::cast(*codes);
    let mut left: [__m512i; 4] = bytemuck::cast([u32::MAX; LANES]);
    for slot in block.slots {
        let [at, cuts]: [__m512i; 2] = bytemuck::cast([slot.codes, slot.cuts]);
        let masks: &[__m512i; 4] = bytemuck::cast_ref(&slot.masks);
        let code = match TABLES {
            1 => _mm512_permutexvar_epi8(at, tables[0]),
            2 => _mm512_permutex2var_epi8(tables[0], at, tables[1]),
            _ => {
                let low = _mm512_permutex2var_epi8(tables[0], at, tables[1]);
                let high = _mm512_permutex2var_epi8(tables[2], at, tables[3]);
                _mm512_mask_blend_epi8(_mm512_movepi8_mask(at), low, high)
            }
        };
        let right = _mm512_cmpgt_epu8_mask(code, cuts);
        for (part, (left, masks)) in left.iter_mut().zip(masks).enumerate() {
            *left = _mm512_mask_and_epi32(*left, (right >> (16 * part)) as u16, *left, *masks);
        }
    }
    let some = left.map(|left| u64::from(_mm512_test_epi32_mask(left, left)));
    let some = some.iter().rev().fold(0, |all, some| all << 16 | some);
    // The lowest bit by itself is a power of two, and a float's exponent says which.
    let firsts = left.map(|left| {
        let lowest = _mm512_and_si512(left, _mm512_sub_epi32(_mm512_setzero_si512(), left));
        let exponent = _mm512_srli_epi32::<23>(_mm512_castps_si512(_mm512_cvtepu32_ps(lowest)));
        _mm512_sub_epi32(exponent, _mm512_set1_epi32(127))
    });
    block.leaves(&bytemuck::cast(firsts), some)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn code_avx2(coder: &Coder, row: &[f32], codes: &mut Codes) {
    use core::arch::x86_64::{__m256, _CMP_LT_OQ, _mm256_cmp_ps, _mm256_movemask_ps, _mm256_set1_ps};
    coder.code(row, codes, |cuts, x| {
        let halves: [__m256; 2] = bytemuck::cast(*cuts);
        let [low, high] =
            halves.map(|cuts| _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(cuts, _mm256_set1_ps(x))));
        (low | high << 8).count_ones()
    });
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn avx2(codes: &Codes, used: usize, block: Block<'_>) -> Leaves {
    use core::arch::x86_64::{
        __m128i, __m256i, _mm256_adds_epu8, _mm256_and_si256, _mm256_broadcastsi128_si256,
        _mm256_castps_si256, _mm256_castsi256_ps, _mm256_cmpeq_epi8, _mm256_cmpeq_epi32,
        _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps, _mm256_max_epu8, _mm256_movemask_ps, _mm256_or_si256,
        _mm256_set1_epi8, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi32,
        _mm256_sub_epi8, _mm256_sub_epi32,
    };
    let sixteens: [__m128i; CODES_MAX / 16] = bytemuck::cast(*codes);
    let tables = sixteens.map(|codes| _mm256_broadcastsi128_si256(codes));
    let tables = &tables[..used.div_ceil(16).min(tables.len())];
    let mut left: [__m256i; 8] = bytemuck::cast([u32::MAX; LANES]);
    for slot in block.slots {
        let at: [__m256i; 2] = bytemuck::cast(slot.codes);
        let cuts: [__m256i; 2] = bytemuck::cast(slot.cuts);
        let masks: &[__m256i; 8] = bytemuck::cast_ref(&slot.masks);
        for half in 0..2 {
            let mut code = _mm256_setzero_si256();
            let mut near = at[half];
            for table in tables {
                // Numbers of this table keep their low bits; from others the shuffle makes 0.
                let chosen = _mm256_adds_epu8(near, _mm256_set1_epi8(0x70));
                code = _mm256_or_si256(code, _mm256_shuffle_epi8(*table, chosen));
                near = _mm256_sub_epi8(near, _mm256_set1_epi8(16));
            }
            let goes_left = _mm256_cmpeq_epi8(_mm256_max_epu8(code, cuts[half]), cuts[half]);
            let goes_left: [u64; 4] = bytemuck::cast(goes_left);
            for (part, goes_left) in goes_left.into_iter().enumerate() {
                let goes_left: __m128i = bytemuck::cast([goes_left, 0]);
                let kept = _mm256_or_si256(masks[half * 4 + part], _mm256_cvtepi8_epi32(goes_left));
                left[half * 4 + part] = _mm256_and_si256(left[half * 4 + part], kept);
            }
        }
    }
    let some = left.map(|left| {
        let none = _mm256_cmpeq_epi32(left, _mm256_setzero_si256());
        u64::from(!_mm256_movemask_ps(_mm256_castsi256_ps(none)) as u8)
    });
    let some = some.iter().rev().fold(0, |all, some| all << 8 | some);
    // The lowest bit by itself is a power of two, and a float's exponent says which.
    let firsts = left.map(|left| {
        let lowest = _mm256_and_si256(left, _mm256_sub_epi32(_mm256_setzero_si256(), left));
        let float = _mm256_castps_si256(_mm256_cvtepi32_ps(lowest));
        // The highest bit is taken for a sign.
        let exponent = _mm256_and_si256(_mm256_srli_epi32::<23>(float), _mm256_set1_epi32(0xff));
        _mm256_sub_epi32(exponent, _mm256_set1_epi32(127))
    });
    block.leaves(&bytemuck::cast(firsts), some)
}
