#!/usr/bin/env python3
"""Follows the exchanges of MIKEY version 1 in *.json as somebody who knows every private value, by RFC 3830, 4563, 4567, 4650,
4738, 6043 and 7714 alone, and computes everything in between.

Reads "inputs" and "messages", writes "intermediate" (for each message what it holds and which keys come of it) and "given"
(further messages, and what a receiver must make of them), and fails if a MAC, a signature, an envelope or an SRTP key is
not what comes out. Nothing here shares code or structure with the Rust implementation. What these RFCs leave open is done as
docs/version1.md says.
"""

import hashlib
import hmac
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "generated"))
from primitives import ctr, pi_bits, rsa_pss_verify  # noqa: E402

KEMAC, PKE, DH, SIGN, T, ID, CERT, CHASH, V, SP, RAND, ERR, KEY_DATA, EXT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 20, 21
PSK_INIT, PSK_V, PK_INIT, PK_V, DH_INIT, DH_RESP, ERROR, HM_INIT, HM_RESP, R_INIT, R_RESP = range(11)
MACS = {0: (None, 0), 1: ("sha1", 20), 2: ("sha256", 32)}
# Encr alg: octets of the key (RFC 3830 6.2, RFC 6043 6.2).
CIPHERS = {0: 0, 1: 16, 3: 32}
# SRTP policy of the results: octets of master key and salt (RFC 3711, 6188, 7714).
LENGTHS = {"AES_CM_128_HMAC_SHA1_80": (16, 14), "AES_CM_128_HMAC_SHA1_32": (16, 14), "AES_CM_256_HMAC_SHA1_80": (32, 14)}
LENGTHS |= {"AEAD_AES_128_GCM": (16, 12), "AEAD_AES_256_GCM": (32, 12)}
# OAKLEY 5 is the 1536-bit group of RFC 3526 section 2.
OAKLEY_5 = 2**1536 - 2**1472 - 1 + 2**64 * (pi_bits(1406) + 741804)
DAY = 86_400 << 32


def be(octets):
    return int.from_bytes(octets, "big")


def prf(number, key, label, length):
    """RFC 3830 4.1.2; RFC 6043 6.1 for PRF-HMAC-SHA-256."""
    name, size = {0: ("sha1", 20), 1: ("sha256", 32)}[number]
    mac = lambda s, data: hmac.new(s, data, name).digest()
    total = bytes(length)
    for at in range(0, len(key), 32):
        s, a, out = key[at : at + 32], label, b""
        for _ in range(-(-length // size)):
            a = mac(s, a)
            out += mac(s, a + label)
        total = bytes(x ^ y for x, y in zip(total, out))
    return total


def header(raw):
    """HDR: what it says, and its length (RFC 3830 6.1, RFC 6043 6.1.1)."""
    assert raw[0] == 1
    head = {"type": raw[1], "next": raw[2], "v": raw[3] >> 7, "prf": raw[3] & 0x7F, "csb_id": raw[4:8], "map": raw[9], "cs": []}
    at = 10
    for number in range(1, raw[8] + 1):
        if raw[9] == 0:
            head["cs"].append({"cs_id": number, "policies": [raw[at]], "ssrc": be(raw[at + 1 : at + 5]), "spi": None})
            at += 9
            continue
        assert raw[9] == 2
        cs_id, prot, count = raw[at], raw[at + 1], raw[at + 2] & 0x7F
        assert prot == 0
        policies = list(raw[at + 3 : at + 3 + count])
        at += 3 + count
        data = raw[at + 2 : at + 2 + be(raw[at : at + 2])]
        at += 2 + len(data)
        spi = raw[at + 1 : at + 1 + raw[at]]
        at += 1 + len(spi)
        head["cs"].append({"cs_id": cs_id, "policies": policies, "ssrc": be(data[:4]), "spi": spi})
    return head, at


def valid(kind, raw, at):
    """What a key is valid for, and where that ends (RFC 3830 6.14)."""
    if kind == 0:
        return None, at
    if kind == 1:
        return raw[at + 1 : at + 1 + raw[at]], at + 1 + raw[at]
    assert kind == 2
    start = raw[at + 1 : at + 1 + raw[at]]
    at += 1 + len(start)
    end = raw[at + 1 : at + 1 + raw[at]]
    return [be(start), be(end)], at + 1 + len(end)


def payloads(raw, kind, at):
    """(type, start, end, content) of each payload, which must end where the octets do (RFC 3830 6.2 to 6.15)."""
    found = []
    while kind:
        start, following = at, raw[at]
        if kind == KEMAC:
            end = at + 4 + be(raw[at + 2 : at + 4])
            at = end + 1 + MACS[raw[end]][1]
            content = {"encr": raw[start + 1], "data": raw[start + 4 : end], "mac_alg": raw[end], "mac": raw[end + 1 : at]}
        elif kind == PKE:
            at += 3 + (be(raw[at + 1 : at + 3]) & 0x3FFF)
            content = {"cache": raw[start + 1] >> 6, "data": raw[start + 3 : at]}
        elif kind == DH:
            assert raw[at + 1] == 0, "OAKLEY 5"
            kv, at = valid(raw[at + 194] & 15, raw, at + 195)
            content = {"value": raw[start + 2 : start + 194], "valid": kv}
        elif kind == SIGN:
            # The last payload: it has no next one.
            at, following = at + 2 + (be(raw[at : at + 2]) & 0xFFF), 0
            content = {"alg": raw[start] >> 4, "signature": raw[start + 2 : at]}
        elif kind == T:
            at += 2 + {0: 8, 1: 8, 2: 4}[raw[at + 1]]
            content = raw[start + 2 : at]
        elif kind == V:
            at += 2 + MACS[raw[at + 1]][1]
            content = {"mac_alg": raw[start + 1], "mac": raw[start + 2 : at]}
        elif kind == SP:
            at += 5 + be(raw[at + 3 : at + 5])
            content = {"no": raw[start + 1], "prot": raw[start + 2], "params": raw[start + 5 : at]}
        elif kind == RAND:
            at += 2 + raw[at + 1]
            content = raw[start + 2 : at]
        elif kind == ERR:
            at += 4
            content = raw[start + 1]
        elif kind == KEY_DATA:
            ty, kv, end = raw[at + 1] >> 4, raw[at + 1] & 15, at + 4 + be(raw[at + 2 : at + 4])
            content = {"type": ty, "key": raw[start + 4 : end], "salt": None}
            if ty in (1, 3):
                content["salt"] = raw[end + 2 : end + 2 + be(raw[end : end + 2])]
                end += 2 + len(content["salt"])
            content["valid"], at = valid(kv, raw, end)
        else:
            assert kind in (ID, CERT, EXT), kind
            at += 4 + be(raw[at + 2 : at + 4])
            content = {"type": raw[start + 1], "data": raw[start + 4 : at]}
        found.append((kind, start, at, content))
        kind = following
    assert at == len(raw), "octets are left over"
    return found


class Message:
    def __init__(self, raw):
        self.raw = raw
        self.head, at = header(raw)
        self.found = payloads(raw, self.head["next"], at)

    def all(self, kind):
        return [content for k, _, _, content in self.found if k == kind]

    def one(self, kind):
        (content,) = self.all(kind)
        return content

    def maybe(self, kind):
        return (self.all(kind) or [None])[0]

    def place(self, kind):
        return next((start, end) for k, start, end, _ in self.found if k == kind)


class Rsa:
    """A key in PKCS #8 (RFC 5958, RFC 8017 A.1.2)."""

    def __init__(self, pkcs8):
        (version, algorithm, octets) = der(der(pkcs8)[0])[:3]
        numbers = [be(n) for n in der(der(octets)[0])]
        self.n, self.e, self.d = numbers[1:4]
        self.size = -(-self.n.bit_length() // 8)

    def private(self, octets):
        return pow(be(octets), self.d, self.n).to_bytes(self.size, "big")

    def decrypt(self, ciphertext):
        """RSAES-OAEP with SHA-256, no label (RFC 8017 7.1.2)."""
        em = self.private(ciphertext)
        seed = xor(em[1:33], mgf1(em[33:], 32))
        db = xor(em[33:], mgf1(seed, self.size - 33))
        head, secret = db[:32], db[32:].lstrip(b"\0")
        assert em[0] == 0 and head == hashlib.sha256().digest() and secret[0] == 1, "no envelope"
        return secret[1:]

    def encrypt(self, secret, seed):
        pad = bytes(self.size - len(secret) - 66)
        db = hashlib.sha256().digest() + pad + b"\1" + secret
        masked = xor(db, mgf1(seed, len(db)))
        em = b"\0" + xor(seed, mgf1(masked, 32)) + masked
        return pow(be(em), self.e, self.n).to_bytes(self.size, "big")

    def pkcs1(self, octets):
        """What EMSA-PKCS1-v1_5 with SHA-256 makes of octets (RFC 8017 9.2)."""
        info = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(octets).digest()
        return b"\0\1" + b"\xff" * (self.size - len(info) - 3) + b"\0" + info

    def sign(self, octets):
        return self.private(self.pkcs1(octets))

    def verify(self, alg, octets, signature):
        if alg == 1:
            return rsa_pss_verify(self.n, self.e, octets, signature)
        return pow(be(signature), self.e, self.n) == be(self.pkcs1(octets))


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def mgf1(seed, length):
    blocks = range(-(-length // 32))
    return b"".join(hashlib.sha256(seed + i.to_bytes(4, "big")).digest() for i in blocks)[:length]


def der(octets):
    """The contents of the elements of a DER value."""
    parts, at = [], 0
    while at < len(octets):
        length, at = octets[at + 1], at + 2
        if length & 0x80:
            length, at = be(octets[at : at + (length & 0x7F)]), at + (length & 0x7F)
        parts.append(octets[at : at + length])
        at += length
    return parts


class Follower:
    """Somebody who knows everything, as one exchange goes by."""

    def __init__(self, vector):
        self.inputs = vector["inputs"]
        octets = bytes.fromhex
        self.psk = octets(self.inputs["shared"]["psk"])
        self.sides = {}
        for role in ("initiator", "responder"):
            side = self.inputs[role]
            self.sides[role] = {
                "name": side["name"].encode(),
                "sign": Rsa(octets(side["signing_key"])),
                "decrypt": Rsa(octets(side["decryption_key"])),
                "signing_certificate": octets(side["signing_certificate"]),
                "decryption_certificate": octets(side["decryption_certificate"]),
                "random": [octets(draw) for draw in side["random"]],
            }
        # What the first exchange leaves for its updates.
        self.rand = self.inkey = self.prf = None
        self.request = None
        self.keys = []
        self.dh = {}
        # The keys that each result is under.
        self.under = {}

    def message_keys(self, csb_id, encr, mac_alg):
        label = b"\xff" + csb_id + self.rand
        name, size = MACS[mac_alg]
        derive = lambda constant, length: prf(self.prf, self.inkey, bytes.fromhex(constant) + label, length)
        return {
            "encryption": derive("150533e1", CIPHERS[encr]),
            "salt": derive("29b88916", 14),
            "authentication": derive("2d22ac75", size),
            "mac": name,
        }

    def mac(self, keys, octets):
        return hmac.new(keys["authentication"], octets, keys["mac"]).digest()

    def crypt(self, keys, csb_id, t, octets):
        """RFC 3830 4.2.3."""
        iv = xor(keys["salt"], bytes(2) + csb_id + t) + bytes(2)
        return ctr(keys["encryption"], be(iv), octets)

    def parties(self, message):
        """IDi || IDr || T, as they were sent (RFC 3830 5.2; docs/version1.md)."""
        ids = [i["data"] for i in self.request.all(ID)]
        id_i, id_r = (ids + [b"", b""])[:2]
        answered = [i["data"] for i in message.all(ID)]
        return id_i + (answered[0] if answered else id_r) + message.one(T)

    def follow(self, raw):
        """Checks a message and says what is in it."""
        message = Message(raw)
        head = message.head
        known = {"type": head["type"], "csb_id": head["csb_id"].hex()}
        request = head["type"] in (PSK_INIT, PK_INIT, DH_INIT, HM_INIT, R_INIT)
        if request:
            self.request, self.csb_id = message, head["csb_id"]
            rand = message.maybe(RAND)
            known["update"] = rand is None and self.rand is not None
            if rand is not None:
                self.rand, self.prf, self.inkey = rand, head["prf"], None
            assert len(self.rand) >= 16 and (head["prf"] == self.prf)
        else:
            assert head["csb_id"] == self.csb_id and message.one(T) == self.request.one(T), "an answer repeats both"
        handlers = {PSK_INIT: self.psk_init, PK_INIT: self.pk_init, R_INIT: self.signed, DH_INIT: self.dh_init}
        handlers |= {HM_INIT: self.dhhmac, HM_RESP: self.dhhmac, DH_RESP: self.dh_resp, R_RESP: self.rsa_r_resp}
        handlers |= {PSK_V: self.verified, PK_V: self.verified, ERROR: self.error}
        handlers[head["type"]](message, known)
        known["rand"] = self.rand.hex()
        known["keys"] = [
            {name: value.hex() if isinstance(value, bytes) else value for name, value in key.items()} for key in self.keys
        ]
        known["streams"] = self.traffic(self.request.head) if self.keys else []
        return known

    def read_keys(self, plain, named, known):
        """Key data, after the sender's name where a public key is used (RFC 3830 6.2, 6.13)."""
        if not plain and not named:
            return  # an update without new keys
        found = payloads(plain, ID if named else KEY_DATA, 0)
        if named:
            known["name_inside"] = found[0][3]["data"].decode()
        self.keys = [content for kind, _, _, content in found if kind == KEY_DATA]
        assert self.keys and len(found) == len(self.keys) + named

    def psk_init(self, message, known):
        kemac = message.one(KEMAC)
        if kemac["mac_alg"] == 0:
            assert kemac["encr"] == 0
            self.read_keys(kemac["data"], False, known)
            return
        self.inkey = self.inkey or self.psk
        keys = self.message_keys(self.csb_id, kemac["encr"], kemac["mac_alg"])
        assert self.mac(keys, message.raw[: -len(kemac["mac"])]) == kemac["mac"], "MAC"
        plain = self.crypt(keys, self.csb_id, message.one(T), kemac["data"])
        self.read_keys(plain, False, known)
        self.note(known, keys, plain)

    def note(self, known, keys, plain=None):
        known["inkey"] = self.inkey.hex()
        known |= {f"{name}_key": keys[name].hex() for name in ("encryption", "authentication")}
        known["salt"] = keys["salt"].hex()
        if plain is not None:
            known["plaintext"] = plain.hex()

    def envelope(self, message, receiver, known):
        kemac, (start, end) = message.one(KEMAC), message.place(KEMAC)
        self.inkey = self.sides[receiver]["decrypt"].decrypt(message.one(PKE)["data"])
        keys = self.message_keys(self.csb_id, kemac["encr"], kemac["mac_alg"])
        # Over KEMAC alone, its next payload taken as 0 (RFC 3830 6.2).
        covered = b"\0" + message.raw[start + 1 : end - len(kemac["mac"])]
        assert self.mac(keys, covered) == kemac["mac"], "MAC of KEMAC"
        plain = self.crypt(keys, self.csb_id, message.one(T), kemac["data"])
        self.read_keys(plain, True, known)
        self.note(known, keys, plain)

    def check_signature(self, message, sender, covered):
        sign = message.one(SIGN)
        key, certs = self.sides[sender]["sign"], message.all(CERT)
        assert certs[0]["data"] == self.sides[sender]["signing_certificate"]
        assert key.n.to_bytes(key.size, "big") in certs[0]["data"], "the certificate is of another key"
        assert key.verify(sign["alg"], covered, sign["signature"]), "signature"

    def signed(self, message, known, sender="initiator"):
        self.check_signature(message, sender, message.raw[: -len(message.one(SIGN)["signature"])])

    def pk_init(self, message, known):
        self.signed(message, known)
        self.envelope(message, "responder", known)
        assert known["name_inside"].encode() == self.sides["initiator"]["name"]

    def rsa_r_resp(self, message, known):
        start, _ = message.place(SIGN)
        # RFC 4738 3.6: the message without SIGN, then IDi || IDr || T.
        self.check_signature(message, "responder", message.raw[:start] + self.parties(message))
        self.envelope(message, "initiator", known)
        (encr,) = [cert["data"] for cert in self.request.all(CERT) if cert["type"] == 3]
        assert encr == self.sides["initiator"]["decryption_certificate"]

    def private(self, role, value):
        """The exponent among a side's draws that made this value."""
        for draw in self.sides[role]["random"]:
            if pow(2, be(draw), OAKLEY_5) == be(value):
                return be(draw)
        raise AssertionError("a DH value that nobody drew")

    def agree(self, ours, theirs, known):
        assert 2 <= be(ours) <= OAKLEY_5 - 2 and 2 <= be(theirs) <= OAKLEY_5 - 2
        secret = pow(be(theirs), self.private("initiator", ours), OAKLEY_5)
        assert secret == pow(be(ours), self.private("responder", theirs), OAKLEY_5)
        request = self.request.one(DH)
        self.keys = [{"type": 0, "key": secret.to_bytes(192, "big"), "salt": None, "valid": request["valid"]}]
        known["secret"] = self.keys[0]["key"].hex()

    def dh_init(self, message, known):
        self.signed(message, known)
        self.keys = []

    def dh_resp(self, message, known):
        self.signed(message, known, "responder")
        theirs, ours = message.all(DH)
        self.agree(ours["value"], theirs["value"], known)
        assert ours["value"] == self.request.one(DH)["value"]

    def dhhmac(self, message, known):
        kemac = message.one(KEMAC)
        assert kemac["encr"] == 0 and not kemac["data"], "RFC 4650 4.2: nothing is encrypted"
        self.inkey = self.psk
        keys = self.message_keys(self.csb_id, 0, kemac["mac_alg"])
        assert self.mac(keys, message.raw[: -len(kemac["mac"])]) == kemac["mac"], "MAC"
        self.note(known, keys)
        values = message.all(DH)
        if message.head["type"] == HM_INIT:
            if values:
                self.keys = []
            return
        if values:
            theirs, ours = values
            self.agree(ours["value"], theirs["value"], known)

    def verified(self, message, known):
        ver = message.one(V)
        keys = self.message_keys(self.csb_id, 0, ver["mac_alg"])
        covered = message.raw[: -len(ver["mac"])] + self.parties(message)
        assert self.mac(keys, covered) == ver["mac"], "V"
        known["covered_by_v"] = covered.hex()

    def error(self, message, known):
        known["errors"] = message.all(ERR)
        known["policies"] = [sp["params"].hex() for sp in message.all(SP)]
        if message.all(V):
            self.verified(message, known)
        self.keys = []

    def traffic(self, head):
        """Master key and salt of every crypto session under every key, as long as any SRTP policy wants them."""
        streams = []
        for cs in head["cs"]:
            for key in self.keys:
                if cs["spi"] and isinstance(key["valid"], bytes) and cs["spi"] != key["valid"]:
                    continue
                label = bytes([cs["cs_id"]]) + head["csb_id"] + self.rand
                master, salt = key["key"], key["salt"]
                if key["type"] in (0, 1):
                    master = prf(self.prf, key["key"], bytes.fromhex("2ad01c64") + label, 32)
                    salt = salt or prf(self.prf, key["key"], bytes.fromhex("39a2c14b") + label, 14)
                streams.append({"cs_id": cs["cs_id"], "tek": master.hex(), "salt": salt.hex()})
        return streams


def check_results(vector, intermediate):
    """Every SRTP key that was agreed on is the one computed."""
    for result in vector["results"]:
        if "streams" not in result:
            continue
        # Where the responder has a part in the keys, they are there with its answer.
        at = result["message"]
        message = intermediate[at] if intermediate[at]["streams"] else intermediate[at + 1]
        for stream in result["streams"]:
            key, salt = LENGTHS[stream["policy"]]
            (mine,) = [s for s in message["streams"] if s["cs_id"] == stream["cs_id"]]
            assert stream["master_key"] == mine["tek"][: 2 * key], "master key"
            assert stream["master_salt"] == mine["salt"][: 2 * salt], "master salt"
            valid = message["keys"][0]["valid"]
            if isinstance(valid, str):
                assert stream["mki"] == valid and stream["valid"] is None
            else:
                assert stream["mki"] == "" and stream["valid"] == valid


# ---- further messages, and what must become of them ----


class Maker:
    """Makes messages for somebody who has the keys and breaks one rule."""

    def __init__(self, vector, intermediate):
        self.vector, self.known = vector, intermediate
        self.messages = [bytes.fromhex(m["octets"]) for m in vector["messages"]]
        self.given = []

    def give(self, about, before, octets, expect, answer=None):
        to = "responder" if self.vector["messages"][before]["from"] == "initiator" else "initiator"
        entry = {"about": about, "to": to, "before": before, "octets": octets.hex(), "expect": expect}
        self.given.append(entry | ({"answer": answer.hex()} if answer else {}))

    def error(self, at, number):
        """The ERROR that proves nothing and answers this message: HDR, T, ERR."""
        raw = self.messages[at]
        start, end = Message(raw).place(T)
        head = bytes([1, ERROR, T, 0]) + raw[4:8] + bytes([0, 0])
        return head + bytes([ERR]) + raw[start + 1 : end] + bytes([0, number, 0, 0])

    def keys(self, at):
        known = self.known[at]
        octets = bytes.fromhex
        return {
            "authentication": octets(known["authentication_key"]),
            "encryption": octets(known["encryption_key"]),
            "salt": octets(known["salt"]),
        }

    def remac(self, at, octets):
        """The MAC of a last KEMAC, made once more."""
        mac = Message(self.messages[at]).one(KEMAC)["mac"]
        name = {20: "sha1", 32: "sha256"}[len(mac)]
        body = octets[: -len(mac)]
        return body + hmac.new(self.keys(at)["authentication"], body, name).digest()

    def resign(self, octets, size):
        body = octets[:-size]
        return body + Rsa(bytes.fromhex(self.vector["inputs"]["initiator"]["signing_key"])).sign(body)

    def with_plain(self, at, plain):
        """A PSK message with this plaintext in KEMAC."""
        raw, message = self.messages[at], Message(self.messages[at])
        keys, (start, _) = self.keys(at), message.place(KEMAC)
        iv = xor(keys["salt"], bytes(2) + message.head["csb_id"] + message.one(T)) + bytes(2)
        kemac = message.one(KEMAC)
        sealed = ctr(keys["encryption"], be(iv), plain)
        head = raw[start : start + 2] + len(sealed).to_bytes(2, "big")
        octets = raw[:start] + head + sealed + bytes([kemac["mac_alg"]]) + kemac["mac"]
        return self.remac(at, octets)

    def run(self):
        first = Message(self.messages[0])
        kind = first.head["type"]
        null = kind == PSK_INIT and first.one(KEMAC)["mac_alg"] == 0
        for at, raw in enumerate(self.messages):
            if null:
                break
            flipped = raw[:-1] + bytes([raw[-1] ^ 1])
            outcome = "auth"
            if Message(raw).head["type"] == ERROR:
                # Without V its last octet is a reserved one.
                outcome = "a hint" if Message(raw).all(V) else "decode"
            elif self.vector["name"] == "error_prf":
                outcome = "algorithm"
            from_initiator = self.vector["messages"][at]["from"] == "initiator"
            answer = self.error(at, {"auth": 0, "algorithm": 2}[outcome]) if from_initiator else None
            self.give("one bit of its MAC or signature is another", at, flipped, outcome, answer)
        self.header_faults(first, null)
        if not null:
            self.time_faults(first)
        if len(self.messages) > 1 and not null:
            self.answer_faults()
        if self.vector["name"] == "error_prf":
            return self.given
        if kind == PSK_INIT and not null:
            self.psk_faults(first)
        if null:
            self.null_faults(first)
        if kind == PK_INIT:
            self.envelope_faults(first)
        if kind in (HM_INIT, DH_INIT):
            self.dh_faults(first, kind)
        return self.given

    def header_faults(self, first, null):
        raw = self.messages[0]
        self.give("a map of IPsec (1)", 0, raw[:9] + b"\1" + raw[10:], "decode")
        self.give("a first payload of no known type", 0, raw[:2] + b"\x63" + raw[3:], "decode")
        after = first.place(T)[0]
        unknown = raw[:after] + b"\x63" + raw[after + 1 :]
        # 13 is RFC 6043's number for a message that is not supported.
        self.give("a payload of no known type after T", 0, unknown, "decode", self.error(0, 13))
        self.give("cut in its last payload", 0, raw[:-1], "decode")
        self.give("octets after its end", 0, raw + b"\1\2", "decode")
        self.give("MIKEY version 3", 0, b"\3" + raw[1:], "decode")
        if len(self.messages) > 1:
            self.give("a response instead of a first message", 0, self.messages[1], "data type")
        self.give("another type of message around the same payloads", 0, raw[:1] + bytes([PSK_V]) + raw[2:], "decode")
        self.give("a ticket mode (RFC 6043)", 0, raw[:1] + bytes([11]) + raw[2:], "data type")
        without_t = raw[:2] + bytes([raw[first.place(T)[0]]]) + raw[3 : first.place(T)[0]] + raw[first.place(T)[1] :]
        self.give("without T", 0, without_t, "decode")

    def time_faults(self, first):
        start, end = first.place(T)
        raw = self.messages[0]
        for about, t in (("a day behind", be(raw[start + 2 : end]) - DAY), ("a day ahead", be(raw[start + 2 : end]) + DAY)):
            self.give(f"its clock is {about}", 0, raw[: start + 2] + t.to_bytes(8, "big") + raw[end:], "time")

    def answer_faults(self):
        """The same first message again draws the same answer; what answers another message is no answer."""
        if self.vector["name"] not in ("error_prf",):
            again = [m for m, v in zip(self.messages, self.vector["messages"]) if v["from"] == "responder"][0]
            later = len(self.messages) - 1
            if self.vector["messages"][later]["from"] == "responder" and later > 1:
                later -= 1
            if self.vector["messages"][later]["from"] == "initiator" and later > 0:
                self.give("the first message once more", later, self.messages[0], "repeat", again)
        raw = self.messages[1]
        self.give("the answer to another CSB", 1, raw[:4] + b"\0\0\0\1" + raw[8:], "not ours")
        start, end = Message(raw).place(T)
        other = raw[: start + 2] + (be(raw[start + 2 : end]) + 1).to_bytes(end - start - 2, "big") + raw[end:]
        self.give("the answer to another T", 1, other, "not ours")
        self.give("an ERROR that anybody can have sent", 1, self.error(1, 0), "a hint")

    def psk_faults(self, first):
        plain = bytes.fromhex(self.known[0]["plaintext"])
        self.give("wrong padding: an octet after the keys", 0, self.with_plain(0, plain + b"\0"), "decode")
        self.give("wrong padding: nothing but zeros", 0, self.with_plain(0, bytes(len(plain))), "decode")
        self.give("the key is longer than the plaintext", 0, self.with_plain(0, plain[:-3]), "decode")
        self.give("a key of an unknown type", 0, self.with_plain(0, plain[:1] + bytes([0x90 | plain[1] & 15]) + plain[2:]), "decode")
        self.give("a key of eight octets", 0, self.with_plain(0, bytes([0, 0, 0, 8]) + bytes(8)), "keys")
        if self.vector["name"] != "error_policy":
            self.give("no key", 0, self.with_plain(0, b""), "keys")
        salted = bytes([0, 0x10, 0, 32]) + bytes(range(32)) + bytes([0, 14]) + bytes(range(14))
        if self.vector["name"] == "psk":
            self.give("a TGK with a salt (type 1)", 0, self.with_plain(0, salted), "taken")
        raw = self.messages[0]
        mallory = raw.replace(b"sip:alice@example.com", b"sip:mally@example.com")
        if mallory != raw:
            self.give("in the name of somebody else", 0, self.remac(0, mallory), "name")
        carol = raw.replace(b"sip:bob@example.com", b"sip:cal@example.com")
        if carol != raw:
            self.give("for somebody else", 0, self.remac(0, carol), "name")
        start, end = first.place(SP)
        forged = raw[: start + 7] + b"\x2a" + raw[start + 8 :]
        self.give("a policy with a cipher that nobody knows", 0, self.remac(0, forged), "no policy in common")
        policy = raw[: start + 1] + bytes([raw[start + 1] ^ 9]) + raw[start + 2 :]
        self.give("a policy that no crypto session names", 0, self.remac(0, policy), "streams")
        for at in range(2, len(self.messages), 2):
            if Message(self.messages[at]).head["type"] != PSK_INIT:
                continue
            message = Message(self.messages[at])
            t = message.place(T)
            old = self.messages[at][: t[0]] + self.messages[0][first.place(T)[0] : first.place(T)[1]] + self.messages[at][t[1] :]
            old = old[: t[0]] + self.messages[at][t[0] : t[0] + 1] + old[t[0] + 1 :]
            self.give("an update that is older than what it updates", at, self.remac(at, old), "time")

    def null_faults(self, first):
        start, end = first.place(KEMAC)
        raw = self.messages[0]
        self.give("a key of an unknown type", 0, raw[: start + 5] + b"\x90" + raw[start + 6 :], "decode")
        data = first.one(KEMAC)["data"]
        short = raw[: start + 2] + (len(data) - 1).to_bytes(2, "big") + data[:-1] + raw[end - 1 :]
        self.give("a key that is cut", 0, short, "decode")

    def envelope_faults(self, first):
        raw, size = self.messages[0], len(first.one(SIGN)["signature"])
        if first.one(SIGN)["alg"] != 0:
            return
        start, end = first.place(PKE)
        key = Rsa(bytes.fromhex(self.vector["inputs"]["responder"]["decryption_key"]))
        garbage = raw[: start + 3] + b"\x11" * (end - start - 3) + raw[end:]
        # However it fails, the answer is the same.
        failed = self.error(0, 0)
        self.give("an envelope that does not decrypt", 0, self.resign(garbage, size), "auth", failed)
        other = raw[: start + 3] + key.encrypt(bytes(32), bytes(32)) + raw[end:]
        self.give("an envelope with another key", 0, self.resign(other, size), "auth", failed)
        (start, end), mac = first.place(KEMAC), len(first.one(KEMAC)["mac"])
        wrong = raw[: end - mac] + bytes(mac) + raw[end:]
        self.give("a wrong MAC under the right envelope key", 0, self.resign(wrong, size), "auth", failed)
        start, end = first.place(PKE)
        longer = raw[: start + 3] + key.encrypt(bytes(33), bytes(32)) + raw[end:]
        self.give("an envelope with a key of another length", 0, self.resign(longer, size), "auth", failed)

    def dh_faults(self, first, kind):
        start, _ = first.place(DH)
        raw, size = self.messages[0], 0 if kind == HM_INIT else len(first.one(SIGN)["signature"])
        seal = lambda octets: self.remac(0, octets) if kind == HM_INIT else self.resign(octets, size)
        for about, value in (("0", 0), ("1", 1), ("p - 1", OAKLEY_5 - 1), ("p", OAKLEY_5)):
            forged = raw[: start + 2] + value.to_bytes(192, "big") + raw[start + 194 :]
            self.give(f"a DH value of {about}", 0, seal(forged), "key exchange")


def main():
    for path in sorted(HERE.glob("*.json")):
        vector = json.loads(path.read_text(encoding="utf-8"))
        follower = Follower(vector)
        try:
            intermediate = [follower.follow(bytes.fromhex(m["octets"])) for m in vector["messages"]]
            check_results(vector, intermediate)
            vector["intermediate"] = intermediate
            vector["given"] = Maker(vector, intermediate).run()
        except AssertionError as why:
            raise SystemExit(f"{path.name}: {why}") from why
        path.write_text(json.dumps(vector, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    print("every exchange of version 1 is what the RFCs say")


if __name__ == "__main__":
    assert pow(2, OAKLEY_5 - 1, OAKLEY_5) == 1 and hex(OAKLEY_5).startswith("0xffffffffffffffffc90fdaa22168c234")
    main()
