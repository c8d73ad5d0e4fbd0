"""The spool: what an extraction has read so far, on disk, chunk by chunk.

An extraction takes minutes or, where a vendor wants one request per member, days. Its rows are
therefore committed as they come, each chunk together with the place to go on from, and a process
that dies at any moment is continued by the next one. Owns files and their durability; must not
know vendors, HTTP or dlt.

    <folder>/extraction.json           which extraction this is: its id, its clock, its reach
    <folder>/packed                    all of it is in dlt's load packages too
    <folder>/<chain>/chain.json        how far a chain is, and which files belong to it
    <folder>/<chain>/<table>-<n>.parquet

A chunk is committed by replacing `chain.json` in one rename after its files have reached the disk.
Files that no `chain.json` names are what a killed process left, and are written over.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

Reach = Literal["quick", "daily", "full"]
REACHES: tuple[Reach, ...] = ("quick", "daily", "full")
_EXTRACTION, _PACKED, _CHAIN = "extraction.json", "packed", "chain.json"


@dataclass(frozen=True)
class Facts:
    """What stays the same however often an extraction is continued.

    Attributes:
        program: the programme's name, part of every key.
        extract_id: nanoseconds of the extraction's real start; orders extractions.
        seen_at: the product's clock when it began, ISO 8601.
        started_at: the machine's clock when it began, ISO 8601.
        reach: how much was asked for: `quick`, `daily` or `full`.
    """

    program: str
    extract_id: int
    seen_at: str
    started_at: str
    reach: Reach


@dataclass
class ChainState:
    """How far one chain is; `chain.json` is exactly this.

    Attributes:
        mode: "full" or "incremental"; "" before the chain began.
        since: the moment an incremental chain reads from, ISO 8601.
        position: where the next page begins; None before the first page and after the last.
        is_at_end: the last page was read; what remains is to finish.
        row_count: records kept so far.
        page_count: pages read so far.
        newest: the latest time seen in the column that watermarks come from, ISO 8601.
        rejection_count: values set aside so far.
        restart_count: how often the chain was begun anew because its position was refused.
        is_finished: it was read to its end.
        files: (table, file name, rows) of every committed file, in order.
    """

    mode: str = ""
    since: str | None = None
    position: str | None = None
    is_at_end: bool = False
    row_count: int = 0
    page_count: int = 0
    newest: str | None = None
    rejection_count: int = 0
    restart_count: int = 0
    is_finished: bool = False
    files: list[tuple[str, str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class SpoolFile:
    """One committed Parquet file."""

    table: str
    path: Path
    row_count: int


class ChainStore:
    """One chain's folder: reads how far it is, commits the next chunk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        content = folder / _CHAIN
        if content.exists():
            stored = orjson.loads(content.read_bytes())
            stored["files"] = [tuple(entry) for entry in stored["files"]]
            self.state = ChainState(**stored)
        else:
            self.state = ChainState()

    def commit(self, rows: Mapping[str, pa.Table]) -> None:
        """Make rows per table, and the state as it is now, durable together."""
        self._folder.mkdir(parents=True, exist_ok=True)
        added: list[tuple[str, str, int]] = []
        for table, content in rows.items():
            if content.num_rows:
                name = f"{table}-{len(self.state.files) + len(added):06d}.parquet"
                _write_parquet(self._folder / name, content)
                added.append((table, name, content.num_rows))
        self.state.files += added
        _replace(self._folder / _CHAIN, orjson.dumps(asdict(self.state)))

    def restart(self) -> None:
        """Forget what was read; the next chunk is the first one."""
        self.state = ChainState(
            mode=self.state.mode,
            since=self.state.since,
            restart_count=self.state.restart_count + 1,
        )
        self.commit({})

    def rewrite(self, change: Callable[[str, pa.Table], pa.Table]) -> int:
        """Replace committed rows, file by file; rows that went.

        Args:
            change: table name and rows -> the rows to keep. Files that keep all stay untouched.
        """
        gone = 0
        is_changed = False
        for place, entry in enumerate(self.files()):
            before = pq.read_table(entry.path)
            after = change(entry.table, before)
            if after.equals(before):
                continue
            draft = entry.path.with_suffix(".draft")
            _write_parquet(draft, after)
            draft.replace(entry.path)
            gone += before.num_rows - after.num_rows
            is_changed = True
            self.state.files[place] = (entry.table, entry.path.name, after.num_rows)
        named = {name for _, name, _ in self.state.files}
        for leftover in self._folder.glob("*.parquet"):
            if leftover.name not in named:  # of a process that was killed
                leftover.unlink()
        if is_changed:
            _replace(self._folder / _CHAIN, orjson.dumps(asdict(self.state)))
        return gone

    def files(self) -> list[SpoolFile]:
        """The committed files, in order."""
        return [
            SpoolFile(table, self._folder / name, rows) for table, name, rows in self.state.files
        ]


class Spool:
    """One extraction's folder."""

    def __init__(self, folder: Path, facts: Facts) -> None:
        self._folder = folder
        self.facts = facts

    @classmethod
    def begin(cls, folder: Path, facts: Facts) -> Self:
        """A new extraction; whatever lies in `folder` is gone."""
        _remove(folder)
        folder.mkdir(parents=True)
        _replace(folder / _EXTRACTION, orjson.dumps(asdict(facts)))
        return cls(folder, facts)

    @classmethod
    def find(cls, folder: Path) -> Self | None:
        """The extraction that `folder` holds, unfinished or not yet loaded; None without one."""
        content = folder / _EXTRACTION
        if not content.exists():
            return None
        return cls(folder, Facts(**orjson.loads(content.read_bytes())))

    def chain(self, name: str) -> ChainStore:
        """A chain of this extraction, begun or not."""
        return ChainStore(self._folder / name)

    def chains(self) -> Iterator[ChainStore]:
        """All chains that committed something."""
        for content in sorted(self._folder.glob(f"*/{_CHAIN}")):
            yield ChainStore(content.parent)

    def files(self) -> list[SpoolFile]:
        """The committed files of all chains."""
        return [entry for chain in self.chains() for entry in chain.files()]

    def rewrite(self, change: Callable[[str, pa.Table], pa.Table]) -> int:
        """Replace committed rows of all chains; see `ChainStore.rewrite`. Rows that went."""
        return sum(chain.rewrite(change) for chain in self.chains())

    def touched_at(self) -> datetime:
        """When it was last committed to, by this machine's clock."""
        written = [self._folder / _EXTRACTION, *self._folder.glob(f"*/{_CHAIN}")]
        return datetime.fromtimestamp(max(each.stat().st_mtime for each in written), UTC)

    @property
    def is_packed(self) -> bool:
        """Whether everything is in dlt's load packages and needs no packing again."""
        return (self._folder / _PACKED).exists()

    def mark_packed(self) -> None:
        """Remember that everything is in dlt's load packages."""
        _replace(self._folder / _PACKED, b"")

    def discard(self) -> None:
        """Remove the extraction; never half of it."""
        _remove(self._folder)


def _write_parquet(path: Path, rows: pa.Table) -> None:
    with path.open("wb") as file:
        pq.write_table(rows, file, compression="zstd", compression_level=1)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: Path, content: bytes) -> None:
    """The file has either its old content or all of the new, whatever happens meanwhile."""
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _remove(folder: Path) -> None:
    """First the file that makes it an extraction, then the rest."""
    (folder / _EXTRACTION).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)
