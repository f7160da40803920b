"""Checks `cargo metadata` against the table of who may depend on whom (ARCHITECTURE.md).

An edge that the table does not have fails, and so does a crate without a row. Core crates have their external
dependencies listed too. Every crate takes the workspace's lints, which forbid unsafe code (mikey-ffi
alone may have its own); no_std crates must say so.
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
ANY = None
PROVIDERS = {"mikey-crypto-aws-lc", "mikey-crypto-rust"}

# crate: (workspace crates, external crates or ANY, further workspace crates of its tests)
TABLE = {
    "mikey-wire": (set(), set(), set()),
    "mikey-crypto": (set(), {"zeroize", "subtle", "rustls-pki-types"}, set()),
    "mikey-crypto-rust": ({"mikey-crypto"}, ANY, set()),
    # The default provider takes from the other what AWS-LC has slower or not at all.
    "mikey-crypto-aws-lc": ({"mikey-crypto", "mikey-crypto-rust"}, ANY, set()),
    # core has no hash map; the context database needs one.
    "mikey-srtp": ({"mikey-crypto"}, {"zeroize", "subtle", "hashbrown"}, PROVIDERS),
    "mikey-proto": (
        {"mikey-wire", "mikey-crypto"},
        {"pgp-words", "rustls-webpki", "x509-parser", "subtle", "zeroize", "thiserror", "rustls-pki-types"},
        PROVIDERS | {"mikey-sim"},
    ),
    "mikey-group": (
        {"mikey-proto", "mikey-wire", "mikey-crypto"},
        {"subtle", "zeroize", "thiserror"},
        PROVIDERS | {"mikey-sim"},
    ),
    # Backends of the store trait; each brings its database.
    "mikey-store": ({"mikey-group", "mikey-proto", "mikey-crypto"}, ANY, PROVIDERS),
    # The facade names the provider interface in its configuration, so mikey-crypto is an edge of its own.
    "mikey": (
        {"mikey-proto", "mikey-group", "mikey-srtp", "mikey-crypto"},
        {"subtle", "zeroize", "thiserror"},
        PROVIDERS | {"mikey-sim", "mikey-wire"},
    ),
    "mikey-sdp": ({"mikey-wire"}, ANY, set()),
    "mikey-rtsp": ({"mikey", "mikey-sdp", "mikey-crypto"}, ANY, PROVIDERS),
    "mikey-net": ({"mikey"}, ANY, PROVIDERS | {"mikey-crypto", "mikey-sim"}),
    "mikey-daemon": (
        {"mikey", "mikey-net", "mikey-group", "mikey-store", "mikey-crypto"} | PROVIDERS, ANY, PROVIDERS,
    ),
    # `mikey decode` prints any message as a tree: the one place outside the core that reads the wire.
    "mikey-cli": ({"mikey", "mikey-net", "mikey-daemon", "mikey-wire", "mikey-sdp", "mikey-rtsp", "mikey-crypto"} | PROVIDERS, ANY, set()),
    "mikey-ffi": ({"mikey"} | PROVIDERS, ANY, set()),
    "mikey-sim": (
        {"mikey", "mikey-proto", "mikey-srtp", "mikey-group", "mikey-wire", "mikey-crypto"} | PROVIDERS, ANY, {"mikey-sdp"},
    ),
    "mikey-bench": (ANY, ANY, ANY),
}

NO_STD = {"mikey-wire", "mikey-crypto", "mikey-srtp", "mikey-crypto-rust"}
OWN_LINTS = {"mikey-ffi"}


def main():
    metadata = json.loads(subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout)
    packages = {p["name"]: p for p in metadata["packages"]}
    wrong = []
    edges = 0
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]
    if workspace.get("lints", {}).get("rust", {}).get("unsafe_code") != "forbid":
        wrong.append("Cargo.toml: the workspace's lints do not forbid unsafe code")
    for name, package in sorted(packages.items()):
        if name not in TABLE:
            wrong.append(f"{name} has no row in ci/edges.py")
            continue
        inner, outer, tests = TABLE[name]
        for dependency in package["dependencies"]:
            target, kind = dependency["name"], dependency["kind"] or "normal"
            edges += 1
            if target in packages:
                allowed = inner is ANY or target in inner or (kind == "dev" and (tests is ANY or target in tests))
                if not allowed:
                    wrong.append(f"{name} -> {target} ({kind}): not in the table")
            elif outer is not ANY and kind != "dev" and target not in outer:
                wrong.append(f"{name} -> {target} ({kind}): a core crate may not depend on it")
        wrong.extend(attributes(name, package))
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(packages)} crates, {edges} edges, all in the table")


def attributes(name, package):
    """What the manifest and the crate root must say."""
    manifest = tomllib.loads(pathlib.Path(package["manifest_path"]).read_text(encoding="utf-8"))
    lints = manifest.get("lints", {})
    if name in OWN_LINTS:
        if lints.get("clippy", {}).get("undocumented_unsafe_blocks") not in {"warn", "deny"}:
            yield f"{name}: may have unsafe code, but its lints do not demand a SAFETY line for it"
    elif lints != {"workspace": True}:
        yield f"{name}: Cargo.toml does not take the workspace's lints"
    for target in package["targets"]:
        root = pathlib.Path(target["src_path"]).read_text(encoding="utf-8")
        if name in NO_STD and "lib" in target["kind"] and not re.search(r"^#!\[no_std\]", root, re.MULTILINE):
            yield f"{name}: lib.rs lacks #![no_std]"


main()
