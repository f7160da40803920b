"""Checks that each requirement of docs/spec.md is quoted by its number where it is done and where it is shown.

A requirement is a number in bold, R7.2. It is quoted in a comment of the code that does it (a crate's src/, but for
test modules and conformance/) and of a test that fails without it. What is quoted nowhere must stand in
ci/requirements.allow, one `R7.2: code, test: reason` a line, with the one or the two that are missing. A line there that is
not needed any more fails, and so does a number in a comment that is no requirement.
"""

import collections
import re
import sys

from rust_source import ROOT, block_end, code_only, is_test_file, line_of, read, rust_files

SPEC = "docs/spec.md"
ALLOW = "ci/requirements.allow"
NUMBER = re.compile(r"\bR(\d{1,2}\.\d{1,2})\b")
COMMENT = re.compile(r"//[^\n]*")
TESTS = re.compile(r"#\[cfg\((?:test|all\(test\b[^\]]*)\)\]")


def quotes(files):
    """Where each number is quoted: in code and in tests."""
    code, tests = collections.defaultdict(list), collections.defaultdict(list)
    for name in files:
        text = read(name)
        bare = code_only(text)
        modules = [(match.start(), block_end(bare, match.end())) for match in TESTS.finditer(bare)]
        for match in COMMENT.finditer(text):
            at = match.start()
            shown = is_test_file(name) or name.startswith("fuzz/") or any(a <= at < b for a, b in modules)
            for number in NUMBER.findall(match.group()):
                (tests if shown else code)[number].append(f"{name}:{line_of(text, at)}")
    return code, tests


def allowed():
    missing = {}
    for number, line in enumerate((ROOT / ALLOW).read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"R(\d+\.\d+): (code|test|code, test): (\S.*)", line)
        if not match:
            sys.exit(f"{ALLOW}:{number}: not of the form `R7.2: code, test: reason`")
        missing[match[1]] = set(match[2].split(", "))
    return missing


def main():
    required = re.findall(r"^(?:- )?\*\*R(\d+\.\d+)\*\*", read(SPEC), re.MULTILINE)
    wrong = [f"{SPEC}: R{n} is there twice" for n, times in collections.Counter(required).items() if times > 1]
    code, tests = quotes(rust_files("crates", "fuzz"))
    exceptions = allowed()
    for number in required:
        missing = {what for what, found in (("code", code), ("test", tests)) if number not in found}
        excused = exceptions.pop(number, set())
        for what in sorted(missing - excused):
            wrong.append(f"R{number} is quoted in no {what}")
        for what in sorted(excused - missing):
            wrong.append(f"{ALLOW}: R{number} is quoted in a {what}, so it needs no exception")
    wrong.extend(f"{ALLOW}: there is no R{number}" for number in exceptions)
    for found in (code, tests):
        for number in sorted(set(found) - set(required)):
            wrong.extend(f"{place}: there is no R{number}" for place in found[number])
    if len(sys.argv) > 1:
        for number in required:
            print(f"R{number}\n    code  {', '.join(code[number])}\n    tests {', '.join(tests[number])}")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(required)} requirements, each quoted in code and tests but for the exceptions in {ALLOW}")


main()
