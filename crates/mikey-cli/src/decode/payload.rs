//! Each payload of a message as a tree (RFC 3830 section 6 and its extensions, docs/spec.md).

use mikey_wire::{
    AuthMethod, Cert, CertType, DhGroup, ErrorNo, Exch, Extension, GccReq, Group, Id, IdType, Kemac, KeyData,
    Kv, MspParam, PayloadType, PrfFunc, ProtType, SdpBindingType, Sp, SpParam, SrtpAuth, SrtpEncr, SrtpParam,
    T, TeslaIKey, TeslaMac, TeslaParam, TeslaPrf, Version,
};
use mikey_wire::{EncrAlg, Item, Payload};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::decode::tree::{Field, Node};
use crate::ui::printable_bytes;

/// Seconds from 1900, where NTP counts from, to 1970.
const NTP_TO_UNIX: i64 = 2_208_988_800;

/// What the tree shows of secrets and how a payload is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// Keys that a message carries in the clear are shown.
    pub(crate) keys: bool,
    /// Version of the message.
    pub(crate) version: Version,
    /// Its data type.
    pub(crate) data_type: mikey_wire::DataType,
}

/// One payload with its place.
pub(crate) fn node(item: &Item<'_>, view: View) -> Node {
    let ty = item.payload.ty();
    let parts = parts(item, view);
    let name = match &item.payload {
        Payload::Ext(extension) => {
            format!("{}: {}", name_of(ty), registered_text(extension.ty().0, extension.ty().name()))
        }
        _ => name_of(ty),
    };
    Node::group(name, parts).at(item.start, item.end)
}

fn name_of(ty: PayloadType) -> String {
    ty.name().map_or_else(|| format!("payload {}", ty.0), str::to_owned)
}

fn parts(item: &Item<'_>, view: View) -> Vec<Node> {
    match &item.payload {
        Payload::Kemac(kemac) => kemac_parts(kemac, item.start, view),
        Payload::Pke(pke) => vec![
            registered("cache", pke.cache.0, pke.cache.name()),
            Node::octets("envelope key, encrypted", pke.data),
        ],
        Payload::Dh(dh) => {
            let group = DhGroup(dh.group);
            let mut parts = vec![registered("group", group.0, group.name()), Node::octets("value", dh.value)];
            parts.extend(kv_parts(&dh.kv));
            parts
        }
        Payload::Sign(sign) => {
            vec![
                registered("algorithm", sign.alg.0, sign.alg.name()),
                Node::octets("signature", sign.signature),
            ]
        }
        Payload::T(t) => time_parts(t),
        Payload::Id(id) => id_parts(id),
        Payload::Cert(cert) => cert_parts(cert),
        Payload::Chash(chash) => {
            vec![registered("hash", chash.func.0, chash.func.name()), Node::octets("value", chash.hash)]
        }
        Payload::V(ver) => {
            vec![registered("algorithm", ver.auth_alg.0, ver.auth_alg.name()), Node::octets("MAC", ver.data)]
        }
        Payload::Sp(sp) => policy_parts(sp),
        Payload::Rand(rand) => vec![Node::octets("RAND", rand)],
        Payload::Err(error) => vec![error_node(*error)],
        Payload::Tr(tr) => {
            let mut parts = vec![registered("role", tr.role.0, tr.role.name())];
            parts.extend(time_parts(&tr.t));
            parts
        }
        Payload::Idr(idr) => {
            let mut parts = vec![registered("role", idr.role.0, idr.role.name())];
            parts.extend(id_parts(&idr.id));
            parts
        }
        Payload::RandR(randr) => {
            vec![registered("role", randr.role.0, randr.role.name()), Node::octets("RAND", randr.rand)]
        }
        Payload::KeyData(data) => key_data_parts(data, view),
        Payload::Ext(extension) => extension_parts(extension),
        Payload::Sakke(sakke) => vec![
            Node::number("parameter set", sakke.params),
            Node::number("ID scheme", sakke.id_scheme),
            Node::octets("encapsulated data", sakke.data),
        ],
        Payload::Auth(auth) => {
            let method = AuthMethod(auth.method);
            vec![registered("method", method.0, method.name()), Node::octets("data", auth.data)]
        }
        Payload::CertReq(request) => {
            let mut parts =
                vec![registered("certificate type", request.cert_type.0, request.cert_type.name())];
            if request.hashes.is_empty() {
                parts.push(Node::text("accepted anchors", "any"));
            }
            parts.extend(
                request.hashes.iter().map(|hash| Node::octets("accepted anchor, SHA-256", hash.as_slice())),
            );
            parts
        }
        Payload::GccReq(request) => group_request_parts(request),
    }
}

fn kemac_parts(kemac: &Kemac<'_>, start: usize, view: View) -> Vec<Node> {
    let mut parts = vec![registered("encryption", kemac.encr_alg.0, kemac.encr_alg.name())];
    let plain = view.version == Version::V1 && kemac.encr_alg == EncrAlg::NULL && !kemac.encr_data.is_empty();
    if plain {
        // After next payload, Encr alg and the length (RFC 3830 section 6.2).
        parts.push(plaintext(kemac.encr_data, view).shifted(start + 4));
    } else {
        parts.push(Node::octets("encrypted data", kemac.encr_data));
    }
    parts.push(registered("MAC algorithm", kemac.mac_alg.0, kemac.mac_alg.name()));
    parts.push(Node::octets("MAC", kemac.mac));
    parts
}

/// Sub-payloads that stand in the clear (RFC 3830 section 4.2.3, NULL encryption).
fn plaintext(octets: &[u8], view: View) -> Node {
    let first = PayloadType::KEY_DATA;
    match mikey_wire::decode_chain(view.version, view.data_type, first, octets) {
        Ok(items) => {
            Node::text("data in the clear", "not encrypted").with(items.iter().map(|item| node(item, view)))
        }
        Err(error) => Node::text("data in the clear", &format!("not readable: {error}")),
    }
}

fn key_data_parts(data: &KeyData<'_>, view: View) -> Vec<Node> {
    let secret = |name: &str, octets: &[u8]| {
        if view.keys { Node::octets(name, octets) } else { Node::new(name, Field::Hidden(octets.len())) }
    };
    let mut parts = vec![registered("type", data.ty.0, data.ty.name()), secret("key", data.key)];
    parts.extend(data.salt.map(|salt| secret("salt", salt)));
    parts.extend(kv_parts(&data.kv));
    parts
}

fn kv_parts(kv: &Kv<'_>) -> Vec<Node> {
    match kv {
        Kv::Null => Vec::new(),
        Kv::Spi(spi) => vec![Node::octets("valid for SPI (MKI)", spi)],
        Kv::Interval { from, to } => vec![Node::octets("valid from", from), Node::octets("valid to", to)],
    }
}

fn time_parts(t: &T) -> Vec<Node> {
    let kind = registered("kind", t.ty().0, t.ty().name());
    match *t {
        T::NtpUtc(value) | T::Ntp(value) => {
            vec![
                kind,
                Node::text("time", &ntp_date(value >> 32)),
                Node::octets("value", &value.to_be_bytes()),
            ]
        }
        T::NtpUtc32(value) => {
            vec![kind, Node::text("time", &ntp_date(value.into())), Node::number("value", value)]
        }
        T::Counter(value) => vec![kind, Node::number("value", value)],
    }
}

fn ntp_date(seconds: u64) -> String {
    let unix = i64::try_from(seconds).unwrap_or(0) - NTP_TO_UNIX;
    let at = OffsetDateTime::UNIX_EPOCH + Duration::seconds(unix);
    format!("{} {:02}:{:02}:{:02} UTC", at.date(), at.hour(), at.minute(), at.second())
}

fn id_parts(id: &Id<'_>) -> Vec<Node> {
    let kind = registered("kind", id.ty.0, id.ty.name());
    let identity = if id.ty == IdType::BYTES {
        Node::octets("identity", id.data)
    } else {
        Node::new("identity", Field::Text(printable_bytes(id.data)))
    };
    vec![kind, identity]
}

fn cert_parts(cert: &Cert<'_>) -> Vec<Node> {
    let mut parts = vec![registered("kind", cert.ty.0, cert.ty.name())];
    if cert.ty == CertType::X509_URL {
        parts.push(Node::new("URL", Field::Text(printable_bytes(cert.data))));
        return parts;
    }
    if let Ok((_, certificate)) = X509Certificate::from_der(cert.data) {
        parts.push(Node::text("subject", &certificate.subject().to_string()));
        parts.push(Node::text("issuer", &certificate.issuer().to_string()));
        parts.push(Node::text("valid until", &certificate.validity().not_after.to_string()));
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.into_iter().flat_map(|extension| &extension.value.general_names);
        parts.extend(names.map(|name| Node::text("name", &name.to_string())));
    }
    parts.push(Node::octets("DER", cert.data));
    parts
}

fn policy_parts(sp: &Sp<'_>) -> Vec<Node> {
    let mut parts =
        vec![Node::number("policy number", sp.policy_no), registered("protocol", sp.prot.0, sp.prot.name())];
    parts.extend(sp.params.iter().map(|param| match sp.prot {
        ProtType::SRTP => srtp_param(param),
        ProtType::M_SP => negotiation_param(param),
        ProtType::TESLA => tesla_param(param),
        _ => unsigned(param, None),
    }));
    parts
}

fn tesla_param(param: &SpParam<'_>) -> Node {
    let ty = TeslaParam(param.ty);
    let title = registered_text(param.ty, ty.name());
    match (ty, param.value) {
        (TeslaParam::PRF, [value]) => registered(title, *value, TeslaPrf(*value).name()),
        (TeslaParam::MAC, [value]) => registered(title, *value, TeslaMac(*value).name()),
        (
            TeslaParam::START | TeslaParam::RECEIVER_TIME | TeslaParam::ANSWER_TIME,
            [seconds @ .., _, _, _, _],
        ) if seconds.len() == 4 => {
            Node::text(title, &ntp_date(seconds.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet))))
        }
        _ => unsigned(param, ty.name()),
    }
}

fn srtp_param(param: &SpParam<'_>) -> Node {
    let name = SrtpParam(param.ty).name();
    let title = registered_text(param.ty, name);
    match (SrtpParam(param.ty), param.value) {
        (SrtpParam::ENCR_ALG, [value]) => registered(title, *value, SrtpEncr(*value).name()),
        (SrtpParam::AUTH_ALG, [value]) => registered(title, *value, SrtpAuth(*value).name()),
        (SrtpParam::SRTP_ENCR | SrtpParam::SRTCP_ENCR | SrtpParam::SRTP_AUTH, [0]) => {
            Node::text(title, "off")
        }
        (SrtpParam::SRTP_ENCR | SrtpParam::SRTCP_ENCR | SrtpParam::SRTP_AUTH, [1]) => Node::text(title, "on"),
        _ => unsigned(param, name),
    }
}

/// M-SP: lists of one-octet values, the longest message as a number of two octets.
fn negotiation_param(param: &SpParam<'_>) -> Node {
    let ty = MspParam(param.ty);
    let title = registered_text(param.ty, ty.name());
    if ty == MspParam::LONGEST {
        return unsigned(param, ty.name());
    }
    let meaning = |value: u8| match ty {
        MspParam::EXCH => Exch(value).name(),
        MspParam::PRF => PrfFunc(value).name(),
        MspParam::DH_GROUP => DhGroup(value).name(),
        MspParam::SUITE => suite_name(value),
        MspParam::MY_AUTH | MspParam::PEER_AUTH => AuthMethod(value).name(),
        MspParam::CREDENTIALS => credential_name(value),
        MspParam::CONFIDENTIALITY => Some(if value == 0 { "clear" } else { "encrypted" }),
        MspParam::RESUMPTION => Some(if value == 0 { "no" } else { "yes" }),
        _ => None,
    };
    let values: Vec<String> =
        param.value.iter().map(|value| registered_text(*value, meaning(*value))).collect();
    Node::text(title, &values.join(", "))
}

/// Protection suites of version 2 (docs/spec.md, "Negotiation").
pub(crate) fn suite_name(value: u8) -> Option<&'static str> {
    Some(match value {
        1 => "AES-CM-128 with HMAC-SHA-256",
        2 => "AES-CM-256 with HMAC-SHA-256",
        3 => "AEAD-AES-128-GCM",
        4 => "AEAD-AES-256-GCM",
        5 => "AEAD-CHACHA20-POLY1305",
        _ => return None,
    })
}

fn credential_name(value: u8) -> Option<&'static str> {
    Some(match value {
        1 => "X.509 chain to an anchor",
        2 => "X.509 matched by SDP fingerprint",
        _ => return None,
    })
}

fn extension_parts(extension: &Extension<'_>) -> Vec<Node> {
    match extension {
        Extension::VendorId(id) => vec![Node::new("vendor", Field::Text(printable_bytes(id)))],
        Extension::SdpIds(ids) => vec![Node::new("protocols", Field::Text(printable_bytes(ids)))],
        Extension::TeslaKey(data) => match TeslaIKey::decode_all(data).as_deref() {
            Ok([]) => vec![Node::text("key", "not known yet")],
            Ok(keys) => keys
                .iter()
                .flat_map(|key| {
                    [Node::number("interval", key.interval), Node::octets("key", key.key.as_slice())]
                })
                .collect(),
            // Version 1 has the key alone (RFC 4442 section 4.4).
            Err(_) => vec![Node::octets("initial key", data)],
        },
        Extension::KeyId(ids) => {
            ids.iter().map(|id| Node::octets(registered_text(id.ty.0, id.ty.name()), id.id)).collect()
        }
        Extension::CsbId(id) => vec![Node::text("CSB ID", &format!("0x{id:08x}"))],
        Extension::Session(session) => vec![
            Node::text("SPI of the initiator", &format!("0x{:016x}", session.spi_i)),
            Node::text("SPI of the responder", &format!("0x{:016x}", session.spi_r)),
        ],
        Extension::Cookie(cookie) => vec![Node::octets("cookie", cookie)],
        Extension::Fragment { number, total } => {
            vec![Node::number("number", *number), Node::number("of", *total)]
        }
        Extension::SasCommit(value) => vec![Node::octets("commitment", value.as_slice())],
        Extension::SasReveal(value) => vec![Node::octets("revealed", value.as_slice())],
        Extension::ResumeTicket(ticket) => ticket
            .lifetime
            .map(|seconds| Node::number("lifetime in seconds", seconds))
            .into_iter()
            .chain([Node::octets("ticket", ticket.opaque)])
            .collect(),
        Extension::Notify { code, data } => {
            vec![Node::new("code", Field::Registered(code.0.into(), code.name())), Node::octets("data", data)]
        }
        Extension::SdpBinding(items) => items
            .iter()
            .map(|(ty, value)| {
                Node::new(
                    registered_text(*ty, SdpBindingType(*ty).name()),
                    Field::Text(printable_bytes(value)),
                )
            })
            .collect(),
        Extension::Group(group) => group_parts(group),
        Extension::Hash(hash) => vec![Node::octets("hash of the request", hash)],
        Extension::Senders(senders) => senders
            .iter()
            .map(|sender| {
                Node::group(
                    "sender",
                    vec![
                        Node::number("CS ID", sender.cs_id),
                        Node::text("yours", if sender.yours { "yes" } else { "no" }),
                        Node::text("gone", if sender.gone { "yes" } else { "no" }),
                        Node::text("shared", if sender.shared { "yes" } else { "no" }),
                        ssrc_node(sender.ssrc),
                        Node::number("ROC", sender.roc),
                        Node::number("SEQ", sender.seq),
                    ],
                )
            })
            .collect(),
        Extension::Unknown { body, .. } => vec![Node::octets("data", body)],
    }
}

fn group_parts(group: &Group<'_>) -> Vec<Node> {
    let prf = PrfFunc(group.prf);
    let method = AuthMethod(group.auth_method);
    vec![
        Node::text("SPI of the group", &format!("0x{:016x}", group.spi)),
        Node::text("CSB ID of the group", &format!("0x{:08x}", group.csb_id)),
        Node::number("epoch", group.epoch),
        Node::number("next T", group.next_t),
        Node::number("leaf node", group.leaf),
        registered("PRF", prf.0, prf.name()),
        registered("protection suite", group.suite, suite_name(group.suite)),
        registered("AUTH method", method.0, method.name()),
        Node::octets("RANDg", group.rand.as_slice()),
        Node::octets("signing key (SubjectPublicKeyInfo)", group.spki),
    ]
}

fn group_request_parts(request: &GccReq<'_>) -> Vec<Node> {
    let roles = match request.roles {
        1 => "sender",
        2 => "receiver",
        3 => "sender and receiver",
        _ => "not assigned",
    };
    vec![
        Node::text("roles", roles),
        Node::number("SSRCs wanted", request.ssrcs),
        Node::new("group", Field::Text(printable_bytes(request.group_id))),
    ]
}

fn error_node(error: ErrorNo) -> Node {
    registered("error", error.0, error.name())
}

/// An SSRC as people write it.
pub(crate) fn ssrc_node(ssrc: u32) -> Node {
    Node::text("SSRC", &format!("0x{ssrc:08x}"))
}

/// A number of a registry.
pub(crate) fn registered(title: impl Into<String>, number: u8, name: Option<&'static str>) -> Node {
    Node::new(title, Field::Registered(number.into(), name))
}

fn registered_text(number: u8, name: Option<&str>) -> String {
    name.map_or_else(|| format!("{number} (not assigned)"), |name| format!("{name} ({number})"))
}

/// A parameter whose value is a number of up to eight octets, most significant first.
fn unsigned(param: &SpParam<'_>, name: Option<&str>) -> Node {
    let title = registered_text(param.ty, name);
    match param.value {
        [] | [_, _, _, _, _, _, _, _, _, ..] => Node::octets(title, param.value),
        value => Node::number(title, value.iter().fold(0u64, |sum, octet| sum << 8 | u64::from(*octet))),
    }
}
