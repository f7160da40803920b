"""Looks for secrets that can leak by accident. Fails on

- a type that holds one (by the type or the name of a field) and derives Debug, Clone, Copy, PartialEq, Hash or
  Serialize, or implements Clone, Copy, PartialEq, Display or Serialize by hand;
- `expose()` inside a formatting or logging macro, or next to `==` or `!=`;
- `dbg!` anywhere.

A type that holds a type that holds a secret is looked at too. What is looked at and found harmless stands in
ci/secrets.allow, one `file: Type: reason` a line; a line there that matches nothing fails as well.
"""

import re
import sys

from rust_source import ROOT, block_end, code_only, group_end, is_test_file, line_of, read, rust_files, without_tests

ROOTS = {"Secret", "SecretBytes", "Zeroizing"}
# Octets under one of these names are a secret whatever their type is called.
NAMED = re.compile(
    r"\b(?:psk|prk|tgk|tek|gtgk|kek|rpsk|sk_d|secret|shared_secret|private_key|signing_key|master_key|session_key"
    r"|enc_key|auth_key|env_key|envelope_key|passphrase)\s*:\s*(?:Option<\s*)?(?:Box<\s*)?(?:Vec<\s*u8|\[\s*u8)"
)
DERIVES = {"Debug", "Clone", "Copy", "PartialEq", "PartialOrd", "Hash", "Serialize"}
BY_HAND = {"Clone", "Copy", "PartialEq", "Display", "Serialize"}
TYPE = re.compile(r"(?P<attributes>(?:#\[[^\]]*\]\s*)*)(?:pub(?:\([^)]*\))?\s+)?(?P<kind>struct|enum)\s+(?P<name>\w+)")
# Borrowed, shared and phantom mentions do not own the secret.
NOT_OWNED = re.compile(r"&(?:'\w+\s+)?(?:mut\s+)?[\w:]+|\bArc<[^;{}]*?>|\bPhantomData<[^>]*>|\bfn\([^)]*\)")


def crate_of(name):
    return name.split("/")[1]


def types(files):
    for name in files:
        code = without_tests(code_only(read(name)))
        for match in TYPE.finditer(code):
            body = owned(match["kind"], code[match.end():block_end(code, match.end())])
            derived = set(re.findall(r"\w+", " ".join(re.findall(r"derive\(([^)]*)\)", match["attributes"]))))
            yield name, line_of(code, match.start("name")), match["name"], derived, NOT_OWNED.sub(" ", body)


def owned(kind, body):
    """The types in a body: of an enum without the names of its variants, so that those do not count as types."""
    if kind == "struct":
        return body
    depth, out = 0, []
    for c in body:
        depth -= c in "})]"
        out.append(c if depth > 1 or c == "\n" else " ")
        depth += c in "{(["
    return "".join(out)


def tainted(declared):
    """(crate, type) of every type that owns a secret. A name counts inside its own crate only, the roots everywhere."""
    found = {}
    changed = True
    while changed:
        changed = False
        for name, _, type_name, _, body in declared:
            key = (crate_of(name), type_name)
            if key in found or type_name in ROOTS:
                continue
            words = set(re.findall(r"\w+", re.sub(r"\b\w+\s*:(?!:)", " ", body)))
            holds = sorted(words & ROOTS) or sorted(w for w in words if (key[0], w) in found and w != type_name)
            named = NAMED.search(body)
            if holds or named:
                found[key] = holds[0] if holds else named.group()
                changed = True
    return found


def allowed():
    entries = {}
    path = ROOT / "ci/secrets.allow"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        if line.strip() and not line.startswith("#"):
            file, type_name, reason = (part.strip() for part in line.split(":", 2))
            entries[file, type_name] = reason
    return entries


def main():
    files = [f for f in rust_files("crates", "fuzz") if not is_test_file(f)]
    declared = list(types(files))
    found = tainted(declared)
    allow, used, wrong = allowed(), set(), []

    def report(file, line, type_name, text):
        if (file, type_name) in allow:
            used.add((file, type_name))
        else:
            wrong.append(f"{file}:{line}: {type_name} {text}")

    for name, line, type_name, derived, _ in declared:
        key = (crate_of(name), type_name)
        bad = sorted(derived & DERIVES)
        if key in found and bad:
            report(name, line, type_name, f"holds {found[key]} and derives {', '.join(bad)}")
        if type_name in ROOTS and bad:
            report(name, line, type_name, f"is a secret and derives {', '.join(bad)}")
    secret_names = {key for key in found} | {(crate, root) for crate in {"mikey-crypto"} for root in ROOTS}
    for name in files:
        code = without_tests(code_only(read(name)))
        for match in re.finditer(r"impl(?:<[^>]*>)?\s+(?:[\w:]+::)?(\w+)(?:<[^>]*>)?\s+for\s+(\w+)", code):
            if match[1] in BY_HAND and (crate_of(name), match[2]) in secret_names:
                report(name, line_of(code, match.start()), match[2], f"holds a secret and implements {match[1]}")
        for match in re.finditer(r"\b(?:format|print|println|eprint|eprintln|write|writeln|panic|log|trace|debug|info|warn|error)!", code):
            if "expose" in code[match.end():group_end(code, match.end())]:
                wrong.append(f"{name}:{line_of(code, match.start())}: a secret in {match.group()}")
        for match in re.finditer(r"expose\(\)[^;{}\n]*(?:==|!=)|(?:==|!=)[^;{}\n]*\.expose\(\)", code):
            if ".len()" not in match.group() and ".is_empty()" not in match.group():
                wrong.append(f"{name}:{line_of(code, match.start())}: a secret compared in variable time")
        for match in re.finditer(r"\bdbg!", code):
            wrong.append(f"{name}:{line_of(code, match.start())}: dbg!")
    for file, type_name in sorted(set(allow) - used):
        wrong.append(f"ci/secrets.allow: {file}: {type_name} matches nothing: remove the line")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(found)} types hold secrets; none can be printed, copied or compared by accident ({len(used)} allowed by name)")


main()
