//! The models that come with the crate.

/// Name and text of every model of the folder `models`. One line each:
/// `("NAME", include_str!("../../models/NAME.json")),`
const FILES: &[(&str, &str)] = &[("shipped", include_str!("../../models/shipped.json"))];

/// The text of the model of that name.
pub(crate) fn named(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// The models' names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_of_the_folder_is_shipped() {
        let here = std::fs::read_dir("models").map(|entries| {
            let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
            names.filter_map(|n| n.strip_suffix(".json").map(str::to_owned)).collect::<Vec<_>>()
        });
        let mut here = here.unwrap_or_default();
        here.sort();
        let mut shipped: Vec<_> = names().map(str::to_owned).collect();
        shipped.sort();
        assert_eq!(shipped, here);
    }
}
