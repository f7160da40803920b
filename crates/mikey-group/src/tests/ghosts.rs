//! More who leave at once than one record holds.

use std::sync::Arc;

use mikey_crypto::SecretBytes;
use mikey_proto::{Endpoint, EndpointConfig, GroupRoles, Identity, Time};
use mikey_sim::{KeyKind, provider};

use super::{config, name, nth, open, signer};
use crate::access::AccessTable;
use crate::controller::{Batch, Controller, Join};
use crate::limits::{GHOST, MAX_BATCH};
use crate::service::{Service, ServiceConfig};

// R14.12
#[test]
fn more_ghosts_than_a_record_holds_all_leave() {
    let provider = provider(70);
    let signer = signer(&provider, KeyKind::Ed25519);
    let proposal = Controller::create(&provider, &config(), &*signer).unwrap();
    let mut controller = open(&provider, &signer, &[(1, proposal.record)]);
    let roles = GroupRoles { sends: false, receives: true };
    let join = |n: usize| Join { name: nth(n), roles, ssrcs: 0, contact: Vec::new() };
    let members = MAX_BATCH + 10;
    for from in [0, members / 2] {
        let joins: Vec<Join> = (from..from + members / 2).map(join).collect();
        let keys = joins.iter().map(|_| SecretBytes::copy_from(&[7; 32])).collect();
        let batch = Batch { joins, ..Batch::default() };
        let proposal = controller.draft(&batch).unwrap().finish(keys).unwrap();
        controller.apply(proposal.seq, proposal.record.expose()).unwrap();
    }
    assert_eq!(controller.len(), members);
    let identity = Identity::new(name("sip:gc@example.com"));
    let mut endpoint = Endpoint::new(EndpointConfig::new(provider, identity)).unwrap();
    let mut service = Service::new(ServiceConfig::default(), Arc::new(AccessTable::new()));
    service.add(Time::ZERO, controller);
    let mut at = |now: Time| {
        service.handle_timeout(now, &mut endpoint);
        let mut records = 0;
        while service.propose(now, &mut endpoint).is_some() {
            service.stored(now, &mut endpoint, b"news").unwrap();
            records += 1;
        }
        (records, service.controller(b"news").unwrap().len())
    };
    let before = Time::ZERO + (GHOST - core::time::Duration::from_millis(1));
    assert_eq!(at(before), (0, members));
    assert_eq!(at(Time::ZERO + GHOST), (0, members), "they are gathered");
    assert_eq!(at(Time::from_secs(GHOST.as_secs() + 1)), (1, 10), "as many as a record holds");
    assert_eq!(at(Time::from_secs(GHOST.as_secs() + 2)), (1, 0));
}
