"""A copy of the tracked files, as they are in the working tree, for what changes code: ci/broken, ci/mutants.

    python3 ci/scratch.py FOLDER"""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def copy(folder):
    """Makes or refreshes the copy. What has not changed keeps its time, for cargo."""
    folder = pathlib.Path(folder)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
    for path in folder.rglob("*") if folder.exists() else ():
        if path.is_file() and str(path.relative_to(folder)) not in names:
            path.unlink()
    for name in names:
        octets, target = (ROOT / name).read_bytes(), folder / name
        if not target.exists() or target.read_bytes() != octets:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(octets)


if __name__ == "__main__":
    copy(sys.argv[1])
