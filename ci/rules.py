"""Checks docs/security-rules.md: rules 1 to 76 stand there once each, and the files, functions and tests that it names exist.

A name in backquotes that ends in .rs is the end of a tracked file's path; one in small letters, if it is not a step of
ci/ or a crate, is a word of some Rust file (or the start of a model's name, with a star).
"""

import re
import sys

from rust_source import ROOT, read, rust_files

PAGE = "docs/security-rules.md"


def main():
    text = read(PAGE)
    wrong = []
    rules = [int(n) for n in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]
    if rules != list(range(1, 77)):
        wrong.append(f"{PAGE}: the rules are not 1 to 76, once each: {sorted(set(range(1, 77)) ^ set(rules))}")
    files = rust_files("crates", "fuzz")
    words = set(re.findall(r"\w+", " ".join(read(name) for name in files)))
    models = {path.stem for path in (ROOT / "models").rglob("*") if path.suffix in {".vp", ".pv", ".pvl"}}
    crates = {path.name for path in (ROOT / "crates").iterdir()}
    named = re.findall(r"`([^`]+)`", text)
    for name in named:
        if name.endswith(".rs"):
            found = any(file == name or file.endswith("/" + name) for file in files)
        elif "/" in name:
            found = (ROOT / name).exists()
        elif name.endswith("*"):
            found = any(model.startswith(name[:-1]) for model in models)
        else:
            found = name in words or name in models or name in crates or name == "=="
        if not found:
            wrong.append(f"{PAGE}: there is no {name}")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(rules)} rules, {len(named)} names, all there")


main()
