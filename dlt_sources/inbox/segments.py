"""The files of an inbox: deliveries, one line each, in segments that are only ever appended to.

    <inbox>/open.jsonl               the segment that the receiver appends to
    <inbox>/sealed/<ns>.jsonl        complete, not loaded yet; named by its first delivery's time
    <inbox>/loaded/<ns>.jsonl        loaded, kept for a while
    <inbox>/append.lock              held while a batch is written, and while a segment is sealed

A line is the CRC-32 of what follows (8 hex digits), a blank, and a JSON object. A process that is
killed in the middle of a write leaves lines that do not match at the end of the open segment: they
were never answered, and are cut off. Owns bytes and their durability; knows no vendor, no HTTP.
"""

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import orjson
from filelock import FileLock

OPEN, SEALED, LOADED = "open.jsonl", "sealed", "loaded"
_CRC_DIGITS = 8
_NANOSECONDS = 1_000_000_000
# Sealing takes milliseconds, and deliveries wait for it.
_POLL_SECONDS = 0.002


@dataclass(frozen=True)
class Delivery:
    """One delivery that was, or is about to be, accepted.

    Attributes:
        delivery_id: names it for good; the key of the raw table.
        key: what makes another delivery a repetition of this one, hexadecimal.
        received_ns: when it came, nanoseconds since 1970.
        topic: as the body names it; None without one.
        event_header: the `eventid` header, where the sender gave one.
        body: valid JSON, as it came.
    """

    delivery_id: str
    key: str
    received_ns: int
    topic: str | None
    event_header: str | None
    body: str = field(repr=False)

    @property
    def received_at(self) -> datetime:
        """When it came, aware, to the microsecond."""
        return datetime.fromtimestamp(self.received_ns / _NANOSECONDS, UTC)

    def line(self) -> bytes:
        """The delivery as a line of a segment."""
        content = orjson.dumps(
            {
                "delivery_id": self.delivery_id,
                "key": self.key,
                "received_ns": self.received_ns,
                "topic": self.topic,
                "event_header": self.event_header,
                "body": self.body,
            }
        )
        return b"%08x %b\n" % (zlib.crc32(content), content)

    @classmethod
    def read(cls, line: bytes) -> Self | None:
        """The delivery of a line without its line end; None where the line is torn."""
        content = line[_CRC_DIGITS + 1 :]
        if line[:_CRC_DIGITS] != b"%08x" % zlib.crc32(content):
            return None
        try:
            return cls(**orjson.loads(content))
        except (orjson.JSONDecodeError, TypeError):
            return None


class SegmentLog:
    """Appends to the open segment; everything that `append` returned from is on the disk.

    Args:
        folder: of one inbox.
        seal_bytes: a segment that reached this size is sealed; bounds what a loader reads at once.
        seal_seconds: so is one whose first delivery is older.
    """

    def __init__(self, folder: Path, *, seal_bytes: int, seal_seconds: float) -> None:
        self._folder = folder
        self._seal_bytes = seal_bytes
        self._seal_seconds = seal_seconds
        self._descriptor: int | None = None
        self._size = 0  # bytes of the open segment that hold answered deliveries
        self._began_ns = 0
        self._is_doubtful = False  # behind `_size` something of a failed batch may lie
        make_folders(folder)

    def append(self, lines: bytes, first_ns: int) -> None:
        """Write whole lines and wait for the disk.

        Args:
            first_ns: when the first of these deliveries came.

        Raises:
            OSError: they are not on the disk, and the segment is as it was before.
        """
        with appending(self._folder):
            descriptor = self._opened(first_ns)
            try:
                _write_all(descriptor, lines)
                os.fsync(descriptor)
            except OSError:
                self._is_doubtful = True
                with suppress(OSError):
                    self._take_back(descriptor)
                raise
            self._size += len(lines)

    def close(self) -> None:
        """Let go of the open segment."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._is_doubtful = False

    def _opened(self, now_ns: int) -> int:
        """The open segment; a new one where a loader sealed it, or where it is full or old."""
        path = self._folder / OPEN
        if self._descriptor is not None and not _is_same(self._descriptor, path):
            self.close()
        if self._descriptor is not None and self._is_doubtful:
            self._take_back(self._descriptor)
        if self._descriptor is not None and self._is_due(now_ns):
            self.close()
            seal_open(self._folder, is_locked=True)
        if self._descriptor is None:
            cut_torn_end(path)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            sync_folder(self._folder)
            self._size = os.fstat(self._descriptor).st_size
            self._began_ns = first_received(path) or now_ns
        return self._descriptor

    def _is_due(self, now_ns: int) -> bool:
        age = (now_ns - self._began_ns) / _NANOSECONDS
        return self._size >= self._seal_bytes or (self._size > 0 and age >= self._seal_seconds)

    def _take_back(self, descriptor: int) -> None:
        """Leave nothing of a batch that failed: its senders are told so and will come again.

        The file is opened anew for the next batch, because what a failed fsync left is not known.
        """
        os.ftruncate(descriptor, self._size)
        os.fsync(descriptor)
        self.close()


def appending(folder: Path) -> FileLock:
    """The lock without which nobody writes or seals the open segment."""
    return FileLock(folder / "append.lock", poll_interval=_POLL_SECONDS, preserve_lock_file=True)


def make_folders(folder: Path) -> None:
    """Make the folders of an inbox."""
    for each in (folder / SEALED, folder / LOADED):
        each.mkdir(parents=True, exist_ok=True)


def seal_open(folder: Path, *, is_locked: bool = False) -> Path | None:
    """Seal what is open, so that it can be loaded; its path, None where nothing came.

    Args:
        is_locked: the caller holds `appending`.
    """
    if not is_locked:
        with appending(folder):
            return seal_open(folder, is_locked=True)
    path = folder / OPEN
    cut_torn_end(path)
    first_ns = first_received(path)
    if first_ns is None:
        return None
    target = folder / SEALED / f"{first_ns:020d}.jsonl"
    while target.exists() or (folder / LOADED / target.name).exists():
        first_ns += 1
        target = folder / SEALED / f"{first_ns:020d}.jsonl"
    path.replace(target)
    sync_folder(folder)
    sync_folder(folder / SEALED)
    return target


def cut_torn_end(path: Path) -> int:
    """Cut off what a killed process left behind the last whole line; bytes that went."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    while end:
        start = content.rfind(b"\n", 0, end - 1) + 1
        if Delivery.read(content[start : end - 1]) is not None:
            break
        end = start
    if end < len(content):
        with path.open("r+b") as file:
            file.truncate(end)
            os.fsync(file.fileno())
    return len(content) - end


def deliveries(path: Path) -> Iterator[Delivery | None]:
    """The deliveries of a segment, in order; None for a line that the disk has damaged."""
    with path.open("rb") as file:
        for line in file:
            yield Delivery.read(line.rstrip(b"\n"))


def first_received(path: Path) -> int | None:
    """When a segment's first delivery came, nanoseconds since 1970; None for an empty one."""
    if not path.exists():
        return None
    return next((each.received_ns for each in deliveries(path) if each is not None), None)


def rewrite(path: Path, change: Callable[[Delivery], Delivery | None]) -> int:
    """Replace a sealed or loaded segment, whole, by what `change` leaves; deliveries it touched.

    Lines that the disk damaged cannot be judged and go.
    """
    touched = 0
    lines = []
    for each in deliveries(path):
        kept = change(each) if each is not None else None
        touched += kept != each or each is None
        if kept is not None:
            lines.append(kept.line())
    if touched:
        write_whole(path, b"".join(lines))
    return touched


def write_whole(path: Path, content: bytes) -> None:
    """The file has either its old content or all of the new."""
    draft = path.with_suffix(".draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        _write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names that appeared in or went from a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _is_same(descriptor: int, path: Path) -> bool:
    """Whether `path` still names the opened file; a loader may have sealed it."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(descriptor)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
