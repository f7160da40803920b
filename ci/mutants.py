"""Runs cargo-mutants over sets of files, in a copy of the tree, with the tests that are there for each set; fails on a mutant that
survives and is not in ci/mutants.allow, and on a line there whose mutant is gone or caught."""

import json
import os
import pathlib
import subprocess
import sys

from scratch import ROOT, copy

BASE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "mutants"
COPY = BASE / "tree"

# set: (package, its files, packages whose tests run, which of them)
SETS = {
    "replay": ("mikey-srtp", ["replay.rs", "index.rs"], ["mikey-srtp"], ["--lib", "--test", "properties", "--test", "rollover"]),
    "keys": (
        "mikey-proto",
        ["keys/schedule.rs", "keys/transcript.rs", "keys/protect.rs"],
        ["mikey-proto", "mikey-sim"],
        ["--lib", "--test", "vectors", "--test", "spec_keys", "--test", "r_attacks"],
    ),
    "auth": (
        "mikey-proto",
        ["auth/mod.rs", "auth/cert.rs", "auth/cce2.rs", "sas.rs"],
        ["mikey-proto", "mikey-sim"],
        ["--lib", *(word for name in ("vectors", "certificates", "attacks", "levels", "sas") for word in ("--test", name))],
    ),
    "exchange": (
        "mikey-proto",
        ["session/exchange.rs", "endpoint/cookie.rs", "ticket.rs"],
        ["mikey-proto", "mikey-sim"],
        ["--lib", *(word for name in ("states", "limits", "resume", "loss") for word in ("--test", name))],
    ),
    "negotiate": (
        "mikey-proto",
        ["negotiate.rs"],
        ["mikey-proto", "mikey-sim"],
        ["--lib", *(word for name in ("handshake", "offers", "refuse", "vectors") for word in ("--test", name))],
    ),
    "wire": (
        "mikey-wire",
        ["reader.rs", "rules.rs", "v2/sealed.rs", "v2/table.rs", "v2/msp.rs"],
        ["mikey-wire"],
        ["--lib", *(word for name in ("examples", "fields", "head", "order", "typed", "registry") for word in ("--test", name))],
    ),
}


def allowed():
    """{(file, mutant): reason} of ci/mutants.allow: `file: mutant # reason` a line."""
    entries = {}
    for line in (ROOT / "ci/mutants.allow").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            mutant, reason = line.split(" # ", 1)
            file, mutant = mutant.split(": ", 1)
            entries[file, mutant.strip()] = reason
    return entries


def run(name):
    """{outcome: [(file, mutant)]} of a set."""
    package, files, tested, tests = SETS[name]
    output = BASE / name
    command = ["cargo", "mutants", "--in-place", "--no-shuffle", "--colors", "never", "--package", package, "--output", str(output)]
    command += [word for test in tested for word in ("--test-package", test)]
    command += [word for file in files for word in ("--file", f"crates/{package}/src/{file}")]
    command += ["--", "--locked", "--all-features", *tests]
    done = subprocess.run(command, cwd=COPY, env={**os.environ, "CARGO_TARGET_DIR": str(BASE / "target")})
    if done.returncode not in (0, 2, 3):
        sys.exit(f"{name}: cargo mutants itself failed")
    outcomes = json.loads((output / "mutants.out/outcomes.json").read_text(encoding="utf-8"))["outcomes"]
    found = {}
    for outcome in outcomes:
        if isinstance(outcome["scenario"], dict):
            mutant = outcome["scenario"]["Mutant"]
            # Without line and column, which every edit moves.
            text = mutant["name"].split(": ", 1)[1]
            found.setdefault(outcome["summary"], []).append((mutant["file"], text))
    return found


def main():
    copy(COPY)
    allow, wrong = allowed(), []
    for name in sys.argv[1:] or SETS:
        found = run(name)
        print(f"{name}: " + ", ".join(f"{len(mutants)} {summary}" for summary, mutants in sorted(found.items())))
        missed = set(found.get("MissedMutant", []))
        wrong += [f"survives: {file}: {mutant}" for file, mutant in sorted(missed - set(allow))]
        of_set = {key for key in allow if key[0] in {f"crates/{SETS[name][0]}/src/{file}" for file in SETS[name][1]}}
        wrong += [f"ci/mutants.allow: not there or caught: {file}: {mutant}" for file, mutant in sorted(of_set - missed)]
    if wrong:
        sys.exit("\n".join(wrong))


main()
