#!/usr/bin/env python3
"""AES, GCM, ChaCha20-Poly1305, X25519, NIST curves, MODP groups, ML-KEM-768, Ed25519, ECDSA and RSASSA-PSS, written out
from FIPS 197, SP 800-38D, RFC 8439, RFC 7748, FIPS 186-5, RFC 3526, FIPS 203, RFC 8032 and RFC 8017 for calls.py.

For known answers alone: nothing here is in constant time. Run by itself it checks one known answer of each.
"""

import hashlib
import hmac

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

# ---- ChaCha20-Poly1305, RFC 8439 ----


def chacha20_block(key, counter, nonce):
    words = [int.from_bytes(x, "little") for x in (b"expa", b"nd 3", b"2-by", b"te k")]
    octets = key + counter.to_bytes(4, "little") + nonce
    words += [int.from_bytes(octets[i : i + 4], "little") for i in range(0, 48, 4)]
    x = list(words)

    def quarter(a, b, c, d):
        for p, q, r, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[p] = (x[p] + x[q]) % 2**32
            x[r] ^= x[p]
            x[r] = (x[r] << turn | x[r] >> 32 - turn) % 2**32

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return b"".join(((a + b) % 2**32).to_bytes(4, "little") for a, b in zip(x, words))


def chacha20_poly1305(key, nonce, aad, text):
    """The ciphertext and the tag."""
    sealed = b""
    for i in range(0, len(text), 64):
        stream = chacha20_block(key, 1 + i // 64, nonce)
        sealed += bytes(a ^ b for a, b in zip(text[i : i + 64], stream))
    once = chacha20_block(key, 0, nonce)
    r = int.from_bytes(once[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    lengths = len(aad).to_bytes(8, "little") + len(sealed).to_bytes(8, "little")
    data, acc = pad16(aad) + pad16(sealed) + lengths, 0
    for i in range(0, len(data), 16):
        acc = (acc + int.from_bytes(data[i : i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return sealed, ((acc + int.from_bytes(once[16:32], "little")) % 2**128).to_bytes(16, "little")


# ---- NIST curves: y^2 = x^3 - 3x + b (FIPS 186-5, SP 800-186) ----


class Curve:
    def __init__(self, p, b, n, gx, gy, size):
        self.p, self.b, self.n, self.g, self.size = p, b, n, (gx, gy), size

    def add(self, a, b):
        if a is None or b is None:
            return a or b
        (x1, y1), (x2, y2), p = a, b, self.p
        if x1 == x2:
            if (y1 + y2) % p == 0:
                return None
            slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, p) % p
        else:
            slope = (y2 - y1) * pow(x2 - x1, -1, p) % p
        x = (slope * slope - x1 - x2) % p
        return x, (slope * (x1 - x) - y1) % p

    def multiply(self, k, point):
        result = None
        while k:
            if k & 1:
                result = self.add(result, point)
            point, k = self.add(point, point), k >> 1
        return result

    def point(self, octets):
        x, y = (int.from_bytes(half, "big") for half in (octets[: self.size], octets[self.size :]))
        assert len(octets) == 2 * self.size and (y * y - x * x * x + 3 * x - self.b) % self.p == 0, "not on the curve"
        return x, y

    def octets(self, point):
        return b"".join(v.to_bytes(self.size, "big") for v in point)

    def verify(self, public, hash_name, message, signature):
        """ECDSA, r || s."""
        digest = int.from_bytes(hashlib.new(hash_name, message).digest()[: self.size], "big")
        r, s = (int.from_bytes(half, "big") for half in (signature[: self.size], signature[self.size :]))
        w = pow(s, -1, self.n)
        mine = self.multiply(digest * w % self.n, self.g)
        point = self.add(mine, self.multiply(r * w % self.n, self.point(public)))
        return 0 < r < self.n and 0 < s < self.n and point is not None and point[0] % self.n == r


P256 = Curve(
    0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
    0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    32,
)
P384 = Curve(
    2**384 - 2**128 - 2**96 + 2**32 - 1,
    0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
    0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
    48,
)

# ---- MODP, RFC 3526: p = 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) pi) + c) ----


def pi_bits(bits):
    """floor(2^bits * pi), by Machin's formula."""
    one = 1 << bits + 64

    def arctan(inverse):
        term, total, n = one // inverse, 0, 1
        while term:
            total += term // n if n % 4 == 1 else -(term // n)
            term, n = term // (inverse * inverse), n + 2
        return total

    return 4 * (4 * arctan(5) - arctan(239)) >> 64


def modp(bits, c):
    return 2**bits - 2 ** (bits - 64) - 1 + 2**64 * (pi_bits(bits - 130) + c)


MODP = {14: (modp(2048, 124476), 256, 32), 15: (modp(3072, 1690314), 384, 40)}

# ---- RSASSA-PSS with SHA-256 and a salt of 32 octets, RFC 8017 section 9.1.2 ----


def rsa_pss_verify(n, e, message, signature):
    em = pow(int.from_bytes(signature, "big"), e, n).to_bytes(len(signature), "big")
    db, h, trailer = em[:-33], em[-33:-1], em[-1]
    mask = b"".join(hashlib.sha256(h + i.to_bytes(4, "big")).digest() for i in range(len(db) // 32 + 1))
    db = bytes([(db[0] ^ mask[0]) & 0x7F]) + bytes(a ^ b for a, b in zip(db[1:], mask[1:]))
    padded = b"\0" * (len(db) - 33) + b"\1"
    digest = hashlib.sha256(bytes(8) + hashlib.sha256(message).digest() + db[-32:]).digest()
    return trailer == 0xBC and db[:-32] == padded and hmac.compare_digest(digest, h)


def mask(octets, seed):
    stream = b"".join(hashlib.sha256(seed + i.to_bytes(4, "big")).digest() for i in range(len(octets) // 32 + 1))
    return bytes(a ^ b for a, b in zip(octets, stream))


def rsa_pss_sign(n, d, message, salt):
    """Of a modulus of 2048 bits, section 8.1.1."""
    h = hashlib.sha256(bytes(8) + hashlib.sha256(message).digest() + salt).digest()
    db = mask(bytes(256 - 66) + b"\1" + salt, h)
    em = bytes([db[0] & 0x7F]) + db[1:] + h + b"\xbc"
    return pow(int.from_bytes(em, "big"), d, n).to_bytes(256, "big")


# ---- RSAES-OAEP with SHA-256 and an empty label, RFC 8017 section 7.1 ----


def rsa_oaep_encrypt(n, e, message, seed):
    db = hashlib.sha256(b"").digest() + bytes(256 - 66 - len(message)) + b"\1" + message
    db = mask(db, seed)
    em = b"\0" + mask(seed, db) + db
    return pow(int.from_bytes(em, "big"), e, n).to_bytes(256, "big")


def rsa_oaep_decrypt(n, d, ciphertext):
    em = pow(int.from_bytes(ciphertext, "big"), d, n).to_bytes(256, "big")
    seed, db = mask(em[1:33], em[33:]), em[33:]
    db = mask(db, seed)
    padding, _, message = db[32:].partition(b"\1")
    assert em[0] == 0 and db[:32] == hashlib.sha256(b"").digest() and not any(padding), "OAEP"
    return message


def der(octets):
    """The contents of the first element, and what follows it."""
    size, at = octets[1], 2
    if size & 0x80:
        at = 2 + (size & 0x7F)
        size = int.from_bytes(octets[2:at], "big")
    return octets[at : at + size], octets[at + size :]


def rsa_private_key(pkcs8):
    """n, e and d (RFC 5958, RFC 8017 appendix A.1.2)."""
    info, _ = der(pkcs8)
    for _ in range(2):  # version, algorithm
        _, info = der(info)
    key, _ = der(der(info)[0])
    numbers = []
    while key:
        number, key = der(key)
        numbers.append(int.from_bytes(number, "big"))
    return tuple(numbers[1:4])


# ---- ML-KEM-768, FIPS 203: decapsulation, which encapsulates again ----

Q, K, DU, DV = 3329, 3, 10, 4
ZETA = [pow(17, int(f"{i:07b}"[::-1], 2), Q) for i in range(128)]
GAMMA = [pow(17, 2 * int(f"{i:07b}"[::-1], 2) + 1, Q) for i in range(128)]


def ntt(f):
    f, i, length = list(f), 1, 128
    while length >= 2:
        for start in range(0, 256, 2 * length):
            zeta, i = ZETA[i], i + 1
            for j in range(start, start + length):
                t = zeta * f[j + length] % Q
                f[j], f[j + length] = (f[j] + t) % Q, (f[j] - t) % Q
        length //= 2
    return f


def ntt_inverse(f):
    f, i, length = list(f), 127, 2
    while length <= 128:
        for start in range(0, 256, 2 * length):
            zeta, i = ZETA[i], i - 1
            for j in range(start, start + length):
                t = f[j]
                f[j], f[j + length] = (t + f[j + length]) % Q, zeta * (f[j + length] - t) % Q
        length *= 2
    return [x * 3303 % Q for x in f]


def product(f, g):
    h = []
    for i in range(128):
        (a, b), (c, d) = f[2 * i : 2 * i + 2], g[2 * i : 2 * i + 2]
        h += [(a * c + b * d * GAMMA[i]) % Q, (a * d + b * c) % Q]
    return h


def total(polynomials):
    return [sum(values) % Q for values in zip(*polynomials)]


def decode(d, octets):
    bits = int.from_bytes(octets, "little")
    return [bits >> d * i & (1 << d) - 1 for i in range(256)]


def encode(d, values):
    return sum(v << d * i for i, v in enumerate(values)).to_bytes(32 * d, "little")


def compress(d, values):
    return [((x << d) + Q // 2) // Q % (1 << d) for x in values]


def decompress(d, values):
    return [(Q * y + (1 << d - 1)) >> d for y in values]


def sample_ntt(seed):
    octets, a = hashlib.shake_128(seed).digest(1344), []
    for i in range(0, len(octets), 3):
        b = octets[i : i + 3]
        a += [x for x in (b[0] + 256 * (b[1] % 16), b[1] // 16 + 16 * b[2]) if x < Q]
    return a[:256]


def sample_cbd(seed, n):
    bits = int.from_bytes(hashlib.shake_256(seed + bytes([n])).digest(128), "little")
    pairs = [bits >> 4 * i & 15 for i in range(256)]
    return [((x & 1) + (x >> 1 & 1) - (x >> 2 & 1) - (x >> 3)) % Q for x in pairs]


def pke_encrypt(ek, message, coins):
    t, rho = [decode(12, ek[384 * i : 384 * i + 384]) for i in range(K)], ek[384 * K :]
    y = [ntt(sample_cbd(coins, n)) for n in range(K)]
    u = []
    for i in range(K):
        column = [product(sample_ntt(rho + bytes([i, j])), y[j]) for j in range(K)]
        u.append(total([ntt_inverse(total(column)), sample_cbd(coins, K + i)]))
    mu = decompress(1, decode(1, message))
    v = total([ntt_inverse(total([product(t[j], y[j]) for j in range(K)])), sample_cbd(coins, 2 * K), mu])
    return b"".join(encode(DU, compress(DU, p)) for p in u) + encode(DV, compress(DV, v))


def ml_kem_decapsulate(dk, ciphertext):
    """The secret. The ciphertext must be an honest one: implicit rejection is an error here."""
    pke, ek, h, _ = dk[: 384 * K], dk[384 * K : 768 * K + 32], dk[768 * K + 32 : 768 * K + 64], dk[768 * K + 64 :]
    assert hashlib.sha3_256(ek).digest() == h and len(ciphertext) == 32 * (DU * K + DV), "decapsulation key"
    u = [decompress(DU, decode(DU, ciphertext[32 * DU * i : 32 * DU * (i + 1)])) for i in range(K)]
    v = decompress(DV, decode(DV, ciphertext[32 * DU * K :]))
    s = [decode(12, pke[384 * i : 384 * i + 384]) for i in range(K)]
    inner = ntt_inverse(total([product(s[i], ntt(u[i])) for i in range(K)]))
    message = encode(1, compress(1, [(a - b) % Q for a, b in zip(v, inner)]))
    both = hashlib.sha3_512(message + h).digest()
    assert pke_encrypt(ek, message, both[32:]) == ciphertext, "no ciphertext for this key"
    return both[:32]


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
    key, nonce = bytes(range(0x80, 0xA0)), bytes.fromhex("070000004041424344454647")
    text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
    sealed, tag = chacha20_poly1305(key, nonce, bytes.fromhex("50515253c0c1c2c3c4c5c6c7"), text)
    assert sealed.hex().startswith("d31a8d34648e60db7b86afbc53ef7ec2") and tag.hex() == "1ae10b594f09e26a7e902ecbd0600691"
    for curve in (P256, P384):
        assert curve.point(curve.octets(curve.g)) == curve.g and curve.multiply(curve.n, curve.g) is None
    for p, size, _ in MODP.values():
        octets = p.to_bytes(size, "big").hex()
        assert octets.startswith("ffffffffffffffffc90fdaa22168c234") and pow(2, p - 1, p) == 1
        assert pow(2, (p - 3) // 2, (p - 1) // 2) == 1, "a safe prime"


if __name__ == "__main__":
    check_primitives()
    print("every primitive gives its known answer")
