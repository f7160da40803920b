"""Fails when a relative link in a tracked Markdown file leads nowhere, or a comment in Rust names a chapter of the
specification, as in (docs/spec.md, "Cookies"), that it does not have."""

import re
import subprocess
import sys

from rust_source import ROOT, line_of, read, rust_files


def anchors(text):
    """Heading anchors as the usual renderers make them."""
    for heading in re.findall(r"^#+\s+(.*)$", text, re.MULTILINE):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        yield re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", plain))


def main():
    files = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"], cwd=ROOT,
                           check=True, capture_output=True, text=True).stdout.split()
    wrong, count = [], 0
    for name in sorted(set(files)):
        path = ROOT / name
        if not path.is_file():
            continue
        text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", link):
                continue
            count += 1
            file, _, anchor = link.partition("#")
            target = (path.parent / file) if file else path
            if not target.exists():
                wrong.append(f"{name}: {link}: no such file")
            elif anchor and target.suffix == ".md" and anchor not in set(anchors(target.read_text(encoding="utf-8"))):
                wrong.append(f"{name}: {link}: no such heading")
    headings = re.findall(r"^#+ (.*)$", (ROOT / "docs/spec.md").read_text(encoding="utf-8"), re.MULTILINE)
    for name in rust_files("."):
        text = read(name)
        for match in re.finditer(r'docs/spec\.md, "([^"]+)"', text):
            count += 1
            if not any(match[1] in heading for heading in headings):
                wrong.append(f"{name}:{line_of(text, match.start())}: docs/spec.md has no chapter {match[1]}")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{count} links, all lead somewhere")


main()
