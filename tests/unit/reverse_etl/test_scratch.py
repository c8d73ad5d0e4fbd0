"""A plan's own folder goes with the plan, and with the next one when nobody closed it."""

import subprocess
import sys
from pathlib import Path

from reverse_etl.scratch import Scratch


def test_a_closed_scratch_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    scratch = Scratch(folder)
    scratch.connection.execute("create table held as select 1")
    scratch.close()
    scratch.close()
    assert list(folder.iterdir()) == []


def test_what_a_killed_process_left_goes_and_what_lives_stays(tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    living = Scratch(folder)
    killed = (
        "import os, sys; from pathlib import Path; from reverse_etl.scratch import Scratch\n"
        "scratch = Scratch(Path(sys.argv[1]))\n"
        "scratch._spill.mkdir(); (scratch._spill / 'rows').write_text('a@shop.se')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run(
        [sys.executable, "-c", killed, str(folder)], cwd=root, check=False, timeout=60
    )
    assert ended.returncode == -9
    assert list(folder.glob("*/rows"))
    Scratch(folder).close()
    assert not list(folder.glob("*/rows"))
    assert len(list(folder.glob("*.lock"))) == 1
    living.close()
