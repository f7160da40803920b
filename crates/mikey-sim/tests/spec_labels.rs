//! No label in the code is unknown to docs/spec.md.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/spec.rs"]
#[allow(dead_code)]
mod spec;

/// Context strings and constants of version 2, which no other registry watches over: one that the code has stands in the
/// specification, whatever exchange it belongs to.
#[test]
fn every_label_in_the_code_stands_in_the_specification() {
    let mut found = 0;
    for name in ["mikey-proto", "mikey-group"] {
        for text in
            sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src"))
        {
            let literals = text.split("b\"").skip(1).filter_map(|rest| rest.split('"').next());
            for literal in literals.map(|literal| literal.trim_end_matches("\\0")) {
                let known = match literal.strip_prefix("mv2") {
                    Some(letter) => {
                        let constant: String =
                            format!("mv2{letter}").bytes().map(|b| format!("{b:02X}")).collect();
                        spec::SPEC.contains(&format!("0x{constant}"))
                    }
                    None if literal.starts_with("MIKEYv2") => spec::SPEC.contains(&format!("\"{literal}\"")),
                    None => continue,
                };
                assert!(known, "{name} has {literal:?}, and docs/spec.md has not");
                found += 1;
            }
        }
    }
    assert!(found > 15, "only {found} labels were found: is this test looking in the right place?");
}

fn sources(folder: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let read = |path: std::path::PathBuf| match path.is_dir() {
        true => sources(&path),
        false => vec![std::fs::read_to_string(&path).unwrap()],
    };
    entries.flat_map(|entry| read(entry.unwrap().path())).collect()
}
