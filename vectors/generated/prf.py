#!/usr/bin/env python3
"""Writes prf.json: the MIKEY PRF with SHA-256 and SHA-384, straight from RFC 3830 section 4.1.2 and docs/spec.md.

Nothing here shares code or structure with the Rust implementation; hmac and hashlib are Python's own.
Input keys and labels are made octets, chosen around the lengths of a block of input key.
"""

import hashlib
import hmac
import json
import pathlib


def made(start, length):
    return bytes((start + 7 * i) % 256 for i in range(length))


def p(name, s, label, length):
    def mac(data):
        return hmac.new(s, data, getattr(hashlib, name)).digest()

    a, out = label, b""
    while len(out) < length:
        a = mac(a)
        out += mac(a + label)
    return out[:length]


def prf(name, block_bits, inkey, label, length):
    out = bytes(length)
    for start in range(0, len(inkey), block_bits // 8):
        part = p(name, inkey[start : start + block_bits // 8], label, length)
        out = bytes(x ^ y for x, y in zip(out, part))
    return out


vectors = []
for number, name, block_bits, hash_len in ((1, "sha256", 256, 32), (2, "sha384", 512, 48)):
    block = block_bits // 8
    for inkey_len in (1, 16, block - 1, block, block + 1, 2 * block, 3 * block - 5):
        for length in (12, hash_len, hash_len + 1, 3 * hash_len + 7):
            inkey, label = made(inkey_len, inkey_len), made(length, 9 + 16)
            out = prf(name, block_bits, inkey, label, length)
            vectors.append(
                {"prf": number, "inkey": inkey.hex(), "label": label.hex(), "out": out.hex(), "expect": "success"}
            )

source = "prf.py beside this file: an independent computation in Python from RFC 3830 section 4.1.2 and docs/spec.md"
target = pathlib.Path(__file__).with_name("prf.json")
target.write_text(json.dumps({"source": source, "vectors": vectors}, indent=1) + "\n")
