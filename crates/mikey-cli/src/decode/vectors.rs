//! Every message of the known answers in `vectors/` is explained, from its first octet to its last.

use serde_json::Value;

use super::message::decode;
use super::tree::Node;

fn folder(name: &str) -> impl Iterator<Item = (String, Value)> {
    let path = format!("{}/../../vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json")).map(
        |path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.display().to_string(), serde_json::from_str(&text).unwrap())
        },
    )
}

fn octets(value: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

/// Shows a message, and checks that the tree has all of it.
fn explained(about: &str, octets: &[u8]) -> Value {
    let decoded = decode(octets, true).unwrap_or_else(|why| panic!("{about}: {why}"));
    assert!(decoded.broken_rule.is_none(), "{about}: {:?}", decoded.broken_rule);
    assert!(decoded.title.len() > 10, "{about}: {}", decoded.title);
    let nodes: Vec<Value> = decoded.nodes.iter().map(Node::to_json).collect();
    let number = |node: &Value, field: &str| usize::try_from(node[field].as_u64().unwrap()).unwrap();
    let mut at = 0;
    for node in &nodes {
        assert_eq!(number(node, "offset"), at, "{about}: a gap");
        at += number(node, "length");
    }
    assert_eq!(at, octets.len(), "{about}: octets are left over");
    assert!(decoded.nodes.iter().all(|node| !node.lines(true).is_empty()));
    Value::Array(nodes)
}

#[test]
fn every_message_of_version_1_is_explained() {
    let mut seen = std::collections::BTreeSet::new();
    for (path, vector) in folder("v1") {
        for (at, message) in vector["messages"].as_array().unwrap().iter().enumerate() {
            let octets = octets(&message["octets"]);
            let tree = explained(&format!("{path}, message {at}"), &octets);
            seen.insert(octets[1]);
            // What NULL carries in the clear is shown, if that is asked for.
            if path.ends_with("null_tek.json") {
                let key = vector["results"][0]["streams"][0]["master_key"].as_str().unwrap();
                assert!(tree.to_string().contains(key), "{tree}");
            }
        }
        // What is refused is explained, or the place is named where it cannot be.
        for given in vector["given"].as_array().unwrap() {
            let octets = octets(&given["octets"]);
            if let Err(why) = decode(&octets, false) {
                assert!(given["expect"] == "decode", "{path}: {}: {why}", given["about"]);
                assert!(why.offset <= octets.len() && !why.to_string().is_empty());
            }
        }
    }
    assert_eq!(seen, (0..=10).collect(), "a type of message is in no vector");
}

#[test]
fn every_message_of_version_2_is_explained() {
    let mut messages = 0;
    for (path, vector) in folder("generated") {
        for (at, datagram) in vector["datagrams"].as_array().into_iter().flatten().enumerate() {
            explained(&format!("{path}, datagram {at}"), &octets(&datagram["octets"]));
            messages += 1;
        }
    }
    assert!(messages > 100, "{messages}");
}
