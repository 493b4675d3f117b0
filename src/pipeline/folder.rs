//! Which files make up a folder of rules?

use std::path::Path;

use crate::error::Error;

/// The texts a pipeline is built from: path relative to the folder, and content.
pub(crate) type Sources = Vec<(String, String)>;

pub(super) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

pub(super) fn is_list(path: &str) -> bool {
    path.split('/').rev().nth(1) == Some("lists")
}

/// Most bytes of all files of a folder together.
const FOLDER_BYTES_MAX: u64 = 1 << 30;

pub(super) fn read_folder(dir: &Path) -> Result<Sources, Error> {
    let mut sources = Vec::new();
    let mut bytes = 0;
    read_into(dir, dir, 0, &mut bytes, &mut sources)?;
    if !sources.iter().any(|(path, _)| path.ends_with(".toml")) {
        return Err(Error::new("no rule files here; a folder of rules holds *.toml files").at(dir));
    }
    Ok(sources)
}

fn read_into(
    root: &Path,
    dir: &Path,
    depth: usize,
    bytes: &mut u64,
    sources: &mut Sources,
) -> Result<(), Error> {
    for entry in std::fs::read_dir(dir).map_err(|e| Error::io(dir, e))? {
        let path = entry.map_err(|e| Error::io(dir, e))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        // Editors' and Kubernetes' own files begin with a dot.
        if name.starts_with('.') {
            continue;
        }
        let is_dir = path.is_dir();
        if is_dir && name == "models" {
            // Models are read by name, and what lies beside them is for training.
            continue;
        }
        if is_dir && depth < 2 {
            read_into(root, &path, depth + 1, bytes, sources)?;
        } else if !is_dir && [".toml", ".csv", ".txt"].iter().any(|end| name.ends_with(end)) {
            let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
            *bytes += text.len() as u64;
            if *bytes > FOLDER_BYTES_MAX {
                return Err(
                    Error::new(format!("the folder holds more than {FOLDER_BYTES_MAX} bytes")).at(root)
                );
            }
            sources.push((path.to_string_lossy().into_owned(), text));
        }
    }
    Ok(())
}
