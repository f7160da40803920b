"""Follows every member of rekeys.json by docs/spec.md chapter 14 alone: takes each GROUP_REKEY apart, verifies AUTH, opens the
KEMACs that the member has a key for, learns its keys and its leaf, and derives the SRTP keys. Fails if an octet differs. Also
fails if anything that somebody who has left ever knew opens a later message, or what a joiner got opens an earlier one."""

import hashlib
import hmac
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "generated"))

from primitives import chacha20_poly1305, ctr, ed25519, gcm  # noqa: E402

# Suite: Encr alg, Mac alg, key, salt, authentication key, MAC
SUITES = {1: (1, 2, 16, 14, 32, 32), 3: (64, 64, 16, 12, 0, 16), 5: (66, 64, 32, 12, 0, 16)}
EXT, KEMAC, AUTH, T, KEY_DATA = 21, 1, 40, 5, 20
SESSION, SENDERS, KEY_ID = 64, 74, 3
KEK, GTGK = 7, 4


def be(octets):
    return int.from_bytes(octets, "big")


def mac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


def prf(key, label, length):
    """RFC 3830 4.1.2 with HMAC-SHA-256 and blocks of 256 bits."""
    out = bytes(length)
    for i in range(0, len(key), 32):
        s, a, p = key[i : i + 32], label, b""
        while len(p) < length:
            a = mac(s, a)
            p += mac(s, a + label)
        out = bytes(u ^ v for u, v in zip(out, p))
    return out


class Message:
    """GROUP_REKEY, in its parts."""

    def __init__(self, raw):
        assert raw[0] == 2 and raw[1] == 52 and raw[3] & 0x80 == 0 and raw[8] == 0 and raw[9] == 2
        self.raw, self.csb_id, self.nodes, self.senders = raw, raw[4:8], [], []
        kind, at = raw[2], 10
        while kind:
            start, this, kind = at, kind, raw[at]
            if this == EXT:
                ext, size = raw[at + 1], be(raw[at + 2 : at + 4])
                body, at = raw[at + 4 : at + 4 + size], at + 4 + size
                if ext == SESSION:
                    self.spi = body[:8]
                    assert body[8:] == bytes(8)
                elif ext == SENDERS:
                    self.senders = [(e[0], e[1], be(e[2:6])) for e in (body[i : i + 12] for i in range(0, size, 12))]
                else:
                    assert ext == KEY_ID and body[:2] == bytes([64, 8])
                    self.nodes.append([be(body[2:6]), be(body[6:10]), raw[start:at]])
            elif this == T:
                assert raw[at + 1] == 2
                self.t, at = be(raw[at + 2 : at + 6]), at + 6
                self.head = raw[:at]
            elif this == KEMAC:
                size = be(raw[at + 2 : at + 4])
                data = raw[at + 4 : at + 4 + size]
                tag_at = at + 4 + size + 1
                size = 32 if raw[tag_at - 1] == 2 else 16
                self.nodes[-1] += [raw[start : start + 4], data, raw[start:tag_at], raw[tag_at : tag_at + size]]
                at = tag_at + size
            else:
                assert this == AUTH and kind == 0
                self.upto, size = raw[:start], be(raw[at + 2 : at + 4])
                self.method, self.signature, at = raw[at + 1], raw[at + 4 : at + 4 + size], at + 4 + size
        assert at == len(raw)
        assert len({(n, v) for n, v, *_ in self.nodes}) == len(self.nodes)


def unseal(group, message, node, key):
    """The plaintext of one KEMAC under a node key, or None."""
    number, version, key_id, kemac_head, data, maced, tag = node
    encr, mac_alg, key_len, salt_len, auth_len, _ = SUITES[group["suite"]]
    assert kemac_head[1] == encr and maced[-1] == mac_alg
    tail = b"\xfd" + message.csb_id + number.to_bytes(4, "big") + version.to_bytes(4, "big")
    k = lambda constant, size: prf(key, constant.to_bytes(4, "big") + tail, size)
    encryption, salt = k(0x150533E1, key_len), k(0x29B88916, salt_len)
    t = message.t.to_bytes(8, "big")
    xor = lambda a, b: bytes(x ^ y for x, y in zip(a, b))
    if auth_len:
        if mac(k(0x2D22AC75, auth_len), message.head + key_id + maced) != tag:
            return None
        iv = xor(salt, bytes(2) + message.csb_id + t) + bytes(2)
        return ctr(encryption, be(iv), data)
    aad, nonce = message.head + key_id + kemac_head, xor(salt, bytes(4) + t)
    seal = chacha20_poly1305 if encr == 66 else gcm
    plain, _ = seal(encryption, nonce, aad, data)  # a stream cipher: the same both ways
    return plain if seal(encryption, nonce, aad, plain) == (data, tag) else None


def key_data(plain):
    found, kind, at = [], plain[0], 1
    while kind:
        assert kind == KEY_DATA
        kind, type_kv, size = plain[at], plain[at + 1], be(plain[at + 2 : at + 4])
        key, at = plain[at + 4 : at + 4 + size], at + 4 + size
        assert type_kv & 15 == 1
        spi, at = plain[at + 1 : at + 1 + plain[at]], at + 1 + plain[at]
        found.append((type_kv >> 4, spi, key))
    assert at == len(plain)
    return found


class Member:
    def __init__(self, group, grant):
        self.group, self.leaf, self.version = group, grant["leaf"], 0
        self.leaf_key = bytes.fromhex(grant["leaf_key"])
        self.path = {k["node"]: (k["version"], bytes.fromhex(k["key"])) for k in grant["keys"]}
        node, path = self.leaf // 2, []
        while node:
            path.append(node)
            node //= 2
        assert path == [k["node"] for k in grant["keys"]]
        self.gtgk, self.epoch, self.next_t = bytes.fromhex(grant["gtgk"]), grant["epoch"], grant["next_t"]
        self.senders = {(s["cs_id"], s["ssrc"]) for s in grant["senders"]}
        self.ever = [self.leaf_key, self.gtgk] + [key for _, key in self.path.values()]
        self.changes = []

    def take(self, message):
        assert message.t == self.next_t and message.spi.hex() == self.group["spi"] and message.csb_id.hex() == self.group["csb_id"]
        self.next_t += 1
        self.changes += message.senders
        for node in message.nodes:
            number, version = node[:2]
            split = (number, version) == (self.leaf, self.version + 1)
            if split or (number, version) == (self.leaf, self.version):
                key = self.leaf_key
            elif self.path.get(number, (None,))[0] == version:
                key = self.path[number][1]
            else:
                continue
            plain = unseal(self.group, message, node, key)
            assert plain is not None, "a KEMAC under a key of ours does not verify"
            new = key_data(plain)
            if split:
                levels = [be(spi[:4]) for _, spi, _ in new]
                assert levels == [number << i for i in reversed(range(len(new)))]
                self.leaf, self.version = number << len(new), self.version + len(new)
            for kind, spi, value in new:
                self.ever.append(value)
                if kind == KEK:
                    assert be(spi[4:]) > self.path.get(be(spi[:4]), (-1,))[0]
                    self.path[be(spi[:4])] = (be(spi[4:]), value)
                else:
                    assert kind == GTGK and be(spi) == self.epoch + 1
                    self.gtgk, self.epoch = value, be(spi)
                    for cs_id, flags, ssrc in self.changes:
                        (self.senders.discard if flags & 2 else self.senders.add)((cs_id, ssrc))
                    self.changes = []

    def srtp(self, key_len, salt_len):
        tail = bytes.fromhex(self.group["csb_id"] + self.group["rand"])
        label = lambda c, cs_id, ssrc: c.to_bytes(4, "big") + bytes([cs_id]) + tail + ssrc.to_bytes(4, "big")
        return [
            {
                "cs_id": cs_id,
                "ssrc": ssrc,
                "master_key": prf(self.gtgk, label(0x2AD01C64, cs_id, ssrc), key_len).hex(),
                "master_salt": prf(self.gtgk, label(0x39A2C14B, cs_id, ssrc), salt_len).hex(),
            }
            for cs_id, ssrc in sorted(self.senders)
        ]


def opens(group, message, keys):
    return any(unseal(group, message, node, key) is not None for node in message.nodes for key in keys)


def follow(vector):
    group, seed = vector["group"], bytes.fromhex(vector["signing_seed"])
    members, former, earlier, wraps = {}, [], [], 0
    for step in vector["steps"]:
        messages = [Message(bytes.fromhex(raw)) for raw in step["messages"]]
        for name in step["left"]:
            former.append(members.pop(name))
        for message in messages:
            covered = b" " * 64 + b"MIKEYv2, group rekey\0" + hashlib.sha256(message.upto).digest()
            public, signature = ed25519(seed, covered)
            assert bytes.fromhex(group["spki"]).endswith(public) and message.method == 4
            assert signature == message.signature, "AUTH"
            wraps += len(message.nodes)
            for member in members.values():
                member.take(message)
            assert not any(opens(group, message, member.ever) for member in former), "who left reads on"
        for grant in step["joined"]:
            members[grant["name"]] = Member(group, grant)
            got = members[grant["name"]].ever
            assert not any(opens(group, message, got) for message in earlier), "who joins reads back"
        earlier += messages
        assert sorted(members) == [after["name"] for after in sorted(step["members"], key=lambda a: a["name"])]
        for after in step["members"]:
            member = members[after["name"]]
            assert (member.epoch, member.leaf, member.next_t) == (after["epoch"], after["leaf"], after["next_t"]), after["name"]
            made = member.srtp(vector["master_key_len"], vector["master_salt_len"])
            assert made == after["senders"], after["name"]
    return wraps


def main():
    for vector in json.loads((HERE / "rekeys.json").read_text(encoding="utf-8")):
        print(f"{vector['name']}: {len(vector['steps'])} changes, {follow(vector)} KEMACs, every member as recorded")


main()
