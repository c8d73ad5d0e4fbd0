"""Klaviyo and Rule as far as a sync needs them: `python -m benchmarks.activate.vendors --port N`.

Keeps the documented windows exactly, with the sandbox's own limiter, and stores nothing, so that it
never is what a sync waits for: the sandbox checks and merges each profile, which costs more than
the sync itself. What a request may look like is checked by counting, and one body in twenty is
read. Nothing is judged here but sizes and rates; correctness is tested against the sandbox.

    https://developers.klaviyo.com/en/reference/bulk_import_profiles   10,000 rows, 5 MB
    https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling
    https://github.com/rulecom/rule-io-sdk                              1,000 rows, 2,000 in 10 min
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import uvicorn
from starlette.types import Receive, Scope, Send

from sandbox.core.limits import Limiter, Verdict, Window
from sandbox.rule.limits import wall_time

JOBS = "/klaviyo/api/profile-bulk-import-jobs"
BULK_ROWS, BULK_BYTES = 10_000, 5_000_000
RULE_ROWS = 1_000
KLAVIYO_BULK = (Window(10, 1), Window(150, 60))
KLAVIYO_SINGLE = (Window(75, 1), Window(750, 60))
RULE = (Window(2_000, 600),)
LIMITS: Mapping[str, Sequence[Window]] = {
    "submit": KLAVIYO_BULK,
    "job": KLAVIYO_BULK,
    "jobs": KLAVIYO_BULK,
    "import-errors": KLAVIYO_BULK,
    "profile-import": KLAVIYO_SINGLE,
    "profiles": KLAVIYO_SINGLE,
    "profile": KLAVIYO_SINGLE,
    "rule": RULE,
}
_READ_ONE_IN = 20
_PAGE = 100
_JSON = [(b"content-type", b"application/vnd.api+json")]


class Vendors:
    """Both accounts, as one ASGI application.

    Args:
        processing_seconds: what an import job takes from its acceptance to `complete`.
        latency_seconds: silence before each answer.
    """

    def __init__(self, processing_seconds: float, latency_seconds: float) -> None:
        self._processing = processing_seconds
        self._latency = latency_seconds
        self.reset()

    def reset(self) -> None:
        """An account that nobody has used for a while."""
        self._limiters = {name: Limiter(windows) for name, windows in LIMITS.items()}
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._jobs: dict[str, tuple[float, int]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = await _body(receive)
        path = scope["path"].rstrip("/")
        if path.startswith("/_bench"):
            if path.endswith("reset"):
                self.reset()
            report = {
                "counts": self.counts, "faults": self.faults[:5], "cpu": time.process_time(),
            }  # fmt: skip
            await _answer(send, 200, _JSON, json.dumps(report).encode())
            return
        if self._latency:
            await asyncio.sleep(self._latency)
        operation, window = _operation(scope["method"], path)
        self.counts[operation] += 1
        self.counts["bytes"] += len(body)
        verdict = self._limiters[window].charge()
        if not verdict.allowed:
            self.counts["429"] += 1
            await _answer(send, 429, _pause(window, verdict), b'{"errors":[]}')
            return
        status, answer = self._reply(operation, path, body)
        if status >= 400:
            self.counts[f"status {status}"] += 1
        await _answer(send, status, _JSON, orjson.dumps(answer) if answer is not None else b"")

    def _reply(self, operation: str, path: str, body: bytes) -> tuple[int, Any]:
        if operation == "submit":
            rows = body.count(b'{"type":"profile",')
            self._check(body, rows, BULK_ROWS, BULK_BYTES)
            self.counts["rows"] += rows
            job_id = f"job{len(self._jobs)}"
            self._jobs[job_id] = (time.monotonic(), rows)
            return 202, {"data": self._job(job_id)}
        if operation == "job":
            return 200, {"data": self._job(path.rpartition("/")[2])}
        if operation == "jobs":
            newest = list(self._jobs)[: -_PAGE - 1 : -1]
            return 200, {"data": [self._job(name) for name in newest], "links": {"next": None}}
        if operation == "rule":
            rows = body.count(b'{"email":')
            self._check(body, rows, RULE_ROWS, BULK_BYTES)
            self.counts["rows"] += rows
            return 200, {"message": "Success"}
        if operation == "untag":
            return 200, {"message": "Success"}
        if operation in ("profile-import", "profiles", "profile"):
            self._check(body, 1, 1, 100_000)
            self.counts["rows"] += 1
            return 201, {"data": {"type": "profile", "id": "01", "attributes": {}}}
        return 404, {"errors": []}

    def _check(self, body: bytes, rows: int, most_rows: int, most_bytes: int) -> None:
        if not 0 < rows <= most_rows or len(body) > most_bytes:
            self.faults.append(f"{rows} rows, {len(body)} bytes")
        if self.counts["rows"] % _READ_ONE_IN == 0:
            orjson.loads(body)

    def _job(self, job_id: str) -> dict[str, Any]:
        at, rows = self._jobs[job_id]
        is_done = time.monotonic() - at >= self._processing
        created = datetime.now(UTC) - timedelta(seconds=time.monotonic() - at)
        return {
            "type": "profile-bulk-import-job",
            "id": job_id,
            "attributes": {
                "status": "complete" if is_done else "processing",
                "created_at": created.isoformat(timespec="seconds"),
                "total_count": rows,
                "completed_count": rows if is_done else 0,
                "failed_count": 0,
            },
        }


def _operation(method: str, path: str) -> tuple[str, str]:
    """What is asked, and the window it is charged to."""
    if path.startswith("/rule"):
        return ("untag" if method == "DELETE" else "rule"), "rule"
    if path.startswith(JOBS):
        name = "submit" if method == "POST" else "jobs" if path == JOBS else "job"
        return name, name
    name = path.split("/")[3]
    if name == "profiles" and method == "PATCH":
        name = "profile"
    return name, name


def _pause(window: str, verdict: Verdict) -> list[tuple[bytes, bytes]]:
    wait = verdict.retry_after_seconds
    value = wall_time(wait) if window == "rule" else str(wait)
    return [*_JSON, (b"retry-after", value.encode())]


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(
    send: Send, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--processing-seconds", type=float, default=1.0)
    parser.add_argument("--latency-seconds", type=float, default=0.0)
    options = parser.parse_args()
    uvicorn.run(
        Vendors(options.processing_seconds, options.latency_seconds),
        host="127.0.0.1", port=options.port, lifespan="off",
        log_level="warning", access_log=False, ws="none",
    )  # fmt: skip


if __name__ == "__main__":
    main()
