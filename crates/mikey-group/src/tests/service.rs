//! A service whose members ask for more than one record takes, and whose signing key fails.

use std::sync::atomic::{AtomicBool, Ordering};

use mikey_crypto::{MethodId, SecureRandom, SignFailed};
use mikey_proto::{Endpoint, EndpointConfig, Identity};

use super::*;
use crate::access::AccessTable;
use crate::limits::RETRY;
use crate::service::{Service, ServiceConfig};
use crate::store::MAX_RECORD;

/// Signs nothing well, at the length of a signature by an RSA key of 4096 bits, or not at all.
struct Scribble {
    fails: AtomicBool,
}

impl Signer for Scribble {
    fn method(&self) -> MethodId {
        MethodId::RSA_PSS_SHA256
    }

    fn public_key(&self) -> &[u8] {
        b"nobody's"
    }

    fn sign(&self, _: &dyn SecureRandom, _: &[u8]) -> Result<Vec<u8>, SignFailed> {
        if self.fails.load(Ordering::Relaxed) { Err(SignFailed) } else { Ok(vec![7; 512]) }
    }
}

/// A service with a group of `n`, and an endpoint that none of them has a session with.
fn served(n: usize, signer: &Arc<Scribble>) -> (Service, Endpoint) {
    let provider = provider(60);
    let key: Arc<dyn Signer> = Arc::<Scribble>::clone(signer);
    // Of so short datagrams that each has one key.
    let first = Controller::create(&provider, &GroupConfig { path: 600, ..config() }, &*key).unwrap();
    let log = [(first.seq, first.record)];
    let mut controller = open(&provider, &key, &log);
    let roles = GroupRoles { sends: false, receives: true };
    let join = |n: usize| Join { name: nth(n), roles, ssrcs: 0, contact: Vec::new() };
    // Nobody was there before, so nothing is signed.
    let batch = Batch { joins: (0..n).map(join).collect(), ..Batch::default() };
    let keys = (0..n).map(|_| SecretBytes::zeroed(32)).collect();
    let proposal = controller.draft(&batch).unwrap().finish(keys).unwrap();
    controller.apply(proposal.seq, proposal.record.expose()).unwrap();
    let mut service = Service::new(ServiceConfig::default(), Arc::new(AccessTable::new()));
    service.add(Time::ZERO, controller);
    let config = EndpointConfig::new(provider, Identity::new(name("sip:gc@example.com")));
    (service, Endpoint::new(config).unwrap())
}

#[test]
fn who_leaves_by_the_thousand_leaves_in_several_records() {
    let signer = Arc::new(Scribble { fails: AtomicBool::new(false) });
    let (mut service, mut endpoint) = served(2048, &signer);
    for n in (0..2048).step_by(2) {
        service.expel(Time::ZERO, b"news", &nth(n)).unwrap();
    }
    let (group, proposal) = service.propose(Time::ZERO, &mut endpoint).unwrap();
    assert_eq!(group, b"news");
    assert!(proposal.record.len() <= MAX_RECORD);
    assert!(
        proposal.record.len() > MAX_RECORD / 4,
        "{} octets: no more than has to wait does",
        proposal.record.len()
    );
}

#[test]
fn who_is_expelled_is_not_forgotten_when_the_signing_key_fails() {
    let signer = Arc::new(Scribble { fails: AtomicBool::new(true) });
    let (mut service, mut endpoint) = served(3, &signer);
    service.expel(Time::ZERO, b"news", &nth(1)).unwrap();
    assert!(service.propose(Time::ZERO, &mut endpoint).is_none());
    signer.fails.store(false, Ordering::Relaxed);
    assert!(service.propose(Time::ZERO, &mut endpoint).is_none(), "not again at once");
    let later = Time::ZERO + RETRY;
    assert_eq!(service.wake(), Some(later));
    assert!(service.propose(later, &mut endpoint).is_some());
}
