"""Incidents in words: what happened, who notices, the run, the runbook. Names nobody."""

from orchestration.activate import EVENT_SYNCS, SYNCS
from orchestration.operations.alerts import KINDS
from orchestration.operations.channels import Message
from orchestration.operations.incidents import Incident

_LONGEST_WHAT = 400  # characters; a message is read on a phone
ANALYSTS = "analysts see the tables of the last good refresh"


def in_words(incident: Incident, ui_url: str | None) -> Message:
    """The message about how an incident stands: that it began, or that it is over."""
    trouble = incident.trouble
    kind = KINDS[trouble.kind]
    is_over = incident.over_at is not None
    subject = f"{'Over' if is_over else 'Alert'}: {kind.title.lower() if is_over else kind.title}"
    lines = [
        f"{'It was' if is_over else 'What'}: {trouble.what[:_LONGEST_WHAT]}",
        *([] if is_over else [f"Who notices: {trouble.affects}"]),
        f"Since: {_minute(incident.opened_at)}"
        + (f", over {_minute(incident.over_at)}" if incident.over_at else ""),
    ]
    if trouble.run_id:
        link = f" {ui_url}/runs/{trouble.run_id}" if ui_url else ""
        lines.append(f"Run: {trouble.run_id}{link}")
    if not is_over:
        lines.append(f"What to do: {kind.runbook}")
    return Message(f"[loyalty] {subject}", "\n".join(lines))


def who_notices(step: str) -> str:
    """Who notices that a step failed, and how."""
    for prefix in ("extract_", "examine_"):
        if step.startswith(prefix):
            program = step.removeprefix(prefix)
            return (
                f"analysts see {program} as it was when it was last read; marketers find the "
                f"properties of {program}'s people unchanged until it is read again"
            )
    for sync in (*SYNCS, *EVENT_SYNCS):
        if step == sync.step:
            name = sync.destination.title()
            if sync in SYNCS:
                return (
                    f"marketers: the loyalty properties in {name} ({sync.object_name}: balance, "
                    "rewards, tier, coupons) are those of the last good sync"
                )
            return f"marketers: loyalty events reach {name} late, and the flows they start"
    if step.endswith("_read_back"):
        return "nobody yet: whether the vendor holds what it accepted is not known"
    if step.startswith("load_inbox"):
        return "marketers: what webhooks told arrives late"
    if step.startswith(("published", "build")):
        return f"{ANALYSTS}; marketers find no property or event newer than that"
    return "nobody outside yet; the run's page tells what waits for it"


def _minute(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"
