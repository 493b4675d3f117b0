//! Payments that move money, by the public face of `tollgate::pay` alone.

mod amounts;
mod challenge;
mod crash;
mod desk;
mod idempotency;
mod image;
mod kept;
mod labels;
mod oracle;
mod orders;
mod random;
mod records;
mod sequences;
mod table;
