//! Payments that move money, by the public face of `tollgate::pay` alone.

mod amounts;
mod desk;
mod orders;
mod table;
