#!/usr/bin/env python3
"""Writes tesla.json: key chains and whole SRTP and SRTCP packets with TESLA, from RFC 4383, RFC 4082, RFC 3711 and docs/spec.md
section 14.5 alone. Nothing here shares code or structure with the Rust implementation.

`at_ms` is when a packet is sent, in milliseconds of the group's clock since the first chain's T_0. `released_by` is the
number of the packet whose disclosed key decides it, counted from 0; null if none of them does."""

import hashlib
import hmac
import json
import pathlib

from primitives import aes, aes_round_keys


def made(start, length):
    return bytes((start + 11 * i) % 256 for i in range(length))


def hmac_sha1(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha1).digest()


def keystream(key, block, length):
    keys, out = aes_round_keys(key), b""
    while len(out) < length:
        out += aes(keys, block.to_bytes(16, "big"))
        block += 1
    return out[:length]


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def derive(master, salt, label, length):
    """RFC 3711 section 4.3.1 with a key derivation rate of 0."""
    return keystream(master, (label << 48 ^ int.from_bytes(salt, "big")) << 16, length)


def chain(last, length):
    """K_0 to K_length (RFC 4383 section 6)."""
    keys = [last]
    for _ in range(length):
        keys.append(hmac_sha1(keys[-1], b"\0"))
    return keys[::-1]


class Sender:
    def __init__(self, case):
        self.__dict__.update(case)
        for at, one in enumerate(self.chains):
            one["keys"] = chain(bytes.fromhex(one["last"]), one["len"])
            following = self.chains[at + 1] if at + 1 < len(self.chains) else None
            # The interval of this chain that the next one calls 0.
            one["until"] = (following["start_ms"] - one["start_ms"]) // self.interval_ms if following else one["len"]
        master, salt = bytes.fromhex(self.master_key), bytes.fromhex(self.master_salt)
        lengths = (len(master), 20, 14)
        self.rtp = [derive(master, salt, label, n) for label, n in enumerate(lengths)]
        self.rtcp = [derive(master, salt, label + 3, n) for label, n in enumerate(lengths)]

    def extension(self, at_ms, *covered):
        """The TESLA authentication extension, and the number of its chain and interval."""
        number = max(n for n, one in enumerate(self.chains) if (at_ms - one["start_ms"]) // self.interval_ms > 0)
        one = self.chains[number]
        interval = (at_ms - one["start_ms"]) // self.interval_ms
        disclosed = interval - self.delay
        if disclosed <= 0 and number > 0:
            number_of_key, disclosed = number - 1, self.chains[number - 1]["until"] + disclosed
        else:
            number_of_key, disclosed = number, max(disclosed, 0)
        mac_key = hmac_sha1(one["keys"][interval], b"\1")
        key = self.chains[number_of_key]["keys"][disclosed]
        octets = interval.to_bytes(4, "big") + key + hmac_sha1(mac_key, *covered)[: self.mac_len]
        return octets, (number, interval), (number_of_key, disclosed)

    def protect_rtp(self, plain, roc, at_ms):
        csrcs, extended = plain[0] & 15, plain[0] >> 4 & 1
        head = 12 + 4 * csrcs
        head += extended and 4 + 4 * int.from_bytes(plain[head + 2 : head + 4], "big")
        encryption, authentication, salt = self.rtp
        index = roc << 16 | int.from_bytes(plain[2:4], "big")
        iv = int.from_bytes(salt, "big") << 16 ^ int.from_bytes(plain[8:12], "big") << 64 ^ index << 16
        payload = plain[head:]
        if self.srtp_encryption:
            payload = xor(payload, keystream(encryption, iv, len(payload)))
        body, roc = plain[:head] + payload, roc.to_bytes(4, "big")
        extension, mine, disclosed = self.extension(at_ms, roc, body)
        tag = hmac_sha1(authentication, body, extension, roc)[: self.tag_len]
        return body + extension + bytes.fromhex(self.mki) + tag, mine, disclosed

    def protect_rtcp(self, plain, index, at_ms):
        encryption, authentication, salt = self.rtcp
        iv = int.from_bytes(salt, "big") << 16 ^ int.from_bytes(plain[4:8], "big") << 64 ^ index << 16
        rest = plain[8:]
        if self.srtcp_encryption:
            rest = xor(rest, keystream(encryption, iv, len(rest)))
        body = plain[:8] + rest + (index | self.srtcp_encryption << 31).to_bytes(4, "big")
        extension, mine, disclosed = self.extension(at_ms, body)
        tag = hmac_sha1(authentication, body, extension)[: self.srtcp_tag_len]
        return body + extension + bytes.fromhex(self.mki) + tag, mine, disclosed


def rtp(seq, ssrc, payload, first=0x80, more=b""):
    return bytes([first, 96]) + seq.to_bytes(2, "big") + (seq * 160).to_bytes(4, "big") + ssrc.to_bytes(4, "big") + more + payload


def rtcp(ssrc, rest):
    return bytes([0x80, 200, 0, (8 + len(rest)) // 4 - 1]) + ssrc.to_bytes(4, "big") + rest


def run(case, sent):
    sender = Sender(json.loads(json.dumps(case)))
    roc, last_seq, rtcp_index, packets, order = case["roc"], None, 0, [], []
    for at_ms, plain in sent:
        if 192 <= plain[1] <= 223:
            protected, mine, disclosed = sender.protect_rtcp(plain, rtcp_index, at_ms)
            kind, index, rtcp_index = "rtcp", rtcp_index, rtcp_index + 1
        else:
            seq = int.from_bytes(plain[2:4], "big")
            roc += last_seq is not None and seq < last_seq
            last_seq = seq
            protected, mine, disclosed = sender.protect_rtp(plain, roc, at_ms)
            kind, index = "rtp", roc << 16 | seq
        packets.append({"kind": kind, "at_ms": at_ms, "index": index, "interval": mine[1], "plain": plain.hex(), "protected": protected.hex()})
        order.append((mine, disclosed))
    for packet, (mine, _) in zip(packets, order):
        # Chains are compared by number first: the next one discloses what is left of the one before.
        by = [at for at, (_, (number, interval)) in enumerate(order) if number == mine[0] and interval >= mine[1]]
        packet["released_by"] = min(by) if by else None
    chains = [
        {
            "start_ms": one["start_ms"], "len": one["len"], "last": one["last"], "until": one["until"],
            "keys": [key.hex() for key in one["keys"]],
            "mac_keys": [hmac_sha1(key, b"\1").hex() for key in one["keys"]],
        }
        for one in sender.chains
    ]
    return case | {"chains": chains, "packets": packets}


def main():
    base = {
        "srtp_encryption": True, "srtcp_encryption": True, "tag_len": 10, "srtcp_tag_len": 10, "mki": "",
        "master_key": made(1, 16).hex(), "master_salt": made(5, 14).hex(), "roc": 0, "interval_ms": 100, "delay": 2, "mac_len": 10,
    }
    a, b, c = 0xCAFEBABE, 0x01020304, 0x7F000001
    header = (2).to_bytes(4, "big") + (3).to_bytes(4, "big") + bytes.fromhex("bede0001") + made(3, 4)
    report = made(9, 20)
    vectors = [
        run(
            base | {
                "name": "defaults of RFC 4383, outer tag of 32 bits, MKI, ROC that moves on", "ssrc": a, "tag_len": 4, "mki": "2a", "roc": 7,
                "chains": [{"start_ms": 0, "len": 20, "last": made(40, 20).hex()}],
            },
            [
                (100, rtp(0xFFFD, a, made(1, 40))), (199, rtp(0xFFFE, a, made(2, 41), 0x92, header)), (200, rtp(0xFFFF, a, made(3, 1))),
                (250, rtcp(a, report)), (310, rtp(0, a, made(4, 160))), (500, rtp(1, a, made(5, 100))), (1200, rtp(2, a, made(6, 30))),
                (1250, rtcp(a, report)), (1400, rtp(3, a, b"")),
            ],
        ),
        run(
            base | {
                "name": "AES-256, a chain that another follows, TESLA MAC of 160 bits, SRTCP in clear", "ssrc": b, "interval_ms": 40, "delay": 3,
                "mac_len": 20, "srtcp_encryption": False, "master_key": made(77, 32).hex(),
                "chains": [
                    {"start_ms": 0, "len": 9, "last": made(50, 20).hex()},
                    {"start_ms": 240, "len": 16, "last": made(60, 20).hex()},
                ],
            },
            [(40 * n + 39, rtp(n, b, made(n, 20 + n)) if n % 5 else rtcp(b, made(n, 24))) for n in range(1, 18)],
        ),
        run(
            base | {
                "name": "no encryption", "ssrc": c, "srtp_encryption": False, "srtcp_encryption": False, "cipher": "null", "interval_ms": 1,
                "chains": [{"start_ms": 0, "len": 100, "last": made(70, 20).hex()}],
            },
            [(n, rtp(1000 + n, c, made(n, n))) for n in (1, 2, 3, 50, 51, 53, 90)] + [(92, rtcp(c, report)), (100, rtp(1100, c, b""))],
        ),
    ]
    made_by = "vectors/generated/tesla.py"
    out = {"source": "computed by " + made_by + " from RFC 4383, RFC 4082 and RFC 3711", "cases": vectors}
    path = pathlib.Path(__file__).resolve().parent / "tesla.json"
    path.write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


main()
