"""The spool: what is committed stays, what is not committed never was."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dlt_sources import spool as spool_module
from dlt_sources.spool import Facts, Spool

FACTS = Facts("smile", 1, "2026-11-21T06:00:00+00:00", "2026-11-21T06:00:01+00:00", "daily")


def rows(*numbers: int) -> dict[str, pa.Table]:
    return {"customers": pa.table({"id": list(numbers)})}


def committed(spool: Spool) -> list[int]:
    return [
        number
        for file in spool.files()
        for number in pq.read_table(file.path)["id"].to_pylist()
    ]  # fmt: skip


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.begin(tmp_path / "spool", FACTS)


def found(tmp_path: Path) -> Spool:
    spool = Spool.find(tmp_path / "spool")
    assert spool is not None
    return spool


def test_the_next_process_finds_facts_rows_and_place(spool: Spool, tmp_path: Path) -> None:
    store = spool.chain("customers")
    store.state.position = "page 2"
    store.commit(rows(1, 2))
    store.commit(rows(3))
    again = found(tmp_path)
    assert again.facts == FACTS
    assert again.chain("customers").state.position == "page 2"
    assert committed(again) == [1, 2, 3]


@pytest.mark.parametrize("seam", ["_write_parquet", "_replace"])
def test_a_process_that_dies_within_a_commit_leaves_the_older_state(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seam: str
) -> None:
    spool.chain("customers").commit(rows(1))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(spool_module, seam, die)
        dying = spool.chain("customers")
        dying.state.position = "never reached"
        with pytest.raises(KeyboardInterrupt):
            dying.commit(rows(2))
    again = found(tmp_path)
    assert committed(again) == [1]
    assert again.chain("customers").state.position is None


def test_what_a_killed_process_left_is_written_over(spool: Spool, tmp_path: Path) -> None:
    store = spool.chain("customers")
    store.commit(rows(1))
    left = tmp_path / "spool" / "customers" / "customers-000001.parquet"
    left.write_bytes(b"half a file")
    found(tmp_path).chain("customers").commit(rows(2))
    assert committed(found(tmp_path)) == [1, 2]


def test_a_chain_that_begins_anew_forgets_rows_and_place_and_keeps_its_mode(
    spool: Spool, tmp_path: Path
) -> None:
    store = spool.chain("customers")
    store.state.mode, store.state.position = "full", "page 9"
    store.commit(rows(1))
    store.restart()
    again = found(tmp_path).chain("customers").state
    assert (again.mode, again.position, again.restart_count) == ("full", None, 1)
    assert committed(found(tmp_path)) == []


def test_a_new_extraction_finds_an_empty_folder(spool: Spool, tmp_path: Path) -> None:
    spool.chain("customers").commit(rows(1))
    assert committed(Spool.begin(tmp_path / "spool", FACTS)) == []


def test_half_a_removal_leaves_no_extraction(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.chain("customers").commit(rows(1))

    def die(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", die)
        with pytest.raises(KeyboardInterrupt):
            spool.discard()
    assert Spool.find(tmp_path / "spool") is None
    assert committed(Spool.begin(tmp_path / "spool", FACTS)) == []


def test_empty_tables_leave_no_file(spool: Spool) -> None:
    spool.chain("customers").commit(rows())
    assert spool.files() == []
    assert not spool.is_packed
