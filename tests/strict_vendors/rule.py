"""Rule v2, the part a sync may use; everything of v3 is refused.

Only documented members of `POST /subscribers` pass, values are text (lists for `multiple`), and
what would start a flow, change a status or lose data is a breach: an automation other than false,
fields_clear, a null, a tag of digits only.
"""

import re
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from strict_vendors.server import Answer, Call, Stranger

KEY = "strict-rule-key-7f3a"
MEMBERS = {"subscribers", "tags", "update_on_duplicate", "automation", "sync_subscribers"}
ENTRY = {"email", "phone_number", "language", "fields"}
TYPES = {"text", "date", "datetime", "time", "multiple", "json"}
FORMS = {
    "date": re.compile(r"\d{4}-\d{2}-\d{2}|"),
    "datetime": re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}|"),
}
SUCCESSES: dict[str, Any] = {
    "php wrapper": {"success": True},
    "node sdk": {"message": "Success", "subscribers": [], "suppressed": []},
    "sdk of 2026": {"message": "Success", "subscribers_created": 1, "subscribers_updated": 0},
    "bare": {},
}
STOCKHOLM_WINTER = timezone(timedelta(hours=1))


class Rule(Stranger):
    """An account: `people` maps an e-mail to its fields and tags."""

    base_path = "/rule"
    ends_with_slash = True

    def __init__(self) -> None:
        super().__init__()
        self.people: dict[str, dict[str, Any]] = {}
        self.success = "sdk of 2026"
        self.status_of_absent_tag = 404
        self.refused: set[str] = set()  # e-mails whose entry makes the whole call a 400
        self.suppressed: set[str] = set()

    def answer(self, call: Call) -> Answer:
        if call.path.startswith("/api/v3"):
            return self._refuse(404, "v3")
        if "apikey" in call.query:
            self.breach("a key in the address")
        if call.headers.get("authorization") != f"Bearer {KEY}":
            return Answer(401, {"error": "NotAuthorized"})
        if self.too_fast("account", 2000, 600.0, call.arrived):
            self.breach("more than 2000 requests in ten minutes")
        parts = call.path.removeprefix("/api/v2").strip("/").split("/")
        match (call.method, *parts):
            case ("POST", "subscribers"):
                return self._create(call)
            case ("GET", "subscribers", email):
                return self._known(email, call) or Answer(body={"subscriber": {"email": email}})
            case ("DELETE", "subscribers", email, "tags", tag):
                return self._remove(email, tag, call)
            case ("GET", "customizations"):
                if int(call.query.get("limit", 101)) > 100:
                    return self._refuse(400, "limit")
                return Answer(body={"groups": [], "meta": {"next": None}})
            case ("GET", "tags"):
                if int(call.query.get("limit", 100)) > 100:
                    return self._refuse(400, "limit")
                return Answer(body={"tags": [], "meta": {"next": None}})
        return self._refuse(404, f"{call.method} {call.path}")

    def _create(self, call: Call) -> Answer:
        if not call.headers.get("content-type", "").startswith("application/json"):
            return self._refuse(415, "no JSON")
        body = call.json()
        if faults := list(_faults(body)):
            self.violations += faults
            return Answer(400, _bad_request({"body": faults}))
        entries = body["subscribers"]
        if len(entries) > 1000:
            self.breach("more than 1000 subscribers")
            return Answer(413, "<html>413</html>", media_type="text/html")
        if body.get("update_on_duplicate") is not True and any(
            entry["email"] in self.people for entry in entries
        ):
            self.breach("update_on_duplicate is not true")
            return Answer(
                409, {"error": "DuplicateSubscriber", "message": "Subscriber already exists"}
            )
        if any(entry["email"] in self.refused for entry in entries):
            return Answer(400, _bad_request({}))  # and does not say which
        for entry in entries:
            person = self.people.setdefault(entry["email"], {"fields": {}, "tags": set()})
            for field in entry.get("fields", []):
                person["fields"][field["key"]] = field["value"]
            person["tags"].update(body.get("tags", []))
        answer = dict(SUCCESSES[self.success])
        hidden = [entry["email"] for entry in entries if entry["email"] in self.suppressed]
        if hidden:
            answer["suppressed"] = [{"email": email.upper()} for email in hidden]
        return Answer(body=answer)

    def _known(self, email: str, call: Call) -> Answer | None:
        if call.query.get("identified_by") != "email" or set(call.query) != {"identified_by"}:
            return self._refuse(400, "identified_by must be email, and alone")
        if email in self.people:
            return None
        return Answer(404, {"error": "SubscriberNotFound", "message": "Could not find subscriber"})

    def _remove(self, email: str, tag: str, call: Call) -> Answer:
        missing = self._known(email, call)
        if missing is not None:
            return missing
        if tag not in self.people[email]["tags"]:
            return Answer(self.status_of_absent_tag, {"message": "Success"})
        self.people[email]["tags"].discard(tag)
        return Answer(body={"message": "Success"})

    def _refuse(self, status: int, what: str) -> Answer:
        self.breach(what)
        return Answer(status, {"error": "BadRequest", "message": what})


def blocked(seconds: int, moment: float) -> Answer:
    """Rule's 429 as recorded: plain text, and a wall time in Stockholm without a zone."""
    until = datetime.fromtimestamp(moment + seconds, STOCKHOLM_WINTER).strftime("%Y-%m-%d %H:%M:%S")
    return Answer(
        429,
        f"Too Many Requests. You can continue at {until}.",
        {"Retry-After": until, "Date": formatdate(moment, usegmt=True)},
        "text/plain",
    )


def _bad_request(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "error": "BadRequest", "message": "Some fields could not be validated", "fields": fields,
    }  # fmt: skip


def _faults(body: Any) -> Any:
    if _has_null(body):
        yield "a null"
    if not isinstance(body, dict) or not isinstance(body.get("subscribers"), list):
        yield "no list of subscribers"
        return
    if unknown := set(body) - MEMBERS:
        yield f"undocumented members {sorted(unknown)}"
    if body.get("automation") is not False or body.get("sync_subscribers") is not False:
        yield "flows are not switched off"
    tags = body.get("tags", ["x"])
    if not tags or len(set(tags)) != len(tags) or not all(isinstance(t, str) for t in tags):
        yield "tags: empty, doubled, or no text"
    if any(tag.isdigit() or tag != tag.strip() for tag in map(str, tags)):
        yield "a tag that Rule would read as an id"
    emails = [entry.get("email") for entry in body["subscribers"]]
    if not emails or len({str(email).lower() for email in emails}) != len(emails):
        yield "nobody, or somebody twice"
    for entry in body["subscribers"]:
        if set(entry) - ENTRY or not isinstance(entry.get("email"), str):
            yield f"an entry with {sorted(entry)}"
        groups: dict[str, int] = {}
        for field in entry.get("fields", []):
            yield from _field_faults(field)
            group = str(field.get("key")).split(".")[0]
            groups[group] = groups.get(group, 0) + len(str(field.get("value")))
        if any(size >= 65_000 for size in groups.values()):
            yield "a group of 65 kB"


def _field_faults(field: dict[str, Any]) -> Any:
    if set(field) - {"key", "value", "type"} or not {"key", "value"} <= set(field):
        yield f"a field with {sorted(field)}"
        return
    name, kind, value = field["key"], field.get("type", "text"), field["value"]
    if len([part for part in str(name).split(".") if part]) != 2 or name.count(".") != 1:
        yield f"{name} is no Group.Field"
    if kind not in TYPES:
        yield f"type {kind}"
    if kind == "multiple":
        is_list = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if not is_list and value != "":
            yield f"{name}: multiple takes a list of texts"
    elif not isinstance(value, str):
        yield f"{name}: {kind} takes text"
    elif kind in FORMS and not FORMS[kind].fullmatch(value):
        yield f"{name}: not the form of a {kind}"


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    if isinstance(value, list):
        return any(map(_has_null, value))
    return value is None


def in_path(email: str) -> str:
    """An e-mail as a path holds it."""
    return quote(email, safe="")
