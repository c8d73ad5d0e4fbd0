"""Klaviyo profiles: bulk import jobs for values, single requests for what bulk cannot do.

Owns the requests and the meaning of Klaviyo's answers. Writes `properties` and the e-mail as key,
nothing else: no consent, no phone number, no name. Payloads arrive as JSON text made in DuckDB and
are joined as bytes, never parsed again.

    bulk lane    <= 10,000 rows -> POST a job -> poll -> import errors joined to rows
                 https://developers.klaviyo.com/en/docs/use_klaviyos_bulk_profile_import_api
    other lanes  one request a person, for what bulk cannot do: see `klaviyo_single`

The reading of single errors is in `klaviyo_errors`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
import orjson

from reverse_etl.destinations.base import (
    Batch,
    Event,
    JobReport,
    LaneLimits,
    Outcome,
    Settled,
    Submitted,
)
from reverse_etl.destinations.klaviyo_errors import (
    ApiProblem,
    import_failure,
    problems,
    rejected,
    row_index,
)
from reverse_etl.destinations.klaviyo_jobs import FINISHED, JOBS, ImportJobs, next_cursor
from reverse_etl.destinations.klaviyo_single import PROFILES as PROFILES
from reverse_etl.destinations.klaviyo_single import SingleWrites, profile_json
from reverse_etl.planned import PlannedRow
from vendor_http import (
    ApiClient,
    ConfigurationError,
    RateLimit,
    RequestRefusedError,
)

BASE_URL = "https://a.klaviyo.com"
REVISION = "2026-07-15"

MEDIA_TYPE = "application/vnd.api+json"

# A job takes 10,000 profiles and 5 MB after decompression. Bytes are counted exactly, so that only
# the meaning of MB is left in doubt: the smaller one.
BULK_ROWS = 10_000
BULK_BYTES = 5_000_000
# Small, so that a crash repeats few single requests.
SINGLE_ROWS = 100
# Below the burst limit of 75 requests per second whatever the latency, and enough to spend the
# minute's 750 at up to 600 ms per request.
SINGLE_THREADS = 8
# A refused bulk request is repaired and sent again at most this often; after that its rows are
# rejected together. Klaviyo names all bad rows at once, so one repair is the rule.
REPAIRS = 20
ERROR_PAGE = 100

_HEAD = b'{"data":{"type":"profile-bulk-import-job","attributes":{"profiles":{"data":['
_TAIL = b"]}}}}"

# Per account and operation, from the published OpenAPI document (x-klaviyo-ratelimit); bulk calls
# are whole, because `vendor_http.limits` keeps each window a little longer, single requests a
# little under, because threads send them. https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling
LIMITS: Mapping[str, Sequence[RateLimit]] = {
    "bulk": (RateLimit(10, 1), RateLimit(150, 60)),
    "job": (RateLimit(10, 1), RateLimit(150, 60)),
    "jobs": (RateLimit(10, 1), RateLimit(150, 60)),
    "import-errors": (RateLimit(10, 1), RateLimit(150, 60)),
    "profile-import": (RateLimit(70, 1), RateLimit(740, 60)),
    "profile-patch": (RateLimit(70, 1), RateLimit(740, 60)),
    "profiles": (RateLimit(70, 1), RateLimit(740, 60)),
    "event-bulk-create": (RateLimit(10, 1), RateLimit(150, 60)),
    "events": (RateLimit(330, 1), RateLimit(3_400, 60)),
}


def client(
    credential: str | httpx.Auth,
    base_url: str = BASE_URL,
    revision: str = REVISION,
    limits: Mapping[str, Sequence[RateLimit]] = LIMITS,
    max_attempts: int = 6,
) -> ApiClient:
    """A client of one Klaviyo account.

    Args:
        credential: a private key with profiles:read, profiles:write and lists:write, or what signs
            requests with an OAuth token of these scopes (`klaviyo_oauth`).
        base_url: without `/api`.
        revision: version of the API, a date; retired two years after its release.
        limits: requests per window by operation.
        max_attempts: tries per request.
    """
    headers = {"revision": revision, "accept": MEDIA_TYPE, "content-type": MEDIA_TYPE}
    auth = None if isinstance(credential, str) else credential
    if auth is None:
        headers["authorization"] = f"Klaviyo-API-Key {credential}"
    return ApiClient(
        vendor="Klaviyo",
        base_url=base_url,
        headers=headers,
        auth=auth,
        key_variables=["the scopes of the Klaviyo app" if auth else "KLAVIYO_API_KEY"],
        limits=limits,
        max_attempts=max_attempts,
        base_url_variable="KLAVIYO_BASE_URL",
    )


class KlaviyoProfiles:
    """Profiles of one account as a destination.

    Args:
        api: see `client`.
        bulk_rows, bulk_bytes: largest bulk import; 10,000 and 5 MB unless a test says otherwise.
        single_threads: requests to profile-import at the same time.
    """

    name = "klaviyo"
    object_name = "profiles"

    def __init__(
        self,
        api: ApiClient,
        *,
        bulk_rows: int = BULK_ROWS,
        bulk_bytes: int = BULK_BYTES,
        single_threads: int = SINGLE_THREADS,
    ) -> None:
        self._api = api
        self._jobs = ImportJobs(api)
        self._singles = SingleWrites(api, single_threads)
        self.lanes: Mapping[str, LaneLimits] = {
            "bulk": LaneLimits(bulk_rows, bulk_bytes - len(_HEAD) - len(_TAIL)),
            "single": LaneLimits(SINGLE_ROWS, bulk_bytes),
            "patch": LaneLimits(SINGLE_ROWS, bulk_bytes),
        }

    def __repr__(self) -> str:
        return "KlaviyoProfiles()"

    @property
    def requests(self) -> Mapping[str, int]:
        """Requests so far, by method."""
        return self._api.counts

    def row_bytes(self, row: PlannedRow) -> int:
        """Bytes of the profile in a bulk request, with its comma."""
        return len(profile_json(row)) + 1

    def deliver(self, batch: Batch) -> Iterator[Event]:
        """Send one batch; see `Destination.deliver`."""
        if batch.lane == "bulk":
            yield from self._deliver_bulk(batch.rows)
        elif batch.lane == "patch":
            yield from self._singles.patch(batch.rows)
        else:
            yield from self._singles.import_each(batch.rows)

    def finish(self) -> Iterator[Event]:
        """Nothing is put off."""
        return iter(())

    def poll(self, job_id: str, emails: Sequence[str]) -> JobReport:
        """Status of an import job, and what became of its rows once it ended."""
        attributes = self._jobs.attributes(job_id)
        if attributes is None:
            # Jobs are kept for seven days (attributes.expires_at).
            return JobReport("expired", outcomes=_all(emails, "unknown", "job_expired"))
        status = str(attributes.get("status"))
        failed = int(attributes.get("failed_count") or 0)
        done = int(attributes.get("completed_count") or 0) + failed
        if status not in FINISHED:  # a status never heard of counts as still running
            return JobReport(status, done)
        if status == "cancelled":
            return JobReport(status, done, _all(emails, "unknown", "job_cancelled"))
        return JobReport(status, done, self._job_outcomes(job_id, emails, failed))

    def _deliver_bulk(self, rows: Sequence[PlannedRow]) -> Iterator[Event]:
        queue = [list(rows)]
        repairs = 0
        while queue:
            part = queue.pop()
            content = _HEAD + b",".join(profile_json(row) for row in part) + _TAIL
            try:
                response = self._api.send(
                    "POST", JOBS, content=content, limit="bulk", check=_has_job_id
                )
            except RequestRefusedError as refusal:
                repairs += 1
                settled, again = _repair(part, refusal, may_repair=repairs <= REPAIRS)
                if settled:
                    yield Settled(settled)
                queue.extend(again)
                continue
            job_id = str(orjson.loads(response.content)["data"]["id"])
            self._jobs.add(job_id)
            yield Submitted(job_id, tuple(row.email for row in part))

    def _job_outcomes(self, job_id: str, emails: Sequence[str], failed: int) -> tuple[Outcome, ...]:
        """Accepted, but for the rows that the job's import errors name."""
        failures: dict[str, Outcome] = {}
        unnamed = 0
        known = frozenset(emails)
        for error in self._import_errors(job_id) if failed else ():
            email, problem = import_failure(error, emails, known)
            if email is None:
                unnamed += 1
            else:
                failures[email] = rejected(email, problem)
        if len(failures) + unnamed < failed or unnamed:
            # Some rows failed and nobody says which: the rest is uncertain and sent again.
            return tuple(
                failures.get(email) or Outcome(email, "unknown", "unattributed_failure")
                for email in emails
            )
        return tuple(failures.get(email) or Outcome(email, "accepted") for email in emails)

    def _import_errors(self, job_id: str) -> Iterator[Mapping[str, Any]]:
        params: dict[str, Any] = {"page[size]": ERROR_PAGE}
        while True:
            page = self._api.get_json(
                f"{JOBS}/{job_id}/import-errors",
                params=params,
                limit="import-errors",
                name="GET import errors",
            )
            yield from page["data"]
            cursor = next_cursor(page)
            if cursor is None or cursor == params.get("page[cursor]"):
                return
            params = {**params, "page[cursor]": cursor}


def _repair(
    rows: Sequence[PlannedRow], refusal: RequestRefusedError, *, may_repair: bool
) -> tuple[tuple[Outcome, ...], list[list[PlannedRow]]]:
    """What a refused bulk request means: rows to set aside, and parts to send again.

    400 refuses the whole job and points at the rows to blame; 413 is too large.

    Raises:
        ConfigurationError: the refusal is about the request itself, so every other would fail too.
    """
    found = problems(refusal)
    if refusal.status in (404, 405, 406, 410, 415) or any(p.is_about_request for p in found):
        raise ConfigurationError(
            f"Klaviyo refuses bulk imports with {refusal.status} ({found[0].code}). "
            "Check KLAVIYO_REVISION and KLAVIYO_BASE_URL"
        )
    blamed: dict[int, ApiProblem] = {}
    if refusal.status != 413:
        for problem in found:
            index = row_index(problem.pointer)
            if index is not None and index < len(rows):
                blamed.setdefault(index, problem)
    if blamed:
        outcomes = tuple(rejected(rows[i].email, problem) for i, problem in blamed.items())
        rest = [row for i, row in enumerate(rows) if i not in blamed]
    else:
        outcomes, rest = (), list(rows)
    if len(rest) == 1 and not blamed:
        return (rejected(rest[0].email, found[0]),), []
    if rest and not may_repair:
        return (*outcomes, *(rejected(row.email, found[0]) for row in rest)), []
    if not rest:
        return outcomes, []
    if blamed:
        return outcomes, [rest]
    middle = len(rest) // 2
    return outcomes, [rest[:middle], rest[middle:]]


def _all(emails: Sequence[str], state: str, reason_code: str) -> tuple[Outcome, ...]:
    return tuple(Outcome(email, state, reason_code) for email in emails)


def _has_job_id(response: httpx.Response) -> None:
    """An accepted job without a readable id is asked for again: importing twice is harmless."""
    if not isinstance(orjson.loads(response.content).get("data", {}).get("id"), str):
        raise ValueError("no job id")  # noqa: TRY004 - the client retries on ValueError
