#!/usr/bin/env python3
"""Writes the Verifpal models of docs/spec.md: one template for INIT and CCE, so that variants differ only where they say,
and one small model for each of the later exchanges. EXPECT, at the end, has the verdict of each.

What the models leave out of a message is in docs/security-analysis.md. RANDi, M-SPi, names and, in SAS, the commitment
of INIT_REQ are one value `m1`; likewise `m2`."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent / "verifpal"
BOTH = ("Initiator", "Responder")


class Model:
    """Lines of a model."""

    def __init__(self, title):
        self.lines = [f"// {title}", "// Written by generate.py: change it there.", "", "attacker[active]", ""]

    def principal(self, name, *lines):
        if lines:
            self.lines += [f"principal {name}[", *(f"\t{line}" for line in lines), "]", ""]

    def says(self, sender, receiver, *names):
        self.lines += [f"{sender} -> {receiver}: {', '.join(names)}", ""]

    def later(self, *leaks):
        """Long after the session these are out: (principal, names)."""
        self.lines += ["phase[1]", ""]
        for name, what in leaks:
            self.principal(name, f"leaks {what}")

    def queries(self, *queries):
        self.lines += ["queries[", *(f"\t{query}" for query in queries), "]", ""]

    def text(self):
        return "\n".join(self.lines)


PUBLIC = "knows public ctxi, ctxr, idi, idr, lsess, lauth, lsrtp"


def cat(names):
    """What a function is given: one value."""
    return names[0] if len(names) == 1 else f"CONCAT({', '.join(names)})"


def handshake(title, auth="sig", hybrid=False, early=(), late=(), signs="all", mixes=("dh", "kem"), queries=None):
    """INIT and CCE. `auth`: sig or psk. `signs`: what AUTH covers: all, or nonces alone. `mixes`: what goes into PRK."""
    m = Model(title)
    for who, own, public in zip(BOTH, ("ski", "skr"), ("pki", "pkr")):
        m.principal(who, PUBLIC, *([f"knows private {own}", f"{public} = PUBKEY({own})"] if auth == "sig" else ["knows private psk"]))
    if auth == "sig":
        m.lines += ["// Certificates, whose chain and name are checked."]
        m.says(*BOTH, "[pki]")
        m.says(*BOTH[::-1], "[pkr]")
    for who, what in early:
        m.principal(who, f"leaks {what}")
    dhi, dhr = ("dhi, ek", "dhr, kct") if hybrid else ("dhi", "dhr")
    m.lines += ["// INIT_REQ"]
    m.principal("Initiator", "generates x, m1", "dhi = PUBKEY(x)", *(["generates dk", "ek = PUBKEY(dk)"] if hybrid else []))
    m.says(*BOTH, "m1", *dhi.split(", "))
    m.lines += ["// INIT_RESP"]

    def schedule(s, dh, kem):
        ikm = [kem] if hybrid and "kem" in mixes else []
        ikm += [dh] if "dh" in mixes else []
        ikm += ["psk"] if auth == "psk" else []
        return [
            f"th2{s} = HASH(CONCAT(m1, idi, {dhi}), CONCAT(m2, idr, {dhr}))",
            f"kei{s}, ker{s}, kdi{s}, kdr{s}, skd{s} = HKDF({cat(ikm)}, lsess, th2{s})",
            *([f"kai{s}, kar{s} = HKDF(kdi{s}, lauth, th2{s})"] if auth == "psk" else []),
        ]

    def covered(s, side):
        if signs == "nonces":
            return f"HASH({'ctxi' if side == 'i' else 'ctxr'}, m1, m2)"
        if side == "i":
            return f"HASH(ctxi, th2{s}, MAC(kdi{s}, CONCAT(idi, idr)))"
        return f"HASH(ctxr, th3{s}, MAC(kdr{s}, CONCAT(idr, idi)))"

    def prove(s, side):
        return f"SIGN(sk{side}, {covered(s, side)})" if auth == "sig" else f"MAC(ka{side}{s}, {covered(s, side)})"

    def verify(s, side):
        value = f"auth{side}"
        return f"ok{side} = " + (f"SIGNVERIF(pk{side}, {covered(s, side)}, {value})?" if auth == "sig" else f"ASSERT({value}, {prove(s, side)})?")

    m.principal("Responder", "generates y, m2" + (", kr" if hybrid else ""), "dhr = PUBKEY(y)",
                *(["ssr, kct = KEM_ENCAP(ek, kr)"] if hybrid else []), *schedule("r", "DH_KEX(dhi, y)", "ssr"))
    m.says(*BOTH[::-1], "m2", *dhr.split(", "))
    m.lines += ["// CCE_REQ with confidentiality 0: AUTH in the clear, sealed by a MAC."]
    m.principal("Initiator", *(["ssi = KEM_DECAP(dk, kct)"] if hybrid else []), *schedule("i", "DH_KEX(dhr, x)", "ssi"),
                f"authi = {prove('i', 'i')}", "kemaci = MAC(keii, authi)")
    m.says(*BOTH, "authi", "kemaci")
    m.lines += ["// CCE_RESP, and then SRTP"]
    m.principal("Responder", "okm = ASSERT(kemaci, MAC(keir, authi))?", verify("r", "i"),
                "th3r = HASH(th2r, authi)", f"authr = {prove('r', 'r')}",
                "kemacr = MAC(kerr, authr)", "th4r = HASH(th3r, authr)",
                "tekir, tekrr = HKDF(skdr, lsrtp, th4r)")
    m.says(*BOTH[::-1], "authr", "kemacr")
    m.principal("Initiator", "okn = ASSERT(kemacr, MAC(keri, authr))?",
                "th3i = HASH(th2i, authi)", verify("i", "r"),
                "th4i = HASH(th3i, authr)", "tekii, tekri = HKDF(skdi, lsrtp, th4i)")
    if late:
        m.later(*late)
    m.queries(*(queries or ALL_QUERIES))
    return m.text()


ALL_QUERIES = ("confidentiality? tekii", "confidentiality? tekrr",
               "authentication? Initiator -> Responder: authi", "authentication? Responder -> Initiator: authr")


def resume(title, dh=True, kem=False, mixes=None, late=()):
    """RESUME: early keys from RPSK alone, final keys from RPSK and what is exchanged."""
    mixes = mixes if mixes is not None else (("kem",) if kem else ()) + (("dh",) if dh else ())
    m = Model(title)
    known = "knows public ticket, lsess, learly, lsrtp, th1c, th2c, th4c"
    for who in BOTH:
        m.principal(who, known, "knows private rpsk")
    dhi = ["dhi"] * dh + ["ek"] * kem
    dhr = ["dhr"] * dh + ["kct"] * kem
    m.lines += ["// RESUME_REQ: sealed under a key of RPSK; early media may follow it at once."]
    m.principal("Initiator", "generates randi, spi", *(["generates x", "dhi = PUBKEY(x)"] if dh else []),
                *(["generates dk", "ek = PUBKEY(dk)"] if kem else []),
                f"th1i = HASH(th1c, {cat(['randi', 'ticket'] + dhi)})", "ke1i, etgki = HKDF(rpsk, learly, th1i)",
                "kemac1 = MAC(ke1i, CONCAT(th1i, spi))")
    m.says(*BOTH, "randi", *dhi, "spi", "kemac1")

    def final(s, dh_secret, kem_secret):
        ikm = [kem_secret] * ("kem" in mixes) + [dh_secret] * ("dh" in mixes) + ["rpsk"]
        return [f"th2{s} = HASH(th2c, CONCAT(th1{s}, spi), {cat(['randr'] + dhr)})",
                f"ke2{s}, skd{s} = HKDF({cat(ikm)}, lsess, th2{s})"]

    m.principal("Responder", f"th1r = HASH(th1c, {cat(['randi', 'ticket'] + dhi)})", "ke1r, etgkr = HKDF(rpsk, learly, th1r)",
                "okq = ASSERT(kemac1, MAC(ke1r, CONCAT(th1r, spi)))?", "generates randr" + ", y" * dh + ", kr" * kem,
                *(["dhr = PUBKEY(y)"] if dh else []), *(["ssr, kct = KEM_ENCAP(ek, kr)"] if kem else []),
                *final("r", "DH_KEX(dhi, y)", "ssr"), "generates spr", "kemac2 = MAC(ke2r, CONCAT(th2r, spr))",
                "tgkr = HKDF(skdr, lsrtp, HASH(th4c, th2r, spr))")
    m.says(*BOTH[::-1], "randr", *dhr, "spr", "kemac2")
    m.principal("Initiator", *(["ssi = KEM_DECAP(dk, kct)"] if kem else []), *final("i", "DH_KEX(dhr, x)", "ssi"),
                "okp = ASSERT(kemac2, MAC(ke2i, CONCAT(th2i, spr)))?", "tgki = HKDF(skdi, lsrtp, HASH(th4c, th2i, spr))")
    if late:
        m.later(*late)
    m.queries("confidentiality? etgki", "confidentiality? tgki", "confidentiality? tgkr",
              "authentication? Initiator -> Responder: kemac1", "authentication? Responder -> Initiator: kemac2")
    return m.text()


def rekey(title, dh):
    """REKEY in a session whose SK_d, but not whose K, is out afterwards: what a new DH heals."""
    m = Model(title)
    for who in BOTH:
        m.principal(who, "knows public lrekey, thnc, th4", "knows private kei, ker, skd")
    m.principal("Initiator", "generates randi", *(["generates x", "dhi = PUBKEY(x)"] if dh else []))
    req, resp = ["randi"] + ["dhi"] * dh, ["randr"] + ["dhr"] * dh
    m.principal("Initiator", f"kemac1 = MAC(kei, {cat(req)})")
    m.says(*BOTH, *req, "kemac1")

    def new(s, secret):
        fresh = [f"skn{s} = HKDF(CONCAT(skd, {secret}), lrekey, nil)"] if dh else []
        return [f"thn{s} = HASH(thnc, th4, {cat(req)}, {cat(resp)})", *fresh, f"tgkn{s} = MAC({'skn' + s if dh else 'skd'}, CONCAT(lrekey, thn{s}))"]

    m.principal("Responder", f"okq = ASSERT(kemac1, MAC(kei, {cat(req)}))?", "generates randr", *(["generates y", "dhr = PUBKEY(y)"] if dh else []),
                f"hashr = HASH({cat(req)})", f"kemac2 = MAC(ker, CONCAT({', '.join(resp)}, hashr))", *new("r", "DH_KEX(dhi, y)"))
    m.says(*BOTH[::-1], *resp, "kemac2")
    m.principal("Initiator", f"hashi = HASH({cat(req)})", f"okp = ASSERT(kemac2, MAC(ker, CONCAT({', '.join(resp)}, hashi)))?", *new("i", "DH_KEX(dhr, x)"))
    m.later(("Initiator", "skd"))
    m.queries("confidentiality? tgkni", "confidentiality? tgknr",
              "authentication? Initiator -> Responder: kemac1", "authentication? Responder -> Initiator: kemac2")
    return m.text()


def path(title, echoes):
    """A new address: PATH-OK must give back the octets of PATH-CHECK that went to the address."""
    m = Model(title)
    for who in BOTH:
        m.principal(who, "knows public lpath", "knows private kei, ker")
    m.principal("Responder", "generates octets", "check = MAC(ker, CONCAT(lpath, octets))")
    m.says(*BOTH[::-1], "octets", "check")
    back = "octets" if echoes else "lpath"
    m.principal("Initiator", "okc = ASSERT(check, MAC(ker, CONCAT(lpath, octets)))?", f"pathok = MAC(kei, CONCAT(lpath, {back}))")
    m.says(*BOTH, "pathok")
    m.principal("Responder", f"oko = ASSERT(pathok, MAC(kei, CONCAT(lpath, {back})))?")
    m.queries("authentication? Initiator -> Responder: pathok", "freshness? pathok")
    return m.text()


def continuity(title, compared):
    """A call with SAS, its string compared or not, and the next call, whose PSK is C of the first."""
    m = Model(title)
    for who in BOTH:
        m.principal(who, "knows public lcommit, rcommit, lsess, lsas, lcont, lsrtp, ctxi, ctxr")
    m.lines += ["// The first call: INIT with both commitments, reveals in CCE."]
    m.principal("Initiator", "generates x, ns", "dhi = PUBKEY(x)", "ci = HASH(lcommit, ns)")
    m.says(*BOTH, "dhi", "ci")
    m.principal("Responder", "generates y, nr", "dhr = PUBKEY(y)", "cr = HASH(rcommit, nr)",
                "thr = HASH(dhi, ci, dhr, cr)", "kr, skdr = HKDF(DH_KEX(dhi, y), lsess, thr)")
    m.says(*BOTH[::-1], "dhr", "cr")
    m.principal("Initiator", "thi = HASH(dhi, ci, dhr, cr)", "ki, skdi = HKDF(DH_KEX(dhr, x), lsess, thi)")
    m.says(*BOTH, "ns")
    m.principal("Responder", "okn = ASSERT(ci, HASH(lcommit, ns))?")
    m.says(*BOTH[::-1], "nr")
    m.principal("Initiator", "okr = ASSERT(cr, HASH(rcommit, nr))?", "sasi = MAC(ki, CONCAT(lsas, thi, ns, nr))")
    if compared:
        m.lines += ["// The voice: heard by all, changed by nobody."]
        m.says(*BOTH, "[sasi]")
        m.principal("Responder", "sasr = MAC(kr, CONCAT(lsas, thr, ns, nr))", "okv = ASSERT(sasi, sasr)?")
        m.says(*BOTH[::-1], "[sasr]")
        m.principal("Initiator", "okw = ASSERT(sasr, sasi)?")
    m.lines += ["// The next call, cut down to AUTH by PSK and one key each way."]
    m.principal("Initiator", "pski = MAC(skdi, lcont)", "generates x2", "dhi2 = PUBKEY(x2)")
    m.says(*BOTH, "dhi2")
    m.principal("Responder", "pskr = MAC(skdr, lcont)", "generates y2", "dhr2 = PUBKEY(y2)",
                "kar, skd2r = HKDF(CONCAT(DH_KEX(dhi2, y2), pskr), lsess, HASH(dhi2, dhr2))")
    m.says(*BOTH[::-1], "dhr2")
    m.principal("Initiator", "kai, skd2i = HKDF(CONCAT(DH_KEX(dhr2, x2), pski), lsess, HASH(dhi2, dhr2))",
                "authi = MAC(kai, ctxi)")
    m.says(*BOTH, "authi")
    m.principal("Responder", "oki = ASSERT(authi, MAC(kar, ctxi))?", "authr = MAC(kar, ctxr)", "tgkr = MAC(skd2r, lsrtp)")
    m.says(*BOTH[::-1], "authr")
    m.principal("Initiator", "oka = ASSERT(authr, MAC(kai, ctxr))?", "tgki = MAC(skd2i, lsrtp)")
    m.queries("confidentiality? tgki", "confidentiality? tgkr",
              "authentication? Initiator -> Responder: authi", "authentication? Responder -> Initiator: authr")
    return m.text()


def forked(title, bound=True):
    """Fingerprints with forking: one INIT_REQ, two phones of one callee, each with a certificate that signalling named.
    The second phone belongs to the attacker; the branch of the first must not suffer from it."""
    m = Model(title)
    public = "knows public ctxi, ctxr, idi, idr, tlsi, tlsr, tlse, lsess, lsrtp, th2c"
    m.principal("Initiator", public, "knows private ski", "pki = PUBKEY(ski)")
    m.principal("Phone", public, "knows private skr", "pkr = PUBKEY(skr)")
    m.principal("Other", public, "knows private ske", "pke = PUBKEY(ske)")
    m.lines += ["// Signalling, which nobody changes: fingerprints and tls-ids."]
    m.says("Initiator", "Phone", "[pki]")
    m.says("Phone", "Initiator", "[pkr]")
    m.says("Other", "Initiator", "[pke]")
    m.principal("Other", "leaks ske")
    m.principal("Initiator", "generates x, m1", "dhi = PUBKEY(x)")
    m.says("Initiator", "Phone", "m1", "dhi")
    th = "HASH(th2c, CONCAT(m1, idi, idr, tlsi, dhi), CONCAT({m}, idr, {tls}, {dh}))"
    m.principal("Phone", "generates y, m2", "dhr = PUBKEY(y)", f"thr = {th.format(m='m2', tls='tlsr', dh='dhr')}",
                "kdir, kdrr, skdr = HKDF(DH_KEX(dhi, y), lsess, thr)")
    m.says("Phone", "Initiator", "m2", "dhr")
    m.principal("Other", "generates z, m3", "dhe = PUBKEY(z)", "leaks z")
    m.says("Other", "Initiator", "m3", "dhe")

    def auth(label, th_name, mac, names):
        return f"HASH({label}, {th_name}, MAC({mac}, CONCAT({names})))" if bound else f"HASH({label}, m1)"

    m.principal("Initiator", f"thi = {th.format(m='m2', tls='tlsr', dh='dhr')}", "kdii, kdri, skdi = HKDF(DH_KEX(dhr, x), lsess, thi)",
                f"the = {th.format(m='m3', tls='tlse', dh='dhe')}", "kdie, kdre, skde = HKDF(DH_KEX(dhe, x), lsess, the)",
                f"authi = SIGN(ski, {auth('ctxi', 'thi', 'kdii', 'idi, idr')})", f"authe = SIGN(ski, {auth('ctxi', 'the', 'kdie', 'idi, idr')})")
    m.says("Initiator", "Other", "authe")
    m.says("Initiator", "Phone", "authi")
    m.principal("Phone", f"oki = SIGNVERIF(pki, {auth('ctxi', 'thr', 'kdir', 'idi, idr')}, authi)?",
                f"authr = SIGN(skr, {auth('ctxr', 'HASH(thr, authi)', 'kdrr', 'idr, idi')})", "tgkr = HKDF(skdr, lsrtp, HASH(thr, authi))")
    m.says("Phone", "Initiator", "authr")
    m.principal("Initiator", f"okr = SIGNVERIF(pkr, {auth('ctxr', 'HASH(thi, authi)', 'kdri', 'idr, idi')}, authr)?",
                "tgki = HKDF(skdi, lsrtp, HASH(thi, authi))")
    m.queries("confidentiality? tgki", "confidentiality? tgkr",
              "authentication? Initiator -> Phone: authi", "authentication? Phone -> Initiator: authr")
    return m.text()


def group(title, sender_a, sender_b):
    """Two senders of a group who have, by mistake or attack, one SSRC and one packet index. Media of the first is known."""
    m = Model(title)
    m.principal("Controller", "knows private ka, kb", "knows public nonce, label, ida, idb, index", "generates gtgk",
                "ea = AEAD_ENC(ka, nonce, gtgk, ida)", "eb = AEAD_ENC(kb, nonce, gtgk, idb)")
    for who, key in (("Alice", "ka"), ("Bob", "kb")):
        m.principal(who, f"knows private {key}", "knows public nonce, label, ida, idb, index" + (", media1" if who == "Alice" else ""))
    m.says("Controller", "Alice", "ea")
    m.says("Controller", "Bob", "eb")
    m.principal("Alice", "ga = AEAD_DEC(ka, nonce, ea, ida)?", f"sa = HKDF(ga, label, {sender_a})", "srtpa = AEAD_ENC(sa, index, media1, nil)")
    m.says("Alice", "Bob", "srtpa")
    m.principal("Bob", "gb = AEAD_DEC(kb, nonce, eb, idb)?", f"sb = HKDF(gb, label, {sender_b})", "generates media2",
                "srtpb = AEAD_ENC(sb, index, media2, nil)")
    m.says("Bob", "Alice", "srtpb")
    m.queries("confidentiality? media2", "confidentiality? gtgk")
    return m.text()


def tesla(title, late=False, early=False, grant=True, report=True, step=True):
    """TESLA in a group: the attacker is a member, so what the group's key protects is not in the model at all. A phase is an
    interval: K_1 is disclosed in the second one. `late`: a packet that comes then is taken as well. `early`: the sender
    discloses K_1 in the first. `grant` and `report`: the I-Key is under the receiver's, the sender's session with the controller.
    `step`: the receiver walks from the disclosed key to the one that it knows."""
    m = Model(title)
    m.principal("Sender", "knows public zero, one, label", "knows private ks", "generates k2", "k1 = MAC(k2, zero)", "k0 = MAC(k1, zero)",
                "reported = AEAD_ENC(ks, label, k0, nil)")
    m.principal("Receiver", "knows public zero, one, label", "knows private kr", "generates asked")
    m.principal("Controller", "knows public zero, one, label", "knows private ks, kr")
    m.lines += ["// The sender's report of K_0, and the receiver's grant with it, which answers its request."]
    m.says("Sender", "Controller", "reported" if report else "k0")
    m.says("Receiver", "Controller", "asked")
    at_controller = "c0" if report else "k0"
    m.principal("Controller", *(["c0 = AEAD_DEC(ks, label, reported, nil)?"] if report else []),
                *([f"granted = AEAD_ENC(kr, asked, {at_controller}, nil)"] if grant else []))
    m.says("Controller", "Receiver", "granted" if grant else at_controller)
    m.principal("Receiver", *(["r0 = AEAD_DEC(kr, asked, granted, nil)?"] if grant else []))
    m.lines += ["// A packet of interval 1: its content and index under F'(K_1)."]
    m.principal("Sender", "generates media, index", "tag = MAC(MAC(k1, one), CONCAT(media, index))", *(["leaks k1"] if early else []))
    packet = ("Sender", "Receiver", "media", "index", "tag")
    if not late:
        m.says(*packet)
    m.lines += ["phase[1]", ""]
    m.says("Sender", "Receiver", "k1")
    if late:
        m.says(*packet)
    m.principal("Receiver", *([f"okk = ASSERT({'r0' if grant else at_controller}, MAC(k1, zero))?"] if step else []),
                "okt = ASSERT(tag, MAC(MAC(k1, one), CONCAT(media, index)))?")
    m.queries("authentication? Sender -> Receiver: media", "authentication? Sender -> Receiver: index",
              "authentication? Sender -> Receiver: tag", "confidentiality? k2")
    return m.text()


I, R = BOTH
SIGNING = ((I, "ski"), (R, "skr"))
KCI_I = ("confidentiality? tekii", "authentication? Responder -> Initiator: authr", "authentication? Initiator -> Responder: authi")
KCI_R = ("confidentiality? tekrr", "authentication? Initiator -> Responder: authi", "authentication? Responder -> Initiator: authr")

# name: (sessions, expected, model). c confidentiality, a authentication, f freshness; 0 holds, 1 falls. Names with `broken`
# are controls: a rule is left out, and the model must show the attack.
EXPECT = {
    "sig": (2, "c0c0a0a0", handshake("INIT and CCE by signatures; both signing keys are out afterwards (forward secrecy).", late=SIGNING)),
    "sig_kci_i": (1, "c0a0a1", handshake("The initiator's own signing key is out from the start (KCI): nobody can play the responder to it.", early=((I, "ski"),), queries=KCI_I)),
    "sig_kci_r": (1, "c0a0a1", handshake("The responder's own signing key is out from the start (KCI): nobody can play the initiator to it.", early=((R, "skr"),), queries=KCI_R)),
    "psk": (1, "c0c0a0a0", handshake("INIT and CCE by a strong PSK, which is out afterwards (forward secrecy by DH).", auth="psk", late=((I, "psk"),))),
    "psk_dhbroken": (1, "c0c0a0a0", handshake("PSK; the exponents are out afterwards, the PSK is not: it is in every key.", auth="psk", late=((I, "x"), (R, "y")))),
    "hybrid": (1, "c0c0a0a0", handshake("Hybrid; exponents and signing keys are out afterwards, the KEM stands (recorded now, decrypted later).", hybrid=True, late=((I, "ski, x"), (R, "skr, y")))),
    "hybrid_kembroken": (1, "c0c0a0a0", handshake("Hybrid; decapsulation key and coins are out afterwards, DH stands.", hybrid=True, late=((I, "ski, dk"), (R, "skr, kr")))),
    "resume": (1, "c1c0c0a0a0", resume("RESUME with DH; RPSK is out afterwards: early media falls by design, the final keys stand.", late=((I, "rpsk"),))),
    "resume_secret": (1, "c0c0c0a0a0", resume("RESUME without DH; RPSK stays secret: early and final keys stand.", dh=False)),
    "resume_hybrid": (1, "c1c0c0a0a0", resume("RESUME of a hybrid session; RPSK and the exponents are out afterwards, the KEM stands.", kem=True, late=((I, "rpsk, x"), (R, "y")))),
    "rekey_dh": (1, "c0c0a0a0", rekey("REKEY with DH; SK_d is out afterwards, the new keys stand.", dh=True)),
    "path": (2, "a0f0", path("PATH-CHECK and PATH-OK: a proof of the new address, and a fresh one.", echoes=True)),
    "continuity": (1, "c0c0a0a0", continuity("Key continuity: C of a call whose SAS was compared is the PSK of the next one.", compared=True)),
    "fork_fingerprint": (1, "c0c0a0a0", forked("Fingerprints and forking: a second phone of the callee, in the attacker's hands, does no harm to the first.")),
    "group": (2, "c0c0", group("One key per sender (TEK of a group): a collision of SSRCs harms nobody.", "ida", "idb")),
    "tesla": (1, "a0a0a0c0", tesla("TESLA: a member of the group cannot speak as another one.")),
    "broken_sig": (1, "c1c1a0a0", handshake("BROKEN: AUTH covers the nonces alone, not DH values and names.", signs="nonces")),
    "broken_psk": (1, "c1c1a1a1", handshake("BROKEN: the PSK is known from the start.", auth="psk", early=((I, "psk"),))),
    "broken_hybrid": (1, "c1c1a0a0", handshake("BROKEN: the KEM is sent but not mixed; the exponents are out afterwards.", hybrid=True, mixes=("dh",), late=((I, "x"), (R, "y")))),
    "broken_resume_nodh": (1, "c1c1c1a0a0", resume("BROKEN: RESUME without DH; RPSK is out afterwards, and with it the final keys.", dh=False, late=((I, "rpsk"),))),
    "broken_resume_kem": (1, "c1c1c1a0a0", resume("BROKEN: RESUME sends the KEM's value but does not mix its secret; RPSK and the exponents are out afterwards.", kem=True, mixes=("dh",), late=((I, "rpsk, x"), (R, "y")))),
    "broken_rekey_nodh": (1, "c1c1a0a0", rekey("BROKEN (by choice of who rekeys without DH): SK_d is out afterwards, and the new keys with it.", dh=False)),
    "broken_path": (2, "a1f1", path("BROKEN: PATH-OK without the octets of PATH-CHECK.", echoes=False)),
    "broken_continuity": (1, "c1c1a1a1", continuity("BROKEN: nobody compared the SAS of the first call.", compared=False)),
    "broken_fork": (1, "c1c1a0a0", forked("BROKEN: AUTH covers INIT_REQ alone: what one phone was sent serves another branch.", bound=False)),
    "broken_group": (2, "c1c0", group("BROKEN: all senders of a group use its key directly: a two-time pad.", "nil", "nil")),
    "broken_tesla_late": (1, "a1a1a1c0", tesla("BROKEN: TESLA's receiver takes a packet whose key may be out.", late=True)),
    "broken_tesla_early": (1, "a1a1a1c0", tesla("BROKEN: TESLA's sender discloses a key in its own interval.", early=True)),
    "broken_tesla_grant": (1, "a1a1a1c0", tesla("BROKEN: the receiver takes an I-Key from anybody.", grant=False)),
    "broken_tesla_report": (1, "a1a1a1c0", tesla("BROKEN: the controller takes an I-Key from anybody.", report=False)),
    "broken_tesla_chain": (1, "a1a1a1c0", tesla("BROKEN: a disclosed key is not followed to the I-Key.", step=False)),
}

if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    if sys.argv[1:] == ["--list"]:
        for name, (sessions, expected, _) in EXPECT.items():
            print(name, sessions, expected)
    else:
        for name, (_, _, text) in EXPECT.items():
            (HERE / f"{name}.vp").write_text(text, encoding="utf-8")
