//! Bad rules: each a clear error with its place and what would do, and exit code 3.

use std::fs;
use std::path::Path;

use assert_cmd::Command;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn run(dir: &Path, command: &str) -> (i32, String) {
    let run = Command::cargo_bin("tollgate").unwrap().arg(command).arg("--rules").arg(dir).output().unwrap();
    let text = String::from_utf8(run.stderr).unwrap() + &String::from_utf8(run.stdout).unwrap();
    (run.status.code().unwrap(), text)
}

/// The folder is refused with exit code 3, and every text of `expected` is in what is said.
fn refused(files: &[(&str, &str)], expected: &[&str]) {
    let dir = folder(files);
    let (code, text) = run(dir.path(), "check");
    assert_eq!(code, 3, "{text}");
    for part in expected {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
}

fn rule(when: &str) -> String {
    format!("[[rule]]\nid = \"r\"\nwhen = '{when}'\nthen = \"review\"\nreason = \"R\"\n")
}

#[test]
fn an_unknown_name_gets_carets_and_the_nearest_name() {
    refused(&[("a.toml", &rule("amuont > 5"))], &["a.toml:3:9", "^^^^^^", "did you mean `amount`?"]);
}

#[test]
fn a_window_over_something_that_is_no_entity_says_what_is() {
    refused(&[("a.toml", &rule("count(amount, 10m) > 5"))], &["a.toml:3:15", "amount", "entity", "card"]);
}

#[test]
fn a_missing_list_names_the_lists_there_are() {
    let list = "kind = \"token\"\nitems = [\"tok_1\"]\n";
    refused(
        &[("a.toml", &rule("card in @nevr")), ("lists/never.toml", list)],
        &["a.toml:3", "nevr", "never"],
    );
}

#[test]
fn two_rules_of_one_id_name_both_places() {
    let twice = format!("{}{}", rule("amount > 5"), rule("amount > 6"));
    refused(&[("a.toml", &twice)], &["there is a rule `r` already", "a.toml:7", "a.toml:2"]);
    let both_wrong = format!("{}{}", rule("amout > 5"), rule("amount >"));
    let all = ["did you mean `amount`", "there is a rule `r` already", "a.toml:2", "breaks off"];
    refused(&[("a.toml", &both_wrong)], &all);
    let (one, other) = (rule("amount > 5"), rule("amount > 6"));
    refused(&[("a.toml", &one), ("b.toml", &other)], &["b.toml:2", "the other is at", "a.toml:2"]);
}

#[test]
fn an_example_that_fails_says_what_the_condition_came_to() {
    let text = rule("amount > 5") + "example.fires = [{ amount = \"4.00 USD\" }]\n";
    refused(&[("a.toml", &text)], &["a.toml:6:18", "must fire", "the condition is false"]);
    let dir = folder(&[("a.toml", &text)]);
    let (code, text) = run(dir.path(), "test");
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("1 examples fail"), "{text}");
}

#[test]
fn an_example_of_a_window_the_rule_does_not_read_is_refused() {
    let text = rule("count(card, 1h) > 5") + "example.fires = [{ \"count(card, 2h)\" = 9 }]\n";
    refused(&[("a.toml", &text)], &["the rule does not read `count(card, 2h)`"]);
}

#[test]
fn all_mistakes_of_a_folder_are_told_at_once() {
    let other = "[[rule]]\nid = \"s\"\nwhen = 'amount >'\nthen = \"nothing\"\nreason = \"lower\"\n";
    refused(
        &[
            ("a.toml", &rule("amuont > 5")),
            ("b.toml", other),
            ("policy.toml", "[thresholds]\nreview = 2000\n"),
        ],
        &["a.toml:3", "b.toml:3", "b.toml:4", "b.toml:5", "policy.toml:2"],
    );
}

#[test]
fn a_typo_in_the_frame_is_refused_with_its_place() {
    refused(&[("a.toml", &rule("amount > 5").replace("then", "than"))], &["a.toml:4", "than"]);
    refused(&[("a.toml", "[[rule]\n")], &["a.toml:1"]);
}

#[test]
fn nesting_without_end_is_refused_and_not_followed() {
    let deep = format!("{}amount > 5{}", "(".repeat(100_000), ")".repeat(100_000));
    refused(&[("a.toml", &rule(&deep))], &["a.toml:3"]);
    let nots = format!("{}true", "not ".repeat(16_000));
    refused(&[("a.toml", &rule(&nots))], &["a.toml:3"]);
}

#[test]
fn an_empty_folder_and_a_missing_one_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = run(dir.path(), "check");
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("a folder of rules holds *.toml files"), "{text}");
    let (code, text) = run(&dir.path().join("nowhere"), "check");
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("nowhere"), "{text}");
}

#[test]
fn a_rule_needs_one_effect_and_a_code() {
    let both = rule("amount > 5") + "weight = 5\n";
    refused(&[("a.toml", &both)], &["either `then` or `weight`"]);
    refused(
        &[("a.toml", &rule("amount > 5").replace("then = \"review\"", "weight = 1001"))],
        &["-1000 to 1000"],
    );
    refused(
        &[("a.toml", &rule("amount > 5").replace("\"R\"", "\"r r\""))],
        &["a reason is a code for machines"],
    );
    refused(
        &[("a.toml", &rule("amount > 5").replace("\"review\"", "\"reject\""))],
        &["allow challenge review decline"],
    );
}

#[test]
fn a_brake_that_is_none_is_refused_at_its_place() {
    let with = |brake: &str| rule("amount > 5") + &format!("brake = {brake}\n");
    refused(
        &[("a.toml", &with("\"2 percent\""))],
        &[
            "a.toml:6:10",
            "a brake is a share of the payments in some time",
            "such as \"2% of payments in 5m\"",
        ],
    );
    refused(
        &[("a.toml", &with("\"0% of payments in 5m\""))],
        &["a.toml:6:10", "^^", "above 0% and below 100%"],
    );
    refused(&[("a.toml", &with("'2% of payments in 2d'"))], &["a.toml:6:28", "^^", "from \"1s\" to \"1d\""]);
    refused(
        &[("a.toml", &with("\"2% of payments in 5m, at least 0\""))],
        &["a.toml:6:41", "^", "not a number of payments"],
    );
    refused(&[("a.toml", &with("2"))], &["a.toml:6:9"]);
    let hard = with("\"2% of payments in 5m\"").replace("\"review\"", "\"decline\"\nhard = true");
    refused(
        &[("a.toml", &hard)],
        &["a.toml:7:9", "a hard rule can't have a brake", "drop `hard` or `brake`"],
    );
}

#[test]
fn a_brake_is_told_by_check() {
    let brake = rule("amount > 5") + "brake = \"2.50% of payments in 300s\"\n";
    let dir = folder(&[("a.toml", &brake)]);
    let (code, text) = run(dir.path(), "check");
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("1 of the rules carry a brake: past it `serve`, and nothing else, demotes them"),
        "{text}"
    );
    let cost =
        Command::cargo_bin("tollgate").unwrap().args(["check", "--cost"]).arg(dir.path()).output().unwrap();
    let text = String::from_utf8(cost.stdout).unwrap();
    assert!(text.contains("review (brake 2.5% of payments in 5m)"), "{text}");
}

#[test]
fn a_weight_at_the_limit_is_accepted() {
    let dir = folder(&[("a.toml", &rule("amount > 5").replace("then = \"review\"", "weight = -1000"))]);
    let (code, text) = run(dir.path(), "check");
    assert_eq!(code, 0, "{text}");
}
