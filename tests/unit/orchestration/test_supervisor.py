"""Programs are kept running, restarted when they crash, and end together with their keeper."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from orchestration.cli import children
from orchestration.cli.notify import ServiceManager
from orchestration.cli.supervisor import Part, Patience, Supervisor
from vendor_http import LoyaltyError

ROOT = Path(__file__).parents[3]
PATIENT_SECONDS = 60.0
QUICK = Patience(first_pause=0.05, most_crashes=3, window=600, stop=30)
STAYS = "import time; print('here', flush=True); time.sleep(600)"
# Its child ignores SIGTERM and stays in the group: a server that leaves something behind.
LEAVES_A_CHILD = (
    "import subprocess, sys, time, pathlib\n"
    "code = 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)'\n"
    "child = subprocess.Popen([sys.executable, '-c', code])\n"
    "pathlib.Path(sys.argv[1]).write_text(str(child.pid))\n"
    "time.sleep(600)"
)


def part(name: str, code: str, *arguments: str, **how: object) -> Part:
    return Part(name, [sys.executable, "-c", code, *arguments], **how)  # type: ignore[arg-type]


def run(parts: list[Part], lines: list[str], patience: Patience = QUICK) -> None:
    """Supervise until everything is ready, then as Ctrl-C does."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    Supervisor(parts, os.environ, lines.append, patience).run(interrupt)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENT_SECONDS
    while not is_gone(pid):
        assert time.monotonic() < deadline, f"process {pid} has outlived its keeper"
        time.sleep(0.05)


@pytest.mark.parametrize("how", ["ignored", "blocked"])
def test_a_part_ends_when_it_is_asked_to_whatever_the_keeper_was_started_with(how: str) -> None:
    before = signal.getsignal(signal.SIGTERM)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        if how == "ignored":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        else:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        process = children.start([sys.executable, "-c", STAYS], os.environ, subprocess.PIPE)
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == b"here\n"
            process.terminate()
            assert process.wait(PATIENT_SECONDS) == -signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def test_lines_are_marked_with_their_part_and_plain() -> None:
    lines: list[str] = []
    said = "print('\\x1b[32mgreen\\x1b[0m', flush=True); import sys; sys.stderr.write('no newline')"
    with pytest.raises(LoyaltyError, match=r"said last: .*no newline"):
        run([part("a", said), part("longer", STAYS, is_ready=lambda: False)], lines)
    assert "a      | green" in lines
    assert "a      | no newline" in lines


def test_a_part_that_crashes_is_started_again_and_one_crash_too_many_ends_everything(
    tmp_path: Path,
) -> None:
    pid_file = tmp_path / "pid"
    stays = f"import os; open({str(pid_file)!r}, 'w').write(str(os.getpid())); {STAYS}"
    lines: list[str] = []
    begun: list[float] = []
    crashing = part(
        "code",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        before_start=lambda: begun.append(time.monotonic()),
    )
    with pytest.raises(LoyaltyError, match=r"code ended by signal 9 for the 3th time"):
        run([crashing, part("ui", stays, is_ready=lambda: False)], lines)
    assert len(begun) == QUICK.most_crashes
    assert [line for line in lines if "started again" in line] == [
        "code ended by signal 9; it is started again in 0 s"
    ] * 2
    wait_until_gone(int(pid_file.read_text()))


def test_crashes_long_ago_are_forgiven() -> None:
    forgiving = Patience(first_pause=0.01, most_crashes=2, window=0.0, stop=30)
    seen = 0

    def enough(line: str) -> None:
        nonlocal seen
        seen += "started again" in line
        if seen > 5:
            raise KeyboardInterrupt

    parts = [part("a", ""), part("b", STAYS, is_ready=lambda: False)]
    supervisor = Supervisor(parts, os.environ, enough, forgiving)
    with pytest.raises(KeyboardInterrupt):
        supervisor.run(lambda: None)
    assert seen > 5


def test_a_part_waits_for_the_one_it_needs() -> None:
    order: list[str] = []
    looked = 0

    def third_look() -> bool:
        nonlocal looked
        looked += 1
        return looked > 3

    parts = [
        part("ui", STAYS, needs="code", before_start=lambda: order.append("ui")),
        part("code", STAYS, is_ready=third_look, before_start=lambda: order.append("code")),
    ]
    with pytest.raises(KeyboardInterrupt):
        run(parts, [])
    assert order == ["code", "ui"]


def test_the_end_takes_along_what_ignores_the_signal(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    stubborn = part(
        "code",
        LEAVES_A_CHILD,
        str(pid_file),
        is_ready=lambda: pid_file.exists() and bool(pid_file.read_text()),
    )
    told: list[str] = []
    supervisor = Supervisor([stubborn], os.environ, told.append, QUICK)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        supervisor.run(interrupt, lambda: told.append("stopping"))
    assert "stopping" in told
    wait_until_gone(int(pid_file.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_a_keeper_that_is_killed_takes_its_parts_along(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"""
import os, sys
from orchestration.cli.supervisor import Part, Supervisor
child = "import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
Supervisor([Part("a", [sys.executable, "-c", child])], os.environ, print).run(lambda: None)
"""
    keeper = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    deadline = time.monotonic() + PATIENT_SECONDS
    while not (pid_file.exists() and pid_file.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    keeper.send_signal(signal.SIGKILL)
    keeper.wait()
    wait_until_gone(int(pid_file.read_text()))


def test_the_service_manager_hears_of_it_and_children_do_not_speak_for_us(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        listener.settimeout(PATIENT_SECONDS)
        environment = {"NOTIFY_SOCKET": str(address)}
        manager = ServiceManager(environment)
        assert environment == {}
        manager.tell(READY="1", STATUS="all is well")
        assert listener.recv(1000) == b"READY=1\nSTATUS=all is well"
    manager.tell(STOPPING="1")  # nobody listens any more: no reason to fail
    ServiceManager({}).tell(READY="1")
