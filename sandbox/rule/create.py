"""`POST /v2/subscribers`: one subscriber or up to a thousand, created or updated.

Owns the order of the checks and what the reply says. Tags belong to the call, not to an entry.
Facts: `docs/bulk-create-subscribers.md` of Rule's SDK (https://github.com/rulecom/rule-io-sdk).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.core.calls import Reply
from sandbox.rule import responses
from sandbox.rule.automations import started_entries
from sandbox.rule.catalogue import Record, TagMissingError
from sandbox.rule.entries import Entry, EntryRefusedError, FieldReader, prepare, write
from sandbox.rule.people import DuplicateError
from sandbox.rule.services import Services

MAX_ENTRIES = 1000
AUTOMATION_VALUES = (None, False, "reset", "force")
FLAGS = ("update_on_duplicate", "sync_subscribers", "fields_clear", "require_opt_in")


@dataclass
class Outcome:
    """What a call did, by entry."""

    created: list[Record] = field(default_factory=list)
    updated: list[Record] = field(default_factory=list)
    suppressed: list[Record] = field(default_factory=list)


def create_subscribers(services: Services, body: Any) -> Reply:
    """The whole call: checks, then writes (later, when the call is large)."""
    if not isinstance(body, dict):
        return responses.bad_request({"subscribers": ["The subscribers field is required."]})
    given = body.get("subscribers")
    is_array = isinstance(given, list)
    raw = given if isinstance(given, list) else [given]
    if len(raw) > MAX_ENTRIES:
        text = f"At most {MAX_ENTRIES} subscribers per request."
        return responses.error(413, "PayloadTooLarge", text)
    if not given:
        return responses.bad_request({"subscribers": ["The subscribers field is required."]})
    reasons = _flag_reasons(body) | tag_reasons(services, body)
    if reasons:
        return responses.bad_request(reasons)
    tags = body.get("tags") or []
    if not known_tags(services, tags):
        return responses.tag_missing()
    entries: list[Entry] = []
    skips = is_array and services.switches["bad_entry"] == "skipped"
    reader = FieldReader(services)
    for index, item in enumerate(raw):
        try:
            entry = prepare(services, item, reader, clears=bool(body.get("fields_clear")))
        except EntryRefusedError as refused:
            if skips:
                continue
            return responses.bad_request(_indexed(services, refused.fields, index, is_array))
        if _is_duplicate(services, entry, body, entries):
            if skips:
                continue
            return responses.subscriber_exists()
        entries.append(entry)

    def apply() -> Outcome:
        return _apply(services, entries, tags, body)

    smallest = services.switches["multi_async_from"]
    if is_array and smallest and len(raw) >= smallest:
        services.background.later(services.switches["async_seconds"], apply)
        return responses.success()
    return _reply(services, apply(), is_array=is_array)


def tag_reasons(services: Services, body: Mapping[str, Any]) -> dict[str, list[str]]:
    """Why the `tags` of a body are refused; empty when they are not."""
    tags = body.get("tags")
    if tags is None:
        return {}
    switches = services.switches
    if not isinstance(tags, list) or not all(
        isinstance(tag, str | int) and not isinstance(tag, bool) and tag != "" for tag in tags
    ):
        return {"tags": ["The tags must be an array of names or ids."]}
    if not tags and switches["empty_tags"] == "refused":
        return {"tags": ["The tags field is required."]}
    if len(set(tags)) < len(tags) and switches["repeated_tags"] == "refused":
        return {"tags": ["The tags field has a duplicate value."]}
    longest = switches["max_name_characters"]
    if longest and any(len(str(tag)) > longest for tag in tags):
        return {"tags": ["The name of a tag is too long."]}
    return {}


def known_tags(services: Services, tags: Sequence[Any]) -> bool:
    """Whether every tag that is an id exists; names may be new."""
    for tag in tags:
        if isinstance(tag, int) or tag.isdecimal():
            try:
                services.catalogue.find_tag(tag)
            except TagMissingError:
                return False
    return True


def _flag_reasons(body: Mapping[str, Any]) -> dict[str, list[str]]:
    reasons = {
        name: [f"The {name} field must be true or false."]
        for name in FLAGS
        if not isinstance(body.get(name), bool | None)
    }
    if body.get("automation") not in AUTOMATION_VALUES:
        reasons["automation"] = ["The automation field must be false, reset or force."]
    return reasons


def _is_duplicate(
    services: Services, entry: Entry, body: Mapping[str, Any], before: Sequence[Entry]
) -> bool:
    if len(entry.matches) > 1 and services.switches["identity_conflict"] == "refused":
        return True
    if body.get("update_on_duplicate"):
        return False
    return bool(entry.matches) or any(entry.identifiers == other.identifiers for other in before)


def _indexed(
    services: Services, fields: Mapping[str, list[str]], index: int, is_array: bool
) -> Mapping[str, list[str]]:
    if not is_array or services.switches["error_index"] == "plain":
        return fields
    return {f"subscribers.{index}.{name}": reasons for name, reasons in fields.items()}


def _apply(
    services: Services, entries: Sequence[Entry], references: Sequence[Any], body: Mapping[str, Any]
) -> Outcome:
    outcome = Outcome()
    tags = [services.catalogue.use_tag(reference) for reference in references]
    clears = services.switches["fields_clear_scope"] if body.get("fields_clear") else ""
    startable = started_entries(len(entries), body.get("sync_subscribers"))
    for index, entry in enumerate(entries):
        matches = services.people.matches(entry.identifiers)
        record = matches[0] if matches else None
        if record is not None and _is_passed_over(services, record):
            outcome.suppressed.append(record)
            continue
        if record is None:
            record = services.people.add(entry.identifiers, entry.language or body.get("language"))
            if body.get("require_opt_in"):
                record.update(status="PENDING", opted_in=False)
            outcome.created.append(record)
            mode: str | None = "send"
        else:
            outcome.updated.append(record)
            mode = body.get("automation") or None
        if record["suppressions"]:
            outcome.suppressed.append(record)
        write_known(services, record, entry, clears)
        services.automations.assign(record, tags, mode if index < startable else None)
    return outcome


def write_known(services: Services, record: Record, entry: Entry, clears: str = "") -> None:
    """Writes; an identifier of somebody else is left out (the e-mail decided who it is)."""
    try:
        write(services, record, entry, clears)
    except DuplicateError:
        kept = {name: entry.identifiers[name] for name in ("email",) if name in entry.identifiers}
        rest = Entry(kept, entry.language, entry.values, entry.types, entry.matches)
        write(services, record, rest, clears)


def _is_passed_over(services: Services, record: Record) -> bool:
    switches = services.switches
    if record["status"] == "BLOCKED":
        if switches["upsert_blocked"] == "unblocked":
            services.unblock(record)
        return bool(switches["upsert_blocked"] == "skipped")
    return bool(record["suppressions"]) and switches["upsert_suppressed"] == "skipped"


def _reply(services: Services, outcome: Outcome, *, is_array: bool) -> Reply:
    people, switches = services.people, services.switches

    def shown(records: Sequence[Record]) -> list[Record]:
        return [responses.subscriber_v2(record, people, switches) for record in records]

    if not is_array:
        first = (outcome.created or outcome.updated or outcome.suppressed)[0]
        return responses.success(
            subscriber=responses.subscriber_v2(first, people, switches),
            suppressed=shown(outcome.suppressed),
        )
    match switches["multi_response"]:
        case "success":
            return responses.success(success=True)
        case "entries":
            return responses.success(
                subscribers=shown([*outcome.created, *outcome.updated]),
                suppressed=shown(outcome.suppressed),
            )
        case _:
            return responses.success(
                subscribers_created=len(outcome.created),
                subscribers_updated=len(outcome.updated),
                subscribers_suppressed=len(outcome.suppressed),
            )
