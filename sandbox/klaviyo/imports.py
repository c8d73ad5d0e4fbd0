"""Bulk import jobs: accepted at once, worked off later, forgotten after seven days.

Owns the jobs and the order in which their rows reach the profile store. A job that is due is
finished when anybody next looks (`settle`), so no thread is needed. It must not validate requests:
rows arrive here checked.
Rules: https://developers.klaviyo.com/en/docs/use_klaviyos_bulk_profile_import_api
"""

import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import orjson

from sandbox.core.switches import Switches
from sandbox.klaviyo.identity import email_key, opaque_id
from sandbox.klaviyo.patching import Record
from sandbox.klaviyo.profiles import (
    PRECEDENCE,
    ProfileConflictError,
    ProfileMissingError,
    ProfileStore,
    WriteRules,
)

MAX_PROFILE_BYTES = 100 * 1024
JOB_LIFE = timedelta(days=7)
DUPLICATE = "A profile already exists with one of these identifiers."
OVERSIZED = "The profile payload is larger than 100 KB."
ORDERED = "The profile could not be imported."


class ImportJobs:
    """Jobs by id. `now` is the sandbox's clock, `switches` and `dice` the vendor's."""

    def __init__(
        self,
        profiles: ProfileStore,
        now: Callable[[], datetime],
        switches: Switches,
        dice: Random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._profiles = profiles
        self._now = now
        self._switches = switches
        self._dice = dice
        self._monotonic = monotonic
        self._jobs: dict[str, Record] = {}

    def submit(
        self,
        rows: Sequence[Mapping[str, Any]],
        list_ids: Sequence[str],
        *,
        fate: str | None = None,
        failing: Mapping[str, Any] | None = None,
    ) -> Record:
        """Accepts rows; `fate` is `stuck` or `cancelled`, `failing` says which rows will fail."""
        created = self._now()
        token = f"sandbox_maintenance.{len(self._jobs) + 1}.{int(created.timestamp())}"
        job: Record = {
            "id": opaque_id(f"{token}.{uuid.uuid4().hex[:6]}"),
            "status": "queued",
            "created_at": created.isoformat(timespec="seconds"),
            "expires_at": (created + JOB_LIFE).isoformat(timespec="seconds"),
            "started_at": None,
            "completed_at": None,
            "total_count": len(rows),
            "completed_count": 0,
            "failed_count": 0,
            "list_ids": list(list_ids),
            "fate": fate,
            "failing": dict(failing or {}),
            "rows": list(rows),
            "errors": [],
            "profile_ids": [],
            "reads": 0,
            "submitted": self._monotonic(),
        }
        self._jobs[job["id"]] = job
        return job

    def read(self, job_id: str) -> Record | None:
        """One job that has not expired; counts as a read towards `import_polls`."""
        job = self._jobs.get(job_id)
        if job is None or self._now() >= datetime.fromisoformat(job["expires_at"]):
            return None
        self.settle()
        job["reads"] += 1
        return job

    def all(self) -> list[Record]:
        """Jobs that have not expired, oldest first."""
        self.settle()
        now = self._now().isoformat(timespec="seconds")
        return [job for job in self._jobs.values() if now < job["expires_at"]]

    def release_stuck(self) -> None:
        """Lets stuck jobs go on (the fault was cleared)."""
        for job in self._jobs.values():
            if job["fate"] == "stuck":
                job["fate"] = None

    def settle(self) -> None:
        """Moves every job to where it should be by now; applies those that are due."""
        for job in self._jobs.values():
            if job["status"] not in ("complete", "cancelled"):
                self._progress(job)

    def _progress(self, job: Record) -> None:
        seconds, polls = self._switches["import_seconds"], self._switches["import_polls"]
        waited = self._monotonic() - job["submitted"]
        progress = min(
            waited / seconds if seconds > 0 else 1.0, job["reads"] / polls if polls > 0 else 1.0
        )
        if progress >= 0.5 and job["status"] == "queued":
            job["status"] = "processing"
            job["started_at"] = self._now().isoformat(timespec="seconds")
        if progress < 1 or job["fate"] == "stuck":
            return
        if job["fate"] == "cancelled":
            job["status"] = "cancelled"
        else:
            self._apply(job)
            job["status"] = "complete"
        job["completed_at"] = self._now().isoformat(timespec="seconds")
        job["rows"] = []

    def _apply(self, job: Record) -> None:
        rules = WriteRules(
            nulls_clear=self._switches["bulk_null"] == "clears",
            merge_conflicts=self._switches["identifier_conflict"] == "merged",
            append_is_set=self._switches["append"] == "set",
            apply_meta=self._switches["bulk_meta"] == "applied",
        )
        for row in self._without_duplicates(job["rows"]):
            reason = self._failure(job, row)
            if reason is None:
                try:
                    record, _ = self._profiles.upsert(row, rules)
                except ProfileConflictError:
                    reason = DUPLICATE
                except ProfileMissingError as error:
                    reason = f"A profile with id {error} does not exist."
                else:
                    job["profile_ids"].append(record["id"])
                    continue
            job["errors"].append(_import_error(reason, row))
        job["failed_count"] = len(job["errors"])
        job["completed_count"] = job["total_count"] - job["failed_count"]

    def _without_duplicates(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for row in rows:
            groups.setdefault(_identity(row), []).append(row)
        keep = self._switches["bulk_duplicate"]
        for group in groups.values():
            if len(group) == 1 or keep == "first":
                yield group[0]
            else:
                yield group[-1] if keep == "last" else self._dice.choice(group)

    @staticmethod
    def _failure(job: Record, row: Mapping[str, Any]) -> str | None:
        if len(orjson.dumps(row)) > MAX_PROFILE_BYTES:
            return OVERSIZED
        failing = job["failing"]
        if not failing:
            return None
        email = email_key(row["attributes"].get("email") or "")
        named = {email_key(part) for part in failing["emails"].split(",") if part}
        share = 0.0 if named else float(failing["share"])
        is_hit = email in named or zlib.crc32(email.encode()) % 10_000 < share * 10_000
        return ORDERED if is_hit else None

    def dump(self) -> list[Record]:
        """Jobs that have not expired, as JSON values."""
        now = self._now().isoformat(timespec="seconds")
        return [job for job in self._jobs.values() if now < job["expires_at"]]

    def load(self, jobs: Sequence[Record]) -> None:
        """The opposite of `dump`; waiting jobs start their delay anew."""
        self._jobs = {job["id"]: {**job, "submitted": self._monotonic()} for job in jobs}


def _identity(row: Mapping[str, Any]) -> tuple[str, str]:
    if row.get("id"):
        return "id", row["id"]
    for name in ("email", *PRECEDENCE):
        value = row["attributes"].get(name)
        if value:
            return name, email_key(value) if name == "email" else value
    return "row", str(id(row))


def _import_error(detail: str, row: Mapping[str, Any]) -> Record:
    return {
        "type": "import-error",
        "id": str(uuid.uuid4()),
        "attributes": {
            "code": "invalid",
            "title": "Invalid input",
            "detail": detail,
            "source": {"pointer": "/data"},
            "original_payload": {
                **({"id": row["id"]} if row.get("id") else {}),
                **row["attributes"],
            },
        },
    }
