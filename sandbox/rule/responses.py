"""Rule's bodies: subscribers as v2 and v3 show them, errors, throttling.

Pure functions; v2 says `phone_number`, v3 `phone`; `suppressed` is a list for one subscriber and a
boolean in the list.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sandbox.core.calls import Reply, json_reply, text_reply
from sandbox.core.switches import Switches
from sandbox.rule.catalogue import Record
from sandbox.rule.limits import wall_time
from sandbox.rule.people import People

ACCOUNT_ID = 4711
NO_BODY = Reply(204, content_type="")


def success(**members: Any) -> Reply:
    """v2's envelope."""
    return json_reply({"message": "Success", **members})


def error(status: int, name: str, message: str | None = None, **members: Any) -> Reply:
    """v2's error body."""
    body: Record = {"error": name}
    if message is not None:
        body["message"] = message
    return json_reply({**body, **members}, status)


def not_authorized() -> Reply:
    return error(401, "NotAuthorized")


def bad_request(fields: Mapping[str, Sequence[str]]) -> Reply:
    """400 of v2; `fields` maps a field to reasons."""
    return error(400, "BadRequest", "Some fields could not be validated", fields=fields)


def subscriber_missing() -> Reply:
    return error(404, "SubscriberNotFound", "Could not find subscriber")


def subscriber_exists() -> Reply:
    return error(409, "DuplicateSubscriber", "Subscriber already exists")


def tag_missing() -> Reply:
    return error(404, "TagNotFound", "Could not find tag")


def limit_exceeded() -> Reply:
    return error(400, "LimitExceed", "Limit can't exceed 100.")


def unprocessable(errors: Mapping[str, Sequence[str]], status: int = 422) -> Reply:
    """v3's validation error."""
    return json_reply({"message": "The given data was invalid.", "errors": errors}, status)


def throttled(seconds: float, switches: Switches) -> Reply:
    """429 in plain text; the share of errors is added to the headers later."""
    continue_at = wall_time(seconds)
    text = f"Too Many Requests. You can continue at {continue_at}."
    if switches["throttle_body"] == "too_many":
        text = "Too Many Attempts."
    by_clock = switches["retry_after"] == "wall_time"
    value = continue_at if by_clock else str(max(1, round(seconds)))
    return text_reply(text, 429, {"retry-after": value})


def stamp(text: str, switches: Switches) -> str:
    """A stored moment in the format in force."""
    moment = datetime.fromisoformat(text)
    if switches["timestamps"] == "iso":
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def subscriber_v2(record: Record, people: People, switches: Switches) -> Record:
    """One subscriber as `GET /v2/subscribers/{identifier}` shows it."""
    names = ["id", "email", "phone_number", "custom_identifier", "language"]
    if switches["v2_status"] == "shown":
        names.append("status")
    is_hidden = record["status"] == "BLOCKED" and switches["blocked_opted_in"] == "false"
    return {
        **{name: record[name] for name in names},
        "opted_in": record["opted_in"] and not is_hidden,
        "created_at": stamp(record["created_at"], switches),
        "updated_at": stamp(record["updated_at"], switches),
        "tags": people.tag_names(record),
        "suppressed": [
            {
                name: known[name]
                for name in ("dispatcher_type", "message_type", "suppressed_source_type")
            }
            for known in record["suppressions"]
        ],
        "syncAtSegments": [],
    }


def subscriber_row(record: Record, people: People, switches: Switches) -> Record:
    """One subscriber as the list shows it: no fields, `suppressed` as a boolean."""
    row = subscriber_v2(record, people, switches)
    del row["syncAtSegments"]
    row["suppressed"] = bool(record["suppressions"])
    if not row["tags"]:
        match switches["list_without_tags"]:
            case "null":
                row["tags"] = None
            case "missing":
                del row["tags"]
    return row


def subscriber_v3(record: Record, switches: Switches) -> Record:
    """One subscriber as v3 shows it."""
    return {
        "id": record["id"],
        "email": record["email"],
        "phone": record["phone_number"],
        "custom_identifier": record["custom_identifier"],
        "account_id": ACCOUNT_ID,
        "created_at": stamp(record["created_at"], switches),
        "updated_at": stamp(record["updated_at"], switches),
        "status": record["status"],
        "language": record["language"],
    }
