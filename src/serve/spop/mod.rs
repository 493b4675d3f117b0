//! HAProxy asks over the Stream Processing Offload Protocol whether a request may pass.
//!
//! | file | question it answers |
//! |---|---|
//! | `frame.rs` `status.rs` | what is in a frame, and why does a connection end? |
//! | `hello.rs` | what do both sides agree on? |
//! | `notify.rs` | from messages to a payment, from a verdict to variables |
//! | `agent.rs` | one connection, from its first frame to its last |

mod agent;
mod frame;
pub(crate) mod fuzzing;
mod hello;
mod notify;
mod status;

pub(super) use agent::serve;
pub(super) use frame::FRAME_BYTES_MIN;
