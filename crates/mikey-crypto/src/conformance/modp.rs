//! MODP-2048 and MODP-3072 (RFC 3526 sections 3 and 4), and MODP-1536 (section 2), which is version 1's OAKLEY 5.

use alloc::format;
use alloc::vec::Vec;

use super::{Constant, Report, Scripted, hex};
use crate::{CryptoProvider, GroupId, KxError, KxGroup};

pub(super) fn run(checks: &mut Report, provider: &CryptoProvider) {
    for answer in ANSWERS {
        let v1 = Some(provider.v1.oakley5).filter(|group| group.id() == answer.group);
        if let Some(group) = v1.or_else(|| provider.group(answer.group)) {
            known(checks, provider, group, answer);
            range(checks, group, answer);
        }
    }
}

fn known(checks: &mut Report, provider: &CryptoProvider, group: &dyn KxGroup, answer: &Answer) {
    let id = group.id().0;
    let is = |octets: &[u8], hash: &str| provider.sha256.digest(&[octets]).as_ref() == hex(hash);
    let [a, b] = answer.private;
    let [public_a, public_b] = answer.public;
    let Ok(initiator) = group.start(&Scripted::new(a)) else {
        return checks.that(format!("group {id} starts with a given private value"), false);
    };
    checks.that(format!("group {id}: public value"), is(initiator.value(), public_a));
    let Ok(made) = group.answer(&Scripted::new(b), initiator.value()) else {
        return checks.that(format!("group {id} answers with a given private value"), false);
    };
    checks.that(format!("group {id}: public value of the answer"), is(&made.value, public_b));
    checks.that(format!("group {id}: secret of the responder"), is(made.secret.dh.expose(), answer.shared));
    let agreed =
        initiator.agree(&made.value).is_ok_and(|s| is(s.dh.expose(), answer.shared) && s.kem.is_empty());
    checks.that(format!("group {id}: secret of the initiator"), agreed);
    checks.that(format!("group {id} gives up on a broken generator"), group.start(&Constant(0)).is_err());
}

fn range(checks: &mut Report, group: &dyn KxGroup, answer: &Answer) {
    let id = group.id().0;
    let prime = hex(answer.prime);
    let with_last = |octets: &[u8], last: u8| -> Vec<u8> {
        let mut octets = octets.to_vec();
        if let Some(octet) = octets.last_mut() {
            *octet = last;
        }
        octets
    };
    let zeros = Vec::from([0]).repeat(prime.len());
    // The last octet of every prime is 0xff, so p-1 and p-2 end in 0xfe and 0xfd.
    for (name, value, good) in [
        ("0", zeros.clone(), false),
        ("1", with_last(&zeros, 1), false),
        ("2", with_last(&zeros, 2), true),
        ("p-2", with_last(&prime, 0xfd), true),
        ("p-1", with_last(&prime, 0xfe), false),
        ("p", prime.clone(), false),
        ("2^n-1", Vec::from([0xff]).repeat(prime.len()), false),
        ("an unpadded 2", Vec::from([2]), false),
    ] {
        let [private, _] = answer.private;
        let answered = group.answer(&Scripted::new(private), &value);
        let right = if good { answered.is_ok() } else { answered.is_err_and(|e| e == KxError::BadValue) };
        checks.that(format!("group {id} answers y = {name} only if it may"), right);
        let agreed = group.start(&Scripted::new(private)).map(|i| i.agree(&value));
        let right =
            agreed.is_ok_and(|r| if good { r.is_ok() } else { r.is_err_and(|e| e == KxError::BadValue) });
        checks.that(format!("group {id} agrees with y = {name} only if it may"), right);
    }
}

/// Private values as they are drawn; of public values and the secret the SHA-256, all computed by Python's `pow`.
struct Answer {
    group: GroupId,
    prime: &'static str,
    private: [&'static str; 2],
    public: [&'static str; 2],
    shared: &'static str,
}

const ANSWERS: &[Answer] = &[
    Answer {
        group: GroupId::MODP_1536,
        prime: "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd
                ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed
                ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f
                83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca237327ffffffffffffffff",
        private: [
            "8e6f0e16d8fb6f24ce7ff83d5c3d3bdf588e0dfb1def0e12f0b21e58eaa341d3",
            "cf2ea81ad09137b4237f1cf17a9c686f749b88dbbb709bd1aa848348bd427cf1",
        ],
        public: [
            "d7d5fc978884101efb235f898cb0d8073917a3a72ff35e1c8b1fdd3f9ad4be5e",
            "58017d7dd7ed207de609c798a0dc5282d61d2db0305ee0a04939df00f9c0ca5a",
        ],
        shared: "00e867f81491aee0356b75668d4143334c8dd5b41dd57b49ccbf80a8e01c614e",
    },
    Answer {
        group: GroupId::MODP_2048,
        prime: "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd
                ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed
                ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f
                83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b
                e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510
                15728e5a8aacaa68ffffffffffffffff",
        private: [
            "92d9e6b0da1538967d728f9f7952daf0b58242323141b17c4f204b604589aeca",
            "06c36ceb031f69e023491a42a46113e7eb64674e1d006a0fcf8b2c9c0812c3a5",
        ],
        public: [
            "852ad3cb101805867fd0ce1c7de4113d49301bbf8e8e5c542631306f0ff4689f",
            "71bf90016709428d1cc1c57b295e0f9f219fcf632430e0dd7895e7bc067373a4",
        ],
        shared: "73a4ff651a4c7c676c78e61cdb9426121baa4def4f4d3675ef6a92330093c8e1",
    },
    Answer {
        group: GroupId::MODP_3072,
        prime: "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd
                ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed
                ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f
                83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b
                e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510
                15728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7
                abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18177b200c
                bbe117577a615d6c770988c0bad946e208e24fa074e5ab3143db5bfce0fd108e4b82d120a93ad2caffffffffffffffff",
        private: [
            "cdebb68cbc97ae9105f7448a850d93c418bfb82cb55f9b3121a9721888b3fb7ca5cd365d22bf03bf",
            "82381d57987b4fe18e89edb334c896a12f1522e298971545a37f024a0b54b4ab847d465676907f31",
        ],
        public: [
            "4199d2ba62dd048597fab33a796b4baaf04e84d91ba6d780eb031f62248ce33b",
            "c93882415a244587164e09c8f7df4383c234da549e3c18830867f423dce9cbc0",
        ],
        shared: "2dd8f2321ab775932d8afcf2338e7535ba227eb0e73351bf6b4dcfebc43230c7",
    },
];
