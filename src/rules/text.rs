//! Is it still the same rule? All that it says, but for where it stands and its proof, as a few bytes.

use sha2::{Digest as _, Sha256};

use crate::rules::{Rule, RuleScope};

/// Stands for all that a rule says.
pub(crate) type RuleText = [u8; 16];

impl Rule {
    /// Its condition as written, effect, reason, words, scope, shadow and brake. What a list or a model that it reads
    /// has become is not in it.
    pub(crate) fn digest(&self) -> RuleText {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        part(&self.id);
        part(&self.source);
        part(&self.effect.to_string());
        part(&self.reason);
        part(&self.text);
        part(if self.shadow { "shadow" } else { "" });
        part(&self.brake.map_or_else(String::new, |brake| brake.to_string()));
        if let Some(scope) = &self.scope {
            let (kind, ids) = match scope {
                RuleScope::Gateway(ids) => ("gateway", ids),
                RuleScope::Channel(ids) => ("channel", ids),
                RuleScope::Institution(ids) => ("institution", ids),
            };
            part(kind);
            ids.iter().for_each(|id| part(id));
        }
        let mut text = RuleText::default();
        text.copy_from_slice(&hash.finalize()[..16]);
        text
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::expr::Scope;
    use crate::money::{Currency, Rates};
    use crate::rules::file::{Taken, parse};
    use crate::schema::Schema;

    fn digest(rule: &str) -> super::RuleText {
        let rates = Arc::new(Rates::only(Currency::parse("USD").unwrap()));
        let mut scope = Scope::new(Arc::new(Schema::standard()), Arc::default(), rates);
        let (text, mut wrong) = (format!("[[rule]]\nid = \"r\"\n{rule}"), Vec::new());
        let rules = parse("r.toml", &text, &mut scope, &mut Taken::new(), &mut wrong);
        assert!(wrong.is_empty(), "{}", wrong[0]);
        rules[0].digest()
    }

    #[test]
    fn whatever_a_rule_says_counts_and_where_it_stands_does_not() {
        let rule = "when = 'amount > 5'\nthen = \"review\"\nreason = \"R\"\n";
        let more = "brake = \"2% of payments in 5m\"\nscope = { channel = [\"card\"] }\n";
        let all = format!("{rule}{more}");
        assert_eq!(digest(&all), digest(&format!("# moved\n\n{all}")));
        let proof = "example.fires = [{ amount = \"6.00 USD\", channel = \"card\" }]\n";
        assert_eq!(digest(&all), digest(&format!("{all}{proof}")));
        let mut seen = vec![digest(rule), digest(&all)];
        for (from, to) in [
            ("> 5", "> 6"),
            ("then = \"review\"", "then = \"decline\""),
            ("then = \"review\"", "weight = 5"),
            ("\"R\"", "\"S\""),
            ("2%", "3%"),
            ("channel", "gateway"),
            ("\"card\"", "\"card\", \"alipay\""),
            ("scope", "shadow = true\nscope"),
            ("scope", "text = \"shadow\"\nscope"),
        ] {
            assert!(all.contains(from));
            seen.push(digest(&all.replace(from, to)));
        }
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }
}
