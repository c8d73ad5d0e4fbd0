"""Where the runbooks are: one file per alert, check and schedule; a test holds both sides to it."""

from typing import Literal

FOLDER = "docs/runbooks"
Kind = Literal["alert", "check", "schedule", "sensor"]


def runbook(kind: Kind, name: str) -> str:
    """Path of a runbook in the repository: `docs/runbooks/check-disk-space.md`."""
    return f"{FOLDER}/{kind}-{name.replace('_', '-')}.md"
