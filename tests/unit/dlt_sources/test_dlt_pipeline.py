"""The two halves of a run: what they open, what they leave behind, what a crash costs."""

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest
from loyalty_fakes import Warehouse

from dlt_sources.errors import UnexpectedAnswerError, WarehouseLoadError
from dlt_sources.history import History, read_history
from dlt_sources.loading import load, pack
from dlt_sources.spool import Spool

PATH = "/smile/points_transactions"
ROOT = Path(__file__).parents[3]


def three_transactions(warehouse: Warehouse) -> None:
    warehouse.fake.records[PATH] = [
        {"id": n, "updated_at": "2026-11-01T00:00:00.000Z"} for n in (1, 2, 3)
    ]


def test_extraction_opens_no_database(warehouse: Warehouse) -> None:
    three_transactions(warehouse)
    assert warehouse.extract("smile")["points_transactions"] == 3
    assert not warehouse.file.exists()


def test_another_process_may_open_the_file_right_after_the_load(warehouse: Warehouse) -> None:
    three_transactions(warehouse)
    warehouse.run("smile")
    code = (
        "import duckdb, sys; print(duckdb.connect(sys.argv[1]).sql('select 42').fetchall()[0][0])"
    )
    opened = subprocess.run(
        [sys.executable, "-c", code, str(warehouse.file)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert opened.stdout.strip() == "42", opened.stderr


def test_counts_are_rows_per_table(warehouse: Warehouse) -> None:
    three_transactions(warehouse)
    warehouse.extract("smile")
    counts = warehouse.load("smile")
    assert counts["points_transactions"] == 3
    assert counts["extracts"] == 7
    assert warehouse.load("smile") == {}


def test_what_a_crashed_run_extracted_is_loaded_by_the_next_one(warehouse: Warehouse) -> None:
    three_transactions(warehouse)
    warehouse.extract("smile")  # and then the process dies before its load
    warehouse.fake.asked.clear()
    assert warehouse.run("smile")["points_transactions"] == 3
    assert warehouse.fake.asked == [], "what was read completely is not read again"
    assert warehouse.rows(
        "select extract_id, count(*) from raw_smile.points_transactions group by 1"
    ) == [(1, 3)]


def test_a_crash_between_packing_and_loading_costs_nothing(warehouse: Warehouse) -> None:
    three_transactions(warehouse)
    warehouse.extract("smile")
    spool = Spool.find(warehouse.spool("smile"))
    pack(warehouse.pipeline("smile"), warehouse.tables("smile"), spool)
    assert not warehouse.file.exists(), "packing opens no database"
    warehouse.load("smile")
    assert warehouse.rows("select count(*) from raw_smile.points_transactions") == [(3,)]
    assert warehouse.rows("select count(*) from raw_smile.extracts") == [(7,)]
    assert Spool.find(warehouse.spool("smile")) is None


def test_a_broken_chain_is_not_loaded_and_what_was_read_waits(warehouse: Warehouse) -> None:
    three_transactions(warehouse)
    warehouse.run("smile")
    warehouse.fake.answers["/smile/customers"] = lambda _: (200, {"customers": "none"})
    with pytest.raises(UnexpectedAnswerError, match="customers"):
        warehouse.run("smile")
    assert warehouse.rows("select distinct extract_id from raw_smile.extracts") == [(1,)]
    del warehouse.fake.answers["/smile/customers"]
    warehouse.run("smile")
    assert warehouse.rows("select distinct extract_id from raw_smile.extracts order by 1") == [
        (1,), (2,),
    ]  # fmt: skip


def test_a_locked_file_is_an_error_in_one_line_and_the_data_waits(warehouse: Warehouse) -> None:
    three_transactions(warehouse)
    warehouse.extract("smile")
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(warehouse.file)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(WarehouseLoadError, match="no other program holds the file"):
            warehouse.load("smile")
        holder.stdin.write("\n")
        holder.stdin.flush()
    assert warehouse.load("smile")["points_transactions"] == 3


def test_nothing_is_logged_and_nothing_is_written_outside_the_folder(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = warehouse.home / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("HOME", str(elsewhere))
    monkeypatch.chdir(elsewhere)
    logger = logging.getLogger("dlt")
    monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level(logging.WARNING)
    three_transactions(warehouse)
    warehouse.fake.records["/smile/vip_tiers"] = [{"id": 1, "perks": [{"name": "gift"}]}]
    warehouse.fake.records["/smile/customers"] = [{"id": 1, "email": "ava@shop.invalid", "new": 1}]
    warehouse.run("smile")
    warehouse.run("smile")
    assert [record.getMessage() for record in caplog.records if record.name != "httpx"] == []
    assert list(elsewhere.iterdir()) == []
    assert {entry.name for entry in warehouse.home.iterdir()} == {
        "dlt", "elsewhere", "spool", "warehouse.duckdb",
    }  # fmt: skip


def test_secrets_are_in_no_file_that_dlt_keeps(warehouse: Warehouse) -> None:
    three_transactions(warehouse)
    warehouse.run("smile")
    for folder, _, names in os.walk(warehouse.home / "dlt"):
        for name in names:
            assert b"api_secret" not in (Path(folder) / name).read_bytes(), name


def test_a_setting_in_the_environment_changes_nothing(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(warehouse.home / "other.duckdb"))
    monkeypatch.setenv("DLT_DATA_DIR", str(warehouse.home / "other"))
    three_transactions(warehouse)
    warehouse.run("smile")
    assert not (warehouse.home / "other.duckdb").exists()
    assert not (warehouse.home / "other").exists()


def test_without_a_warehouse_there_is_no_history(tmp_path: Path) -> None:
    missing = tmp_path / "none.duckdb"
    for source in ("smile", "yotpo"):
        assert read_history(missing, source, source) == History()
    assert not missing.exists()
    duckdb.connect(str(missing)).close()
    for source in ("smile", "yotpo"):
        assert read_history(missing, source, source) == History()


def test_two_programmes_of_one_vendor_share_the_tables_and_not_the_rows(
    warehouse: Warehouse,
) -> None:
    three_transactions(warehouse)
    for program in ("smile", "outlet"):
        warehouse.extract("smile", program=program)
        spool = Spool.find(warehouse.spool("smile"))
        load(warehouse.pipeline("smile", program), warehouse.tables("smile"), spool)
    assert warehouse.rows(
        "select program, count(*) from raw_smile.points_transactions group by 1 order by 1"
    ) == [("outlet", 3), ("smile", 3)]


def test_importing_a_source_touches_nothing(tmp_path: Path) -> None:
    code = "import dlt_sources.smile, dlt_sources.yotpo, dlt_sources.loading, dlt_sources.history"
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_both_vendors_extract_side_by_side_in_one_process(warehouse: Warehouse) -> None:
    three_transactions(warehouse)
    warehouse.fake.records["/yotpo/customers/recent"] = [{"email": "ava@shop.invalid"}]
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(warehouse.extract, ["smile", "yotpo"]))
    assert counts[0]["points_transactions"] == 3
    assert counts[1]["customers"] == 1
    assert warehouse.load("smile")["points_transactions"] == 3
    assert warehouse.load("yotpo")["customers"] == 1
