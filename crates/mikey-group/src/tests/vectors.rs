//! Known answers: a group from its first member on, joins, leaves and a batch of both, as `vectors/groups/rekeys.json`.
//!
//! `MIKEY_WRITE_VECTORS=1 cargo test -p mikey-group --lib vectors` writes it; `vectors/groups/member.py` then follows each
//! member by docs/spec.md alone, and knows no line of this code.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// An Ed25519 key of this seed in PKCS #8 (RFC 8410).
fn pkcs8(seed: [u8; 32]) -> Vec<u8> {
    let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    [&head[..], &seed].concat()
}

const SIGNING_SEED: [u8; 32] = [0x47; 32];

fn keys(member: &mut Member) -> Value {
    let Some(epoch) = latest(member) else { return Value::Null };
    let senders = epoch.senders.iter().map(|sender| {
        json!({
            "cs_id": sender.cs_id,
            "ssrc": sender.ssrc,
            "master_key": hex(sender.master_key.expose()),
            "master_salt": hex(sender.master_salt.expose()),
        })
    });
    json!({
        "epoch": epoch.epoch,
        "leaf": member.values().leaf,
        "next_t": member.values().next_t,
        "senders": senders.collect::<Vec<_>>(),
    })
}

fn suite(name: &str, config: &GroupConfig) -> Value {
    let mut group = Group::with(99, config, KeyKind::Ed25519);
    let signer: Arc<dyn Signer> = (group.provider.load_signer)(&pkcs8(SIGNING_SEED)).unwrap().into();
    let proposal = Controller::create(&group.provider, config, &*signer).unwrap();
    group.log = vec![(proposal.seq, proposal.record)];
    group.controller = open(&group.provider, &signer, &group.log);
    group.signer = signer;
    let all = |numbers: std::ops::Range<usize>| numbers.map(nth).collect::<Vec<_>>();
    let mut steps = Vec::new();
    let mut values = Value::Null;
    for (what, joins, leaves, rekey) in [
        ("one joins", all(0..1), vec![], false),
        ("a second one splits its leaf", all(1..2), vec![], false),
        ("six more in one batch: leaves are split twice", all(2..8), vec![], false),
        ("one leaves", vec![], vec![nth(5)], false),
        ("its place is taken", all(8..9), vec![], false),
        ("three leave and two join in one batch", all(9..11), vec![nth(0), nth(3), nth(8)], false),
        ("new keys though nobody comes or goes", vec![], vec![], true),
    ] {
        let mut batch = Group::batch(&joins, &leaves);
        batch.rekey = rekey;
        let before: Vec<Name> = group.members.keys().cloned().collect();
        let applied = group.heard(&batch);
        let joined: Vec<Value> = joins
            .iter()
            .map(|name| {
                let grant = group.controller.pull(&MemberRef { name: name.clone(), since: None }).unwrap();
                let member = &group.members[name];
                let values = &grant.values;
                let keys = grant.keys.iter().map(
                    |key| json!({ "node": key.node, "version": key.version, "key": hex(key.key.expose()) }),
                );
                let senders = grant.senders.iter().map(|s| json!({ "cs_id": s.cs_id, "ssrc": s.ssrc }));
                json!({
                    "name": name.to_string(),
                    "leaf_key": hex(member.leaf_key()),
                    "leaf": values.leaf,
                    "epoch": values.epoch,
                    "next_t": values.next_t,
                    "keys": keys.collect::<Vec<_>>(),
                    "gtgk": hex(grant.gtgk.expose()),
                    "senders": senders.collect::<Vec<_>>(),
                })
            })
            .collect();
        if values.is_null() {
            let grant = group.controller.pull(&MemberRef { name: nth(0), since: None }).unwrap().values;
            values = json!({
                "spi": hex(&grant.spi.to_be_bytes()),
                "csb_id": hex(&grant.csb_id.to_be_bytes()),
                "rand": hex(&grant.rand),
                "spki": hex(&grant.spki),
                "prf": grant.prf.0,
                "suite": grant.suite.0,
                "method": grant.method.0,
            });
        }
        group.agree_silently();
        let members = group.members.iter_mut().map(|(name, member)| {
            let mut after = keys(member);
            after["name"] = name.to_string().into();
            after["there_before"] = before.contains(name).into();
            after
        });
        let members: Vec<Value> = members.collect();
        steps.push(json!({
            "what": what,
            "left": leaves.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "joined": joined,
            "messages": applied.messages.iter().map(|message| hex(message)).collect::<Vec<_>>(),
            "members": members,
        }));
    }
    let policy = &config.sessions[0].policy;
    json!({
        "name": name,
        "signing_seed": hex(&SIGNING_SEED),
        "group": values,
        "master_key_len": policy.key_len,
        "master_salt_len": policy.salt_len,
        "steps": steps,
    })
}

#[test]
fn the_known_answers_are_what_this_code_does() {
    let mut counter = config();
    counter.suite = mikey_crypto::SuiteId::AES_CM_128_HMAC_SHA_256;
    counter.sessions[0].policy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
    let mut chacha = config();
    chacha.suite = mikey_crypto::SuiteId::CHACHA20_POLY1305;
    chacha.path = 600;
    let made = json!([
        suite("AEAD-AES-128-GCM", &config()),
        suite("AES-CM-128 and HMAC-SHA-256", &counter),
        suite("AEAD-CHACHA20-POLY1305, short datagrams", &chacha),
    ]);
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/groups/rekeys.json"));
    if std::env::var_os("MIKEY_WRITE_VECTORS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let known: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(known == made, "vectors/groups/rekeys.json is not what this code does");
}
