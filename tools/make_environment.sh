#!/usr/bin/env bash
# Makes $VENV from Python ≥ 3.11 alone: pip brings uv (hash checked), uv installs exactly the lock.
set -euo pipefail

"$PYTHON" - <<'PY' || exit 1
import sys
if sys.version_info < (3, 11):
    sys.exit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; try make PYTHON=python3.12 …")
PY
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV" || {
    echo "The venv module is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
}
if ! [ -x "$VENV/bin/uv" ]; then
    echo "environment: uv"
    awk '/^uv==/ {on = 1} on {print} on && !/\\$/ {exit}' requirements.lock >"$VENV/uv.txt"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$VENV/uv.txt"
fi
echo "environment: $(grep -c '==' requirements.lock) packages as locked"
export VIRTUAL_ENV="$VENV"
"$VENV/bin/uv" pip sync --quiet --require-hashes requirements.lock
"$VENV/bin/uv" pip install --quiet --no-deps --no-build-isolation --editable .
