"""Endpoints of bulk import jobs.

A job is refused as a whole, with a pointer for each bad row, or accepted as a whole. References:
https://developers.klaviyo.com/en/reference/bulk_import_profiles
https://developers.klaviyo.com/en/reference/get_errors_for_bulk_import_profiles_job
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from sandbox.core.calls import Call, Reply
from sandbox.klaviyo import responses
from sandbox.klaviyo.checks import profile_problems, property_problems
from sandbox.klaviyo.filters import FilterError, parse_filter
from sandbox.klaviyo.imports import MAX_PROFILE_BYTES, OVERSIZED
from sandbox.klaviyo.pages import page
from sandbox.klaviyo.patching import Record
from sandbox.klaviyo.profiles import ProfileMissingError
from sandbox.klaviyo.schema import Problem, operations
from sandbox.klaviyo.services import Services

MAX_PROFILES = 10_000
ROWS = "/data/attributes/profiles/data"
LIST_OPERATION = "GET /api/profile-bulk-import-jobs"
SUBMIT_OPERATION = "POST /api/profile-bulk-import-jobs"
READ_OPERATION = "GET /api/profile-bulk-import-jobs/{job_id}"
DEFAULT_PAGE_SIZE = 20


class ImportEndpoints:
    """Submitting and watching bulk import jobs."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def by_operation(self) -> dict[str, Callable[[Call], Reply]]:
        """Handlers by operation."""
        return {
            SUBMIT_OPERATION: self._submit,
            LIST_OPERATION: self._list,
            READ_OPERATION: self._get,
            "GET /api/profile-bulk-import-jobs/{id}/import-errors": self._errors,
            "GET /api/profile-bulk-import-jobs/{id}/profiles": self._profiles,
        }

    def _submit(self, call: Call) -> Reply:
        data = self._services.payload["data"]
        rows: Sequence[Mapping[str, Any]] = data["attributes"]["profiles"]["data"]
        if len(rows) > MAX_PROFILES:
            text = f"A job can hold at most {MAX_PROFILES} profiles."
            return responses.invalid([Problem(text, pointer=ROWS)])
        lists = ((data.get("relationships") or {}).get("lists") or {}).get("data") or []
        if lists:
            text = f"List ID {lists[0]['id']} does not exist."
            return responses.invalid([Problem(text, pointer="/data")])
        problems = list(self._row_problems(rows))
        if problems:
            return responses.invalid(problems)
        faults, fate = self._services.faults, None
        if faults.draw("stuck_job", call.operation) is not None:
            fate = "stuck"
        elif faults.draw("cancelled_job", call.operation) is not None:
            fate = "cancelled"
        failing = faults.draw("import_error", call.operation)
        job = self._services.imports.submit(rows, [], fate=fate, failing=failing)
        return responses.document({"data": job_resource(job, call)}, 202)

    def _row_problems(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
        switches = self._services.switches
        refuses_phone = switches["bulk_bad_phone"] == "refused"
        refuses_size = switches["bulk_oversized_profile"] == "refused"
        checks_properties = (
            switches["max_properties"]
            or switches["property_types"] == "locked"
            or switches["unset_missing"] == "refused"
        )
        for index, row in enumerate(rows):
            pointer = f"{ROWS}/{index}"
            yield from profile_problems(row, pointer, is_bulk=True, refuses_phone=refuses_phone)
            if refuses_size and len(orjson.dumps(row)) > MAX_PROFILE_BYTES:
                yield Problem(OVERSIZED, pointer=pointer)
            if checks_properties:
                stored = self._stored_properties(row)
                yield from property_problems(row, stored, pointer, switches.values())

    def _stored_properties(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            matches = self._services.profiles.matches(row)
        except ProfileMissingError:
            return {}
        properties: Mapping[str, Any] = matches[0]["properties"] if matches else {}
        return properties

    def _get(self, call: Call) -> Reply:
        job_id = call.path_params["job_id"]
        job = self._job(call, job_id)
        if job is None:
            return responses.not_found("profile-bulk-import-job", job_id)
        resource = job_resource(job, call)
        strange = self._services.faults.draw("job_status", call.operation)
        if strange is not None:
            resource["attributes"]["status"] = strange["value"]
        links = {"self": responses.self_url(call)}
        return responses.document({"data": responses.sparse(resource, call), "links": links})

    def _list(self, call: Call) -> Reply:
        jobs = self._services.imports.all()
        text = call.query.get("filter")
        if text:
            try:
                conditions = parse_filter(text, operations()[LIST_OPERATION].filters, 100)
            except FilterError as error:
                return responses.invalid([Problem(str(error), parameter="filter")])
            for condition in conditions:
                if not set(condition.values) <= {"queued", "processing", "complete"}:
                    problem = Problem("Invalid filter value for 'status'.", parameter="filter")
                    return responses.invalid([problem])
                jobs = [job for job in jobs if job["status"] in condition.values]
        return page(
            call,
            jobs,
            lambda job: str(job["created_at"]),
            lambda job: responses.sparse(job_resource(job, call), call),
            _size(call),
            descending=call.query.get("sort") == "-created_at",
        )

    def _errors(self, call: Call) -> Reply:
        job = self._job(call, call.path_params["id"])
        if job is None:
            return responses.not_found("profile-bulk-import-job", call.path_params["id"])
        return page(
            call,
            job["errors"],
            lambda _: "",
            lambda error: responses.sparse({**error}, call),
            _size(call),
        )

    def _profiles(self, call: Call) -> Reply:
        job = self._job(call, call.path_params["id"])
        if job is None:
            return responses.not_found("profile-bulk-import-job", call.path_params["id"])
        known = set(self._services.profiles.ids())
        records = [self._services.profiles.get(key) for key in job["profile_ids"] if key in known]
        return page(
            call,
            records,
            lambda _: "",
            lambda record: responses.profile_resource(record, call),
            _size(call),
        )

    def _job(self, call: Call, job_id: str) -> Record | None:
        if self._services.faults.draw("expired_job", call.operation) is not None:
            return None
        return self._services.imports.read(job_id)


def job_resource(job: Record, call: Call) -> Record:
    """A job as POST and GET return it."""
    self_link = responses.link(call, f"profile-bulk-import-jobs/{job['id']}/")
    names = (
        "status",
        "created_at",
        "total_count",
        "completed_count",
        "failed_count",
        "completed_at",
        "expires_at",
        "started_at",
    )
    relationships: Record = {
        name: {
            "links": {
                "self": f"{self_link}relationships/{name}/",
                "related": f"{self_link}{name}/",
            }
        }
        for name in ("lists", "profiles")
    }
    relationships["lists"]["data"] = [{"type": "list", "id": key} for key in job["list_ids"]]
    relationships["import-errors"] = {"links": {"related": f"{self_link}import-errors/"}}
    return {
        "type": "profile-bulk-import-job",
        "id": job["id"],
        "attributes": {name: job[name] for name in names},
        "relationships": relationships,
        "links": {"self": self_link},
    }


def _size(call: Call) -> int:
    return int(call.query.get("page[size]", DEFAULT_PAGE_SIZE))
