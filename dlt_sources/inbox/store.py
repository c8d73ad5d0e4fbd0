"""One vendor's inbox: takes deliveries, answers when they are on the disk, knows repetitions.

Owns the order that makes an answer true: a delivery joins the batch that is being gathered, one
thread writes and syncs the batch (`segments.SegmentLog`), and only then its senders are answered.
While one batch is written the next one gathers, so a slow disk makes batches larger, not answers
impossible. What repeats an earlier delivery is stored once; what is known is rebuilt from the
segments at each start. Knows no HTTP.

Longer than most modules: gathering, writing, answering and knowing repetitions share one state and
one lock, and read apart the order is lost.
"""

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from dlt_sources.inbox.segments import (
    LOADED,
    OPEN,
    SEALED,
    Delivery,
    SegmentLog,
    appending,
    cut_torn_end,
    deliveries,
    first_received,
    make_folders,
    seal_open,
    sync_folder,
)
from vendor_http import LoyaltyError

MALFORMED = "malformed"
# A loader reads a segment at once: some 5,000 deliveries.
SEAL_BYTES = 8 * 1024 * 1024
SEAL_SECONDS = 3600.0
# Bodies that are no JSON: enough to see what a sender does wrong, too few to fill a disk.
MALFORMED_FILES, MALFORMED_BYTES = 200, 16 * 1024 * 1024
# Repetitions are told from so many of the newest deliveries, about 150 bytes of memory each.
MOST_REMEMBERED = 1_000_000
# Deliveries that wait for the disk; beyond that a sender is asked to come again.
MOST_WAITING, MOST_WAITING_BYTES = 5_000, 64 * 1024 * 1024
# An id that a sender gave is kept as it is; a longer one is no id of any documented sender.
LONGEST_EVENT_HEADER = 200
_NANOSECONDS = 1_000_000_000
_HOUR_NS = 3600 * _NANOSECONDS

Taken = Literal["stored", "repeated"]


class InboxFullError(LoyaltyError):
    """The disk does not take more; the sender must come again."""


class InboxTakenError(LoyaltyError):
    """Another receiver writes to this inbox."""


@dataclass
class Counts:
    """What came since the receiver started."""

    stored: int = 0
    repeated: int = 0
    malformed: int = 0
    refused: int = 0
    not_stored: int = 0
    topics: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Backlog:
    """What waits for a loader.

    Attributes:
        segments: files with deliveries, the open one included.
        size_bytes: their size together.
        oldest_ns: when the oldest delivery in them came; None when nothing waits.
    """

    segments: int
    size_bytes: int
    oldest_ns: int | None


class Inbox:
    """Takes one vendor's deliveries. Opened by one receiver at a time; used from one event loop.

    Args:
        folder: `LOYALTY_HOME/inbox/<source>`.
        remember_hours: how long the same body, or the same event header, is a repetition. The
            bodies that Yotpo documents carry neither an id nor a time, so later the same body may
            well be another event.
    """

    def __init__(
        self, folder: Path, *, remember_hours: float, seal_bytes: int = SEAL_BYTES
    ) -> None:
        self.folder = folder
        self.counts = Counts()
        self._remember_ns = int(remember_hours * _HOUR_NS)
        self._seal_bytes = seal_bytes
        self._known: dict[bytes, int] = {}  # key -> when it came; oldest first
        self._writing: dict[bytes, asyncio.Future[None]] = {}
        self._waiting: list[tuple[Delivery, asyncio.Future[None]]] = []
        self._waiting_bytes = 0
        self._something = asyncio.Event()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix=f"inbox-{folder.name}")
        self._lock = FileLock(folder / "receiver.lock", thread_local=False)
        self._writer: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take the folder, cut off what a killed receiver left, and learn what came lately.

        Raises:
            InboxTakenError: another receiver is at work here.
            OSError: the folder cannot be written.
        """
        make_folders(self.folder)
        (self.folder / MALFORMED).mkdir(exist_ok=True)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise InboxTakenError(
                f"Another receiver writes to {self.folder}; stop it, or use another LOYALTY_HOME"
            ) from None
        with appending(self.folder):
            cut_torn_end(self.folder / OPEN)
        self._learn()
        self._log = SegmentLog(self.folder, seal_bytes=self._seal_bytes, seal_seconds=SEAL_SECONDS)
        self._writer = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Write what waits, seal, and leave the folder to others."""
        if self._writer is None:
            return
        while self._waiting or self._writing:
            await asyncio.sleep(0.005)
        self._writer.cancel()
        with suppress(asyncio.CancelledError):
            await self._writer
        self._writer = None
        self._disk.shutdown()
        self._log.close()
        with suppress(OSError):  # a full disk: the next start finds the open segment as it is
            seal_open(self.folder)
        self._lock.release()

    async def put(self, body: bytes, topic: str | None, event_header: str | None) -> Taken:
        """Store a delivery; returns when it is on the disk.

        Args:
            body: JSON in UTF-8.
            event_header: the sender's id of the event, where it gave one: it alone tells
                repetitions then. Without one the whole body does.

        Raises:
            InboxFullError: it is not stored.
        """
        if event_header is not None and not 0 < len(event_header) <= LONGEST_EVENT_HEADER:
            event_header = None
        key = _key(body, event_header)
        now = time.time_ns()
        self._forget_before(now - self._remember_ns)
        if key in self._known:
            self.counts.repeated += 1
            return "repeated"
        if (first := self._writing.get(key)) is not None:
            await self._written(first)  # the first one must be on the disk for both
            self.counts.repeated += 1
            return "repeated"
        if len(self._waiting) >= MOST_WAITING or self._waiting_bytes >= MOST_WAITING_BYTES:
            self.counts.not_stored += 1
            raise InboxFullError("too many deliveries wait for the disk")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        delivery = Delivery(
            event_header or f"{key.hex()}-{now}", key.hex(), now, topic, event_header, body.decode()
        )
        self._writing[key] = done
        self._waiting.append((delivery, done))
        self._waiting_bytes += len(body)
        self._something.set()
        await self._written(done)
        return "stored"

    async def keep_malformed(self, body: bytes) -> None:
        """Put a body aside that is no JSON object; of too many the oldest go."""
        self.counts.malformed += 1
        loop = asyncio.get_running_loop()
        with suppress(OSError):  # it is refused in any case
            await loop.run_in_executor(self._disk, self._put_aside, body)

    async def is_writable(self) -> bool:
        """Whether the disk takes something at this moment."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._disk, self._probe)
        except OSError:
            return False
        return True

    async def _written(self, done: "asyncio.Future[None]") -> None:
        try:
            # Shielded: a sender that hangs up must not take the answer from the others.
            await asyncio.shield(done)
        except OSError as error:
            self.counts.not_stored += 1
            raise InboxFullError(error.strerror or "the disk refused") from None

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._something.wait()
            self._something.clear()
            batch, self._waiting, self._waiting_bytes = self._waiting, [], 0
            if not batch:
                continue
            lines = b"".join(delivery.line() for delivery, _ in batch)
            problem: Exception | None = None
            try:
                first = batch[0][0].received_ns
                await loop.run_in_executor(self._disk, self._log.append, lines, first)
            except Exception as error:  # noqa: BLE001 - whatever it was, nobody may be left waiting
                problem = error if isinstance(error, OSError) else OSError(str(type(error)))
            for delivery, done in batch:
                key = bytes.fromhex(delivery.key)
                del self._writing[key]
                if problem is None:
                    self._known[key] = delivery.received_ns
                    self.counts.stored += 1
                    done.set_result(None)
                else:
                    done.set_exception(problem)
                    done.exception()  # looked at, even if its sender has gone

    def _learn(self) -> None:
        """Keys of what came within the time that is remembered, oldest first."""
        since = time.time_ns() - self._remember_ns
        for path in segment_files(self.folder):
            # Written to last when its last delivery came, or later.
            if path.stat().st_mtime_ns >= since:
                for each in deliveries(path):
                    if each is not None and each.received_ns >= since:
                        self._known[bytes.fromhex(each.key)] = each.received_ns
        self._forget_before(since)

    def _forget_before(self, moment_ns: int) -> None:
        while self._known:
            oldest = next(iter(self._known))
            if len(self._known) <= MOST_REMEMBERED and self._known[oldest] >= moment_ns:
                return
            del self._known[oldest]

    def _put_aside(self, body: bytes) -> None:
        folder = self.folder / MALFORMED
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}.body"
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
        files = sorted(folder.iterdir())
        size = sum(file.stat().st_size for file in files)
        while len(files) > 1 and (len(files) > MALFORMED_FILES or size > MALFORMED_BYTES):
            size -= files[0].stat().st_size
            files.pop(0).unlink()

    def _probe(self) -> None:
        probe = self.folder / ".probe"
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, b"x" * 4096)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(self.folder)


def segment_files(folder: Path) -> list[Path]:
    """All segments of an inbox, oldest first: loaded, sealed, open."""
    kept = [*folder.glob(f"{LOADED}/*.jsonl"), *folder.glob(f"{SEALED}/*.jsonl")]
    return [*sorted(kept, key=lambda path: path.name), *folder.glob(OPEN)]


def backlog(folder: Path) -> Backlog:
    """What waits for a loader in an inbox; nothing where there is no inbox."""
    files = list(_waiting_files(folder))
    starts = [start for path in files[:1] + files[-1:] if (start := first_received(path))]
    return Backlog(
        len(files), sum(path.stat().st_size for path in files), min(starts, default=None)
    )


def _waiting_files(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.glob(f"{SEALED}/*.jsonl"))
    opened = folder / OPEN
    if opened.exists() and opened.stat().st_size:
        yield opened


def _key(body: bytes, event_header: str | None) -> bytes:
    """16 bytes that tell a delivery from all others: of its event's id, else of its body."""
    what = b"event:" + event_header.encode() if event_header is not None else b"body:" + body
    return hashlib.sha256(what).digest()[:16]
