//! Where does the model of a name lie?

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Diagnostic, nearest};
use crate::model::shipped;

/// Largest model file, in bytes.
///
/// ```
/// assert_eq!(tollgate::MODEL_FILE_BYTES_MAX, 256 << 20);
/// ```
pub const MODEL_FILE_BYTES_MAX: u64 = 256 << 20;

/// Where models are looked for.
pub(crate) enum Library<'a> {
    /// In `models` in the folder of rules, then in `models` beside it, then among those built in.
    Folder(&'a Path),
    /// Among those built in.
    Shipped,
}

impl Library<'_> {
    /// Path and text of the model; or what is wrong, and what would do.
    pub(super) fn read(&self, name: &str) -> Result<(String, String), (String, String)> {
        if !is_name(name) {
            let message = format!("`{name}` is no model's name");
            return Err((message, "1 to 64 letters, digits, dots, dashes and underscores".to_owned()));
        }
        let files = self.folders().map(|folder| folder.join(format!("{name}.json")));
        if let Some(path) = files.into_iter().find(|path| path.is_file()) {
            let text = read_model(&path).map_err(|message| (message, "see docs/rule-files.md".to_owned()))?;
            return Ok((path.display().to_string(), text));
        }
        if let Some(text) = shipped::named(name) {
            return Ok((format!("models/{name}.json"), text.to_owned()));
        }
        Err((format!("there is no model `{name}`"), self.remedy(name)))
    }

    fn folders(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let folders = match self {
            // A folder that is named `rules` or `.` has its neighbours in `rules/..`.
            Library::Folder(dir) => vec![dir.join("models"), dir.join("..").join("models")],
            Library::Shipped => Vec::new(),
        };
        folders.into_iter()
    }

    fn remedy(&self, name: &str) -> String {
        let mut known: Vec<String> = shipped::names().map(str::to_owned).collect();
        for folder in self.folders() {
            let entries = std::fs::read_dir(folder).into_iter().flatten();
            let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
            known.extend(names.filter_map(|n| n.strip_suffix(".json").map(str::to_owned)));
        }
        match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "put it into models/{name}.json, in the folder of rules or beside it, or drop the line"
            ),
        }
    }
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// The text of a model file.
pub(crate) fn read_model(path: &Path) -> Result<String, String> {
    let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut text = String::new();
    // The file may grow while it is read: what is read is bounded, not what it says of its size.
    let mut file = File::open(path).map_err(wrong)?.take(MODEL_FILE_BYTES_MAX + 1);
    file.read_to_string(&mut text).map_err(wrong)?;
    if text.len() as u64 > MODEL_FILE_BYTES_MAX {
        return Err(format!("{}: a model file has at most {MODEL_FILE_BYTES_MAX} bytes", path.display()));
    }
    Ok(text)
}

/// A model that policy.toml names: path and text, or a complaint at its place there.
pub(super) fn named(
    library: &Library<'_>,
    name: &toml::Spanned<String>,
    (path, text): (&str, &str),
    wrong: &mut Vec<Diagnostic>,
) -> Option<(String, String)> {
    library
        .read(name.get_ref())
        .map_err(|(message, help)| wrong.push(Diagnostic::at(path, text, name.span(), message).help(help)))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_file_may_be_as_large_as_the_limit_and_no_larger() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("large.json");
        let file = File::create(&path).unwrap();
        file.set_len(MODEL_FILE_BYTES_MAX).unwrap();
        assert_eq!(read_model(&path).unwrap().len() as u64, MODEL_FILE_BYTES_MAX);
        file.set_len(MODEL_FILE_BYTES_MAX + 1).unwrap();
        assert!(read_model(&path).unwrap_err().contains("at most"));
    }

    #[test]
    fn names_that_are_paths_are_refused() {
        for name in ["", "../x", "a/b", ".hidden", &"x".repeat(65)] {
            assert!(
                Library::Folder(Path::new(".")).read(name).unwrap_err().0.contains("no model's name"),
                "{name}"
            );
        }
        assert!(is_name(&"x".repeat(64)) && is_name("shipped-2.v1"));
    }
}
