"""Endpoints that read and write single profiles.

Payloads have passed the published schema. `profile-import`, POST and PATCH share their checks; they
differ in how the profile is found. References:
https://developers.klaviyo.com/en/reference/create_or_update_profile
https://developers.klaviyo.com/en/reference/get_profiles
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from sandbox.core.calls import Call, Reply
from sandbox.klaviyo import responses
from sandbox.klaviyo.checks import profile_problems, property_problems
from sandbox.klaviyo.filters import Condition, FilterError, moment, parse_filter
from sandbox.klaviyo.identity import read_opaque
from sandbox.klaviyo.imports import MAX_PROFILE_BYTES
from sandbox.klaviyo.pages import page
from sandbox.klaviyo.patching import Record
from sandbox.klaviyo.profiles import ProfileConflictError, ProfileMissingError
from sandbox.klaviyo.schema import Problem, operations
from sandbox.klaviyo.services import Services

IDENTITY_FILTERS = ("id", "email", "phone_number", "external_id")
LIST_OPERATION = "GET /api/profiles"
DEFAULT_PAGE_SIZE = 20


class ProfileEndpoints:
    """Reads and writes of single profiles."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def by_operation(self) -> dict[str, Callable[[Call], Reply]]:
        """Handlers by operation."""
        return {
            "POST /api/profile-import": self._import,
            LIST_OPERATION: self._list,
            "POST /api/profiles": self._create,
            "GET /api/profiles/{id}": self._get,
            "PATCH /api/profiles/{id}": self._update,
            "POST /api/data-privacy-deletion-jobs": self._forget,
        }

    def _import(self, call: Call) -> Reply:
        data = self._services.payload["data"]
        try:
            matches = self._services.profiles.matches(data)
            refusal = self._refusal(call, data, matches[0] if matches else None)
            if refusal is not None:
                return refusal
            record, is_new = self._services.profiles.upsert(data, self._services.write_rules())
        except ProfileConflictError as conflict:
            return responses.duplicate_profile(str(conflict))
        except ProfileMissingError as missing:
            return responses.not_found("profile", str(missing))
        return self._one(call, record, 201 if is_new else 200)

    def _create(self, call: Call) -> Reply:
        data = self._services.payload["data"]
        refusal = self._refusal(call, data, None)
        if refusal is not None:
            return refusal
        matches = self._services.profiles.matches(data)
        if matches:
            return responses.duplicate_profile(matches[0]["id"])
        record = self._services.profiles.create(data, self._services.write_rules())
        return self._one(call, record, 201)

    def _update(self, call: Call) -> Reply:
        data = self._services.payload["data"]
        profile_id = call.path_params["id"]
        if data["id"] != profile_id:
            problem = Problem("The id in the body differs from the path.", pointer="/data/id")
            return responses.invalid([problem])
        try:
            record = self._services.profiles.get(profile_id)
            refusal = self._refusal(call, data, record)
            if refusal is not None:
                return refusal
            self._services.profiles.update(profile_id, data, self._services.write_rules())
        except ProfileConflictError as conflict:
            return responses.duplicate_profile(str(conflict))
        except ProfileMissingError as missing:
            return responses.not_found("profile", str(missing))
        return self._one(call, record)

    def _get(self, call: Call) -> Reply:
        try:
            record = self._services.profiles.get(call.path_params["id"])
        except ProfileMissingError as missing:
            return responses.not_found("profile", str(missing))
        return self._one(call, record)

    def _forget(self, call: Call) -> Reply:
        """Exactly one identifier; 202 without a body, whether or not anybody has it.

        https://developers.klaviyo.com/en/reference/request_profile_deletion
        """
        del call
        data = self._services.payload["data"]["attributes"]["profile"]["data"]
        named = {**data["attributes"], "id": data.get("id")}
        given = [name for name, value in named.items() if value]
        if len(given) != 1:
            text = "Exactly one of email, phone_number and id is required."
            problem = Problem(text, pointer="/data/attributes/profile/data/attributes")
            return responses.invalid([problem])
        for record in self._identified(given[0], named[given[0]]):
            self._services.profiles.remove(record["id"])
        return responses.accepted()

    def _refusal(self, call: Call, data: Mapping[str, Any], record: Record | None) -> Reply | None:
        switches = self._services.switches
        if len(call.body) > MAX_PROFILE_BYTES:
            problem = Problem("The profile payload is larger than 100 KB.", pointer="/data")
            return responses.invalid([problem], switches["oversized_profile_status"])
        known = data if record is None else {**data, "id": record["id"]}
        stored = record["properties"] if record else {}
        problems = [
            *profile_problems(known, "/data"),
            *property_problems(data, stored, "/data", switches.values()),
        ]
        return responses.invalid(problems) if problems else None

    def _one(self, call: Call, record: Record, status: int = 200) -> Reply:
        resource = responses.profile_resource(record, call)
        links = {"self": responses.self_url(call)}
        return responses.document({"data": resource, "links": links}, status)

    def _list(self, call: Call) -> Reply:
        size = int(call.query.get("page[size]", DEFAULT_PAGE_SIZE))
        sort = call.query.get("sort", "")
        try:
            conditions = self._conditions(call)
            if not conditions and sort in ("", "id"):
                records, sort_name = self._next_by_id(call, size), "id"
            else:
                records = self._matching(conditions)
                # Unsorted pages of "changed since" run by the time of change, others by id.
                timed = next((c.field for c in conditions if c.field == "updated"), "id")
                sort_name = sort.lstrip("-") or timed
        except FilterError as error:
            return responses.invalid([Problem(str(error), parameter="filter")])
        return page(
            call,
            records,
            lambda record: str(record.get(sort_name) or ""),
            lambda record: responses.profile_resource(record, call),
            size,
            descending=sort.startswith("-"),
        )

    def _conditions(self, call: Call) -> list[Condition]:
        text = call.query.get("filter")
        if not text:
            return []
        return parse_filter(
            text,
            operations()[LIST_OPERATION].filters,
            self._services.switches["any_filter_values"],
        )

    def _next_by_id(self, call: Call, size: int) -> list[Record]:
        """One page and one more, straight from the sorted ids: a full walk stays linear."""
        ids = self._services.profiles.ids()
        start = 0
        cursor = call.query.get("page[cursor]")
        if cursor:
            try:
                start = bisect_right(ids, orjson.loads(read_opaque(cursor))[1])
            except (ValueError, IndexError, TypeError):
                start = 0  # `page` refuses the cursor with the right words
        return [self._services.profiles.get(key) for key in ids[start : start + size + 1]]

    def _matching(self, conditions: list[Condition]) -> list[Record]:
        store = self._services.profiles
        records: list[Record] | None = None
        for condition in conditions:
            if condition.field in IDENTITY_FILTERS:
                found = {
                    record["id"]: record
                    for value in condition.values
                    for record in self._identified(condition.field, value)
                }
                records = [
                    record
                    for record in (found.values() if records is None else records)
                    if record["id"] in found
                ]
        records = list(store) if records is None else records
        for condition in conditions:
            if condition.field not in IDENTITY_FILTERS:
                records = [record for record in records if _holds(condition, record)]
        return records

    def _identified(self, field: str, value: str) -> list[Record]:
        if field != "id":
            record = self._services.profiles.find(field, value)
            return [record] if record else []
        try:
            return [self._services.profiles.get(value)]
        except ProfileMissingError:
            return []


def _holds(condition: Condition, record: Record) -> bool:
    if condition.field not in ("created", "updated"):
        return False  # nobody has a _kx or a suppression of this kind here
    limit = moment(condition.values[0])
    value = moment(record[condition.field])
    return value > limit if condition.operator == "greater-than" else value < limit
