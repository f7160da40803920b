"""Fails when a core crate reads a clock, a random source, a socket, a thread, a file or the environment.

Tests are not looked at. A test that needs one of these belongs to mikey-net or mikey-sim anyhow.
"""

import re
import sys

from rust_source import code_only, is_test_file, line_of, read, rust_files, without_tests

CORE = ["mikey-wire", "mikey-crypto", "mikey-srtp", "mikey-proto", "mikey-group", "mikey"]

FORBIDDEN = {
    "a clock": r"\b(?:Instant|SystemTime)\b|\bUNIX_EPOCH\b",
    "randomness": r"\bOsRng\b|\bthread_rng\b|\bgetrandom\b|\brand::|\bSystemRandom\b",
    "a socket": r"\bUdpSocket\b|\bTcp(?:Stream|Listener)\b|\btokio::|\bsocket2::|\bmio::",
    "a thread": r"\bstd::thread\b|\bthread::(?:spawn|sleep|scope)\b",
    "the environment or a file": r"\bstd::(?:env|fs|process)\b|\bFile::(?:open|create)\b",
    "output": r"\b(?:e?println|e?print|dbg)!",
}


def main():
    wrong = []
    files = [f for f in rust_files(*(f"crates/{crate}/src" for crate in CORE)) if not is_test_file(f)]
    for name in files:
        code = without_tests(code_only(read(name)))
        for what, pattern in FORBIDDEN.items():
            for match in re.finditer(pattern, code):
                wrong.append(f"{name}:{line_of(code, match.start())}: {what} in a core crate: {match.group()}")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(files)} files, none reads the world")


main()
