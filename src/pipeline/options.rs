//! What is said beside a folder of rules.

use crate::token::TokenKey;

/// Settings that don't belong into a folder of rules.
///
/// ```
/// use tollgate::{Options, Pipeline, TokenKey};
/// let options = Options { token_key: Some(TokenKey::new("k1", &[7; 32]).unwrap()), ..Options::default() };
/// assert!(Pipeline::shipped_with(&options)?.schema().token_key().is_some());
/// # Ok::<(), tollgate::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The key card numbers are tokenised with; they are refused without one.
    pub token_key: Option<TokenKey>,
    /// Seed of all hashes of text; draw one where strangers choose the texts.
    pub seed: u64,
    /// A schema file to use instead of the folder's own `schema.toml`: path and content.
    pub schema: Option<(String, String)>,
    /// A file of named expressions that the pipeline computes besides its rules: path and content.
    /// TOML, `[inputs]` and lines of `name = "expression"` or of
    /// `name = { expression = "...", reason = "CODE" }`.
    pub inputs: Option<(String, String)>,
    /// A model whose score counts, instead of the one that `policy.toml` names: path and content.
    pub model: Option<(String, String)>,
    /// A model that is compared with it, likewise.
    pub challenger: Option<(String, String)>,
    /// Leaves the models that `policy.toml` names alone: for what is asked before they are there, training
    /// them first of all.
    pub without_models: bool,
}
