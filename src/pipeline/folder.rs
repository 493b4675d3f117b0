//! Which files make up a folder of rules?

use std::fs::File;
use std::io::Read;
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
    let sources = read_up_to(dir, FOLDER_BYTES_MAX)?;
    if !sources.iter().any(|(path, _)| path.ends_with(".toml")) {
        return Err(Error::new("no rule files here; a folder of rules holds *.toml files").at(dir));
    }
    Ok(sources)
}

fn read_up_to(dir: &Path, most: u64) -> Result<Sources, Error> {
    let mut sources = Vec::new();
    let mut room = most;
    let fits = read_into(dir, 0, &mut room, &mut sources)?;
    let past = || Error::new(format!("the folder holds more than {most} bytes; no more are read")).at(dir);
    if fits { Ok(sources) } else { Err(past()) }
}

/// Reads what lies in `dir`; whether it fitted into the room that was left. Bytes are counted as they come: a file
/// may grow, or have no end.
fn read_into(dir: &Path, depth: usize, room: &mut u64, sources: &mut Sources) -> Result<bool, Error> {
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
            if !read_into(&path, depth + 1, room, sources)? {
                return Ok(false);
            }
        } else if !is_dir && [".toml", ".csv", ".txt"].iter().any(|end| name.ends_with(end)) {
            let (mut text, wrong) = (String::new(), |e| Error::io(&path, e));
            let file = File::open(&path).map_err(wrong)?;
            let read = file.take(*room + 1).read_to_string(&mut text).map_err(wrong)? as u64;
            let Some(left) = room.checked_sub(read) else { return Ok(false) };
            *room = left;
            sources.push((path.to_string_lossy().into_owned(), text));
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_to_the_limit_and_not_past_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("lists")).unwrap();
        std::fs::write(dir.path().join("a.toml"), "12345").unwrap();
        std::fs::write(dir.path().join("lists/b.txt"), "6789").unwrap();
        std::fs::write(dir.path().join("c.md"), "not of the rules").unwrap();
        assert_eq!(read_up_to(dir.path(), 9).unwrap().len(), 2);
        for most in [8, 4, 0] {
            let wrong = read_up_to(dir.path(), most).unwrap_err().to_string();
            assert!(wrong.contains(&format!("the folder holds more than {most} bytes")), "{wrong}");
        }
    }
}
