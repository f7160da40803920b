#!/usr/bin/env python3
"""Follows the calls in *.json as somebody who knows every private value, by docs/spec.md, and computes everything in between.

Reads "inputs" and "datagrams", writes "intermediate" (for each datagram what it holds and which keys come of it) and "given"
(further datagrams, and what a receiver must make of them), and fails if a KEMAC, an AUTH, an SRTP key, a SAS, an exported
value or a rule of the specification is not what comes out. Nothing here shares code or structure with the Rust implementation.
"""

import hashlib
import hmac
import json
import pathlib

from primitives import MODP, P256, P384, chacha20_poly1305, check_primitives, ctr, ed25519, gcm, ml_kem_decapsulate, rsa_pss_verify, x25519
from primitives import rsa_oaep_decrypt, rsa_oaep_encrypt, rsa_private_key, rsa_pss_sign

KEMAC, DH, T, ID, CERT, SP, RAND, ERR, EXT, AUTH, CERTREQ = 1, 3, 5, 6, 7, 10, 11, 12, 21, 40, 41
PKE, SIGN, CHASH, V, KEY_DATA = 2, 4, 8, 9, 20
SESSION, COOKIE, FRAGMENT, COMMIT, REVEAL, TICKET, NOTIFY, BINDING, HASH = 64, 65, 66, 67, 68, 69, 70, 71, 73
NAMES = {6: "ERROR", 40: "INIT_REQ", 41: "INIT_RESP", 42: "CCE_REQ", 43: "CCE_RESP", 46: "REKEY_REQ", 47: "REKEY_RESP"}
NAMES |= {44: "CCE2_REQ", 45: "CCE2_RESP"}
NAMES |= {48: "INFO_REQ", 49: "INFO_RESP", 50: "RESUME_REQ", 51: "RESUME_RESP"}
ROLES = {"initiator": 0xFF, "responder": 0xFE}
# suite: kind, key, salt, authentication key, MAC, Encr alg, MAC alg
SUITES = {
    1: ("ctr", 16, 14, 32, 32, 1, 2),
    2: ("ctr", 32, 14, 32, 32, 3, 2),
    3: (gcm, 16, 12, 0, 16, 64, 64),
    4: (gcm, 32, 12, 0, 16, 65, 64),
    5: (chacha20_poly1305, 32, 12, 0, 16, 66, 64),
}
DH_LENGTHS = {14: (256, 256), 15: (384, 384), 19: (64, 64), 20: (96, 96), 31: (32, 32), 236: (1216, 1120)}
BASE32 = "ybndrfg8ejkmcpqxot1uwisza345h769"


def be(octets):
    return int.from_bytes(octets, "big")


def L(x):
    return len(x).to_bytes(4, "big") + x


def header(raw):
    """What HDR says, and its length (4.1, 4.5)."""
    assert raw[0] == 2 and raw[9] == 2
    at, blocks = 10, []
    for _ in range(raw[8]):
        cs_id, prot, count = raw[at], raw[at + 1], raw[at + 2] & 0x7F
        with_index, numbers = raw[at + 2] >> 7, list(raw[at + 3 : at + 3 + count])
        at += 3 + count
        data = raw[at + 2 : at + 2 + be(raw[at : at + 2])]
        at += 2 + len(data)
        mki = raw[at + 1 : at + 1 + raw[at]]
        at += 1 + len(mki)
        assert prot == 0 and len(data) in (0, 4, 10) and with_index == (len(data) == 10)
        blocks.append({"cs_id": cs_id, "policies": numbers, "data": data, "mki": mki})
    return {"type": raw[1], "next": raw[2], "v": raw[3] >> 7, "prf": raw[3] & 0x7F, "csb_id": raw[4:8], "cs": blocks}, at


def payloads(raw, kind, at, mac_len=0, answer=False):
    """(type, start, end, content) of each payload from `at` to the end, which must be the end (4.3)."""
    found = []
    while kind:
        start, following = at, raw[at]
        if kind == RAND:
            assert raw[at + 1] == 32
            at += 34
            content = raw[start + 2 : at]
        elif kind == T:
            assert raw[at + 1] == 2, "COUNTER"
            at += 6
            content = be(raw[start + 2 : at])
        elif kind == SP:
            at += 5 + be(raw[at + 3 : at + 5])
            content = (raw[start + 1], raw[start + 2], raw[start + 5 : at], raw[start + 1 : at])
        elif kind == DH:
            at += 2 + DH_LENGTHS[raw[at + 1]][answer] + 1
            content = (raw[start + 1], raw[start + 2 : at - 1])
        elif kind == KEMAC:
            data_end = at + 4 + be(raw[at + 2 : at + 4])
            at = data_end + 1 + mac_len
            content = (raw[start + 1], raw[start + 4 : data_end], raw[data_end], raw[data_end + 1 : at])
        elif kind == ERR:
            at += 4
            content = raw[start + 1]
        elif kind == CHASH:
            assert raw[at + 1] == 2, "SHA-256"
            at += 34
            content = raw[start + 2 : at]
        elif kind == PKE:
            assert raw[at + 1] >> 6 == 0, "no cache"
            at += 3 + (be(raw[at + 1 : at + 3]) & 0x3FFF)
            content = raw[start + 3 : at]
        elif kind == SIGN:
            # It has no next payload: it is the last one.
            assert raw[at] >> 4 == 1, "RSASSA-PSS"
            following = 0
            at += 2 + (be(raw[at : at + 2]) & 0x0FFF)
            content = raw[start + 2 : at]
        elif kind == V:
            at += 2 + {2: 32, 65: 48}[raw[at + 1]]
            content = (raw[start + 1], raw[start + 2 : at])
        elif kind == KEY_DATA:
            assert raw[at + 1] in (0, 0x20), "a TGK or a TEK, without salt and KV"
            at += 4 + be(raw[at + 2 : at + 4])
            content = (raw[start + 1], raw[start + 4 : at])
        else:
            assert kind in (ID, CERT, EXT, AUTH, CERTREQ), kind
            at += 4 + be(raw[at + 2 : at + 4])
            content = (raw[start + 1], raw[start + 4 : at])
        found.append((kind, start, at, content))
        kind = following
    assert at == len(raw), "octets are left over"
    return found


def all_of(found, kind, ext=None):
    contents = [c for k, _, _, c in found if k == kind]
    return contents if ext is None else [data for ty, data in contents if ty == ext]


def one(found, kind, ext=None):
    (content,) = all_of(found, kind, ext)
    return content


def maybe(found, kind, ext=None):
    return (all_of(found, kind, ext) or [None])[0]


def parameters(octets, wide=()):
    values, at = {}, 0
    while at < len(octets):
        values[octets[at]] = octets[at + 2 : at + 2 + octets[at + 1]]
        at += 2 + octets[at + 1]
    return values


def without_cookie(raw):
    """The message that was sent first, and the COOKIE that was put into it (8.1)."""
    _, at = header(raw)
    if raw[2] == EXT and raw[at + 1] == COOKIE:
        end = at + 4 + be(raw[at + 2 : at + 4])
        return raw[:at] + raw[end:], raw[at + 4 : end]
    return raw, None


class Keys:
    """The PRF and hash of a choice, and what chapter 8 derives with them."""

    def __init__(self, prf, suite, csb_id):
        self.hash_name, self.block = (("sha256", 32), ("sha384", 64))[prf - 1]
        self.prf_no, self.suite_no, self.suite, self.csb_id = prf, suite, SUITES[suite], csb_id
        self.size = hashlib.new(self.hash_name).digest_size

    def hash(self, *parts):
        return hashlib.new(self.hash_name, b"".join(parts)).digest()

    def hmac(self, key, x):
        return hmac.new(key, x, self.hash_name).digest()

    def prf(self, key, x, length):
        out = bytes(length)
        for i in range(0, len(key), self.block):
            s, a, p = key[i : i + self.block], x, b""
            while len(p) < length:
                a = self.hmac(s, a)
                p += self.hmac(s, a + x)
            out = bytes(u ^ v for u, v in zip(out, p))
        return out

    def label(self, constant, role, transcript):
        return constant.to_bytes(4, "big") + bytes([role]) + self.csb_id + transcript

    def k(self, prk, transcript):
        """K of both roles."""
        _, key, salt, auth, *_ = self.suite
        lengths = {"encryption": (0x150533E1, key), "authentication": (0x2D22AC75, auth), "salt": (0x29B88916, salt)}
        lengths |= {"identity": (0x6D763269, self.size), "auth": (0x6D763270, self.size)}
        made = lambda role: {n: self.prf(prk, self.label(c, role, transcript), size) for n, (c, size) in lengths.items()}
        return {role: made(role) for role in ROLES.values()}

    def apply(self, k, flags, t, aad, data):
        """Nonce or IV, Encr data of this plaintext (or the plaintext of this Encr data), MAC (7.1, 7.2)."""
        kind, *_, mac_alg = self.suite
        flags, t = flags.to_bytes(2, "big"), t.to_bytes(8, "big")
        if kind == "ctr":
            iv = bytes(a ^ b for a, b in zip(k["salt"], flags + self.csb_id + t)) + bytes(2)
            sealed = ctr(k["encryption"], be(iv), data)
            return iv, sealed, hmac.new(k["authentication"], aad + sealed + bytes([mac_alg]), "sha256").digest()
        nonce = bytes(a ^ b for a, b in zip(k["salt"], flags + bytes(2) + t))
        return nonce, *kind(k["encryption"], nonce, aad, data)

    def seal(self, k, flags, t, before, plaintext, following=0):
        aad = before + bytes([following, self.suite[5]]) + len(plaintext).to_bytes(2, "big")
        _, sealed, mac = self.apply(k, flags, t, aad, plaintext)
        return aad + sealed + bytes([self.suite[6]]) + mac

    def tek(self, tgk, cs_id, rands, policy):
        tail = bytes([cs_id]) + self.csb_id + rands
        key = self.prf(tgk, bytes.fromhex("2ad01c64") + tail, policy.get(1, b"\x10")[0])
        return key, self.prf(tgk, bytes.fromhex("39a2c14b") + tail, 12 if policy.get(0) == b"\x06" else 14)


class Message:
    """A sealed message: HDR, payloads before KEMAC, plaintext, canon, all payloads with their place in canon."""

    def __init__(self, head, outer, t, before, plaintext, answer):
        self.head, self.t, self.before, self.plaintext = head, t, before, plaintext
        self.canon = before + plaintext
        inner = payloads(plaintext, plaintext[0], 1, answer=answer)
        self.confidential = bool(inner)
        shifted = [(k, s + len(before), e + len(before), c) for k, s, e, c in inner]
        self.body = shifted or outer


class Incomplete(Exception):
    """A fragment verified, and others are missing."""


class Session:
    """What both ends know."""

    def __init__(self, keys, octets, group):
        self.keys, self.octets, self.group = keys, octets, group
        self.rekeys, self.chunks, self.requests, self.th_n = 0, {}, {}, None

    def derive(self, rands, kem, dh, psk, th2):
        self.rands, self.th2 = rands, th2
        ikm = L(kem) + L(dh) + L(psk)
        self.prk = self.keys.hmac(rands, ikm)
        self.k = self.keys.k(self.prk, th2)
        self.sk_d = self.keys.prf(self.prk, self.keys.label(0x6D763264, 0xFF, th2), self.keys.size)
        return {"th2": th2, "kem_secret": kem, "dh_secret": dh, "ikm": ikm, "prk": self.prk, "sk_d": self.sk_d, "k": self.k}

    def imported(self, psk):
        """What goes into IKM, or PRKx, for a PSK (9.4)."""
        return self.keys.prf(psk, bytes.fromhex("6d763271"), self.keys.size)

    def mix(self, x):
        """CCE2: K from PRKx (12)."""
        self.prkx = self.keys.hmac(self.prk, L(x))
        self.k = self.keys.k(self.prkx, self.th2)
        return {"x": x, "prkx": self.prkx, "k": self.k}

    def take(self, tgk):
        """CCE2: SK_d from the TGK that was sent (12)."""
        key = self.keys.hmac(self.prkx, L(tgk))
        self.sk_d = self.keys.prf(key, self.keys.label(0x6D763264, 0xFF, self.th2), self.keys.size)
        return {"tgk_sent": tgk, "sk_d": self.sk_d}

    def establish(self, th4):
        self.th4 = self.th_n = th4
        derived = lambda c: self.keys.prf(self.sk_d, self.keys.label(c, 0xFF, th4), self.keys.size)
        self.tgk, self.e, self.r, self.c = map(derived, (0x6D763274, 0x6D763265, 0x6D763272, 0x6D763263))
        self.c_id = self.keys.prf(self.c, self.keys.label(0x6D763269, 0xFF, th4), 16)
        made = {"th4": th4, "tgk": self.tgk, "exporter_key": self.e, "resumption_key": self.r}
        return made | {"continuity_key": self.c, "continuity_identity": self.c_id}


class Call:
    def __init__(self, vector):
        self.vector, self.inputs = vector, vector["inputs"]
        self.psk = bytes.fromhex(self.inputs["psk"] or "")
        self.draws = [bytes.fromhex(d) for r in ROLES for d in self.inputs[r]["random"]]
        self.kem = [bytes.fromhex(d["octets"]) for d in self.inputs["provider_draws"] if d["kind"] not in ("signature", "envelope")]
        self.inits, self.sessions, self.tickets, self.resuming = {}, {}, {}, {}
        self.srtp, self.out, self.given, self.seen, self.answered = [], [], [], set(), set()
        self.sas = None

    # ---- Key exchange (4.8) ----

    def x25519_secret(self, mine, theirs):
        fits = [d for d in self.draws if len(d) == 32 and x25519(d, (9).to_bytes(32, "little")) == mine]
        assert fits, "no draw is the private value"
        return fits[0], x25519(fits[0], theirs)

    def agree(self, group, request, answer):
        """KEM secret, DH secret and the private values, computed from both ends."""
        if group in (31, 236):
            (a, one_way), (b, other) = self.x25519_secret(request[-32:], answer[-32:]), self.x25519_secret(answer[-32:], request[-32:])
            kem, privates = b"", [a, b]
            if group == 236:
                (dk,) = [d for d in self.kem if d[1152:2336] == request[:1184]]
                kem = ml_kem_decapsulate(dk, answer[:1088])
                assert answer[:1088] + kem in self.kem, "what was encapsulated is another secret"
                privates.append(dk)
        else:
            privates, secrets, kem = [], [], b""
            for mine, theirs in ((request, answer), (answer, request)):
                if group in MODP:
                    p, size, length = MODP[group]
                    public = lambda d: pow(2, be(d), p).to_bytes(size, "big")
                    secret = lambda d: pow(be(theirs), be(d), p).to_bytes(size, "big")
                    assert 2 <= be(theirs) <= p - 2
                else:
                    curve = {19: P256, 20: P384}[group]
                    length = curve.size
                    public = lambda d: curve.octets(curve.multiply(be(d), curve.g))
                    secret = lambda d: curve.multiply(be(d), curve.point(theirs))[0].to_bytes(curve.size, "big")
                (fit,) = {d for d in self.draws if len(d) == length and public(d) == mine}
                privates.append(fit)
                secrets.append(secret(fit))
            one_way, other = secrets
        assert one_way == other
        return kem, one_way, privates

    # ---- What happens ----

    def run(self):
        for number, datagram in enumerate(self.vector["datagrams"]):
            raw, sender = bytes.fromhex(datagram["octets"]), datagram["from"]
            self.number, self.sender, self.role = number, sender, ROLES[sender]
            self.receiver = "responder" if sender == "initiator" else "initiator"
            name, made = NAMES[raw[1]], {}
            repeat = (sender, raw) in self.seen
            if not repeat:
                self.seen.add((sender, raw))
                try:
                    made = getattr(self, name.lower())(raw)
                except Incomplete as fragment:
                    (made,) = fragment.args
            self.out.append({"datagram": number, "message": name} | ({"repeat": True} if repeat else made))
        self.check_results()
        self.vector["intermediate"], self.vector["given"] = plain(self.out), plain(self.given)

    def give(self, about, datagram, expect, answers=None, last=False):
        """Before this datagram, its receiver gets another one: what it must make of it."""
        item = {"before": self.number, "to": self.receiver, "about": about, "octets": datagram, "expect": expect}
        item |= {"last": True} if last else {}
        self.given.append(item | ({"answers": answers} if answers is not None else {}))

    def give_flips(self, raw, name, flips, gone=None):
        if name in self.answered:
            return
        self.answered.add(name)
        self.give(f"{name} cut by an octet", raw[:-1], gone or "dropped: malformed")
        self.give(f"{name} with an octet more", raw + b"\0", gone or "dropped: malformed")
        self.give(f"{name} of version 3", b"\3" + raw[1:], "dropped: malformed")
        for about, at, expect in flips:
            changed = bytearray(raw)
            changed[at] ^= 1
            self.give(f"{name} with {about} changed", bytes(changed), gone or expect)

    def init_req(self, raw):
        m1, cookie = without_cookie(raw)
        head, at = header(m1)
        found = payloads(m1, head["next"], at)
        assert (head["v"], head["prf"], head["cs"]) == (1, 0, []) and found[0][3] == (SESSION, found[0][3][1])
        session, (group, value) = one(found, EXT, SESSION), one(found, DH)
        assert session[8:] == bytes(8) != session[:8] and head["csb_id"] != bytes.fromhex("2112a442")
        dh_at = found[-1][1]
        for key, (other, other_found, *_) in self.inits.items():
            if key[0] == session[:8]:
                assert other[: other_found[-1][1]] == m1[:dh_at], "another INIT_REQ differs in DHi alone (6.4)"
                assert (key[1] != group) or other == m1, "COOKIE apart, it is the one that was sent first"
        if COMMIT in [c[0] for k, _, _, c in found if k == EXT]:
            self.ns = next(d for d in self.draws if hashlib.sha256(b"MIKEYv2 SAS commit" + d).digest() == one(found, EXT, COMMIT))
        self.inits[session[:8], group] = m1, found, head["csb_id"]
        if cookie is None and not self.given:
            self.give_flips(m1, "INIT_REQ", [("a reserved octet of DH", -1, "dropped: malformed")])
            ids = [(s, e) for k, s, e, _ in found if k == ID]
            if len(ids) == 2 and self.vector["name"].startswith("init_cce"):
                (s, e), (s2, e2) = ids
                other = m1[:s2] + m1[s2:e2].replace(b"bob", b"eve") + m1[e2:]
                self.give("INIT_REQ for somebody else", other, "dropped: not_for_us")
                own = m1[: s + 2] + m1[s2 + 2 : e2] + m1[e:]
                self.give("INIT_REQ in the name of its receiver", own, "dropped: own_name")
                zero = m1[:dh_at] + m1[dh_at : dh_at + 2] + bytes(len(value)) + b"\0"
                self.give("INIT_REQ with a DH value of zero", zero, "dropped: bad_key_exchange")
                unknown = m1[:at] + m1[at:at + 20] + bytes([m1[at], 127, 0, 0]) + m1[at + 20 :]
                unknown = unknown[:at] + bytes([EXT]) + unknown[at + 1 :]
                self.give("INIT_REQ with an extension of type 127, which must be understood", unknown, "dropped: malformed")
        return {"m1": m1, "cookie": cookie, "group": group}

    def error(self, raw):
        head, at = header(raw)
        if self.sessions_of(raw, at) is not None:
            return self.protected_error(raw)
        m, cookie = without_cookie(raw)
        found = payloads(m, head["next"], header(m)[1])
        code = one(found, ERR)
        assert head["v"] == 0 and one(found, EXT, SESSION)[8:] == bytes(8) and code in (6, 10, 14, 64, 65)
        assert (cookie is not None) == (code == 64) and (maybe(found, SP) is not None) == (code in (6, 10))
        return {"code": code, "cookie": cookie}

    def sessions_of(self, raw, at):
        return self.sessions.get(raw[at + 4 : at + 20]) if raw[at + 1] == SESSION else None

    def init_resp(self, m2):
        head, at = header(m2)
        found = payloads(m2, head["next"], at, answer=True)
        octets, (group, value) = one(found, EXT, SESSION), one(found, DH)
        m1, request, csb_id = self.inits[octets[:8], group]
        choice, offer = (parameters(one(x, SP)[2]) for x in (found, request))
        for ty, theirs in ((0, 0), (1, 1), (2, 2), (3, 3), (4, 5), (5, 4), (7, 7)):
            assert len(choice[ty]) == 1 and choice[ty][0] in offer[theirs], "not offered (R6.2)"
        assert head["csb_id"] == csb_id and head["prf"] == choice[1][0] and choice[2][0] == group and octets[8:] != bytes(8)
        s = Session(Keys(choice[1][0], choice[3][0], csb_id), octets, group)
        self.sessions[octets] = s
        s.methods = {"responder": choice[4][0], "initiator": choice[5][0]}
        s.confidential = choice[7] == b"\1"
        s.init_id = bytes([all_of(request, ID)[0][0]]) + all_of(request, ID)[0][1]
        s.ids = {"initiator": s.init_id, "responder": bytes([one(found, ID)[0]]) + one(found, ID)[1]}
        rands = one(request, RAND) + one(found, RAND)
        kem, dh, privates = self.agree(group, one(request, DH)[1], value)
        s.exch = choice[0][0]
        fits = {1: True, 2: s.methods == {"initiator": 5, "responder": 5}, 3: s.methods == {"initiator": 1, "responder": 7}}
        assert fits[s.exch] and (s.exch == 3 or 7 not in s.methods.values()), "methods of another exchange (R12.7)"
        s.certs = [c[1] for c in all_of(found, CERT)]
        assert bool(s.certs) == (s.exch == 3), "CERTr"
        psk = s.imported(self.psk) if s.exch == 1 and 5 in s.methods.values() else b""
        s.commits = {"initiator": maybe(request, EXT, COMMIT), "responder": maybe(found, EXT, COMMIT)}
        assert (s.commits["responder"] is not None) == (6 in s.methods.values())
        made = s.derive(rands, kem, dh, psk, s.keys.hash(b"MIKEYv2 th2", L(m1), L(m2)))
        if s.exch != 1:
            made = {name: value for name, value in made.items() if name not in ("k", "sk_d")}
        bindings = [maybe(x, EXT, BINDING) for x in (request, found)]
        if any(bindings):
            a, b = map(parameters, bindings)
            assert a[1] == b[2] and b[1] == a[2] and a[3] == b[3], "tls-ids and assertion (9.7)"
        self.give_flips(m2, "INIT_RESP", [("CSB ID", 4, "dropped: wrong_header"), ("SPIi", at + 4, "dropped: unknown_session")])
        if self.vector["name"] == "init_cce_signature_gcm":
            dh_at = found[-1][1]
            self.give("INIT_RESP with a DH value of zero", m2[: dh_at + 2] + bytes(32) + b"\0", "dropped: bad_key_exchange")
            sp_at = next(st for k, st, _, _ in found if k == SP)
            suite_at = m2.index(b"\x03\x01\x03", sp_at) + 2
            self.give("INIT_RESP with a suite that was not offered", m2[:suite_at] + b"\5" + m2[suite_at + 1 :], "dropped: bad_answer")
            rand_at = next(st for k, st, _, _ in found if k == RAND) + 5
            forged = m2[:rand_at] + bytes([m2[rand_at] ^ 1]) + m2[rand_at + 1 :]
            self.give("INIT_RESP with another RANDr: a branch of its own", forged, "taken")
        return {"dh_private": privates, "rands": rands} | made

    # ---- Sealed messages ----

    def unseal(self, raw, k=None, s=None, resume=False):
        """The message; Incomplete while fragments of it are missing."""
        head, at = header(raw)
        s = s or self.sessions_of(raw, at)
        answer = raw[1] in (47, 51)
        found = payloads(raw, head["next"], at, s.keys.suite[4], answer)
        kind, start, _, (encr_alg, encr_data, mac_alg, mac) = found[-1]
        assert kind == KEMAC and (encr_alg, mac_alg) == s.keys.suite[5:] and head["csb_id"] == s.keys.csb_id
        assert head["prf"] == s.keys.prf_no and head["v"] == (raw[1] % 2 == 0 and raw[1] != 6)
        t, fragment = one(found, T), maybe(found, EXT, FRAGMENT)
        number, total = (be(fragment[:2]), be(fragment[2:])) if fragment else (0, 1)
        flags = (raw[1] == 6 or raw[1] % 2) << 15 | number
        keys = k or s.k[self.role]
        nonce, plaintext, _ = s.keys.apply(keys, flags, t, raw[: start + 4], encr_data)
        assert s.keys.apply(keys, flags, t, raw[: start + 4], plaintext)[1:] == (encr_data, mac), "KEMAC"
        before = raw[:start]
        if number:
            chunks = s.chunks.setdefault((self.role, raw[1], t), {})
            assert (head["cs"] == []) == (number > 1) and 2 <= total <= 64
            if number == 1:
                fragment_at = found[2][1]
                t_at = found[1][1]
                chunks["before"] = before[:t_at] + bytes([KEMAC]) + before[t_at + 1 : fragment_at], head
            chunks[number] = plaintext
            if len(chunks) <= total:
                raise Incomplete({"nonce": nonce, "plaintext": plaintext, "fragment": [number, total]})
            before, head = chunks["before"]
            plaintext = b"".join(chunks[n] for n in range(1, total + 1))
        message = Message(head, found[1:-1], t, before, plaintext, answer)
        assert resume or raw[1] == 6 or message.confidential == s.confidential or len(plaintext) == 1
        if not number:
            flips = [("the last octet", -1, "dropped: unauthenticated"), ("Encr data", start + 4, "dropped: unauthenticated")]
            flips += [("the first octet of SPIi", at + 4, "dropped: unknown_session")]
            if not resume:
                flips += [("CSB ID", 4, "dropped: wrong_header")]
            # Who sent DELETE is gone when the answer comes.
            gone = self.unless_gone(s, None) if raw[1] == 49 else None
            if not self.vector["name"].endswith("cookie") or raw[1] != 50:
                self.give_flips(raw, NAMES[raw[1]], flips if raw[1] != 50 else flips[:2], gone)
        return nonce, plaintext, message, s

    def reseal(self, s, message, plaintext, response, before=None):
        return s.keys.seal(s.k[self.role], response << 15, message.t, before or message.before, plaintext)

    def fields(self, nonce, plaintext, message):
        return {"nonce": nonce, "plaintext": plaintext, "canon": message.canon}

    def cce_req(self, raw):
        nonce, plaintext, m, s = self.unseal(raw)
        assert m.t == 0 and one(m.body, RAND)
        if (true := maybe(m.body, ID)) is not None:
            assert s.init_id[1:2] == b"@" or s.init_id[0] == 2, "R9.15"
            s.ids["initiator"] = bytes([true[0]]) + true[1]
        s.offered = {c[0]: c[3] for k, _, _, c in m.body if k == SP}
        s.offer = m.head["cs"]
        made = self.check_auth(s, m, s.th2, 0)
        s.th3 = s.keys.hash(b"MIKEYv2 th3", s.th2, L(m.canon))
        return self.fields(nonce, plaintext, m) | made | {"th3": s.th3}

    def cce_resp(self, raw):
        nonce, plaintext, m, s = self.unseal(raw)
        made = self.check_auth(s, m, s.th3, 1) | s.establish(s.keys.hash(b"MIKEYv2 th4", s.th3, L(m.canon)))
        if s.commits["responder"]:
            made |= self.short_string(s)
        made |= self.policies(s, m, 0) | {"srtp": self.teks(s, m.head["cs"], s.tgk, "keys", 0, s.rands)}
        return self.fields(nonce, plaintext, m) | made | self.take_ticket(s, m)

    # ---- CCE2 (12) ----

    def cce2_req(self, raw):
        head, at = header(raw)
        s = self.sessions_of(raw, at)
        found = payloads(raw, head["next"], at, s.keys.suite[4])
        kinds = [k for k, *_ in found]
        index = kinds.index(KEMAC)
        assert kinds[:3] == [EXT, T, RAND] and kinds[index + 1 :] == ([CHASH, PKE, SIGN] if s.exch == 3 else [])
        assert (head["prf"], head["csb_id"], head["v"], one(found, T)) == (s.keys.prf_no, s.keys.csb_id, 1, 0)
        _, start, end, (encr_alg, encr_data, mac_alg, mac) = found[index]
        assert (encr_alg, mac_alg) == s.keys.suite[5:]
        made = self.envelope(s, raw, found) if s.exch == 3 else {}
        made |= s.mix(made["envelope_key"] if s.exch == 3 else s.imported(self.psk))
        nonce, plaintext, _ = s.keys.apply(s.k[0xFF], 0, 0, raw[: start + 4], encr_data)
        assert s.keys.apply(s.k[0xFF], 0, 0, raw[: start + 4], plaintext)[1:] == (encr_data, mac), "KEMAC"
        ((kind, _, _, (ty, tgk)),) = payloads(plaintext, plaintext[0], 1)
        assert kind == KEY_DATA and ty == 0 and len(tgk) == s.keys.size, "R12.6"
        s.offered, s.offer = {c[0]: c[2] for k, _, _, c in found if k == SP}, head["cs"]
        s.th3, s.request = s.keys.hash(b"MIKEYv2 th3", s.th2, L(raw)), raw
        self.give_cce2_req(s, raw, at, start, end, plaintext)
        return {"nonce": nonce, "plaintext": plaintext} | made | s.take(tgk) | {"th3": s.th3}

    def signed(self, s, message):
        """What SIGNi is over."""
        return b" " * 64 + b"MIKEYv2, initiator SIGN\0" + s.th2 + L(s.ids["responder"]) + s.keys.hash(message)

    def envelope(self, s, raw, found):
        """SIGNi, then what is in the envelope."""
        signature = one(found, SIGN)
        n, e, _ = rsa_private_key(bytes.fromhex(self.inputs["initiator"]["rsa_private_key"]))
        spki = bytes.fromhex(self.inputs["initiator"]["public_key"])
        assert spki in all_of(found, CERT)[0][1] and n.to_bytes(256, "big") in spki
        covered = self.signed(s, raw[: -len(signature)])
        assert rsa_pss_verify(n, e, covered, signature), "SIGNi"
        assert one(found, CHASH) == hashlib.sha256(s.certs[0]).digest(), "CHASH"
        n, _, d = rsa_private_key(bytes.fromhex(self.inputs["responder"]["rsa_private_key"]))
        assert n.to_bytes(256, "big") in s.certs[0]
        key = rsa_oaep_decrypt(n, d, one(found, PKE))
        assert len(key) == 32 and key in self.draws
        return {"sign_covers": covered, "envelope_key": key}

    def give_cce2_req(self, s, raw, at, start, end, plaintext):
        k, before, rsa = s.k[0xFF], raw[:start], s.exch == 3
        wrong = "dropped: bad_signature" if rsa else "dropped: unauthenticated"
        flips = [("the last octet", -1, wrong), ("Encr data", start + 4, wrong), ("RAND", at + 30, wrong)]
        flips += [("CSB ID", 4, "dropped: wrong_header"), ("the first octet of SPIi", at + 4, "dropped: unknown_session")]
        if rsa:
            flips.append(("CHASH", end + 3, wrong))
        self.give_flips(raw, "CCE2_REQ", flips)

        def again(plaintext=plaintext, envelope=None, chash=None, bend=0):
            """Sealed, and signed if there is an envelope."""
            message = s.keys.seal(k, 0, 0, before, plaintext, CHASH if rsa else 0)
            message = message[:-1] + bytes([message[-1] ^ bend])
            if not rsa:
                return message
            tail = bytearray(raw[end:-256])
            if chash:
                tail[2:34] = chash
            if envelope:
                tail[37:293] = envelope
            message += bytes(tail)
            n, _, d = rsa_private_key(bytes.fromhex(self.inputs["initiator"]["rsa_private_key"]))
            return message + rsa_pss_sign(n, d, self.signed(s, message), bytes(range(32)))

        if rsa:
            assert again()[:-256] == raw[:-256], "the same message with another salt"
            n, e, _ = rsa_private_key(bytes.fromhex(self.inputs["responder"]["rsa_private_key"]))
            pke = raw[end + 37 : end + 293]
            seal = lambda key: rsa_oaep_encrypt(n, e, key, bytes(range(32, 64)))
            cases = [
                ("a KEMAC that is wrong", {"bend": 1}),
                ("an envelope whose last octet is wrong", {"envelope": pke[:-1] + bytes([pke[-1] ^ 1])}),
                ("an envelope with another key", {"envelope": seal(bytes(32))}),
                ("an envelope with 31 octets", {"envelope": seal(bytes(31))}),
                ("an envelope of zeros", {"envelope": bytes(256)}),
                ("the CHASH of another certificate", {"chash": bytes(32)}),
            ]
            for about, bent in cases:
                self.give(f"CCE2_REQ with {about}, signed", again(**bent), "dropped: unauthenticated", [], True)
        session, t = raw[at : at + 20], bytes([KEMAC]) + raw[at + 21 : at + 26]
        refusal = bytes([2, 6, EXT, s.keys.prf_no]) + s.keys.csb_id + bytes([0, 2]) + session + t
        refusal = s.keys.seal(s.k[0xFE], 1 << 15, 0, refusal, bytes([ERR, 0, 0, 0, 0]))
        key = lambda size, ty=0, following=0: bytes([following, ty]) + size.to_bytes(2, "big") + bytes(size)
        size, one_octet = s.keys.size, bytes([KEY_DATA])
        for about, text, expect in [
            ("a TGK that is an octet too short", one_octet + key(size - 1), "negotiation"),
            ("a TGK that is an octet too long", one_octet + key(size + 1), "negotiation"),
            ("two TGKs", one_octet + key(size, 0, KEY_DATA) + key(size), "malformed"),
            ("a TEK", one_octet + key(size, 0x20), "malformed"),
            ("no key data", b"\0", "malformed"),
            ("an octet after the TGK", plaintext + b"\0", "malformed"),
        ]:
            self.give(f"CCE2_REQ with {about}, sealed", again(plaintext=text), f"refused: {expect}", [refusal])

    def ver(self, s, response):
        covered = b"MIKEYv2, responder V\0" + s.th2 + s.keys.hash(s.request) + L(response) + L(s.init_id)
        return covered, s.keys.hmac(s.k[0xFE]["auth"], covered)

    def cce2_resp(self, raw):
        head, at = header(raw)
        s = self.sessions_of(raw, at)
        found = payloads(raw, head["next"], at)
        assert [k for k, *_ in found] == [EXT, T, ID, V] and one(found, T) == 0
        assert (head["prf"], head["csb_id"], head["v"]) == (s.keys.prf_no, s.keys.csb_id, 0)
        alg, data = one(found, V)
        assert bytes([one(found, ID)[0]]) + one(found, ID)[1] == s.ids["responder"]
        assert (alg, len(data)) == {32: (2, 32), 48: (65, 48)}[s.keys.size]
        covered, expected = self.ver(s, raw[: -len(data)])
        assert data == expected, "V"
        for asked, got in zip(s.offer, head["cs"], strict=True):
            assert asked["cs_id"] == got["cs_id"] and len(got["policies"]) == 1 and got["policies"][0] in asked["policies"]
        s.policy = {number: parameters(octets) for number, octets in s.offered.items()}
        made = s.establish(s.keys.hash(b"MIKEYv2 th4", s.th3, L(raw)))
        made |= {"v_covers": covered, "srtp": self.teks(s, head["cs"], s.tgk, "keys", 0, s.rands)}
        id_at = found[2][1]
        flips = [("the last octet of V", -1, "dropped: unauthenticated"), ("IDr", id_at + 4, "dropped: unauthenticated")]
        flips += [("CSB ID", 4, "dropped: wrong_header"), ("the first octet of SPIi", at + 4, "dropped: unknown_session")]
        self.give_flips(raw, "CCE2_RESP", flips)
        without = raw[:id_at] + b"\0" + raw[id_at + 1 : found[2][2]]
        self.give("CCE2_RESP without V", without, "dropped: malformed")
        other = raw[: -len(data)].replace(b"bob", b"eve")
        self.give("CCE2_RESP of another name, with V", other + self.ver(s, other)[1], "refused: name")
        policy_at = raw.index(bytes([head["cs"][0]["cs_id"], 0, 1 | raw[12] & 0x80]), 10) + 3
        other = raw[:policy_at] + b"\x09" + raw[policy_at + 1 : -len(data)]
        about = "CCE2_RESP with a policy that was not offered, with V"
        self.give(about, other + self.ver(s, other)[1], "refused: negotiation")
        return made

    def covered(self, s, sender, transcript, up_to_auth, certificate):
        """What AUTH covers (9.1), and IDB (9.2)."""
        other = "responder" if sender == "initiator" else "initiator"
        credential = {5: s.init_id, 6: b""}.get(s.methods[sender], certificate)
        label = b"IDi" if sender == "initiator" else b"IDr"
        idb = s.keys.hmac(s.k[ROLES[sender]]["identity"], label + L(s.ids[sender]) + L(s.ids[other]) + L(credential))
        context = b"MIKEYv2, " + sender.encode() + b" AUTH\0"
        return b" " * 64 + context + transcript + s.keys.hash(up_to_auth) + idb, idb

    def auth_data(self, s, sender, covered):
        method = s.methods[sender]
        if method in (5, 6):
            return s.keys.hmac(s.k[ROLES[sender]]["auth"], covered)
        return ed25519(bytes.fromhex(self.inputs[sender]["ed25519_seed"]), covered)[1]

    def check_auth(self, s, m, transcript, response):
        kind, auth_at, end, (method, data) = m.body[-1]
        certificate = (maybe(m.body, CERT) or (0, b""))[1]
        assert kind == AUTH and method == s.methods[self.sender]
        covered, idb = self.covered(s, self.sender, transcript, m.canon[:auth_at], certificate)
        if method in (1, 2, 3):
            spki = bytes.fromhex(self.inputs[self.sender]["public_key"])
            assert spki in certificate
            if method == 1:
                key = spki[24:]  # SEQUENCE, AlgorithmIdentifier, BIT STRING of 2048 bits
                n_at = key.index(b"\x02\x82\x01\x01") + 4
                n, e = be(key[n_at : n_at + 257]), be(key[n_at + 259 :])
                assert rsa_pss_verify(n, e, covered, data), "AUTH"
            else:
                curve, hash_name = (P256, "sha256") if method == 2 else (P384, "sha384")
                assert curve.verify(spki[-2 * curve.size :], hash_name, covered, data), "AUTH"
        else:
            assert self.auth_data(s, self.sender, covered) == data, "AUTH"
        commit = s.commits[self.sender]
        if 6 in s.methods.values():
            reveal = one(m.body, EXT, REVEAL)
            tag = b"MIKEYv2 SAS commit" if self.sender == "initiator" else b"MIKEYv2 SAS responder commit"
            assert hashlib.sha256(tag + reveal).digest() == commit, "R9.10"
            s.__dict__["n" + self.sender[0]] = reveal
        if len(m.plaintext) > 1 and (self.number, "auth") not in self.answered:
            self.give_resealed(s, m, transcript, response, auth_at, certificate)
        return {"idb": idb, "auth_covers": covered, "auth": data}

    def give_resealed(self, s, m, transcript, response, auth_at, certificate):
        """Under the right keys, and not right."""
        text, offset, name = m.plaintext, len(m.before), NAMES[m.head["type"]]
        if len(m.canon) > 1100:
            return  # these went out in fragments
        if self.vector["name"] == "refused":
            return  # its certificate is refused before AUTH is looked at
        wrong = text[:-1] + bytes([text[-1] ^ 1])
        self.give(f"{name} with a wrong AUTH, sealed", self.reseal(s, m, wrong, response), "refused: auth")
        more = self.reseal(s, m, text + b"\0", response)
        self.give(f"{name} with an octet after its last payload, sealed", more, "refused: malformed")

        def again(about, changed, expect, ids=None):
            """The body up to AUTH changed, and AUTH made for it."""
            kept = dict(s.ids)
            s.ids |= ids or {}
            covered, _ = self.covered(s, self.sender, transcript, m.before + changed, certificate)
            data = self.auth_data(s, self.sender, covered)
            s.ids = kept
            auth = bytes([0, s.methods[self.sender]]) + len(data).to_bytes(2, "big") + data
            self.give(f"{name} with {about}, signed and sealed", self.reseal(s, m, changed + auth, response), expect)

        if s.methods[self.sender] in (1, 2, 3):
            return
        body = text[: auth_at - offset]
        sps = [(st - offset, e - offset) for k, st, e, _ in m.body if k == SP]
        if response:
            at = sps[0][0] + body[sps[0][0] :].index(bytes([0, 1])) + 2
            changed = body[:at] + bytes([body[at] ^ 3]) + body[at + 1 :]
            again("an SRTP policy that was not offered", changed, "refused: negotiation")
        if 6 in s.methods.values():
            at = next(e for k, _, e, c in m.body if k == EXT and c[0] == REVEAL) - offset - 1
            again("a SAS-REVEAL that was not committed to", body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :], "refused: sas")
        ids = [(st - offset, e - offset) for k, st, e, _ in m.body if k == ID]
        if ids and not response and s.init_id[1:2] == b"@" and 4 in s.methods.values():
            (st, e), own = ids[0], s.ids["responder"]
            head = body[st : st + 2] + (len(own) - 1).to_bytes(2, "big")
            again("the responder's own name", body[:st] + head + own[1:] + body[e:], "refused: name", {"initiator": own})

    def short_string(self, s):
        context = s.keys.hash(s.th2, L(s.ni), L(s.nr))
        value = s.keys.prf(s.prk, s.keys.label(0x6D763273, 0xFF, context), 4)
        self.sas = "".join(BASE32[be(value) >> 27 - 5 * n & 31] for n in range(4))
        return {"ns": s.ni, "nr": s.nr, "sas_value": value, "sas": self.sas}

    def policies(self, s, m, first):
        s.policy = {c[0]: parameters(c[2]) for k, _, _, c in m.body if k == SP}
        for c in all_of(m.body, SP):
            assert s.offered[c[0]] == c[3], "R4.11"
        for asked, got in zip(s.offer, m.head["cs"], strict=True):
            assert asked["cs_id"] == got["cs_id"] and len(got["policies"]) == 1 and got["policies"][0] in asked["policies"]
        return {}

    def teks(self, s, blocks, tgk, event, generation, rands, policy=None):
        made = []
        for cs in blocks:
            key, salt = s.keys.tek(tgk, cs["cs_id"], rands, (policy or s.policy)[cs["policies"][0]])
            made.append({"cs_id": cs["cs_id"], "mki": cs["mki"], "tek": key, "salt": salt})
            ssrc = be(cs["data"][:4]) if cs["data"] else None
            sender = "initiator" if cs["cs_id"] % 2 else "responder"
            self.srtp.append((event, generation, cs["cs_id"], sender, ssrc, cs["mki"].hex(), key.hex(), salt.hex()))
        return made

    def take_ticket(self, s, m):
        ticket = maybe(m.body, EXT, TICKET)
        if ticket is None:
            return {}
        rpsk = s.keys.prf(s.r, s.keys.label(0x6D763272, 0xFE, L(ticket[4:])), s.keys.size)
        self.tickets[ticket[4:]] = rpsk, s
        return {"ticket": ticket[4:], "rpsk": rpsk}

    def protected_error(self, raw):
        nonce, plaintext, m, s = self.unseal(raw)
        assert one(m.body, ERR) == 0
        return self.fields(nonce, plaintext, m) | {"code": 0}

    def rekey_req(self, raw):
        nonce, plaintext, m, s = self.unseal(raw)
        s.requests[self.role] = m
        s.offered, s.offer = {c[0]: c[3] for k, _, _, c in m.body if k == SP}, m.head["cs"]
        return self.fields(nonce, plaintext, m) | {"rand": one(m.body, RAND), "dh": maybe(m.body, DH)}

    def answers(self, s, m):
        """The request, whose hash stands in the response."""
        request = s.requests[ROLES[self.receiver]]
        expected = s.keys.hash(request.canon)
        assert one(m.body, EXT, HASH) == expected and request.t == m.t, "R11.2"
        if m.confidential and (NAMES[m.head["type"]], "hash") not in self.answered:
            self.answered.add((NAMES[m.head["type"]], "hash"))
            at = m.plaintext.index(expected)
            wrong = m.plaintext[:at] + bytes([expected[0] ^ 1]) + m.plaintext[at + 1 :]
            about = f"{NAMES[m.head['type']]} with the HASH of another request, sealed"
            self.give(about, self.reseal(s, m, wrong, 1), self.unless_gone(s, "dropped: bad_answer"))
        return request

    def unless_gone(self, s, expect):
        asked = self.notifies(s.requests[ROLES[self.receiver]])
        return "dropped: unknown_session" if 1 in [n["code"] for n in asked] else expect

    def rekey_resp(self, raw):
        nonce, plaintext, m, s = self.unseal(raw)
        request, made = self.answers(s, m), {}
        dh, answer = maybe(request.body, DH), maybe(m.body, DH)
        assert (dh is None) == (answer is None) and one(m.body, RAND) != one(request.body, RAND)
        if dh:
            assert dh[0] == answer[0] == s.group
            kem, secret, _ = self.agree(s.group, dh[1], answer[1])
            s.sk_d = s.keys.hmac(s.sk_d, L(kem) + L(secret))
            made = {"kem_secret": kem, "dh_secret": secret, "sk_d": s.sk_d}
        s.th_n = s.keys.hash(b"MIKEYv2 thn", s.th_n, L(request.canon), L(m.canon))
        tgk = s.keys.prf(s.sk_d, s.keys.label(0x6D76326B, 0xFF, s.th_n), s.keys.size)
        s.rekeys += 1
        self.policies(s, m, 0)
        made |= {"th_n": s.th_n, "tgk": tgk, "srtp": self.teks(s, m.head["cs"], tgk, "keys", s.rekeys, s.rands)}
        return self.fields(nonce, plaintext, m) | made

    def notifies(self, m):
        return [{"code": be(d[:2]), "data": d[2:]} for d in all_of(m.body, EXT, NOTIFY)]

    def info_req(self, raw):
        nonce, plaintext, m, s = self.unseal(raw)
        if s.confidential and not self.notifies(m) and (s.octets, "info") not in self.answered:
            self.answered.add((s.octets, "info"))
            self.give_infos(s, m)
        s.requests[self.role] = m
        return self.fields(nonce, plaintext, m) | {"notify": self.notifies(m)}

    def give_infos(self, s, m):
        """INFO_REQs of other content, with the octets of their answers (11.2, 15.3)."""
        def notify(code, data=b"", following=0):
            return bytes([following, NOTIFY]) + (2 + len(data)).to_bytes(2, "big") + code.to_bytes(2, "big") + data

        k, other = s.k[self.role], s.k[ROLES[self.receiver]]
        cases = [
            ("PATH-CHECK", notify(2, b"8 octets"), notify(3, b"8 octets")),
            ("PATH-OK, which nobody asked for", notify(3, b"8 octets"), b""),
            ("an unknown NOTIFY below 0x8000", notify(0x0100, b"x"), notify(8, b"\1\0")),
            ("an unknown NOTIFY from 0x8000 on", notify(0x8001, b"x"), b""),
            ("UNSUPPORTED", notify(8, b"\1\0"), b""),
            ("two unknown NOTIFYs", notify(0x0100, b"", EXT) + notify(0x0101), notify(8, b"\1\0", EXT) + notify(8, b"\1\1")),
            ("DELETE, key compromised", notify(1, b"\1"), b""),
        ]
        for about, asked, answered in cases:
            plaintext = bytes([EXT]) + asked
            canon = m.before + plaintext
            digest = s.keys.hash(canon)
            reply = bytes([EXT, EXT if answered else 0, HASH]) + len(digest).to_bytes(2, "big") + digest + answered
            before = bytes([2, 49, m.before[2], m.before[3] & 0x7F]) + m.before[4:]
            answer = s.keys.seal(other, 1 << 15, m.t, before, reply)
            expect = "closed" if about.startswith("DELETE") else "taken"
            self.give(f"INFO_REQ with {about}", s.keys.seal(k, 0, m.t, m.before, plaintext), expect, [answer])
        short = s.keys.seal(k, 0, m.t, m.before, bytes([EXT, 0, NOTIFY, 0, 1, 0]))
        self.give("INFO_REQ with a NOTIFY of one octet, sealed", short, "dropped: malformed", [])

    def info_resp(self, raw):
        nonce, plaintext, m, s = self.unseal(raw)
        request = self.answers(s, m)
        for asked in self.notifies(request):
            if asked["code"] == 2:
                assert {"code": 3, "data": asked["data"]} in self.notifies(m), "PATH-OK"
        return self.fields(nonce, plaintext, m) | {"notify": self.notifies(m)}

    # ---- RESUME (13) ----

    def resume_req(self, raw):
        bare, cookie = without_cookie(raw)
        head, at = header(bare)
        octets = bare[at + 4 : at + 20]
        if octets[:8] in self.resuming:
            assert self.resuming[octets[:8]][3] == bare, "COOKIE apart, it is the one that was sent first"
            return {"cookie": cookie}
        # The suite is the ticket's, which stands before KEMAC.
        start = at + 4 + 16 + 6 + 34
        ticket = bare[start + 4 : start + 4 + be(bare[start + 2 : start + 4])]
        rpsk, old = self.tickets.pop(ticket)
        s = Session(Keys(old.keys.prf_no, old.keys.suite_no, head["csb_id"]), octets, old.group)
        s.confidential, s.old = True, old
        found = payloads(bare, head["next"], at, s.keys.suite[4])
        rand, dh, kemac_at = one(found, RAND), maybe(found, DH), found[-1][1]
        th1 = s.keys.hash(b"MIKEYv2 th1", L(bare[:kemac_at]))
        prk = s.keys.hmac(rand, L(b"") + L(b"") + L(rpsk))
        early = s.keys.k(prk, th1)[0xFF]
        nonce, plaintext, m, _ = self.unseal(bare, early, s, True)
        context = s.keys.hash(b"MIKEYv2 th1'", th1, L(m.canon))
        tgk = s.keys.prf(prk, s.keys.label(0x6D763279, 0xFF, context), s.keys.size)
        s.offered, s.offer = {c[0]: c[3] for k, _, _, c in m.body if k == SP}, m.head["cs"]
        policy = {c[0]: parameters(c[2]) for k, _, _, c in m.body if k == SP}
        odd = [cs for cs in m.head["cs"] if cs["cs_id"] % 2]
        srtp = self.teks(s, odd, tgk, "early keys", 0, rand, policy)
        self.resuming[octets[:8]] = s, m, rpsk, bare, dh, rand
        unknown = bare[: start + 4] + bytes([bare[start + 4] ^ 1]) + bare[start + 5 :]
        refusal = bytes([2, 6, EXT, 0]) + head["csb_id"] + bytes([0, 2])
        refusal += bytes([ERR, SESSION, 0, 16]) + octets + bytes([0, 14, 0, 0])
        if "cookie" not in self.vector["name"]:
            self.give("RESUME_REQ with a ticket that nobody issued", unknown, "dropped: bad_ticket", [refusal])
        made = {"rpsk": rpsk, "th1": th1, "prk": prk, "k": early, "tgk": tgk, "srtp": srtp}
        return self.fields(nonce, plaintext, m) | made

    def resume_resp(self, raw):
        head, at = header(raw)
        octets = raw[at + 4 : at + 20]
        s, request, rpsk, bare, dh, rand_i = self.resuming[octets[:8]]
        s.octets = octets
        self.sessions[octets] = s
        found = payloads(raw, head["next"], at, s.keys.suite[4], True)
        answer, kemac_at = maybe(found, DH), found[-1][1]
        assert (dh is None) == (answer is None), "R13.3"
        kem, secret, _ = self.agree(s.group, dh[1], answer[1]) if dh else (b"", b"", [])
        th2 = s.keys.hash(b"MIKEYv2 th2", L(request.canon), L(raw[:kemac_at]))
        made = s.derive(rand_i + one(found, RAND), kem, secret, rpsk, th2)
        nonce, plaintext, m, _ = self.unseal(raw, None, s, True)
        assert one(m.body, EXT, HASH) == s.keys.hash(request.canon)
        made |= s.establish(s.keys.hash(b"MIKEYv2 th4", th2, L(m.canon)))
        for asked, got in zip(s.offer, m.head["cs"], strict=True):
            assert be(got["mki"]) == (be(asked["mki"]) + 1) % 2**32, "the MKI after the early one's"
        self.policies(s, m, 0)
        made |= {"srtp": self.teks(s, m.head["cs"], s.tgk, "keys", 0, s.rands)}
        s.confidential = s.old.confidential
        return self.fields(nonce, plaintext, m) | made | self.take_ticket(s, m)

    # ---- What the two ends say ----

    def check_results(self):
        last = list(self.sessions.values())[-1] if self.sessions else None
        for party in ROLES:
            results = [r for r in self.vector["results"] if r["party"] == party]
            got = []
            for r in results:
                for x in r.get("streams", []):
                    fields = (x["cs_id"], x["sender"], x["ssrc"], x["mki"], x["master_key"], x["master_salt"])
                    got.append((r["event"], r["generation"], *fields))
                if r["event"] == "sas":
                    assert r["base32"] == self.sas, "SAS"
                if r["event"] == "continuity":
                    assert (r["pseudonym"], r["key"]) == (last.c_id.hex(), last.c.hex()), "continuity"
                if r["event"] == "exporter":
                    label, context, length = r["label"].encode(), bytes.fromhex(r["context"]), r["length"]
                    value = last.keys.prf(last.e, L(label) + L(context) + length.to_bytes(2, "big"), length)
                    assert value.hex() == r["value"], "exporter"
            if self.vector["expect"] == "success":
                assert sorted(got, key=str) == sorted(self.srtp, key=str), f"SRTP keys of the {party}"
            else:
                assert got == self.srtp == [], "keys of a call that failed"


def plain(value):
    """For JSON: octets in hexadecimal, roles by name."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {{0xFF: "initiator", 0xFE: "responder"}.get(k, k): plain(v) for k, v in value.items() if v is not None}
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def main():
    check_primitives()
    folder = pathlib.Path(__file__).resolve().parent
    files = [f for f in sorted(folder.glob("*.json")) if f.name not in ("prf.json", "tesla.json")]
    assert files, "no vectors"
    datagrams = given = 0
    for file in files:
        vector = json.loads(file.read_text())
        call = Call(vector)
        try:
            call.run()
        except AssertionError as error:
            where = f"{file.name}, datagram {getattr(call, 'number', 0)}"
            raise SystemExit(f"{where}: {error or 'something is not as the specification says'}") from error
        datagrams, given = datagrams + len(call.out), given + len(call.given)
        file.write_text(json.dumps(vector, indent=1, sort_keys=True) + "\n")
    print(f"{len(files)} calls of {datagrams} datagrams followed, {given} further datagrams made")


if __name__ == "__main__":
    main()
