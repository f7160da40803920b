//! What the tool prints, word for word: help of every subcommand, and every mistake on the command line.
//!
//! `TRYCMD=overwrite cargo test -p mikey-cli --test transcripts` writes the transcripts anew; read the difference.

#[test]
fn transcripts() {
    trycmd::TestCases::new().env("COLUMNS", "100").case("tests/cmd/*.trycmd");
}
