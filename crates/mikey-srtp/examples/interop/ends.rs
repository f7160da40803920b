//! Our end of an exchange: one SSRC, both directions, and sockets on loopback.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Child;
use std::time::Duration;

use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_srtp::{
    ContextDb, DbConfig, Destination, Direction, Install, MasterKey, Mki, Owner, SenderId, Ssrc, Ssrcs,
    StartIndex, Time,
};

pub const SSRC: Ssrc = Ssrc(0xcafe_babe);

/// A sender and a receiver of ours under the same key, each with a database of its own.
pub struct Ours {
    pub tx: ContextDb,
    pub rx: ContextDb,
    pub sender: SenderId,
    pub receiver: SenderId,
}

impl Ours {
    /// `secret` is master key and salt; `ssrcs` are those that we receive; we send [`SSRC`].
    pub fn new(policy: SrtpPolicy, secret: &[u8], mki: &[u8], roc: u32, ssrcs: Option<Ssrcs>) -> Self {
        Self::with_parts(policy, secret.split_at(usize::from(policy.key_len)), mki, roc, ssrcs)
    }

    pub fn with_parts(
        policy: SrtpPolicy,
        (key, salt): (&[u8], &[u8]),
        mki: &[u8],
        roc: u32,
        ssrcs: Option<Ssrcs>,
    ) -> Self {
        let named = || Ssrcs::These(vec![(SSRC, StartIndex::Roc(roc))]);
        let install = |direction, ssrcs| {
            let key = MasterKey::new(SecretBytes::copy_from(key), SecretBytes::copy_from(salt));
            let key = key.with_mki(Mki::new(mki).unwrap());
            Install::new(direction, here(), Owner(1), ssrcs, policy, key)
        };
        let db = || ContextDb::new(mikey_crypto_aws_lc::provider().srtp, DbConfig::new([1, 2]));
        let (mut tx, mut rx) = (db(), db());
        let sender = tx.install(install(Direction::Outbound, named())).unwrap();
        let receiver = rx.install(install(Direction::Inbound, ssrcs.unwrap_or_else(named))).unwrap();
        Self { tx, rx, sender, receiver }
    }

    pub fn protect(&mut self, packet: &[u8], rtcp: bool) -> Vec<u8> {
        let mut buffer = [packet, &[0; 400]].concat();
        let len = match rtcp {
            true => self.tx.protect_rtcp(Time::ZERO, here(), &mut buffer, packet.len()).unwrap().len,
            false => self.tx.protect_rtp(Time::ZERO, here(), &mut buffer, packet.len()).unwrap().len,
        };
        buffer.truncate(len);
        buffer
    }

    pub fn unprotect(&mut self, packet: &[u8], rtcp: bool) -> Result<Vec<u8>, mikey_srtp::UnprotectError> {
        let mut buffer = packet.to_vec();
        let len = match rtcp {
            true => self.rx.unprotect_rtcp(Time::ZERO, here(), &mut buffer)?.len,
            false => self.rx.unprotect_rtp(Time::ZERO, here(), &mut buffer)?.len,
        };
        buffer.truncate(len);
        Ok(buffer)
    }
}

pub fn here() -> Destination {
    Destination::new(Ipv4Addr::LOCALHOST.into(), 5004)
}

/// Octets that differ by seed.
pub fn octets(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at as u8).wrapping_mul(167).wrapping_add(seed)).collect()
}

/// An RTP packet of payload type 8 (G.711 A-law).
pub fn rtp(seq: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(seq.to_be_bytes());
    packet.extend((u32::from(seq) * 160).to_be_bytes());
    packet.extend(SSRC.0.to_be_bytes());
    packet.extend(payload);
    packet
}

/// A sender report.
pub fn rtcp(seed: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(SSRC.0.to_be_bytes());
    packet.extend(octets(seed, 20));
    packet
}

pub fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// A socket that gives up after ten seconds, so that no run hangs.
pub fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

/// Two neighbouring ports, the even one first, that nobody uses at the moment.
pub fn free_ports() -> u16 {
    loop {
        let port = socket().local_addr().unwrap().port() & !1;
        let bind = |port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port));
        if port > 1024 && bind(port).is_ok() && bind(port + 1).is_ok() {
            return port;
        }
    }
}

/// A peer's process, ended when we are done with it.
pub struct Peer(pub Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
