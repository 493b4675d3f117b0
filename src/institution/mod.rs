//! How long is an institution waited for, when is it left alone, and what plays its part in a test?
//!
//! `simulator` is institutions that move no money: processes of their own behind real sockets, scripted, with
//! books of their own.

pub mod simulator;
