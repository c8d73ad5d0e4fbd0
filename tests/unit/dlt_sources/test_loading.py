"""Packages of bounded size, what is finished first, and what is salvaged."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from loyalty_fakes import NOW, Warehouse, sample_record

from dlt_sources import loading
from dlt_sources.errors import UnexpectedAnswerError
from dlt_sources.extraction import CommitPolicy, find_unfinished
from dlt_sources.loading import pack, pending_rows, recover
from dlt_sources.packages import begin_anew
from dlt_sources.smile import TABLES
from dlt_sources.spool import REACHES, Facts, Reach, Spool


def fill(warehouse: Warehouse) -> None:
    for path, name in (
        ("/smile/customers", "customers"),
        ("/smile/points_transactions", "points_transactions"),
    ):
        warehouse.fake.records[path] = [sample_record(TABLES[name], n) for n in range(1, 10)]


def test_packages_are_bounded_and_the_last_one_says_what_is_finished(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(warehouse)
    monkeypatch.setattr(loading, "PACKAGE_ROWS", 6)
    warehouse.extract("smile", policy=CommitPolicy(rows=3))
    pipeline = warehouse.pipeline("smile")
    pack(pipeline, warehouse.tables("smile"), Spool.find(warehouse.spool("smile")))
    packages = [
        {
            job.job_file_info.table_name
            for job in pipeline.get_load_package_info(load_id).jobs["new_jobs"]
            if not job.job_file_info.table_name.startswith("_dlt")
        }
        for load_id in sorted(pipeline.list_normalized_load_packages())
    ]
    assert len(packages) == 3
    assert "extracts" in packages[-1]
    rows = pending_rows(pipeline)
    assert (rows["customers"], rows["points_transactions"], rows["extracts"]) == (9, 9, 7)
    assert warehouse.load("smile")["customers"] == 9
    assert warehouse.rows("select count(*) from raw_smile.extracts") == [(7,)]


def test_a_half_loaded_package_is_begun_anew_and_a_new_one_stays(tmp_path: Path) -> None:
    for state in ("new_jobs", "started_jobs", "completed_jobs", ".pending_transitions"):
        (tmp_path / state).mkdir()
    (tmp_path / "new_jobs" / "a.1.0.parquet").touch()
    (tmp_path / "schema_updates.json").write_bytes(b'{"a": {}}')
    begin_anew(tmp_path)
    assert (tmp_path / "schema_updates.json").read_bytes() == b'{"a": {}}'
    (tmp_path / "schema_updates.json").unlink()
    (tmp_path / "completed_jobs" / "b.1.0.parquet").touch()
    (tmp_path / "started_jobs" / "c.1.0.parquet").touch()
    (tmp_path / "started_jobs" / "c.2.0.sql").touch()
    (tmp_path / ".pending_transitions" / "c.1.0.parquet").touch()
    begin_anew(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*/*")) == [
        "a.1.0.parquet", "b.1.0.parquet", "c.1.0.parquet",
    ]  # fmt: skip
    assert (tmp_path / "schema_updates.json").exists()


def test_an_extraction_that_nobody_continued_for_a_day_is_loaded_as_far_as_it_came(
    warehouse: Warehouse,
) -> None:
    fill(warehouse)
    fails = warehouse.fake.answers
    fails["/smile/customers"] = lambda parameters: (
        (200, {"unheard": "of"}) if "cursor" in parameters else warehouse.fake._smile(
            "customers", "/smile/customers", dict(parameters)
        )
    )  # fmt: skip
    with pytest.raises(UnexpectedAnswerError):
        warehouse.extract("smile", policy=CommitPolicy(rows=3))
    folder = warehouse.spool("smile")
    assert find_unfinished(folder, "daily") is not None
    let_a_day_pass(folder)
    assert find_unfinished(folder, "daily") is None
    rows = recover(warehouse.pipeline("smile"), warehouse.tables("smile"), folder, "daily")
    assert rows["customers"] == 3
    assert Spool.find(folder) is None
    unfinished = "select count(*) from raw_smile.extracts where resource = 'customers'"
    assert warehouse.rows(unfinished) == [(0,)], "a list that was not read to its end"


def let_a_day_pass(folder: Path) -> None:
    before = (datetime.now(UTC) - timedelta(hours=25)).timestamp()
    for path in folder.rglob("*"):
        os.utime(path, (before, before))


@pytest.mark.parametrize("begun", REACHES)
@pytest.mark.parametrize("asked", REACHES)
def test_only_an_extraction_that_asks_for_enough_is_continued(
    tmp_path: Path, begun: Reach, asked: Reach
) -> None:
    Spool.begin(tmp_path / "spool", Facts("smile", 1, NOW.isoformat(), NOW.isoformat(), begun))
    is_continued = find_unfinished(tmp_path / "spool", asked) is not None
    assert is_continued == (REACHES.index(begun) >= REACHES.index(asked))
