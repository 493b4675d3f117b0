//! Where do models come from?

pub mod import;
