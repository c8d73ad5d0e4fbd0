"""A small paginating server for both loyalty vendors, and one call that runs a source against it.

For tests of extraction that need to hold each record in their hands; the sandbox serves a whole
shop. Records are plain dicts in lists, paged, filtered and ordered as the vendors document it.
Every test may replace the answer of one path.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import duckdb
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dlt_sources import smile, yotpo
from dlt_sources.declarations import Column, Table
from dlt_sources.extraction import Source, extract
from dlt_sources.history import read_history
from dlt_sources.loading import load
from dlt_sources.pipeline import build_pipeline
from dlt_sources.spool import Spool
from vendor_http import ApiClient

Record = dict[str, Any]
Answer = Callable[[Mapping[str, str]], tuple[int, Any]]
NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
FAST = 1_000_000


@dataclass
class FakeVendors:
    """State of the fake: records by path, replaced answers by path, and what was asked."""

    page_size: int = 3
    records: dict[str, list[Record]] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    details: dict[str, Record] = field(default_factory=dict)
    anniversaries: dict[str, Record] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    heard: Callable[[str], None] | None = None
    end_of_list: str | None = ""
    base_url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The settings that point the product at the fake."""
        return {
            "SMILE_API_KEY": "api_secret",
            "SMILE_BASE_URL": f"{self.base_url}/smile",
            "YOTPO_GUID": "guid",
            "YOTPO_API_KEY": "secret",
            "YOTPO_BASE_URL": f"{self.base_url}/yotpo",
        }

    def parameters(self, path: str) -> list[dict[str, str]]:
        """What was asked of one path, in order."""
        return [parameters for asked, parameters in self.asked if asked == path]

    def answer(self, path: str, parameters: dict[str, str]) -> tuple[int, Any]:
        self.asked.append((path, parameters))
        if self.heard is not None:
            self.heard(path)
        if path in self.answers:
            return self.answers[path](parameters)
        vendor, _, name = path.strip("/").partition("/")
        if vendor == "smile":
            return self._smile(name, path, parameters)
        if name == "customers":
            found = self.details.get(parameters["customer_email"].strip().lower())
            return (404, {}) if found is None else (200, found)
        if name == "customers/recent":
            return self._walk(path, parameters)
        if name == "customer_anniversary":
            found = self.anniversaries.get(parameters["customer_email"].strip().lower())
            return (404, {}) if found is None else (200, found)
        return 200, self.records.get(path, [])

    def _smile(self, name: str, path: str, parameters: dict[str, str]) -> tuple[int, Any]:
        records = self.records.get(path, [])
        if name == "points_settings":
            return (200, {name: records[0]}) if records else (404, {"error": {"message": "none"}})
        if name == "points_products":
            start = (int(parameters["page"]) - 1) * int(parameters["page_size"])
            return 200, {name: records[start : start + int(parameters["page_size"])]}
        if name == "vip_tiers":
            return 200, {name: records}
        since = parameters.get("updated_at_min")
        if since:
            inclusive = name == "points_transactions"
            records = [
                each
                for each in records
                if each["updated_at"] > since or (inclusive and each["updated_at"] == since)
            ]
        before = int(parameters.get("cursor", 10**12))
        rest = sorted((each for each in records if each["id"] < before), key=lambda e: -e["id"])
        page = rest[: self.page_size]
        following = str(page[-1]["id"]) if len(rest) > len(page) else self.end_of_list
        return 200, {name: page, "metadata": {"next_cursor": following, "previous_cursor": ""}}

    def _walk(self, path: str, parameters: dict[str, str]) -> tuple[int, Any]:
        start = int(parameters.get("page_info", 0))
        records = self.records.get(path, [])
        following = start + self.page_size
        return 200, {
            "customers": records[start:following],
            "metadata": {
                "next_page_info": str(following) if following < len(records) else self.end_of_list
            },
        }


@contextmanager
def running_fake(fake: FakeVendors | None = None) -> Iterator[FakeVendors]:
    """The fake on a free loopback port, in a thread of this process."""
    fake = fake or FakeVendors()

    def reply(request: Request) -> Response:
        status, body = fake.answer(request.url.path, dict(request.query_params))
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        return Response(content, status_code=status, media_type="application/json")

    config = uvicorn.Config(
        Starlette(routes=[Route("/{path:path}", reply)]), port=0, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "the fake vendor did not start within 10 s"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    fake.base_url = f"http://127.0.0.1:{port}"
    yield fake
    server.should_exit = True
    thread.join(timeout=10)


def vendor_client(vendor: str, environment: Mapping[str, str]) -> ApiClient:
    """A client at its own speed for the addresses and keys in `environment`."""
    if vendor == "smile":
        return smile.client(environment["SMILE_API_KEY"], environment["SMILE_BASE_URL"], FAST)
    return yotpo.client(
        environment["YOTPO_GUID"], environment["YOTPO_API_KEY"], environment["YOTPO_BASE_URL"], FAST
    )


def vendor_source(vendor: str, client: ApiClient | None, **options: Any) -> Source:
    if vendor == "smile":
        return smile.smile_source(client, **options)
    return yotpo.yotpo_source(client, **options)


def vendor_tables(vendor: str) -> tuple[Table, ...]:
    return tuple((smile.TABLES if vendor == "smile" else yotpo.TABLES).values())


@dataclass
class Warehouse:
    """One folder with a warehouse, and the runs that fill it."""

    home: Path
    fake: FakeVendors
    runs: int = 0

    @property
    def file(self) -> Path:
        return self.home / "warehouse.duckdb"

    def client(self, vendor: str) -> ApiClient:
        return vendor_client(vendor, self.fake.environment)

    def source(self, vendor: str, client: ApiClient | None, **options: Any) -> Source:
        options.setdefault("history", read_history(self.file, vendor, vendor))
        return vendor_source(vendor, client, **options)

    def spool(self, vendor: str) -> Path:
        return self.home / "spool" / vendor

    def extract(self, vendor: str, **options: Any) -> Mapping[str, int]:
        """The first half of a run: rows waiting to be loaded."""
        self.runs += 1
        shared = {
            name: options.pop(name)
            for name in ("extract_id", "clock", "allow_shrink", "observer", "policy", "program")
            if name in options
        }
        shared = {"program": vendor, "clock": lambda: NOW, "extract_id": self.runs, **shared}
        history = read_history(self.file, vendor, shared["program"])
        with self.client(vendor) as client:
            source = self.source(vendor, client, **{"history": history, **options})
            reach = options.get("reach", "daily")
            spool = extract(
                source, self.spool(vendor), reach=reach, present=history.present, **shared
            )
        rows: Counter[str] = Counter()
        for file in spool.files():
            rows[file.table] += file.row_count
        return rows

    def load(self, vendor: str) -> Mapping[str, int]:
        return load(self.pipeline(vendor), self.tables(vendor), Spool.find(self.spool(vendor)))

    def run(self, vendor: str, **options: Any) -> Mapping[str, int]:
        """A whole run against the fake."""
        self.extract(vendor, **options)
        return self.load(vendor)

    def run_unconfigured(self, vendor: str) -> None:
        """A whole run of a vendor without keys."""
        load(self.pipeline(vendor), self.source(vendor, None).tables, None)

    def pipeline(self, vendor: str, program: str | None = None) -> dlt.Pipeline:
        return build_pipeline(vendor, self.file, self.home / "dlt", program=program)

    def tables(self, vendor: str) -> tuple[Table, ...]:
        return vendor_tables(vendor)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            connection.execute("set timezone = 'UTC'")
            return connection.execute(query).fetchall()


_SAMPLES: Mapping[str, Callable[[int], Any]] = {
    "text": lambda number: f"text {number}",
    "bigint": lambda number: number,
    "double": lambda number: number + 0.5,
    "bool": lambda number: number % 2 == 0,
    "timestamp": lambda number: f"2026-10-{number % 28 + 1:02d}T12:00:00.{number % 1000:03d}Z",
    "date": lambda number: f"2026-10-{number % 28 + 1:02d}",
    "json": lambda number: {"number": number, "list": [number]},
}
OURS = {
    "has_vip_status", "email_key", "record_hash", "list_record_hash", "is_found", "list_position",
    "history_item_id", "occurrence", "credit_balance_amount",
}  # fmt: skip


def sample_record(table: Table, number: int) -> Record:
    """A record with every field that `table` declares, as the vendor would send it."""
    record: Record = {}
    for column in table.columns:
        if column.name not in OURS:
            _put(record, column, _SAMPLES[column.type](number))
    if "id" in record:
        record["id"] = number
    if "email" in record:
        record["email"] = f"Member.{number}@shop.invalid"
    return record


def _put(record: Record, column: Column, value: Any) -> None:
    *parents, key = column.path
    owner = record
    for parent in parents:
        owner = owner.setdefault(parent, {})
    owner[key] = value
