//! The rule packs that come with the crate.

macro_rules! shipped {
    ($path:literal) => {
        (concat!("rules/", $path), include_str!(concat!("../../rules/", $path)))
    };
}

/// Path and text of every file of the folder `rules`.
pub(crate) const FILES: &[(&str, &str)] = &[
    shipped!("account_takeover.toml"),
    shipped!("card_testing.toml"),
    shipped!("geography_and_identity.toml"),
    shipped!("lists/digital_mcc.toml"),
    shipped!("lists/disposable_domains.toml"),
    shipped!("lists/disposable_domains.txt"),
    shipped!("lists/high_risk_bins.toml"),
    shipped!("lists/never.toml"),
    shipped!("lists/proxy_nets.toml"),
    shipped!("lists/risky_mcc.toml"),
    shipped!("lists/sanctioned.toml"),
    shipped!("lists/shared_nets.toml"),
    shipped!("lists/trusted.toml"),
    shipped!("policy.toml"),
    shipped!("rates.toml"),
    shipped!("schema.toml"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_shipped() {
        let mut here = Vec::new();
        for dir in ["rules", "rules/lists"] {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    here.push(path.to_string_lossy().replace('\\', "/"));
                }
            }
        }
        here.sort();
        let mut shipped: Vec<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        shipped.sort();
        assert_eq!(shipped, here);
    }
}
