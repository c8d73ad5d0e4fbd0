"""How Klaviyo's import jobs stand, asked with few requests.

One job is asked about by its id. Several are looked up in the list of the newest, a hundred to a
page: at 150 submissions a minute, asking about each only twice would take twice the minute's budget
of its own. https://developers.klaviyo.com/en/reference/get_bulk_import_profiles_jobs
"""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from vendor_http import ApiClient

JOBS = "/api/profile-bulk-import-jobs"
FINISHED = ("complete", "cancelled")
# From so many open jobs on, the list is asked for.
_LIST_FROM = 3
_LIST_PAGE = 100
# Other tools of the account have jobs too; beyond so many pages ours are asked about one by one.
_LIST_PAGES = 5
# A line of the list tells about one question, and only while it is fresh.
_FRESH_SECONDS = 1.0

Attributes = Mapping[str, Any]


def next_cursor(page: Mapping[str, Any]) -> str | None:
    """The cursor alone is taken from a page's link: a link to another host gets no key."""
    link = (page.get("links") or {}).get("next") or ""
    found = parse_qs(urlsplit(link).query).get("page[cursor]")
    return found[0] if found else None


class ImportJobs:
    """The jobs of one account that somebody waits for."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._open: set[str] = set()
        self._listed: dict[str, Attributes] = {}
        self._listed_at = 0.0

    def add(self, job_id: str) -> None:
        """A job was submitted."""
        self._open.add(job_id)

    def attributes(self, job_id: str) -> Attributes | None:
        """`status`, `completed_count`, `failed_count`; None when the vendor has no such job.

        Raises:
            VendorUnavailableError: it cannot be asked at present.
        """
        self._open.add(job_id)
        found = self._from_list(job_id) or self._singly(job_id)
        if found is None or found.get("status") in FINISHED:
            self._open.discard(job_id)
        return found

    def _singly(self, job_id: str) -> Attributes | None:
        answer = self._api.get_json(
            f"{JOBS}/{job_id}", limit="job", accept=(404, 410), name="GET import job"
        )
        if answer is None:
            return None
        attributes: Attributes = answer["data"]["attributes"]
        return attributes

    def _from_list(self, job_id: str) -> Attributes | None:
        if len(self._open) < _LIST_FROM:
            return None
        is_fresh = time.monotonic() - self._listed_at < _FRESH_SECONDS
        if not is_fresh or job_id not in self._listed:
            self._listed = self._list()
            self._listed_at = time.monotonic()
        return self._listed.pop(job_id, None)

    def _list(self) -> dict[str, Attributes]:
        """The open ones among the newest jobs; reads on until all are found."""
        found: dict[str, Attributes] = {}
        params: dict[str, Any] = {
            "sort": "-created_at",
            "page[size]": _LIST_PAGE,
            "fields[profile-bulk-import-job]": "status,completed_count,failed_count",
        }
        for _ in range(_LIST_PAGES):
            page = self._api.get_json(JOBS, params=params, limit="jobs", name="GET import jobs")
            for job in page["data"]:
                if job["id"] in self._open:
                    found[job["id"]] = job["attributes"]
            cursor = next_cursor(page)
            if cursor is None or cursor == params.get("page[cursor]"):
                break
            if len(found) == len(self._open):
                break
            params["page[cursor]"] = cursor
        return found
