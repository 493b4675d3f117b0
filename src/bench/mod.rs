//! Load, and what it found: `tollgate bench`.
//!
//! | file | question it answers |
//! |---|---|
//! | `workload.rs` `attack.rs` | which payments, and what did the attacks among them cost? |
//! | `target/` | who is asked: the engine in this process, nobody, a server over HTTP |
//! | `load/` | when is asked: as fast as answers come, or at a rate, come what may |
//! | `measure.rs` `environment.rs` | how long did it take, on what machine? |
//! | `run.rs` `steps.rs` | which phases does a run have, and which rate is too much? |
//! | `hgrm.rs` `compare.rs` | the distribution for plotters; did two runs differ? |

pub(crate) mod attack;
pub(crate) mod compare;
pub(crate) mod environment;
pub(crate) mod hgrm;
mod load;
pub(crate) mod measure;
pub(crate) mod run;
mod steps;
pub(crate) mod target;
pub(crate) mod workload;
