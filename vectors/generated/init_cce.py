#!/usr/bin/env python3
"""Computes every value of the handshakes in init_cce_*.json from their messages, private values and names, by docs/spec.md.

Reads "inputs" and "messages", writes "intermediate", and fails if anything in the messages, the SRTP keys or the exporter is
not what comes out. Nothing here shares code or structure with the Rust implementation: the messages are taken apart by hand,
hashes are Python's own, and AES, GCM, X25519 and Ed25519 are written out from FIPS 197, SP 800-38D, RFC 7748 and RFC 8032.
"""

import hashlib
import hmac
import json
import pathlib

# ---- X25519, RFC 7748 ----

P = 2**255 - 19


def x25519(scalar, point):
    k = bytearray(scalar)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    k = int.from_bytes(k, "little")
    u = int.from_bytes(point, "little") % 2**255
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


# ---- Ed25519, RFC 8032 ----

ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE_Y = 4 * pow(5, P - 2, P) % P


def base_point():
    xx = (BASE_Y * BASE_Y - 1) * pow(D * BASE_Y * BASE_Y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    return (P - x if x % 2 else x, BASE_Y)


def edwards_add(p, q):
    (x1, y1), (x2, y2) = p, q
    t = D * x1 * x2 * y1 * y2 % P
    return (
        (x1 * y2 + x2 * y1) * pow(1 + t, P - 2, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - t, P - 2, P) % P,
    )


def edwards_multiply(k, point):
    result = (0, 1)
    while k:
        if k & 1:
            result = edwards_add(result, point)
        point = edwards_add(point, point)
        k >>= 1
    return result


def edwards_octets(point):
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def ed25519(seed, message):
    """The public key of a seed, and its signature of a message."""
    h = hashlib.sha512(seed).digest()
    a = int.from_bytes(h[:32], "little") & (2**254 - 8) | 2**254
    public = edwards_octets(edwards_multiply(a, base_point()))
    r = int.from_bytes(hashlib.sha512(h[32:] + message).digest(), "little") % ORDER
    big_r = edwards_octets(edwards_multiply(r, base_point()))
    k = int.from_bytes(hashlib.sha512(big_r + public + message).digest(), "little") % ORDER
    return public, big_r + ((r + k * a) % ORDER).to_bytes(32, "little")


# ---- AES, FIPS 197; counter mode; GCM, SP 800-38D ----


def gf_times_2(x):
    return (x << 1 ^ (0x11B if x & 0x80 else 0)) & 0xFF


def make_sbox():
    exp, log, x = [0] * 255, [0] * 256, 1
    for i in range(255):
        exp[i], log[x] = x, i
        x ^= gf_times_2(x)
    sbox = []
    for i in range(256):
        b = exp[-log[i] % 255] if i else 0
        s = 0x63
        for shift in range(5):
            s ^= b << shift | b >> 8 - shift
        sbox.append(s & 0xFF)
    return sbox


SBOX = make_sbox()


def aes_round_keys(key):
    words = [list(key[i : i + 4]) for i in range(0, len(key), 4)]
    n, rcon = len(words), 1
    while len(words) < 4 * (n + 7):
        w = list(words[-1])
        if len(words) % n == 0:
            w = [SBOX[b] for b in w[1:] + w[:1]]
            w[0] ^= rcon
            rcon = gf_times_2(rcon)
        elif n > 6 and len(words) % n == 4:
            w = [SBOX[b] for b in w]
        words.append([a ^ b for a, b in zip(w, words[-n])])
    octets = [b for w in words for b in w]
    return [octets[i : i + 16] for i in range(0, len(octets), 16)]


def aes(round_keys, block):
    state = [a ^ b for a, b in zip(block, round_keys[0])]
    for number, key in enumerate(round_keys[1:], 1):
        state = [SBOX[b] for b in state]
        state = [state[(i + 4 * (i % 4)) % 16] for i in range(16)]
        if number < len(round_keys) - 1:
            mixed = []
            for c in range(0, 16, 4):
                col = state[c : c + 4]
                for i in range(4):
                    a, b = col[i], col[(i + 1) % 4]
                    mixed.append(gf_times_2(a) ^ gf_times_2(b) ^ b ^ col[(i + 2) % 4] ^ col[(i + 3) % 4])
            state = mixed
        state = [a ^ b for a, b in zip(state, key)]
    return bytes(state)


def ctr(key, counter, data):
    round_keys, out = aes_round_keys(key), b""
    for i in range(0, len(data), 16):
        stream = aes(round_keys, (counter + i // 16).to_bytes(16, "big"))
        out += bytes(a ^ b for a, b in zip(data[i : i + 16], stream))
    return out


def ghash(h, data):
    y = 0
    for i in range(0, len(data), 16):
        y ^= int.from_bytes(data[i : i + 16], "big")
        z, v = 0, y
        for bit in range(128):
            if h >> 127 - bit & 1:
                z ^= v
            v = v >> 1 ^ (0xE1 << 120 if v & 1 else 0)
        y = z
    return y


def pad16(data):
    return data + bytes(-len(data) % 16)


def gcm(key, nonce, aad, text):
    """The ciphertext and the tag."""
    round_keys = aes_round_keys(key)
    h = int.from_bytes(aes(round_keys, bytes(16)), "big")
    start = int.from_bytes(nonce + b"\0\0\0\1", "big")
    sealed = ctr(key, start + 1, text)
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(sealed)).to_bytes(8, "big")
    s = ghash(h, pad16(aad) + pad16(sealed) + lengths).to_bytes(16, "big")
    return sealed, bytes(a ^ b for a, b in zip(s, aes(round_keys, start.to_bytes(16, "big"))))


# ---- Messages, docs/spec.md chapters 4 and 5 ----

KEMAC, DH, T, ID, CERT, SP, RAND, EXT, AUTH = 1, 3, 5, 6, 7, 10, 11, 21, 40


def be(octets):
    return int.from_bytes(octets, "big")


def header(raw):
    """What HDR says, and its length."""
    at, blocks = 10, []
    for _ in range(raw[8]):
        cs_id, prot, policies = raw[at], raw[at + 1], raw[at + 2] & 0x7F
        with_index = bool(raw[at + 2] & 0x80)
        numbers = list(raw[at + 3 : at + 3 + policies])
        at += 3 + policies
        size = be(raw[at : at + 2])
        data = raw[at + 2 : at + 2 + size]
        at += 2 + size
        spi = raw[at + 1 : at + 1 + raw[at]]
        at += 1 + len(spi)
        assert prot == 0 and with_index == (size == 10)
        blocks.append({"cs_id": cs_id, "policies": numbers, "data": data, "mki": spi})
    return {"type": raw[1], "next": raw[2], "v": raw[3] >> 7, "prf": raw[3] & 0x7F, "csb_id": raw[4:8], "cs": blocks}, at


def payloads(raw, kind, at, mac_len=0):
    """(type, start, end, content) of each payload from `at` to the end, which must be the end."""
    found = []
    while kind:
        start, following = at, raw[at]
        if kind == RAND:
            at += 2 + raw[at + 1]
            content = raw[start + 2 : at]
        elif kind == T:
            assert raw[at + 1] == 2, "COUNTER"
            at += 6
            content = be(raw[start + 2 : at])
        elif kind == SP:
            at += 5 + be(raw[at + 3 : at + 5])
            content = (raw[start + 1], raw[start + 2], raw[start + 5 : at])
        elif kind == DH:
            assert raw[at + 1] == 31, "X25519"
            at += 2 + 32 + 1
            content = raw[start + 2 : at - 1]
        elif kind == KEMAC:
            data_end = at + 4 + be(raw[at + 2 : at + 4])
            at = data_end + 1 + mac_len
            content = (raw[start + 1], raw[start + 4 : data_end], raw[data_end], raw[data_end + 1 : at])
        else:
            assert kind in (ID, CERT, EXT, AUTH), kind
            at += 4 + be(raw[at + 2 : at + 4])
            content = (raw[start + 1], raw[start + 4 : at])
        found.append((kind, start, at, content))
        kind = following
    assert at == len(raw), "octets are left over"
    return found


def one(found, kind, index=0):
    return [content for ty, _, _, content in found if ty == kind][index]


def sp_values(params):
    values, at = {}, 0
    while at < len(params):
        values[params[at]] = params[at + 2 : at + 2 + params[at + 1]]
        at += 2 + params[at + 1]
    return values


# ---- Keys, docs/spec.md chapter 8 ----

INITIATOR, RESPONDER = 0xFF, 0xFE
# suite: hash function of CTR suites or None, key, salt, authentication key, MAC, Encr alg, MAC alg
SUITES = {
    1: (True, 16, 14, 32, 32, 1, 2),
    2: (True, 32, 14, 32, 32, 3, 2),
    3: (False, 16, 12, 0, 16, 64, 64),
    4: (False, 32, 12, 0, 16, 65, 64),
}


def L(x):
    return len(x).to_bytes(4, "big") + x


class Handshake:
    def __init__(self, vector):
        self.vector = vector
        inputs, messages = vector["inputs"], vector["messages"]
        self.inputs = inputs
        self.psk = bytes.fromhex(inputs["psk"] or "")
        self.raw = {name: bytes.fromhex(text) for name, text in messages.items()}
        self.out = {}

    def hash(self, x):
        return hashlib.new(self.hash_name, x).digest()

    def hmac(self, key, x):
        return hmac.new(key, x, self.hash_name).digest()

    def p(self, s, x, length):
        a, out = x, b""
        while len(out) < length:
            a = self.hmac(s, a)
            out += self.hmac(s, a + x)
        return out[:length]

    def prf(self, key, x, length):
        out = bytes(length)
        for i in range(0, len(key), self.block):
            out = bytes(a ^ b for a, b in zip(out, self.p(key[i : i + self.block], x, length)))
        return out

    def note(self, **values):
        for name, value in values.items():
            self.out[name] = value.hex() if isinstance(value, bytes) else value

    def run(self):
        self.init()
        self.keys()
        self.cce("cce_req", "initiator", INITIATOR, 0)
        self.cce("cce_resp", "responder", RESPONDER, 1)
        self.established()
        self.vector["intermediate"] = self.out

    def private(self, role, value):
        """The draw of this side that is the private value of its DH value."""
        draws = [bytes.fromhex(d) for d in self.inputs[role]["random"]]
        base = (9).to_bytes(32, "little")
        fits = [d for d in draws if len(d) == 32 and x25519(d, base) == value]
        assert len(fits) == 1, "no draw is the private value"
        return fits[0]

    def init(self):
        m1, m2 = self.raw["init_req"], self.raw["init_resp"]
        head1, at1 = header(m1)
        head2, at2 = header(m2)
        req, resp = payloads(m1, head1["next"], at1), payloads(m2, head2["next"], at2)
        assert [k for k, *_ in req] == [EXT, RAND, SP, ID, ID, DH]
        assert [k for k, *_ in resp] == [EXT, RAND, SP, ID, DH]
        assert (head1["type"], head1["v"], head1["prf"]) == (40, 1, 0)
        assert (head2["type"], head2["v"]) == (41, 0)
        self.csb_id = head1["csb_id"]
        assert head2["csb_id"] == self.csb_id
        choice = sp_values(one(resp, SP)[2])
        (prf,), (suite,), (method_r,), (method_i,) = choice[1], choice[3], choice[4], choice[5]
        assert choice[0] == b"\x01" and choice[2] == b"\x1f" and head2["prf"] == prf
        offer = sp_values(one(req, SP)[2])
        for ty, theirs in ((0, 0), (1, 1), (2, 2), (3, 3), (4, 5), (5, 4), (7, 7)):
            assert choice[ty][0] in offer[theirs], "not offered"
        self.hash_name, self.block = (("sha256", 32), ("sha384", 64))[prf - 1]
        self.suite, self.methods = SUITES[suite], {"initiator": method_i, "responder": method_r}
        self.confidential = choice[7] == b"\x01"
        self.ids = {}
        for role, found, index in (("initiator", req, 0), ("responder", resp, 0)):
            ty, data = one(found, ID, index)
            assert data == self.inputs[role]["name"].encode()
            self.ids[role] = bytes([ty]) + data
        assert one(req, ID, 1)[1] == self.inputs["responder"]["name"].encode(), "IDr of INIT_REQ"
        self.rands = one(req, RAND) + one(resp, RAND)
        self.session = one(resp, EXT)
        assert self.session[1][:8] == one(req, EXT)[1][:8] and one(req, EXT)[1][8:] == bytes(8)
        dh_i, dh_r = one(req, DH), one(resp, DH)
        x_i, x_r = self.private("initiator", dh_i), self.private("responder", dh_r)
        self.dh = x25519(x_i, dh_r)
        assert self.dh == x25519(x_r, dh_i)
        self.note(
            dh_private_initiator=x_i, dh_private_responder=x_r, dh_initiator=dh_i, dh_responder=dh_r, dh_secret=self.dh,
            rand_i=self.rands[:32], rand_r=self.rands[32:],
        )
        self.th2 = self.hash(b"MIKEYv2 th2" + L(m1) + L(m2))
        self.note(th2=self.th2)

    def k(self, constant, role, length):
        return self.prf(self.prk, constant.to_bytes(4, "big") + bytes([role]) + self.csb_id + self.th2, length)

    def keys(self):
        ikm = L(b"") + L(self.dh) + L(self.psk)
        self.prk = self.hmac(self.rands, ikm)
        self.note(ikm=ikm, prk=self.prk)
        _, key, salt, auth, *_ = self.suite
        size = hashlib.new(self.hash_name).digest_size
        self.role_keys = {}
        for name, role in (("initiator", INITIATOR), ("responder", RESPONDER)):
            self.role_keys[role] = {
                "encryption": self.k(0x150533E1, role, key),
                "authentication": self.k(0x2D22AC75, role, auth),
                "salt": self.k(0x29B88916, role, salt),
                "identity": self.k(0x6D763269, role, size),
                "auth": self.k(0x6D763270, role, size),
            }
            self.note(**{f"k_{name}": {n: v.hex() for n, v in self.role_keys[role].items()}})
        self.sk_d = self.k(0x6D763264, INITIATOR, size)
        self.note(sk_d=self.sk_d)

    def apply(self, role, response, aad, data):
        """Encr data and MAC of KEMAC for this plaintext, or the plaintext of this Encr data: (nonce or IV, data, MAC)."""
        is_ctr, *_ = self.suite
        keys = self.role_keys[role]
        flags, t64 = (response << 15).to_bytes(2, "big"), bytes(8)
        if is_ctr:
            context = flags + self.csb_id + t64
            iv = bytes(a ^ b for a, b in zip(keys["salt"], context)) + bytes(2)
            sealed = ctr(keys["encryption"], be(iv), data)
            covered = aad + sealed + bytes([self.suite[6]])
            return iv, sealed, hmac.new(keys["authentication"], covered, "sha256").digest()
        nonce = bytes(a ^ b for a, b in zip(keys["salt"], flags + bytes(2) + t64))
        sealed, tag = gcm(keys["encryption"], nonce, aad, data)
        return nonce, sealed, tag

    def cce(self, message, name, role, response):
        raw = self.raw[message]
        head, at = header(raw)
        assert head["csb_id"] == self.csb_id and head["v"] == 1 - response
        found = payloads(raw, head["next"], at, self.suite[4])
        kind, start, _, (encr_alg, encr_data, mac_alg, mac) = found[-1]
        assert kind == KEMAC and (encr_alg, mac_alg) == self.suite[5:]
        assert one(found, EXT) == self.session and one(found, T) == 0
        before, aad = raw[:start], raw[: start + 4]
        # Counter mode is its own inverse; so is the encryption of GCM.
        nonce, plaintext, _ = self.apply(role, response, aad, encr_data)
        _, again, made = self.apply(role, response, aad, plaintext)
        assert again == encr_data and made == mac, "KEMAC"
        canon = before + plaintext
        inner = payloads(plaintext, plaintext[0], 1)
        assert bool(inner) == self.confidential
        body = [(k, s + len(before), e + len(before), c) for k, s, e, c in inner] or found[2:-1]
        kind, auth_at, _, (method, data) = body[-1]
        assert kind == AUTH and method == self.methods[name]
        transcript = self.th2 if role == INITIATOR else self.th3
        other = "responder" if role == INITIATOR else "initiator"
        certificate = bytes.fromhex(self.inputs[name]["certificate"] or "")
        if certificate:
            assert one(body, CERT)[1] == certificate
        credential = certificate or self.ids["initiator"]
        label = b"IDi" if role == INITIATOR else b"IDr"
        idb = self.hmac(
            self.role_keys[role]["identity"], label + L(self.ids[name]) + L(self.ids[other]) + L(credential)
        )
        up_to_auth = self.hash(canon[:auth_at])
        covered = b" " * 64 + b"MIKEYv2, " + name.encode() + b" AUTH\0" + transcript + up_to_auth + idb
        if method == 5:
            expected = self.hmac(self.role_keys[role]["auth"], covered)
        else:
            assert method == 4
            public, expected = ed25519(bytes.fromhex(self.inputs[name]["ed25519_seed"]), covered)
            assert public in certificate, "the certificate is for another key"
        assert data == expected, "AUTH"
        self.note(**{
            message: {
                "nonce": nonce.hex(),
                "additional_data_or_mac_input_head": aad.hex(),
                "plaintext": plaintext.hex(),
                "canon": canon.hex(),
                "hash_up_to_auth": up_to_auth.hex(),
                "idb": idb.hex(),
                "auth_covers": covered.hex(),
                "auth": data.hex(),
            }
        })
        if role == INITIATOR:
            self.th3 = self.hash(b"MIKEYv2 th3" + self.th2 + L(canon))
            self.note(th3=self.th3)
        else:
            self.th4 = self.hash(b"MIKEYv2 th4" + self.th3 + L(canon))
            self.streams = head["cs"]
            self.policies = {c[0]: sp_values(c[2]) for k, _, _, c in body if k == SP}
            self.note(th4=self.th4)

    def established(self):
        size = hashlib.new(self.hash_name).digest_size

        def from_th4(constant):
            return self.prf(self.sk_d, constant.to_bytes(4, "big") + b"\xff" + self.csb_id + self.th4, size)

        tgk, e, r, c = (from_th4(constant) for constant in (0x6D763274, 0x6D763265, 0x6D763272, 0x6D763263))
        self.note(tgk=tgk, exporter_key=e, resumption_key=r, continuity_key=c)
        teks = []
        for stream, expected in zip(self.streams, self.vector["srtp"], strict=True):
            policy = self.policies[stream["policies"][0]]
            aead = policy[0] == b"\x06"
            tail = bytes([stream["cs_id"]]) + self.csb_id + self.rands
            tek = self.prf(tgk, bytes.fromhex("2ad01c64") + tail, policy[1][0])
            salt = self.prf(tgk, bytes.fromhex("39a2c14b") + tail, 12 if aead else 14)
            teks.append({"cs_id": stream["cs_id"], "tek": tek.hex(), "salt": salt.hex()})
            assert expected["cs_id"] == stream["cs_id"] and expected["mki"] == stream["mki"].hex()
            assert (expected["master_key"], expected["master_salt"]) == (tek.hex(), salt.hex()), "SRTP keys"
            assert expected["sender"] == ("initiator" if stream["cs_id"] % 2 else "responder")
        export = self.vector["exporter"]
        label, context = export["label"].encode(), bytes.fromhex(export["context"])
        value = self.prf(e, L(label) + L(context) + export["length"].to_bytes(2, "big"), export["length"])
        assert value.hex() == export["value"], "exporter"
        self.note(teks=teks, export=value)


def check_primitives():
    """So that a mistake above is not mistaken for one elsewhere: one known answer each."""
    k = bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    u = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    assert x25519(k, u).hex() == "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public, signature = ed25519(seed, b"")
    assert public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert signature.hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155")
    block = aes(aes_round_keys(bytes(range(16))), bytes.fromhex("00112233445566778899aabbccddeeff"))
    assert block.hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
    block = aes(aes_round_keys(bytes(range(32))), bytes.fromhex("00112233445566778899aabbccddeeff"))
    assert block.hex() == "8ea2b7ca516745bfeafc49904b496089"
    sealed, tag = gcm(bytes(16), bytes(12), b"", bytes(16))
    assert sealed.hex() == "0388dace60b6a392f328c2b971b2fe78" and tag.hex() == "ab6e47d42cec13bdf53a67b21257bddf"


def main():
    check_primitives()
    folder = pathlib.Path(__file__).resolve().parent
    files = sorted(folder.glob("init_cce_*.json"))
    assert files, "no vectors"
    for file in files:
        vector = json.loads(file.read_text())
        handshake = Handshake(vector)
        try:
            handshake.run()
        except AssertionError as error:
            raise SystemExit(f"{file.name}: {error or 'something is not as the specification says'}") from error
        file.write_text(json.dumps(vector, indent=2, sort_keys=True) + "\n")
    print(f"{len(files)} handshakes computed from their messages and private values")


if __name__ == "__main__":
    main()
