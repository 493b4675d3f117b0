#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| tollgate::fuzzing::rule_file(text));
