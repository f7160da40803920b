//! What a failed call means for the user: the fact, the advice, and whether the peer failed to authenticate itself.

use mikey::keying::v1::Error as V1Error;
use mikey::keying::{CertificateFault, Error as CallError, Hint, Mismatch, PeerFault, Stage};

use mikey_wire::ErrorNo;

use crate::error::Error;

/// The tool's error for a call that failed or was refused.
pub(crate) fn failure(why: &CallError) -> Error {
    let message = why.to_string();
    let error = match why {
        CallError::Peer(_) => Error::peer_authentication(message),
        CallError::Timeout { stage: Stage::UnverifiedPsk, hint: None } => Error::peer_authentication(message),
        CallError::Misuse(_) | CallError::V1(V1Error::Misuse(_)) => Error::usage(message),
        CallError::V1(V1Error::Auth | V1Error::Certificate(_) | V1Error::Name) => {
            Error::peer_authentication(message)
        }
        CallError::V1(V1Error::Refused { errors, .. }) if errors.contains(&ErrorNo::AUTH_FAILURE) => {
            Error::peer_authentication(message)
        }
        _ => Error::failed(message),
    };
    match advice(why) {
        Some(advice) => error.hint(advice),
        None => error,
    }
}

/// What to do about it.
pub(crate) fn advice(why: &CallError) -> Option<&'static str> {
    Some(match why {
        CallError::Peer(PeerFault::AuthFailed) => "compare the pre-shared keys and the names on both sides",
        CallError::Peer(PeerFault::Name) => "compare --peer with the --identity of the other side",
        CallError::Peer(PeerFault::RefusedUs) => {
            "the other side's output says why: a certificate, a name, or a policy that it does not accept"
        }
        CallError::Peer(PeerFault::Certificate(fault)) => match fault {
            CertificateFault::UnknownIssuer => "name the CA that issued it with --ca, if you trust that CA",
            CertificateFault::Expired | CertificateFault::NotYetValid => {
                "the peer needs a new certificate; check the clocks of both sides"
            }
            CertificateFault::Revoked => {
                "the peer needs a new certificate: its CA has withdrawn this one (--crl)"
            }
            CertificateFault::RevocationUnknown => {
                "get the revocation list of the CA that issued it, and name it with --crl; each --ca needs one"
            }
            CertificateFault::CrlExpired => {
                "get a new revocation list of the CA ('mikey ca crl' makes one), and check the clock here"
            }
            CertificateFault::Name => "the peer's --identity must stand in its certificate ('mikey ca show')",
            _ => "look at the certificate with 'mikey ca show'",
        },
        CallError::Mismatch(Mismatch::SrtpPolicy) => "allow a common SRTP policy on both sides with --srtp",
        CallError::Mismatch(Mismatch::Parameter(_)) => "compare --policy on both sides",
        CallError::Mismatch(Mismatch::Streams) => "only the peer named by --peer is accepted",
        CallError::Timeout { hint: Some(Hint::InvalidSpPar | Hint::InvalidDh), .. } => {
            "compare --policy on both sides, and the kinds of credentials: certificates or a pre-shared key"
        }
        CallError::Timeout { stage: Stage::NoAnswer, .. } => {
            "is 'mikey listen' running there, for the name that --peer says, and does UDP get through"
        }
        CallError::Timeout { stage: Stage::UnverifiedPsk, .. } => {
            "compare the pre-shared keys and the names on both sides"
        }
        CallError::V1(V1Error::Time(_)) => "set the clocks of both sides: version 1 needs them",
        CallError::V1(V1Error::Auth | V1Error::Certificate(_) | V1Error::Name) => {
            "compare the keys, certificates and names on both sides"
        }
        CallError::V1(V1Error::Refused { .. }) => {
            "look at the output of the other side, its clock, and the keys and names on both sides"
        }
        CallError::V1(V1Error::Misuse(_)) => {
            "psk and dhhmac need --psk; pk, dh and rsa-r need RSA keys: --cert and --key, and for decryption \
             --decrypt-cert and --decrypt-key ('mikey ca issue --key rsa2048 --usage decryption')"
        }
        CallError::Timeout { stage: Stage::Unverified, .. } => "look at the output of the other side",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Exit;

    #[test]
    fn who_could_not_be_authenticated_has_its_own_code() {
        for why in [
            CallError::Peer(PeerFault::AuthFailed),
            CallError::Peer(PeerFault::Name),
            CallError::Peer(PeerFault::Certificate(CertificateFault::Expired)),
            CallError::Timeout { stage: Stage::UnverifiedPsk, hint: None },
        ] {
            let error = failure(&why);
            assert_eq!(error.exit(), Exit::PeerAuthentication, "{why}");
            assert!(error.hint_text().is_some(), "{why}");
        }
        for why in [
            CallError::Timeout { stage: Stage::NoAnswer, hint: None },
            CallError::Mismatch(Mismatch::SrtpPolicy),
        ] {
            assert_eq!(failure(&why).exit(), Exit::Failed, "{why}");
        }
    }
}
