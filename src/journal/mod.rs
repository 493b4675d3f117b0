//! What was decided, and is never lost: the append-only record of payments, decisions and settlements.

mod disk;
mod frame;
mod scan;
mod segment;
mod wire;
mod writer;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod simulated;
