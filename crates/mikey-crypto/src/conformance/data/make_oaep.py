#!/usr/bin/env python3
"""Made the ciphertexts of this folder to the key rsa2048, with pyca/cryptography; the damaged paddings by RFC 8017.

Padding is random, so running this again makes other ciphertexts: the files, not this script, are the vectors.
"""

import hashlib
import os
import pathlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

HERE = pathlib.Path(__file__).parent
SECRET = b"MIKEYv2 conformance, 32 octets.."
KEY = serialization.load_der_private_key((HERE / "rsa2048.pkcs8").read_bytes(), None).public_key()


def write(name, data):
    (HERE / f"rsa2048.{name}").write_bytes(data)


def oaep(mgf1=hashes.SHA256(), digest=hashes.SHA256(), label=None, key=KEY):
    return key.encrypt(SECRET, padding.OAEP(padding.MGF1(mgf1), digest, label))


def raw(encoded):
    numbers = KEY.public_numbers()
    return pow(int.from_bytes(encoded), numbers.e, numbers.n).to_bytes(256)


def mgf1(seed, length):
    blocks = b"".join(hashlib.sha256(seed + n.to_bytes(4)).digest() for n in range(length // 32 + 1))
    return blocks[:length]


def encoded(first=0, separator=b"\x01"):
    """EM of RFC 8017 section 7.1.1 with SHA-256 and 256 octets, its fixed octets as asked for."""
    block = hashlib.sha256(b"").digest()
    block += bytes(256 - 2 * 32 - 2 - len(SECRET)) + separator + SECRET
    seed = os.urandom(32)
    masked = bytes(a ^ b for a, b in zip(block, mgf1(seed, len(block)), strict=True))
    return bytes([first]) + bytes(a ^ b for a, b in zip(seed, mgf1(masked, 32), strict=True)) + masked


write("oaep", raw(encoded()))
write("oaep-sha1", oaep(hashes.SHA1(), hashes.SHA1()))
write("oaep-mgf1-sha1", oaep(mgf1=hashes.SHA1()))
write("oaep-sha384", oaep(hashes.SHA384(), hashes.SHA384()))
write("oaep-label", oaep(label=b"MIKEYv2"))
write("oaep-other-key", oaep(key=rsa.generate_private_key(65537, 2048).public_key()))
write("pkcs1-encrypted", KEY.encrypt(SECRET, padding.PKCS1v15()))
write("raw", raw(SECRET))
# The octet before the seed must be zero: Manger's oracle is an answer that tells when it is not.
write("oaep-y1", raw(encoded(first=1)))
write("oaep-no-one", raw(encoded(separator=b"\x00")))

private = serialization.load_der_private_key((HERE / "rsa2048.pkcs8").read_bytes(), None)
scheme = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
assert private.decrypt((HERE / "rsa2048.oaep").read_bytes(), scheme) == SECRET
