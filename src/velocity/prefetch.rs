//! Asks the processor for memory that will be read soon, so that the misses of a payment's entities
//! overlap. The one `unsafe` of the crate. In the prototype it halved a read of 1.5 million cold
//! entities (1493 to 764 ns); here it has not been compared with its absence yet, and goes if it loses.
#![allow(unsafe_code)]

/// Asks for the cache line of `words[at]`; nothing happens when there is no such word.
#[inline]
pub(super) fn prefetch(words: &[u64], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(word) = words.get(at) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint that reads nothing and faults on no address; this one is of a
        // live reference besides, and the instruction is in every x86-64 (SSE).
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(word).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (words, at);
}
