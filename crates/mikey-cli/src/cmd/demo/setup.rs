//! What the two ends of the demo know: names, credentials made for this run, and what is offered.

use std::sync::Arc;
use std::time::Duration;

use mikey::keying::{CertifiedKey, PskTable, Trust};
use mikey::{Call, EndpointConfig, Identity, Name, Side, SrtpPolicy, Stream};
use mikey_crypto::{SecretBytes, SecureRandom};
use mikey_net::Clock;
use zeroize::Zeroizing;

use super::Args;
use crate::call::credentials::{AcceptPeer, Prepared, parse_name, stream_start};
use crate::call::describe;
use crate::cmd::ca::EphemeralCa;
use crate::cmd::options::Profile;
use crate::error::{Error, Result};

const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";
/// Loopback answers at once: a call that takes longer than this has failed.
const LIFETIME: Duration = Duration::from_secs(5);

/// Credentials and configurations of both ends.
pub(super) fn prepare(args: &Args, clock: Clock, rekey: Option<Duration>) -> Result<Vec<Prepared>> {
    let policy = args.algorithms.policy(args.sas)?;
    let srtp = describe::srtp_policies(args.voice.srtp.as_deref())?;
    let ca = EphemeralCa::new("MIKEY demo CA", args.algorithms.policy == Profile::Fips)?;
    let mut key = Zeroizing::new([0; 32]);
    let random = mikey_crypto_aws_lc::provider().random;
    random.fill(key.as_mut_slice()).map_err(|error| Error::failed(error.to_string()))?;
    let prepare_one = |own: &str, peer: &str| {
        let provider = mikey_crypto_aws_lc::provider();
        let (name, peer) = (parse_name(own)?, parse_name(peer)?);
        let plain = args.psk || args.sas;
        let identity = if plain { Identity::new(name.clone()) } else { certified(&ca, own, &name)? };
        let mut config = EndpointConfig::new(provider, identity);
        config.policy = policy.clone();
        config.unix_time_at_zero = Some(clock.unix_time_at_zero());
        config.request_lifetime = LIFETIME;
        config.rekey_after = rekey;
        config.answer =
            Arc::new(AcceptPeer::new(Some(peer.clone()), srtp.clone(), Arc::clone(&config.provider.random)));
        if args.psk {
            let mut psks = PskTable::new();
            let key = SecretBytes::copy_from(key.as_slice());
            psks.insert(name.clone(), peer.clone(), key).map_err(|error| Error::failed(error.to_string()))?;
            config.psks = Arc::new(psks);
        } else {
            let mut trust = Trust::none();
            trust.add_anchor(&ca.anchor()).map_err(|error| Error::failed(error.to_string()))?;
            config.trust = trust;
        }
        Ok(Prepared { config, identity: name, peer: Some(peer) })
    };
    [(ALICE, BOB), (BOB, ALICE)].into_iter().map(|(own, peer)| prepare_one(own, peer)).collect()
}

fn certified(ca: &EphemeralCa, text: &str, name: &Name) -> Result<Identity> {
    let (certificate, pkcs8) = ca.issue(text)?;
    let provider = mikey_crypto_aws_lc::provider();
    let key = CertifiedKey::load(&provider, vec![certificate.to_vec()], &pkcs8);
    let key = key.map_err(|error| Error::failed(error.to_string()))?;
    Identity::with_certificate(name.clone(), key).map_err(|error| Error::failed(error.to_string()))
}

/// A call with one stream each way, under one of these policies.
pub(super) fn offer(policies: &[SrtpPolicy], random: &dyn SecureRandom) -> Result<Call> {
    let ssrc = stream_start(random)?.ssrc;
    let stream = |sender| Stream {
        policies: policies.to_vec(),
        ssrc: (sender == Side::Local).then_some(ssrc),
        ..Stream::new(sender, SrtpPolicy::AEAD_AES_128_GCM)
    };
    Ok(Call::new(parse_name(BOB)?, vec![stream(Side::Local), stream(Side::Remote)]))
}
