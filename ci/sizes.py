"""Fails when a Rust file has more than 500 lines of code. A comment or a blank line is not one."""

import sys

from rust_source import read, rust_files, without_comments

LIMIT = 500

files = [(sum(1 for line in without_comments(read(name)).splitlines() if line.strip()), name) for name in rust_files(".")]
files.sort(reverse=True)
for lines, name in files[:5]:
    print(f"{lines:5}  {name}")
over = [name for lines, name in files if lines > LIMIT]
if over:
    sys.exit(f"more than {LIMIT} lines of code: {', '.join(over)}; one concept a file")
print(f"{len(files)} files, none over {LIMIT} lines of code")
