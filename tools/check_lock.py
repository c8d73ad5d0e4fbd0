"""Fails when requirements.lock does not belong to pyproject.toml, or names an address.

Resolves again with the lock's own versions preferred, so that only a change of pyproject.toml (or
a hand-edited lock) makes a difference.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
COMPILE = (
    "pip compile -q --universal --python-version 3.11 --generate-hashes "
    "--no-emit-index-url --no-header --extra dev pyproject.toml"
)


def problems() -> list[str]:
    """What is wrong with the lock, one sentence each."""
    found = []
    text = LOCK.read_text()
    if addresses := re.findall(r"(?:https?|file)://\S+", text):
        found.append(f"requirements.lock names addresses: {sorted(set(addresses))}")
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "requirements.lock"
        shutil.copyfile(LOCK, again)
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run(  # noqa: S603 - fixed command
            [uv, *COMPILE.split(), "-o", str(again)], cwd=ROOT, check=True
        )
        if again.read_text() != text:
            found.append("requirements.lock is not what pyproject.toml asks for; run `make lock`")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(problems()) or 0)
