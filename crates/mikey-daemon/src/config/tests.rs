//! The example is a configuration, and every mistake is found at its place.

use super::*;

fn parse(text: &str) -> Result<Source, ConfigError> {
    Source::parse("mikeyd.toml".into(), text.into(), "/etc/mikeyd".into())
}

/// What is underlined, and the report.
fn mistake(text: &str) -> String {
    match parse(text) {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.report(),
    }
}

#[test]
fn the_example_is_a_configuration() {
    let source = parse(EXAMPLE).unwrap_or_else(|error| panic!("{}", error.report()));
    assert_eq!(source.config.groups.len(), 1);
    assert_eq!(source.path(source.config.key.as_ref()), Path::new("/etc/mikeyd/gc.key"));
    let group = source.config.groups[0].as_ref();
    assert_eq!(group.rekey.0, Some(Duration::from_secs(3600)));
    assert_eq!(group.group().sessions.len(), 1);
    let mut table = AccessTable::new();
    group.allow(&mut table);
    assert_ne!(table, AccessTable::new());
    // What the example has in comments is right as well.
    let etcd = EXAMPLE.replace("\nredb", "\n# redb").replace("# etcd", "etcd");
    let etcd = etcd.replace("# node", "node").replace("# tls", "tls").replace("# crl", "crl");
    let etcd = etcd.replace("\nfile", "\n# file").replace("# credential", "credential");
    assert!(parse(&etcd).is_ok(), "{}", mistake(&etcd));
}

#[test]
fn mistakes_are_shown_at_their_place() {
    for (from, to, message, place) in [
        ("log = \"info\"", "lgo = \"info\"", "unknown field `lgo`", "lgo"),
        ("rekey = \"1h\"", "rekey = \"1 hour\"", "'1 hour' is not a time", "\"1 hour\""),
        ("AEAD_AES_128_GCM", "AES", "there is no SRTP policy 'AES'", "AES"),
        ("sip:gc@example.com", "gc", "'gc' is not a name", "gc"),
        ("ssrcs = 2", "ssrcs = 0", "who may send has 1 to 256 SSRCs", "0"),
        ("id = 1", "id = 255", "RTP sessions have numbers from 1 to 254", "255"),
        ("redb =", "etcd = []\nredb =", "either 'redb' or 'etcd'", "[store]"),
        ("file = \"kek\"", "", "either 'file' or 'credential'", "[kek]"),
        ("log = \"info\"", "log info", "expected `=`", "log info"),
    ] {
        let text = EXAMPLE.replacen(from, to, 1);
        let report = mistake(&text);
        assert!(report.contains(message), "{from}: {report}");
        assert!(report.contains(place) && report.contains("mikeyd.toml"), "{report}");
        assert!(report.contains("here"), "{report}");
    }
}

#[test]
fn one_id_is_one_group() {
    let second = EXAMPLE.split_once("[[group]]").unwrap().1;
    let report = mistake(&format!("{EXAMPLE}\n[[group]]{second}"));
    assert!(report.contains("another group has this id"), "{report}");
}
