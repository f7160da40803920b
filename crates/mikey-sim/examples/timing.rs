//! A statistical timing test in the way of dudect (Reparaz, Balasch, Verbauwhede, DATE 2017): does the time of an operation
//! depend on what must not show?
//!
//!     cargo run --release -p mikey-sim --example timing [measurements]
//!
//! Each operation runs with inputs of two classes in random order. Welch's t says how sure it is that their mean times
//! differ: above 4.5 in two runs is worth a look, above 10 is a leak. Beside it stands how much they differ. What is far out
//! (interrupts) is cut off at several percentiles, and the largest t counts. Nothing gates on the result: a busy machine
//! hides what a quiet one shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss
)]

use std::hint::black_box;
use std::time::Instant;

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{CryptoProvider, SecretBytes, SuiteId, SuiteKind, ct_eq};
use mikey_proto::{Call, Endpoint, EndpointConfig, Identity, Name, Output, PskTable, Time};
use mikey_sim::{address, provider};

/// The times of the two classes, in nanoseconds.
type Times = [Vec<f64>; 2];

fn main() {
    let count: usize = std::env::args().nth(1).map_or(20_000, |text| text.parse().expect("a number"));
    let mut dice = fastrand::Rng::with_seed(1);
    println!("{count} measurements each\n");
    println!("| operation | classes | mean | difference | t |");
    println!("|---|---|---|---|---|");
    // The test can fail: a comparison that stops at the first difference is found out.
    report(
        "`==` on slices (control)",
        "first or last octet wrong",
        &comparison(count, &mut dice, |a, b| a == b),
    );
    report("`ct_eq`", "first or last octet wrong", &comparison(count, &mut dice, ct_eq));
    let providers = [mikey_crypto_aws_lc::provider(), mikey_crypto_rust::provider()];
    for provider in &providers {
        let name = |what: &str| format!("{what}, {}", provider.name);
        report(
            &name("HMAC-SHA-256 verified"),
            "first or last octet wrong",
            &hmac(provider, count, &mut dice),
        );
        for suite in [SuiteId::AES_128_GCM, SuiteId::CHACHA20_POLY1305] {
            let times = aead(provider, suite, count, &mut dice);
            report(&name(&format!("AEAD of suite {} opened", suite.0)), "first or last octet wrong", &times);
        }
    }
    for provider in &providers {
        let times = envelope(provider, count / 20, &mut dice);
        report(&format!("RSA envelope, {}", provider.name), "good or broken padding", &times);
    }
    let calls = count / 20;
    report("INIT_REQ of a PSK's caller", "known or unknown name", &caller(calls, &mut dice, false));
    report("its CCE_REQ, with a wrong PSK", "known or unknown name", &caller(calls, &mut dice, true));
    report("CCE_REQ that was changed", "first or last octet of the tag", &forged(calls, &mut dice));
}

fn time(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64
}

/// Measures both classes in random order.
fn measure(count: usize, dice: &mut fastrand::Rng, mut once: impl FnMut(bool) -> f64) -> Times {
    let mut times: Times = Default::default();
    for _ in 0..count / 10 {
        once(dice.bool()); // warm
    }
    for _ in 0..count {
        let class = dice.bool();
        times[usize::from(class)].push(once(class));
    }
    times
}

fn report(what: &str, classes: &str, times: &Times) {
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let (mut worst, mut shown) = (0.0, (0.0, 0.0));
    for percent in [50, 70, 90, 95, 99, 100] {
        let limit = all[(all.len() * percent / 100).saturating_sub(1)];
        let kept = times.each_ref().map(|t| t.iter().copied().filter(|x| *x <= limit).collect::<Vec<_>>());
        let [(n0, m0, v0), (n1, m1, v1)] = kept.each_ref().map(|t| moments(t));
        let t = (m0 - m1) / (v0 / n0 + v1 / n1).sqrt();
        if t.is_finite() && t.abs() > f64::abs(worst) {
            (worst, shown) = (t, (m0.midpoint(m1), m0 - m1));
        }
    }
    let (mean, difference) = shown;
    println!("| {what} | {classes} | {mean:.0} ns | {difference:+.1} ns | {worst:+.1} |");
}

fn moments(times: &[f64]) -> (f64, f64, f64) {
    let n = times.len() as f64;
    let mean = times.iter().sum::<f64>() / n;
    (n, mean, times.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0))
}

/// A MAC of 32 octets that is wrong at one end or the other, in one buffer.
fn comparison(count: usize, dice: &mut fastrand::Rng, equal: fn(&[u8], &[u8]) -> bool) -> Times {
    // Longer than a MAC, so that a control that stops early stands out of the clock's noise.
    let computed = [7u8; 1024];
    let mut received = computed;
    measure(count, dice, |class| {
        received = computed;
        received[if class { 1023 } else { 0 }] ^= 1;
        time(|| {
            black_box(equal(black_box(&computed), black_box(&received)));
        })
    })
}

fn hmac(provider: &CryptoProvider, count: usize, dice: &mut fastrand::Rng) -> Times {
    let (key, message) = ([1; 32], [2; 400]);
    let mac = provider.sha256.hmac(&key, &[&message]);
    let mut received = [0; 32];
    measure(count, dice, |class| {
        received.copy_from_slice(mac.expose());
        received[if class { 31 } else { 0 }] ^= 1;
        time(|| assert!(provider.sha256.hmac_verify(&key, &[&message], black_box(&received)).is_err()))
    })
}

fn aead(provider: &CryptoProvider, suite: SuiteId, count: usize, dice: &mut fastrand::Rng) -> Times {
    let suite = provider.suite(suite).unwrap();
    let SuiteKind::Aead(aead) = suite.kind else { panic!("no AEAD") };
    let key = vec![1; suite.key_len];
    let mut text = [2; 400];
    let tag = aead.seal(&key, &[3; 12], b"aad", &mut text).unwrap();
    let mut data = text;
    measure(count, dice, |class| {
        data = text;
        let mut tag = tag;
        tag[if class { 15 } else { 0 }] ^= 1;
        time(|| assert!(aead.open(&key, &[3; 12], b"aad", &mut data, black_box(&tag)).is_err()))
    })
}

/// `decrypt_or` of a good ciphertext or of one whose padding is broken.
fn envelope(provider: &CryptoProvider, count: usize, dice: &mut fastrand::Rng) -> Times {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../mikey-crypto/src/conformance/data/rsa2048.pkcs8");
    let key = (provider.load_decryptor)(&std::fs::read(path).unwrap()).unwrap();
    let good: Vec<_> = (0..32)
        .map(|_| provider.rsa_oaep.encrypt(&*provider.random, key.public_key(), &[5; 32]).unwrap())
        .collect();
    // Another ciphertext below the modulus, which decrypts to nothing.
    let bad: Vec<_> = good
        .iter()
        .map(|good| {
            let mut bad = good.clone();
            bad[100] ^= 1;
            bad
        })
        .collect();
    let mut turn = 0;
    measure(count, dice, |class| {
        turn = (turn + 1) % good.len();
        let ciphertext = if class { &bad[turn] } else { &good[turn] };
        time(|| drop(black_box(key.decrypt_or(black_box(ciphertext), SecretBytes::zeroed(32)))))
    })
}

const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
/// As long as Alice's name.
const CAROL: &str = "sip:carol@example.com";

fn config(seed: u64, own: &str, pairs: &[(&str, &str, u8)]) -> EndpointConfig {
    let mut config = EndpointConfig::new(provider(seed), Identity::new(own.parse::<Name>().unwrap()));
    let mut table = PskTable::new();
    for (a, b, octet) in pairs {
        let key = SecretBytes::copy_from(&[*octet; 32]);
        table.insert(a.parse().unwrap(), b.parse().unwrap(), key).unwrap();
    }
    config.psks = std::sync::Arc::new(table);
    config
}

fn next(endpoint: &mut Endpoint) -> Option<Vec<u8>> {
    loop {
        match endpoint.poll_output() {
            Output::Transmit { bytes, .. } => return Some(bytes),
            Output::Timeout(_) => return None,
            _ => (),
        }
    }
}

/// Bob knows Alice and not Carol. Both call him with a PSK that is not his: INIT_REQ, then CCE_REQ.
fn caller(count: usize, dice: &mut fastrand::Rng, cce: bool) -> Times {
    let call = Call::both_ways(BOB.parse().unwrap(), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    let mut seed = 0;
    measure(count, dice, |class| {
        seed += 2;
        let own = if class { CAROL } else { ALICE };
        let mut bob = Endpoint::new(config(seed, BOB, &[(ALICE, BOB, 1)])).unwrap();
        let mut caller = Endpoint::new(config(seed + 1, own, &[(own, BOB, 2)])).unwrap();
        caller.connect(Time::ZERO, address(1), &call).unwrap();
        let m1 = next(&mut caller).unwrap();
        let first = time(|| bob.handle_datagram(Time::ZERO, address(0), black_box(&m1)));
        let m2 = next(&mut bob).unwrap();
        caller.handle_datagram(Time::ZERO, address(1), &m2);
        let m3 = next(&mut caller).unwrap();
        let second = time(|| bob.handle_datagram(Time::ZERO, address(0), black_box(&m3)));
        assert!(next(&mut bob).is_none());
        if cce { second } else { first }
    })
}

/// The first or the last octet of a CCE_REQ's tag is wrong.
fn forged(count: usize, dice: &mut fastrand::Rng) -> Times {
    let call = Call::both_ways(BOB.parse().unwrap(), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    let mut bob = Endpoint::new(config(2, BOB, &[(ALICE, BOB, 1)])).unwrap();
    let mut alice = Endpoint::new(config(1, ALICE, &[(ALICE, BOB, 1)])).unwrap();
    alice.connect(Time::ZERO, address(1), &call).unwrap();
    bob.handle_datagram(Time::ZERO, address(0), &next(&mut alice).unwrap());
    alice.handle_datagram(Time::ZERO, address(1), &next(&mut bob).unwrap());
    let m3 = next(&mut alice).unwrap();
    let mut message = m3.clone();
    measure(20 * count, dice, |class| {
        message.copy_from_slice(&m3);
        let at = message.len() - if class { 1 } else { 16 };
        message[at] ^= 1;
        time(|| bob.handle_datagram(Time::ZERO, address(0), black_box(&message)))
    })
}
