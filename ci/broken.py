"""Breaks a copy of the code in one place after the other (ci/broken.toml) and runs tests that must notice.

In the copy as it is they must pass; in the broken one they must fail, by running and not by failing to compile. A text that
is not in its file exactly once is an error: the table is then older than the code."""

import os
import pathlib
import subprocess
import sys
import tomllib

from scratch import copy

ROOT = pathlib.Path(__file__).resolve().parent.parent
BASE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "broken"
COPY = BASE / "tree"


def cargo(test, *more):
    """Of the whole workspace, so that every build has the same features and takes up what the last one has made."""
    _, target, name = test.split()
    where = ["--lib"] if target == "lib" else ["--test", target]
    command = ["cargo", "test", "--quiet", "--locked", "--workspace", "--all-features", *where]
    env = {**os.environ, "CARGO_TARGET_DIR": str(BASE / "target"), "RUST_BACKTRACE": "0"}
    command += ["--no-run"] if "--no-run" in more else ["--", "--exact", name]
    return subprocess.run(command, cwd=COPY, env=env, capture_output=True, text=True)


def passed(test):
    """Whether it ran and passed; None if it did not run."""
    run = cargo(test)
    if "1 passed" in run.stdout:
        return True
    return False if "1 failed" in run.stdout else None


def edited(edits):
    """Applies the edits; returns what undoes them."""
    before = {}
    for edit in edits:
        path = COPY / edit["file"]
        text = path.read_text(encoding="utf-8")
        before.setdefault(path, text)
        if text.count(edit["from"]) != 1:
            undo(before)
            return None, f"{edit['file']} has {text.count(edit['from'])} times: {edit['from']}"
        path.write_text(text.replace(edit["from"], edit["to"]), encoding="utf-8")
    return before, None


def undo(before):
    for path, text in before.items():
        path.write_text(text, encoding="utf-8")


def main():
    entries = tomllib.loads((ROOT / "ci/broken.toml").read_text(encoding="utf-8"))["broken"]
    if sys.argv[1:]:
        entries = [e for e in entries if any(word in f"{e['attack']} {e['what']}" for word in sys.argv[1:])]
    copy(COPY)
    tests = sorted({test for entry in entries for test in entry["tests"]})
    wrong = [f"{test}: fails in a sound build, or there is no such test" for test in tests if passed(test) is not True]
    red = 0
    for entry in entries:
        before, error = edited(entry["edits"])
        if before is None:
            wrong.append(f"{entry['what']}: {error}")
            continue
        for test in entry["tests"]:
            if cargo(test, "--no-run").returncode != 0:
                verdict = "DOES NOT BUILD"
            else:
                verdict = {True: "NOT NOTICED", False: "red", None: "DID NOT RUN"}[passed(test)]
            red += verdict == "red"
            if verdict != "red":
                wrong.append(f"{entry['what']}: {test}: {verdict}")
            print(f"{verdict:<14} {entry['attack']}: {entry['what']}: {test}", flush=True)
        undo(before)
    print(f"{len(entries)} broken builds, {red} tests red of {sum(len(e['tests']) for e in entries)}")
    if wrong:
        sys.exit("\n".join(wrong))


main()
