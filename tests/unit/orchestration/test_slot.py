"""One writer at a time, and whoever stands in the way is named."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import psutil
import pytest

from orchestration.home import Home
from orchestration.slot import WAITING, SlotTakenError, writer_slot

HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    duckdb.connect(str(home.warehouse)).close()
    return home


def foreigner(home: Home) -> subprocess.Popen[str]:
    """Somebody's DuckDB shell on the build file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.warehouse)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def release(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=30)


def test_a_foreign_process_is_named_after_bounded_retries(home: Home) -> None:
    process = foreigner(home)
    try:
        with (
            pytest.raises(SlotTakenError, match=rf"process {process.pid} .*[Cc]lose it") as caught,
            writer_slot(home, foreign_wait_seconds=0.5),
        ):
            pytest.fail("the slot was given although the file is open elsewhere")
        assert "published" in str(caught.value)
    finally:
        release(process)


def test_a_process_is_named_that_this_user_may_not_look_into(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "process_iter", lambda *_: iter(()))
    process = foreigner(home)
    try:
        with (
            pytest.raises(SlotTakenError, match=rf"process {process.pid} \(python"),
            writer_slot(home, foreign_wait_seconds=0.1),
        ):
            pytest.fail("the slot was given although the file is open elsewhere")
    finally:
        release(process)


def test_the_run_goes_on_when_the_foreigner_closes(home: Home) -> None:
    process = foreigner(home)
    threading.Timer(0.5, release, [process]).start()
    with writer_slot(home, foreign_wait_seconds=30) as warehouse:
        duckdb.connect(str(warehouse)).close()


def test_whoever_waits_says_at_once_for_whom_and_how_long(home: Home) -> None:
    said: list[str] = []
    process = foreigner(home)

    def hear(line: str) -> None:
        said.append(line)
        release(process)

    with writer_slot(home, foreign_wait_seconds=400, say=hear):
        pass
    (line,) = said
    assert line.startswith(WAITING)
    assert f"process {process.pid} (python" in line
    assert line.endswith("has open, for 7 minutes at most")


OWN = """
import sys
from pathlib import Path
from orchestration.home import Home
from orchestration.slot import writer_slot
with writer_slot(Home(Path(sys.argv[1]))):
    print("open", flush=True)
    sys.stdin.readline()
"""


def test_another_run_is_named_too(home: Home) -> None:
    said: list[str] = []
    shell = f"{sys.executable} -c '{OWN}' {home.root}; true"  # no child of this process
    process = subprocess.Popen(
        ["sh", "-c", shell], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    holder = psutil.Process(process.pid).children()[0].pid

    def hear(line: str) -> None:
        said.append(line)
        release(process)

    with writer_slot(home, say=hear):
        pass
    (line,) = said
    assert line.startswith(f"{WAITING}the warehouse, which process {holder} (")
    assert line.endswith("is using, for 30 minutes at most")


def test_two_of_ours_take_turns(home: Home) -> None:
    inside: list[str] = []

    def work(name: str) -> None:
        with writer_slot(home):
            inside.append(f"{name} in")
            time.sleep(0.1)
            inside.append(f"{name} out")

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.split()[1] for entry in inside] == ["in", "out", "in", "out"]


def test_a_slot_that_stays_taken_is_an_error_that_says_what_to_do(home: Home) -> None:
    with (
        writer_slot(home),
        pytest.raises(SlotTakenError, match="in use by another run"),
        writer_slot(home, wait_seconds=0.2),
    ):
        pytest.fail("two writers")
