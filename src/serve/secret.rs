//! Secrets that stand alone in a file: what requests and webhooks are signed with.

use std::path::Path;

use zeroize::Zeroizing;

/// Fewest bytes of a secret: as many as SHA-256 has.
pub(super) const SECRET_BYTES_MIN: usize = 32;

/// The bytes of a file, without the line's end after them.
///
/// # Errors
/// When it can't be read, or has too few.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let read = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut bytes = Zeroizing::new(read);
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    match bytes.len() {
        SECRET_BYTES_MIN.. => Ok(bytes),
        few => Err(format!(
            "the file has {few} bytes and wants {SECRET_BYTES_MIN} at least, such as `openssl rand -base64 32` writes"
        )),
    }
}
