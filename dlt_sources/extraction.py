"""One extraction of one programme: several chains read side by side into the spool.

Owns the order of things (begin or continue, read all chains, stop together) and what all chains
share. Must not know a vendor, nor the database. Data flow: a source's readers, each in a thread ->
`chains.Chain` -> `spool`; `loading` takes it from there. When one chain fails, the others commit
what they have and stop, so that the next run goes on where each of them was.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from dlt_sources.declarations import Table
from dlt_sources.erased import Erased
from dlt_sources.errors import ExtractError
from dlt_sources.spool import REACHES, ChainStore, Facts, Reach, Spool
from vendor_http import LoyaltyError


class Observer(Protocol):
    """Hears how far each chain is; called often and from several threads."""

    def __call__(self, chain: str, rows: int, pages: int, expected: int | None) -> None:
        """`rows` and `pages` so far; `expected` rows at the end, where anything tells."""


@dataclass(frozen=True)
class CommitPolicy:
    """How much a killed process may lose: a chunk is committed when either bound is reached."""

    rows: int = 20_000
    # Half of the minute that is promised, because a page can take a while.
    seconds: float = 30.0


@dataclass(frozen=True)
class Extraction:
    """What all chains of one extraction share.

    Attributes:
        spool: where rows go.
        clock: the product's clock, aware.
        present: per table the rows that the vendor listed so far; judges a full listing's length.
        allow_shrink: believe a listing however short it is.
        observer: told about progress.
        policy: when a chunk is committed.
        stopped: set when one chain failed, so that the others end with their current page.
        erased: people whose rows are left out; None = nobody was ever erased.
    """

    spool: Spool
    clock: Callable[[], datetime]
    present: Mapping[str, int] = field(default_factory=dict)
    allow_shrink: bool = False
    observer: Observer | None = None
    policy: CommitPolicy = field(default_factory=CommitPolicy)
    stopped: threading.Event = field(default_factory=threading.Event)
    erased: Erased | None = None

    @property
    def started(self) -> datetime:
        """When the extraction really began, whatever the product's clock says."""
        return datetime.fromisoformat(self.spool.facts.started_at)

    def stamps(self) -> dict[str, Any]:
        """The values of the three columns that every row carries."""
        facts = self.spool.facts
        return {
            "program": facts.program,
            "extract_id": facts.extract_id,
            "seen_at": datetime.fromisoformat(facts.seen_at),
        }

    def store(self, chain: str) -> ChainStore:
        """A chain's place in the spool."""
        return self.spool.chain(chain)


@dataclass(frozen=True)
class Source:
    """A vendor's tables, and the readers that fill them.

    Attributes:
        readers: one per group of chains that depend on each other; none = not configured.
        requests: per table the requests that fill it, as `vendor_http.Traffic` names them.
    """

    name: str
    tables: tuple[Table, ...]
    readers: Sequence[Callable[[Extraction], None]] = ()
    requests: Mapping[str, str] = field(default_factory=dict)


# An extraction that nobody continued for so long is loaded as far as it came, and a new one begins:
# its listings tell of another day, and nobody documents how long a page position stays valid.
CONTINUE_WITHIN = timedelta(hours=24)


def find_unfinished(folder: Path, reach: Reach) -> Spool | None:
    """The extraction to go on with; None to begin a new one.

    One that asked for less than `reach` is of no use. What it read is not lost: the caller loads
    the spool before it begins a new one in the same folder (`loading.load`).
    """
    spool = Spool.find(folder)
    if spool is None:
        return None
    is_recent = datetime.now(UTC) - spool.touched_at() < CONTINUE_WITHIN
    is_enough = REACHES.index(spool.facts.reach) >= REACHES.index(reach)
    return spool if is_recent and is_enough else None


def extract(
    source: Source,
    folder: Path,
    *,
    program: str,
    extract_id: int,
    clock: Callable[[], datetime],
    reach: Reach = "daily",
    present: Mapping[str, int] | None = None,
    allow_shrink: bool = False,
    observer: Observer | None = None,
    policy: CommitPolicy | None = None,
    erased: Erased | None = None,
) -> Spool:
    """Begin an extraction in `folder`, or go on with the one that is there, and read it all.

    Returns:
        The complete spool, for `loading.load`.

    Raises:
        LoyaltyError: see `read_all`.
    """
    spool = find_unfinished(folder, reach)
    if spool is None:
        started = datetime.now(UTC).isoformat()
        facts = Facts(program, extract_id, clock().isoformat(), started, reach)
        spool = Spool.begin(folder, facts)
    read_all(
        source,
        Extraction(
            spool,
            clock,
            present or {},
            allow_shrink,
            observer,
            policy or CommitPolicy(),
            erased=erased,
        ),
    )
    return spool


def read_all(source: Source, extraction: Extraction) -> None:
    """Read every chain of the source to its end.

    Raises:
        LoyaltyError: what the vendor or the machine refused first. Everything that was read is
            committed, and the same call goes on from there.
    """
    if not source.readers:
        return
    with ThreadPoolExecutor(len(source.readers), thread_name_prefix=source.name) as pool:
        futures = [pool.submit(read, extraction) for read in source.readers]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        first = next((error for each in done if (error := each.exception())), None)
        if first is not None:
            extraction.stopped.set()
    if first is None:
        return
    if isinstance(first, OSError) and not isinstance(first, LoyaltyError):
        raise ExtractError(
            f"What was read could not be written ({first.strerror or type(first).__name__}). Give "
            "the disk room and run again: it goes on from the last chunk that was written"
        ) from first
    raise first
