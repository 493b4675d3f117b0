//! Rules whose outcome a payment asks for by its `device_os`.

#![allow(dead_code, reason = "no test needs all of it")]

pub const DOUBTFUL: &str = r#"
[[rule]]
id = "doubtful"
when = 'device_os == "doubtful"'
then = "challenge"
reason = "DOUBTFUL"
example.fires = [{ device_os = "doubtful" }]
example.quiet = [{ device_os = "plain" }]
"#;

pub const ODD: &str = r#"
[[rule]]
id = "odd"
when = 'device_os == "odd"'
then = "review"
reason = "ODD"
example.fires = [{ device_os = "odd" }]
example.quiet = [{ device_os = "plain" }]
"#;
