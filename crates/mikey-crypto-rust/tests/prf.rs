//! The PRFs against the vectors of others.
#![allow(clippy::unwrap_used)] // helpers of tests stand outside of them

use mikey_crypto::{Prf, PrfId};
use mikey_crypto_rust::PRFS;
use serde::Deserialize;

#[derive(Deserialize)]
struct Generated {
    vectors: Vec<GeneratedVector>,
}

#[derive(Deserialize)]
struct GeneratedVector {
    prf: u8,
    inkey: String,
    label: String,
    out: String,
    expect: String,
}

#[test]
fn the_prfs_agree_with_an_independent_computation() {
    let file: Generated = read("generated/prf.json");
    assert!(file.vectors.len() >= 50);
    for vector in file.vectors {
        assert_eq!(vector.expect, "success");
        let prf = PRFS.iter().find(|prf| prf.id.0 == vector.prf).unwrap();
        let out = hex(&vector.out);
        assert_eq!(prf.derive(&hex(&vector.inkey), &[&hex(&vector.label)], out.len()).expose(), out);
    }
}

#[derive(Deserialize)]
struct Libmikey {
    prf_tek_cs0: Vec<LibmikeyTek>,
    derivations: Vec<LibmikeyKey>,
}

#[derive(Deserialize)]
struct LibmikeyTek {
    inkey_len: u8,
    outlen: usize,
    out: String,
}

#[derive(Deserialize)]
struct LibmikeyKey {
    constant: String,
    cs_id: u8,
    inkey_len: u8,
    out: String,
}

#[test]
fn the_prf_of_version_1_agrees_with_libmikey() {
    let prf = Prf::mikey1(mikey_crypto_rust::SHA1);
    let file: Libmikey = read("external/mikey1_prf_sha1.json");
    let inkey = |len: u8| (0..len).map(|i| i.wrapping_mul(7).wrapping_add(1)).collect::<Vec<u8>>();
    let derive = |len: u8, constant: &[u8], cs_id: u8, out: usize| {
        let label: [&[u8]; 4] = [constant, &[cs_id], &[0x12, 0x34, 0x56, 0x78], &[0x5a; 16]];
        prf.derive(&inkey(len), &label, out).expose().to_vec()
    };
    for vector in file.prf_tek_cs0 {
        let got = derive(vector.inkey_len, &[0x2a, 0xd0, 0x1c, 0x64], 0, vector.outlen);
        assert_eq!(got, hex(&vector.out), "{} octets of input key", vector.inkey_len);
    }
    for vector in file.derivations {
        let out = hex(&vector.out);
        let got = derive(vector.inkey_len, &hex(&vector.constant), vector.cs_id, out.len());
        assert_eq!(got, out, "{}", vector.constant);
    }
}

#[derive(Deserialize)]
struct Streamwide {
    vectors: Vec<StreamwideVector>,
}

#[derive(Deserialize)]
struct StreamwideVector {
    src: String,
    inkey: String,
    label: Option<String>,
    cs_id: u8,
    csb_id: Option<String>,
    gmk_id: Option<String>,
    guk_id: Option<String>,
    rand: String,
    out: Option<String>,
    tek: Option<String>,
    salt: String,
}

#[test]
fn prf_1_agrees_with_streamwide_and_etherstack() {
    let prf = PRFS.iter().find(|prf| prf.id == PrfId::HMAC_SHA_256).unwrap();
    let file: Streamwide = read("external/mikey_prf_sha256.json");
    assert_eq!(file.vectors.len(), 4);
    for vector in file.vectors {
        // The SPK vector took the GMK's ID for CSB ID, S02 the GUK's.
        let other_id = if vector.src.contains("_SPK") { &vector.gmk_id } else { &vector.guk_id };
        let csb_id = hex(vector.csb_id.as_deref().or(other_id.as_deref()).unwrap());
        let key = hex(vector.out.as_deref().or(vector.tek.as_deref()).unwrap());
        let constant = vector.label.map_or("2ad01c64".into(), |l| l.split("0x").last().unwrap().to_string());
        for (constant, wanted) in [(&*constant, key), ("39a2c14b", hex(&vector.salt))] {
            let label: [&[u8]; 4] = [&hex(constant), &[vector.cs_id], &csb_id, &hex(&vector.rand)];
            assert_eq!(
                prf.derive(&hex(&vector.inkey), &label, wanted.len()).expose(),
                wanted,
                "{}, {constant}",
                vector.src
            );
        }
    }
}

fn read<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    let path = format!("{}/../../vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
