//! `tollgate demo`, as somebody runs it who has read the README.
#![cfg(feature = "serve")]

#[test]
fn ten_journeys_end_as_they_should_and_the_books_agree() {
    let run = assert_cmd::Command::cargo_bin("tollgate").unwrap().arg("demo").output().unwrap();
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    let ends: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let expected = [
        "captured",
        "declined -> another card: captured",
        "challenged -> wrong code: wrong_code -> right code: captured",
        "review_held -> somebody looks: captured",
        "declined",
        "unknown -> reversed: declined",
        "captured -> partially_refunded -> disputed -> lost",
        "unknown -> paid: captured -> partially_refunded",
        "unknown -> paid: captured -> partially_refunded",
        "captured -> killed, asked again, the same: captured",
    ];
    assert_eq!(ends, expected, "{said}");
    assert!(said.ends_with("The books agree, to the cent.\n"), "{said}");
}
