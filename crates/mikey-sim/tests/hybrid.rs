//! What the hybrid group is for: whoever broke one of the two, X25519 or ML-KEM, reads nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Mutex;

use common::craft::kind;
use common::mallory::Leg;
use common::*;
use mikey_crypto::{
    GroupId, KxAnswer, KxError, KxGroup, KxInitiator, KxSecret, RandomFailed, SecretBytes, SecureRandom,
};
use mikey_proto::{Role, Time};
use mikey_sim::{Link, provider};
use mikey_wire::DataType;

/// The hybrid group of the provider, broken: somebody learns both secrets.
struct Broken {
    real: &'static dyn KxGroup,
    secrets: Mutex<Option<[Vec<u8>; 2]>>,
}

impl KxGroup for Broken {
    fn id(&self) -> GroupId {
        self.real.id()
    }

    fn request_len(&self) -> usize {
        self.real.request_len()
    }

    fn answer_len(&self) -> usize {
        self.real.answer_len()
    }

    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KxInitiator>, RandomFailed> {
        self.real.start(random)
    }

    fn answer(&self, random: &dyn SecureRandom, peer: &[u8]) -> Result<KxAnswer, KxError> {
        let answer = self.real.answer(random, peer)?;
        let KxSecret { kem, dh } = &answer.secret;
        *self.secrets.lock().unwrap() = Some([kem.expose().to_vec(), dh.expose().to_vec()]);
        Ok(answer)
    }
}

#[test]
fn neither_half_alone_opens_anything() {
    let broken: &'static Broken = Box::leak(Box::new(Broken {
        real: provider(0).group(GroupId::X25519_MLKEM768).unwrap(),
        secrets: Mutex::default(),
    }));
    let (mut alice, mut bob) = (with_psk(ALICE, BOB, [7; 32], 1), with_psk(BOB, ALICE, [7; 32], 2));
    alice.policy.groups = vec![GroupId::X25519_MLKEM768];
    bob.policy.groups = vec![GroupId::X25519_MLKEM768];
    bob.provider.groups = Box::leak(Box::new([broken as &dyn KxGroup]));
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    pair.start(BOB).run(Time::from_secs(5)).established();
    let message = |ty| &pair.world.sent.iter().find(|d| kind(&d.bytes) == ty).unwrap().bytes;
    let (m1, m2, m3) =
        (message(DataType::INIT_REQ), message(DataType::INIT_RESP), message(DataType::CCE_REQ));
    let [kem, dh] = broken.secrets.lock().unwrap().take().unwrap();
    assert_eq!((kem.len(), dh.len()), (32, 32));
    let opens = |kem: &[u8], dh: &[u8]| {
        let secret = KxSecret { kem: SecretBytes::copy_from(kem), dh: SecretBytes::copy_from(dh) };
        Leg::new(&provider(0), m1, m2, &secret, &[7; 32]).try_open(Role::Initiator, false, m3).is_some()
    };
    assert!(opens(&kem, &dh), "both halves, put together as the specification says");
    for nothing in [&[][..], &[0; 32]] {
        assert!(!opens(nothing, &dh), "X25519 alone");
        assert!(!opens(&kem, nothing), "ML-KEM alone");
    }
    assert!(!opens(&dh, &kem), "the two have an order");
}
