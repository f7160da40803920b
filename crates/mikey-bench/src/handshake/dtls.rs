//! DTLS 1.2 by dimpl, as WebRTC uses it: both sides present a self-signed certificate, matched by its fingerprint.
//!
//! dimpl has no Ed25519; its certificates are of P-256. Timed without the cookie's round trip, as the other contestants.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use dimpl::certificate::{calculate_fingerprint, generate_self_signed_certificate};
use dimpl::{Config, Dtls, DtlsCertificate, NamedGroup, Output};

use super::ours::Traffic;
use crate::Result;
use crate::measure::{Contestant, Role};

/// Flights after which a handshake has failed.
const MAX_FLIGHTS: usize = 8;

/// A full handshake with mutual authentication and X25519, up to the SRTP keys on both sides.
pub(super) fn full(name: &'static str) -> Result<Contestant<'static>> {
    let config = config(false)?;
    let (client, server) = (generate_self_signed_certificate()?, generate_self_signed_certificate()?);
    Ok(Contestant::new(name, Role::Peer, move || handshake(&config, &client, &server).map(drop)))
}

/// What a handshake puts on the wire.
pub(super) fn traffic(cookie: bool) -> Result<Traffic> {
    handshake(&config(cookie)?, &generate_self_signed_certificate()?, &generate_self_signed_certificate()?)
}

fn config(cookie: bool) -> Result<Arc<Config>> {
    let config = Config::builder().use_server_cookie(cookie).kx_groups(&[NamedGroup::X25519]).build()?;
    Ok(Arc::new(config))
}

fn handshake(config: &Arc<Config>, client: &DtlsCertificate, server: &DtlsCertificate) -> Result<Traffic> {
    let mut traffic = Traffic::default();
    let mut count = |packet: &[u8]| {
        traffic.datagrams += 1;
        traffic.octets += packet.len() as u64;
    };
    let now = Instant::now();
    let mut active = Side::new(config, client, server, now);
    active.dtls.set_active(true);
    let mut passive = Side::new(config, server, client, now);
    passive.dtls.handle_timeout(now)?; // sets its clock
    active.dtls.handle_timeout(now)?;
    for _ in 0..MAX_FLIGHTS {
        for packet in active.drain()? {
            count(&packet);
            passive.dtls.handle_packet(&packet)?;
        }
        for packet in passive.drain()? {
            count(&packet);
            active.dtls.handle_packet(&packet)?;
        }
        if active.done() && passive.done() {
            return Ok(traffic);
        }
    }
    Err("dimpl did not finish its handshake".into())
}

struct Side {
    dtls: Dtls,
    /// What signalling would have carried.
    expected: Vec<u8>,
    matched: bool,
    keyed: bool,
    buffer: Vec<u8>,
}

impl Side {
    fn new(config: &Arc<Config>, own: &DtlsCertificate, peer: &DtlsCertificate, now: Instant) -> Self {
        let dtls = Dtls::new_12(config.clone(), own.clone(), now);
        let expected = peer.fingerprint();
        Self { dtls, expected, matched: false, keyed: false, buffer: vec![0; 2048] }
    }

    fn done(&self) -> bool {
        self.matched && self.keyed
    }

    fn drain(&mut self) -> Result<Vec<Vec<u8>>> {
        let mut packets = Vec::new();
        loop {
            match self.dtls.poll_output(&mut self.buffer) {
                Output::Packet(packet) => packets.push(packet.to_vec()),
                Output::PeerCert(certificate) => {
                    self.matched = calculate_fingerprint(certificate) == self.expected;
                }
                Output::KeyingMaterial(keys, profile) => {
                    black_box((keys, profile));
                    self.keyed = true;
                }
                Output::BufferTooSmall { needed } => {
                    return Err(format!("dimpl wants {needed} octets").into());
                }
                Output::Timeout(_) => return Ok(packets),
                _ => {}
            }
        }
    }
}
