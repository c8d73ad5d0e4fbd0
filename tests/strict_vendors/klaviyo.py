"""Klaviyo, revision 2026-07-15, after its published OpenAPI document (reduced, in fixtures).

Every request is held against that document: path, query, revision, media type, body. On top come
the rules that the document states in words: no more than 10,000 profiles and 5 MB a job, and those
a careful account owner lives by: no null in a bulk import, nobody twice in a job, no write to
anything but properties and the e-mail.
"""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

from strict_vendors.klaviyo_document import BODIES, MEDIA_TYPE, RULES, faults, has_null
from strict_vendors.klaviyo_event_desk import EventDesk
from strict_vendors.server import Answer, Call, Stranger

KEY = "pk_strictKlaviyo0123456789"
REVISION = "2026-07-15"
JOBS = "/api/profile-bulk-import-jobs"
EVENTS = "POST /api/event-bulk-create-jobs"


@dataclass
class Job:
    """An import and how far it is: `polls` questions until it is done."""

    profiles: list[dict[str, Any]]
    polls: int
    errors: list[dict[str, Any]] = field(default_factory=list)


class Klaviyo(Stranger):
    """An account: `profiles` maps an e-mail to its properties."""

    base_path = "/klaviyo"

    def __init__(self) -> None:
        super().__init__()
        self.profiles: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, Job] = {}
        self.polls_until_complete = 4
        self.refused_at_once: set[str] = set()  # 400 with the row's pointer, nothing imported
        self.failing_later: set[str] = set()  # import errors of the job
        self.error_form = "payload"  # or "shouting", "pointer"
        self.errors_page = 2
        self.ends_as = "complete"
        self.revision = REVISION
        self.identities_in_flight: set[str] = set()
        self.events = EventDesk(self.breach)

    def take(self, call: Call) -> Answer:
        """Every call is judged, those that planned trouble answers included."""
        self.violations += faults(
            call.method, call.path, call.query.items(), call.headers, call.body
        )
        return super().take(call)

    def answer(self, call: Call) -> Answer:
        name, identity = _operation(call)
        if name is None:
            return self._refuse(404, "not_found", f"{call.method} {call.path}", "/data/")
        if call.headers.get("authorization") != f"Klaviyo-API-Key {KEY}":
            return _error(401, "authentication_failed", "Incorrect authentication credentials.")
        if call.headers.get("revision") != self.revision:
            return self._refuse(400, "invalid", "revision", "", parameter="revision")
        if MEDIA_TYPE not in call.headers.get("accept", ""):
            return self._refuse(406, "not_acceptable", "Accept")
        if call.method == "POST" and call.headers.get("content-type") != MEDIA_TYPE:
            return self._refuse(415, "unsupported_media_type", "Content-Type")
        rule = RULES[name]
        if unknown := set(call.query) - set(rule["query"]):
            parameter = sorted(unknown)[0]
            return self._refuse(400, "invalid", f"query {parameter}", "", parameter=parameter)
        for requests, seconds in ((rule["rate"]["burst"], 1.0), (rule["rate"]["steady"], 60.0)):
            wait = self.too_fast(name, requests, seconds, call.arrived)
            if wait is not None:
                self.breach(f"{name}: more than {requests} in {seconds:.0f} s")
                return throttled(int(wait) + 1)
        if "body" in rule:
            fault = self._body_fault(name, call)
            if fault is not None:
                return fault
        answer = self._do(name, identity, call)
        answer.media_type = MEDIA_TYPE
        burst, steady = rule["rate"]["burst"], rule["rate"]["steady"]
        answer.headers.setdefault("RateLimit-Limit", f"{burst}, {burst};w=1, {steady};w=60")
        answer.headers.setdefault("RateLimit-Remaining", "0")
        answer.headers.setdefault("RateLimit-Reset", "0")
        return answer

    def _body_fault(self, name: str, call: Call) -> Answer | None:
        if len(call.body) > 5_000_000:
            self.breach("more than 5 MB")
            return Answer(413, "<html>413</html>", media_type="text/html")
        try:
            body = call.json()
        except ValueError:
            return self._refuse(400, "invalid", "no JSON")
        error = next(iter(BODIES[name].iter_errors(body)), None)
        if error is not None:
            pointer = "/" + "/".join(str(part) for part in error.instance_path)
            return self._refuse(400, "invalid", f"{pointer}: {error.message[:200]}", pointer)
        if name == EVENTS:
            refused = self.events.fault(body)
            return self._refuse(400, "invalid", refused) if refused else None
        data = body["data"]
        profiles = data["attributes"]["profiles"]["data"] if name.endswith("jobs") else [data]
        if name.endswith("jobs") and len(profiles) > 10_000:
            return self._refuse(400, "invalid", "more than 10,000 profiles")
        for profile in profiles:
            if len(json.dumps(profile)) > 100_000:
                self.breach("a profile of more than 100 kB")
            if set(profile) - {"type", "attributes"} or set(profile["attributes"]) - {
                "email", "properties",
            }:  # fmt: skip
                self.breach(f"writes {sorted(profile['attributes'])} beside properties")
        if name.endswith("jobs") and has_null(profiles):
            return self._refuse(400, "invalid", "a null in a bulk import")
        emails = [profile["attributes"]["email"] for profile in profiles]
        if len({email.lower() for email in emails}) != len(emails):
            return self._refuse(400, "invalid", "an identity twice in one job")
        if any(email != email.strip().lower() for email in emails):
            self.breach("an e-mail that is not normalised")
        return None

    def _do(self, name: str, identity: str, call: Call) -> Answer:
        match name:
            case "GET /api/accounts":
                return Answer(body={"data": [{"type": "account", "id": "Abc123"}], "links": {}})
            case "GET /api/profiles":
                return self._find(call)
            case "POST /api/profile-import":
                return self._import_one(call.json()["data"]["attributes"])
            case "POST /api/profile-bulk-import-jobs":
                return self._import_many(call.json()["data"]["attributes"]["profiles"]["data"])
            case "POST /api/event-bulk-create-jobs":
                self.events.store(call.json())
                return Answer(202)
            case "GET /api/profile-bulk-import-jobs":
                return Answer(body={"data": [], "links": {"self": call.path, "next": None}})
        job = self.jobs.get(identity)
        if job is None:
            return _error(404, "not_found", "no such job")
        if name.endswith("import-errors"):
            return self._errors(identity, job, call)
        return self._poll(identity, job)

    def _find(self, call: Call) -> Answer:
        asked = call.query.get("filter", "")
        found = [e for e in self.profiles if asked == f"equals(email,{json.dumps(e)})"]
        if "filter" in call.query and not asked.startswith('equals(email,"'):
            self.breach(f"filter {asked[:20]}")
        rows = [{"type": "profile", "id": "01X", "attributes": {"email": e}} for e in found]
        return Answer(body={"data": rows, "links": {"self": "", "next": None, "prev": None}})

    def _import_one(self, attributes: dict[str, Any]) -> Answer:
        email = attributes["email"]
        if email in self.refused_at_once:
            return _error(400, "invalid", "Invalid email address", "/data/attributes/email")
        is_new = email not in self.profiles
        _merge(self.profiles.setdefault(email, {}), attributes.get("properties", {}))
        body = {"data": {"type": "profile", "id": "01X", "attributes": {**attributes, "new": [1]}}}
        return Answer(201 if is_new else 200, body)

    def _import_many(self, profiles: list[dict[str, Any]]) -> Answer:
        errors = [
            {
                "id": str(uuid4()), "status": 400, "code": "invalid", "title": "Invalid input.",
                "detail": "Invalid email address",
                "source": {"pointer": f"/data/attributes/profiles/data/{row}/attributes/email"},
                "links": {}, "meta": {},
            }
            for row, profile in enumerate(profiles)
            if profile["attributes"]["email"] in self.refused_at_once
        ]  # fmt: skip
        if errors:
            return Answer(400, {"errors": errors[:1]})  # names one bad row at a time
        emails = {profile["attributes"]["email"] for profile in profiles}
        if emails & self.identities_in_flight:
            self.breach("one identity in two jobs at a time")
        self.identities_in_flight |= emails
        identity = f"job_{len(self.jobs)}-{uuid4().hex}"
        self.jobs[identity] = Job(profiles, self.polls_until_complete)
        body = {"data": self._resource(identity, "queued"), "meta": {"agent_hints": {}}}
        return Answer(202, body)

    def _poll(self, identity: str, job: Job) -> Answer:
        job.polls -= 1
        if job.polls > 0:
            status = "queued" if job.polls > self.polls_until_complete // 2 else "processing"
            return Answer(body={"data": self._resource(identity, status), "links": {}})
        if job.polls == 0:
            self._finish(job)
        return Answer(body={"data": self._resource(identity, self.ends_as), "links": {}})

    def _finish(self, job: Job) -> None:
        for row, profile in enumerate(job.profiles):
            email = profile["attributes"]["email"]
            self.identities_in_flight.discard(email)
            if email in self.failing_later:
                job.errors.append(self._import_error(row, profile))
            elif self.ends_as == "complete":
                _merge(self.profiles.setdefault(email, {}), profile["attributes"]["properties"])

    def _import_error(self, row: int, profile: dict[str, Any]) -> dict[str, Any]:
        payload: dict[str, Any] | None = dict(profile["attributes"])
        pointer = "/data"
        if self.error_form == "shouting":
            payload = {**profile["attributes"], "email": profile["attributes"]["email"].upper()}
        elif self.error_form == "pointer":
            payload, pointer = None, f"/data/attributes/profiles/data/{row}"
        return {
            "type": "import-error",
            "id": str(uuid4()),
            "attributes": {
                "code": "invalid", "title": "Invalid input", "detail": "This one cannot be stored",
                "source": {"pointer": pointer}, "original_payload": payload,
            },
            "links": {"self": "x"},
        }  # fmt: skip

    def _errors(self, identity: str, job: Job, call: Call) -> Answer:
        start = int(call.query.get("page[cursor]", "0"))
        end = start + self.errors_page
        following = None
        if end < len(job.errors):
            place = f"{self.base_url}{JOBS}/{identity}/import-errors"
            following = f"{place}?{quote('page[cursor]')}={end}"
        return Answer(
            body={
                "data": job.errors[start:end],
                "links": {"self": call.path, "next": following, "prev": None},
            }
        )

    def _resource(self, identity: str, status: str) -> dict[str, Any]:
        job = self.jobs[identity]
        is_over = status in ("complete", "cancelled")
        return {
            "type": "profile-bulk-import-job",
            "id": identity,
            "attributes": {
                "status": status, "created_at": "2026-11-21T06:00:00+00:00",
                "total_count": len(job.profiles),
                "completed_count": len(job.profiles) - len(job.errors) if is_over else 0,
                "failed_count": len(job.errors),
                "completed_at": None, "started_at": None, "never_heard_of": {"a": [None]},
                "expires_at": "2026-11-28T06:00:00+00:00",
            },
            "relationships": {"lists": {"data": []}},
            "links": {"self": f"{self.base_url}{JOBS}/{identity}/"},
        }  # fmt: skip

    def _refuse(
        self, status: int, code: str, what: str, pointer: str = "/data", parameter: str = ""
    ) -> Answer:
        self.breach(what)
        return _error(status, code, what, pointer, parameter)


def throttled(seconds: int) -> Answer:
    """The 429 as recorded: the rate headers are gone, Retry-After is there."""
    answer = _error(429, "throttled", f"Request was throttled. Expected available in {seconds}.")
    answer.headers = {"Retry-After": str(seconds)}
    return answer


def _operation(call: Call) -> tuple[str | None, str]:
    path = urlsplit(call.path).path
    if f"{call.method} {path}" in RULES:
        return f"{call.method} {path}", ""
    parts = path.removeprefix(JOBS + "/").split("/")
    if path.startswith(JOBS + "/") and call.method == "GET":
        if len(parts) == 1:
            return f"GET {JOBS}/{{job_id}}", parts[0]
        if parts[1:] == ["import-errors"]:
            return f"GET {JOBS}/{{id}}/import-errors", parts[0]
    return None, ""


def _merge(known: dict[str, Any], new: dict[str, Any]) -> None:
    for name, value in new.items():
        if value is None:
            known.pop(name, None)
        else:
            known[name] = value


def _error(
    status: int, code: str, detail: str, pointer: str = "/data", parameter: str = ""
) -> Answer:
    source = {"parameter": parameter} if parameter else {"pointer": pointer}
    error = {"id": str(uuid4()), "status": status, "code": code, "title": code, "detail": detail}
    return Answer(status, {"errors": [{**error, "source": source}]}, media_type=MEDIA_TYPE)
