"""What the checks in ci/ share: the tracked Rust files, and their text without comments, strings and test modules."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent

TOKEN = re.compile(
    r"""
    //[^\n]*                                  # line comment
  | /\*.*?\*/                                 # block comment
  | b?r(?P<hashes>\#*)".*?"(?P=hashes)        # raw string
  | b?"(?:\\.|[^"\\])*"                       # string
  | b?'(?:\\(?:x[0-9a-fA-F]{2}|u\{[^}]*\}|.)|[^'\\])'   # character
    """,
    re.DOTALL | re.VERBOSE,
)


def rust_files(*folders):
    """Tracked and new .rs files below the folders, sorted."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()
    return sorted({name for name in listed if name.endswith(".rs") and (ROOT / name).is_file()})


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blank(match):
    """Keeps the line structure of what is removed."""
    return "".join(c if c == "\n" else " " for c in match.group())


def code_only(text):
    """The text with comments, strings and characters blanked; line numbers stay."""
    return TOKEN.sub(blank, text)


def without_comments(text):
    """The text with comments blanked and strings kept; line numbers stay."""
    return TOKEN.sub(lambda m: blank(m) if m.group().startswith("/") else m.group(), text)


def block_end(code, start):
    """The offset after the block or the item that begins at `start` (the first { or ; from there decides)."""
    depth = 0
    for at in range(start, len(code)):
        c = code[at]
        if c in "{([":
            depth += 1
        elif c in "})]":
            depth -= 1
            if depth == 0 and c == "}":
                return at + 1
        elif c == ";" and depth == 0:
            return at + 1
    return len(code)


def group_end(code, start):
    """The offset after the bracketed group whose opening bracket is the first one from `start` on."""
    depth = 0
    for at in range(start, len(code)):
        if code[at] in "{([":
            depth += 1
        elif code[at] in "})]":
            depth -= 1
            if depth <= 0:
                return at + 1
    return len(code)


def without_tests(code):
    """`code` (from code_only) with every item under #[cfg(test)] or #[cfg(all(test, ..))] blanked."""
    out = code
    for match in re.finditer(r"#\[cfg\((?:test|all\(test\b[^\]]*)\)\]", code):
        end = block_end(code, match.end())
        gap = "".join(c if c == "\n" else " " for c in code[match.start():end])
        out = out[:match.start()] + gap + out[end:]
    return out


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def is_test_file(name):
    """Integration tests, unit tests kept in a file of their own, and the known answers that every provider is run against."""
    parts = name.split("/")
    return not {"tests", "benches", "conformance"}.isdisjoint(parts[:-1]) or parts[-1] == "tests.rs" or parts[-1].endswith("_tests.rs")
