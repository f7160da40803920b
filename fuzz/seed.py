"""Writes the seeds of the fuzz targets from vectors/: messages as they are for the decoders, and orders that lead to an
established session for the others."""

import binascii
import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors"


def load(pattern):
    for path in sorted(VECTORS.glob(pattern)):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))


def write(target, name, octets):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(octets)


def decoders():
    for stem, data in load("external/mikey_v1_messages_*.json"):
        for number, vector in enumerate(data["vectors"]):
            write("decode_v1", f"{stem}-{number}", bytes.fromhex(vector["hex"]))
    for stem, data in load("generated/*.json"):
        for datagram, made in zip(data.get("datagrams", []), data.get("intermediate", [])):
            if "repeat" in made:
                continue
            octets, name = bytes.fromhex(datagram["octets"]), f"{stem}-{made['datagram']}-{made['message'].lower()}"
            write("decode_v2", name, octets)
            inner = made.get("plaintext")
            if inner and octets[1] >= 40:  # data type, first payload, chain
                write("decode_v2", f"{name}-inside", bytes([octets[1] - 40]) + bytes.fromhex(inner))
                write("decode_v2", f"{name}-open", opened(octets, bytes.fromhex(inner)))

def opened(message, plaintext):
    """The message as if nothing were encrypted: the same lengths, the plaintext in place of Encr data."""
    for start in range(len(message) - len(plaintext)):
        if message[start + 1:].startswith(len(plaintext).to_bytes(2, "big")) and len(message) - start - 3 - len(plaintext) in (17, 33):
            at = start + 3
            return message[:at] + plaintext + message[at + len(plaintext):]
    return message


# Orders of the session target: see `obey` in fuzz_targets/session.rs. Bits 4 (node) and 5 to 7 (argument) are above them.
ALL, NEXT, DROP, LATER, CALL, APPLY, AGAIN, EDIT, INSIDE = 2, 0, 3, 4, 5, 6, 7, 9, 11
REKEY, REKEY_DH, PROBE, SAS_SAME, SAS_OTHER, CLOSE = range(6)


def apply(node, what):
    return APPLY | node << 4 | what << 5


def sessions():
    for how in range(256):
        base = bytes([how, how % 5 % 4, ALL])
        tails = {
            "established": [],
            "rekey": [apply(0, REKEY), ALL, apply(1, REKEY_DH), ALL],
            "crossing": [apply(0, REKEY_DH), apply(1, REKEY), ALL, LATER | 5 << 5, ALL],
            "resumed": [apply(0, CLOSE), ALL, CALL, ALL, LATER | 7 << 5],
            "compared": [apply(0, SAS_SAME), ALL, apply(1, SAS_SAME), ALL],
            "back": [CALL | 1 << 4, ALL, apply(1, PROBE), ALL],
        }
        name, tail = list(tails.items())[how % len(tails)]
        write("session", f"{name}-{how:02x}", base + bytes(tail))
    write("session", "lost", bytes([0, 0, DROP, LATER | 3 << 5, ALL, AGAIN, 0, AGAIN | 1 << 5, 1, AGAIN | 2 << 5, 2]))
    for spot in range(0, 96, 8):
        edit = spot.to_bytes(2, "big") + bytes([1, 1, 0x7F])
        write("session", f"edit-{spot}", bytes([0, 0, NEXT, EDIT, 0]) + edit + bytes([ALL]))
        write("session", f"inside-{spot}", bytes([0, 0, ALL, apply(0, REKEY), INSIDE, 0]) + edit + bytes([ALL]))
        # The last datagram is CCE2_REQ: after two deliveries, with a cookie after four.
        psk, rsa = bytes([0, 1, NEXT, NEXT]), bytes([1, 2, NEXT, NEXT, NEXT, NEXT])
        for exchange, base in (("psk", psk), ("rsa", rsa)):
            write("session", f"cce2-{exchange}-edit-{spot}", base + bytes([EDIT, 0]) + edit + bytes([ALL]))
            write("session", f"cce2-{exchange}-inside-{spot}", base + bytes([INSIDE, 0]) + edit + bytes([ALL]))


def agents():
    for stem, data in load("generated/init_cce_*.json"):
        request = bytes.fromhex(data["datagrams"][0]["octets"])
        asked = bytes([0x30]) + len(request).to_bytes(2, "big") + request
        write("agent", f"{stem}-asked", asked)
        write("agent", f"{stem}-followed", asked + bytes([0x00, 0x00, 0x20, 15, 0x00]))
    rtp = bytes.fromhex("800f1234decafbadcafebabe") + bytes(16)
    stun = bytes.fromhex("000100002112a442") + bytes(12)
    for name, datagram in {"rtp": rtp, "rtcp": b"\x81\xc8" + rtp[2:], "stun": stun, "dtls": b"\x16" + rtp}.items():
        write("agent", name, bytes([0x31]) + len(datagram).to_bytes(2, "big") + datagram)


# Orders of the tesla target: see its `match`; what is above bit 3 is the payload's length.
SEND, PASS, ARRIVE, DELAYED, INSIDE_TESLA, FORGE, EXPIRE = 0, 2, 3, 4, 5, 6, 7


def tesla():
    def speak(n):
        return bytes([SEND | 8 << 3]) + b"payload" + bytes([n, ARRIVE, 0, PASS, 25])

    heard = b"".join(speak(n) for n in range(6))
    write("tesla", "heard", heard)
    write("tesla", "late", heard + bytes([SEND, DELAYED, 40, 0, PASS, 50]) + heard)
    write("tesla", "repeated", heard + bytes([ARRIVE, 1, ARRIVE, 2, ARRIVE, 1]) + heard)
    write("tesla", "silence", heard + bytes([PASS, 255, PASS, 255, EXPIRE]) + heard)
    for back in range(4):
        forged = bytes([FORGE, back, 0, 200 + back])
        write("tesla", f"forged-{back}", heard + forged + heard + forged + heard)
    for spot in range(0, 60, 4):
        inside = bytes([SEND | 8 << 3]) + b"payload" + bytes([9, INSIDE_TESLA, 0, 0, spot, 1, 1, 0x7F])
        write("tesla", f"inside-{spot}", heard + inside + heard)
    write("tesla", "end", b"".join(speak(n % 256) for n in range(40)))


def texts():
    def crlf(*lines):
        return "\r\n".join(lines).encode() + b"\r\n"

    head = ("v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0")
    finger = "sha-256 " + ":".join(["AB"] * 32)
    for text in (finger, "mikey AQAFAA==", "abcdefghijklmnopqrstuvwxyz"):
        write("sdp", f"value-{text[:5].strip()}", text.encode())
    answers = []
    for stem, data in load("external/mikey_v1_messages_*.json"):
        for number, vector in enumerate(data["vectors"]):
            base64 = binascii.b2a_base64(bytes.fromhex(vector["hex"]), newline=False).decode()
            attribute, spec = f"a=key-mgmt:mikey {base64}", f'prot=mikey;uri="rtsp://cam/live";data="{base64}"'
            audio = ("m=audio 5000 RTP/SAVP 0", "a=rtpmap:0 PCMU/8000/1", "a=control:stream=0")
            video = ("m=video 0 RTP/SAVP 96", "a=rtpmap:96 H264/90000", "a=fmtp:96 sprop-parameter-sets=Z0IA,aM4=")
            session = crlf(*head, attribute, *audio, f"a=fingerprint:{finger}", "a=tls-id:" + "x" * 20)
            of_media = crlf(*head, *audio, attribute, *video, "a=control:rtsp://cam/live/1", attribute)
            for kind, octets in (("session", session), ("media", of_media), ("key-mgmt", attribute[11:].encode()), ("spec", spec.encode())):
                write("sdp", f"{stem}-{number}-{kind}", octets)
            write("sdp", f"{stem}-{number}-parameters", f"KeyMgmt: {spec}\r\nother: 1\r\n".encode())
            answers.append((f"{stem}-{number}", of_media, spec))
    ask = lambda method, uri, number, *more: crlf(f"{method} {uri} RTSP/1.0", f"CSeq: {number}", *more, "")
    live = "rtsps://cam:322/live"
    for name, body, spec in answers:
        described = crlf("RTSP/1.0 200 OK", "CSeq: 2", f"Content-Base: {live}/", "Content-Type: application/sdp", f"Content-Length: {len(body)}", "")
        parameters = f"KeyMgmt: {spec}\r\n".encode()
        setup = ask("SETUP", f"{live}/stream=0", 3, "Transport: RTP/SAVP;unicast;client_port=6000-6001", f"KeyMgmt: {spec}")
        begin = ask("OPTIONS", "*", 1) + ask("DESCRIBE", live, 2, "Accept: application/sdp")
        setting = ask("SET_PARAMETER", live, 5, f"Content-Length: {len(parameters)}") + parameters
        write("rtsp", f"{name}-server", b"\x07" + begin + setup + ask("PLAY", live, 4) + setting + b"$\x00\x00\x04\x80\x00\x00\x01" + ask("TEARDOWN", live, 6))
        write("rtsp", f"{name}-client", b"\x1f" + described + body + crlf("RTSP/1.0 200 OK", "CSeq: 3", "Transport: RTP/SAVP/TCP;unicast;interleaved=0-1;ssrc=0000CAFE", ""))
    challenge = crlf("RTSP/1.0 401 Unauthorized", "CSeq: 1", 'WWW-Authenticate: Digest realm="cam", nonce="5f", algorithm=MD5, qop="auth"', 'WWW-Authenticate: Basic realm="cam"', "")
    write("rtsp", "challenge", b"\x03" + challenge)
    packet = bytes.fromhex("80e00001000000010000cafe")
    for name, payload in {"one": "65" + "aa" * 9, "together": "78000267aa000268bb", "first": "7c85" + "aa" * 9, "last": "7c45" + "bb" * 9}.items():
        write("rtsp", f"h264-{name}", b"\x00" + packet + bytes.fromhex(payload))
    write("rtsp", "annex-b", b"\x00" + bytes.fromhex("0000000167640a0000016800000165" + "aa" * 40))


decoders()
sessions()
agents()
tesla()
texts()
