#!/usr/bin/env python3
"""Made the keys and signatures of this folder, with pyca/cryptography. They are for tests alone.

The ECDSA keys are those of RFC 6979 appendix A.2.5 and A.2.6; the RSA keys were drawn once. Running this again makes
other RSA keys: the files, not this script, are the vectors.
"""

import pathlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

HERE = pathlib.Path(__file__).parent
MESSAGE = b"MIKEYv2 conformance"


def write(name, data):
    (HERE / name).write_bytes(data)


def pkcs8(key):
    none = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, none)


def spki(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def pss(salt):
    return padding.PSS(padding.MGF1(hashes.SHA256()), salt)


p256 = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
p384 = 0x6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5
write("p256.pkcs8", pkcs8(ec.derive_private_key(p256, ec.SECP256R1())))
write("p384.pkcs8", pkcs8(ec.derive_private_key(p384, ec.SECP384R1())))
write("p521.pkcs8", pkcs8(ec.derive_private_key(p384, ec.SECP521R1())))
for bits in (1024, 2048, 4096, 4104):
    key = rsa.generate_private_key(65537, bits)
    write(f"rsa{bits}.spki", spki(key))
    write(f"rsa{bits}.pss", key.sign(MESSAGE, pss(32), hashes.SHA256()))
    if bits == 2048:
        write("rsa2048.pss-salt20", key.sign(MESSAGE, pss(20), hashes.SHA256()))
        write("rsa2048.pss-sha384", key.sign(MESSAGE, padding.PSS(padding.MGF1(hashes.SHA384()), 48), hashes.SHA384()))
        write("rsa2048.pkcs1", key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256()))
        write("rsa2048.pkcs1-sha1", key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA1()))
    if bits <= 2048 or bits == 4104:
        write(f"rsa{bits}.pkcs8", pkcs8(key))
