"""Reads back what the vendors hold and compares it with what the ledger says they accepted.

Owns the order of things: choose people, read them in parts, compare, look twice where a vendor may
only be late, write down. Knows no vendor's HTTP (`Reader`), and holds no lock while it reads, so no
sync waits for it: whoever is written to meanwhile is left out. Writes nothing at the vendor.

    choose_people -> read + compare -> second look -> record_read_back -> (mark_for_repair)
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import orjson

from reverse_etl.declarations import SyncSpec
from reverse_etl.destinations.base import DeliveryStoppedError
from reverse_etl.drift import WHOLE_PERSON, Comparison, Difference
from reverse_etl.ledger_file import LedgerFile, Scope
from reverse_etl.ledger_read_back import (
    ReadBack,
    choose_people,
    drift_by_property,
    holdings,
    record_drift,
    record_read_back,
    tags_given,
)
from vendor_http import VendorUnavailableError

logger = logging.getLogger(__name__)

SAMPLE = 500
# What a vendor accepted so recently may not be visible yet: a difference is believed only when a
# second look shows it too. Rule's own live test allows 5 s (SDK tests/integration.test.ts); for
# Klaviyo nothing is documented.
FRESH = timedelta(minutes=15)
SECOND_LOOK_SECONDS = 10.0


class Estimate(NamedTuple):
    """What reading costs at least."""

    requests: int
    seconds: float


@dataclass(frozen=True, repr=False)
class Shown:
    """What a vendor shows of one person: property -> value; None = it does not know the person."""

    email: str
    values: Mapping[str, Any] | None

    def __repr__(self) -> str:
        return f"Shown({'nobody' if self.values is None else len(self.values)})"


class Reader(Protocol):
    """One vendor's object that can be read back."""

    @property
    def name(self) -> str:
        """`klaviyo`, as in the declarations."""

    @property
    def object_name(self) -> str:
        """`profiles`, as in the declarations."""

    @property
    def people_at_once(self) -> int:
        """How many people to ask for between two looks into the ledger."""

    def estimate(self, people: int) -> Estimate:
        """Requests and seconds for so many people."""

    def read(self, emails: Sequence[str]) -> Iterator[Shown]:
        """Each of `emails`.

        Raises:
            DeliveryStoppedError: read nothing more now.
            VendorUnavailableError: passing trouble.
            ConfigurationError: nothing can be read with this key or setting.
        """


class ReadProgress(NamedTuple):
    """How far a read-back is; `estimate` is for all of `chosen`."""

    checked: int
    chosen: int
    known: int
    estimate: Estimate


Report = Callable[[ReadProgress], None]


def _no_report(_progress: ReadProgress) -> None:
    """Nobody watches."""


def read_back(
    reader: Reader,
    ledger: LedgerFile,
    spec: SyncSpec,
    now: datetime,
    read_back_id: str,
    *,
    sample: int | None = SAMPLE,
    report: Report = _no_report,
    second_look_seconds: float = SECOND_LOOK_SECONDS,
) -> ReadBack:
    """Read people back, compare, and write the result into the ledger.

    Args:
        spec: the declared sync; says which properties are ours and of what kind.
        now: the product's clock, with a zone; its day chooses the sample.
        read_back_id: name of this read-back in the ledger.
        sample: how many people to read; None = everybody.
        second_look_seconds: pause before reading those again who differ and were written lately.

    Raises:
        VendorUnavailableError: nobody could be read. Trouble after that ends the reading early:
            see `ReadBack.stopped`.
        ConfigurationError: the vendor refuses the key.
        LedgerBusyError: another read-back of this destination is running.
        ValueError: the declaration is another destination's.
    """
    scope = Scope(reader.name, reader.object_name)
    if scope != Scope(spec.destination, spec.object_name):
        raise ValueError(f"{scope} cannot be compared with the declaration of {spec.model}")
    with ledger.exclusive(Scope(scope.destination, f"{scope.object_name}.read_back")):
        return _ReadBack(
            reader, ledger, scope, spec, now, read_back_id, report, second_look_seconds
        ).run(sample)


class _ReadBack:
    """One execution."""

    def __init__(
        self,
        reader: Reader,
        ledger: LedgerFile,
        scope: Scope,
        spec: SyncSpec,
        now: datetime,
        read_back_id: str,
        report: Report,
        second_look_seconds: float,
    ) -> None:
        self._reader = reader
        self._ledger = ledger
        self._scope = scope
        self._now = now
        self._id = read_back_id
        self._report = report
        self._second_look_seconds = second_look_seconds
        tags = tags_given(ledger, scope) if spec.tags_column else frozenset[str]()
        self._comparison = Comparison(spec, tags)
        self._people: Counter[str] = Counter()  # accurate, missing, drifted
        self._doubtful: dict[str, list[Difference]] = {}  # waiting for their second look
        self._stopped: str | None = None

    def run(self, sample: int | None) -> ReadBack:
        started = time.monotonic()
        known, chosen = choose_people(self._ledger, self._scope, self._now, sample)
        estimate = self._reader.estimate(len(chosen))
        self._report(ReadProgress(0, len(chosen), known, estimate))
        for part in self._parts(chosen):
            self._check(part, may_be_late=True)
            done = self._people.total() + len(self._doubtful)
            self._report(ReadProgress(done, len(chosen), known, estimate))
        if self._doubtful and not self._stopped:
            time.sleep(self._second_look_seconds)
            for part in self._parts(list(self._doubtful)):
                self._check(part, may_be_late=False)
        self._believe(self._doubtful)  # who could not be read again: as they were
        result = ReadBack(
            read_back_id=self._id,
            scope=self._scope,
            started_at=self._now,
            finished_at=self._now + timedelta(seconds=time.monotonic() - started),
            is_sample=len(chosen) < known,
            known=known,
            checked=self._people.total(),
            accurate=self._people["accurate"],
            missing=self._people["missing"],
            drifted=self._people["drifted"],
            by_property=drift_by_property(self._ledger, self._scope, self._id),
            stopped=self._stopped,
        )
        record_read_back(self._ledger, result)
        return result

    def _parts(self, emails: Sequence[str]) -> Iterator[Sequence[str]]:
        size = self._reader.people_at_once
        for first in range(0, len(emails), size):
            if self._stopped:
                return
            yield emails[first : first + size]

    def _check(self, emails: Sequence[str], *, may_be_late: bool) -> None:
        """Read and compare one part."""
        before = holdings(self._ledger, self._scope, emails)
        suspects: dict[str, list[Difference]] = {}
        for email in emails:
            if email not in before:
                self._doubtful.pop(email, None)
        for shown in self._read([email for email in emails if email in before]):
            self._doubtful.pop(shown.email, None)
            found = self._comparison.differences(
                orjson.loads(before[shown.email].accepted), shown.values
            )
            if found:
                suspects[shown.email] = found
            else:
                self._people["accurate"] += 1
        # Written to since: what was read is neither the old state nor surely the new one.
        after = holdings(self._ledger, self._scope, list(suspects)) if suspects else {}
        certain: dict[str, list[Difference]] = {}
        for email, found in suspects.items():
            if email not in after or after[email].accepted != before[email].accepted:
                continue
            is_fresh = self._now - after[email].accepted_at < FRESH
            (self._doubtful if may_be_late and is_fresh else certain)[email] = found
        self._believe(certain)

    def _believe(self, found: Mapping[str, Sequence[Difference]]) -> None:
        """Count people who differ, and write down how."""
        for differences in found.values():
            is_missing = differences[0].property == WHOLE_PERSON
            self._people["missing" if is_missing else "drifted"] += 1
        rows = [(email, each) for email, differences in found.items() for each in differences]
        record_drift(self._ledger, self._scope, self._id, rows)

    def _read(self, emails: Sequence[str]) -> Iterator[Shown]:
        """What the vendor shows; ends early, and says so, where reading on is not possible."""
        is_first = not self._people.total() and not self._doubtful
        try:
            for shown in self._reader.read(emails):
                is_first = False
                yield shown
        except DeliveryStoppedError as stop:
            self._stopped = stop.reason_code
            logger.warning("%s: reading back stopped early: %s", self._scope, stop)
        except VendorUnavailableError as error:
            if is_first:
                raise
            self._stopped = "vendor_unavailable"
            logger.warning("%s: reading back stopped early: %s", self._scope, error)
