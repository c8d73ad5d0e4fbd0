"""One chain: when it commits, what it never commits, and how it asks ahead."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from loyalty_fakes import NOW, Record

from dlt_sources.ahead import in_order, read_ahead
from dlt_sources.chains import Chain
from dlt_sources.extraction import CommitPolicy, Extraction
from dlt_sources.smile import TABLES
from dlt_sources.spool import Facts, Spool

TABLE = TABLES["points_transactions"]


def extraction(folder: Path, policy: CommitPolicy) -> Extraction:
    facts = Facts("smile", 1, NOW.isoformat(), NOW.isoformat(), "daily")
    return Extraction(Spool.begin(folder / "spool", facts), lambda: NOW, policy=policy)


def records(first: int, last: int) -> list[Record]:
    return [{"id": number, "points_change": 1} for number in range(first, last + 1)]


def begun(running: Extraction) -> Chain:
    chain = Chain(running, TABLE.name)
    chain.begin("full")
    return chain


def rows_on_disk(running: Extraction) -> int:
    return sum(file.row_count for file in running.spool.files())


def test_a_chunk_is_committed_when_it_has_enough_rows(tmp_path: Path) -> None:
    running = extraction(tmp_path, CommitPolicy(rows=5, seconds=3600))
    chain = begun(running)
    for page, (first, last) in enumerate([(1, 3), (4, 6), (7, 9)], start=2):
        chain.add(TABLE, records(first, last))
        chain.moved(f"page {page}")
    assert rows_on_disk(running) == 6
    assert running.store(TABLE.name).state.position == "page 3"


def test_a_chunk_is_committed_when_it_is_old_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("dlt_sources.chains.time.monotonic", lambda: clock[0])
    running = extraction(tmp_path, CommitPolicy(rows=20_000, seconds=30))
    chain = begun(running)
    for moment, expected in ((29.0, 0), (30.0, 6), (59.0, 6), (60.0, 12)):
        clock[0] = moment
        first = rows_on_disk(running) + int(moment)
        chain.add(TABLE, records(first * 100, first * 100 + 2))
        chain.moved(f"page at {moment}")
        assert rows_on_disk(running) == expected


def test_the_usual_policy_commits_each_minute_and_each_20_000_records() -> None:
    assert CommitPolicy().rows <= 20_000
    assert CommitPolicy().seconds < 60


def test_after_a_commit_that_failed_nothing_more_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = extraction(tmp_path, CommitPolicy(rows=2))
    chain = begun(running)
    chain.add(TABLE, records(1, 2))
    chain.moved("page 2")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    chain.add(TABLE, records(3, 4))
    with monkeypatch.context() as patch:
        patch.setattr("dlt_sources.spool._write_parquet", full)
        with pytest.raises(OSError, match="No space left"):
            chain.moved("page 3")
    chain.add(TABLE, records(5, 6))
    chain.moved("page 4")
    chain.commit()
    assert rows_on_disk(running) == 2
    assert running.store(TABLE.name).state.position == "page 2", "the rows of page 2 are missing"


def test_a_row_that_comes_again_soon_is_kept_once(tmp_path: Path) -> None:
    running = extraction(tmp_path, CommitPolicy(rows=2))
    chain = begun(running)
    for page, (first, last) in enumerate([(1, 3), (3, 5), (5, 6)], start=2):
        chain.add(TABLE, records(first, last))
        chain.moved(f"page {page}")
    chain.finish()
    assert running.store(TABLE.name).state.row_count == 6


def test_a_finished_chain_says_so_with_its_last_rows(tmp_path: Path) -> None:
    running = extraction(tmp_path, CommitPolicy())
    chain = begun(running)
    chain.add(TABLE, records(1, 2))
    chain.moved(None)
    chain.finish()
    assert Chain(running, TABLE.name).is_finished
    assert {file.table for file in running.spool.files()} == {TABLE.name, "extracts"}


def test_answers_come_in_the_order_of_the_questions() -> None:
    first_may_answer = threading.Event()

    def ask(number: int) -> int:
        if number == 0:
            assert first_may_answer.wait(10)
        elif number == 2:
            first_may_answer.set()  # a later answer is ready first
        return number * number

    with ThreadPoolExecutor(3) as pool:
        found = list(in_order(pool, ask, range(6), 3))
    assert found == [(number, number * number) for number in range(6)]


def test_no_more_questions_are_under_way_than_ordered() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(8) as pool:
        for number, _ in in_order(pool, lambda number: number, items(), 4):
            assert len(taken) - number <= 4
    assert len(taken) == 10


def test_pages_are_fetched_ahead_in_order_and_to_the_end() -> None:
    assert list(read_ahead(iter(range(7)))) == list(range(7))
    assert list(read_ahead(iter([]))) == []


def test_an_error_of_a_page_comes_after_the_pages_before_it() -> None:
    def walk() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("third page")

    ahead = read_ahead(walk())
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(ValueError, match="third page"):
        next(ahead)


def test_a_walk_that_is_left_early_is_not_read_on() -> None:
    read: list[int] = []

    def walk() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    ahead = read_ahead(walk())
    assert next(ahead) == 0
    ahead.close()  # type: ignore[attr-defined]
    assert len(read) <= 4


def test_a_long_wait_is_used_to_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlt_sources.ahead._IDLE_SECONDS", 0.01)
    waited = threading.Event()

    def walk() -> Iterator[int]:
        yield 1
        assert waited.wait(30), "nobody was told that the second item takes long"
        yield 2

    assert list(read_ahead(walk(), waited.set)) == [1, 2]
    waited.clear()
    with ThreadPoolExecutor(1) as pool:
        asked = in_order(pool, lambda _: waited.wait(30), [1], 1, waited.set)
        assert list(asked) == [(1, True)]
