"""A storm of webhooks with kill -9 in it: what was answered is stored, to the last one, once."""

import asyncio
import multiprocessing
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from benchmarks.webhooks.sender import Connection, Receiver, body, free_port, number_of
from dlt_sources.inbox import draining
from dlt_sources.inbox.segments import OPEN, deliveries
from dlt_sources.inbox.store import segment_files
from orchestration import inbox
from orchestration.home import Home
from orchestration.inbox import load_inbox
from orchestration.programs import Program
from orchestration.settings import load_settings

YOTPO = Program("yotpo", "yotpo")
SENDERS = 40
PATIENCE_SECONDS = 60.0


def on_disk(home: Home) -> list[int]:
    """Numbers of the deliveries in the inbox's files, in their order; a torn end is not one."""
    return [
        number_of(each.body)
        for path in segment_files(home.inbox("yotpo"))
        for each in deliveries(path)
        if each is not None
    ]


def in_warehouse(home: Home) -> list[int]:
    with duckdb.connect(str(home.warehouse), read_only=True) as db:
        query = "select (payload->'perk'->>'id')::bigint from raw_yotpo.webhook_events order by all"
        return [number for (number,) in db.execute(query).fetchall()]


def load(home: Home) -> None:
    load_inbox(YOTPO, load_settings(), home, datetime.now(UTC), lambda _text: None)


@dataclass
class Storm:
    """Many senders at a time, each of which repeats a delivery until it is answered 2xx."""

    port: int
    count: int
    is_patient: bool = True
    answered: set[int] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    is_over: threading.Event = field(default_factory=threading.Event)

    def blow(self) -> None:
        """Until everything is answered; without patience, until somebody is not answered."""
        try:
            asyncio.run(self._blow())
        finally:
            self.is_over.set()

    async def _blow(self) -> None:
        numbers = iter(range(self.count))
        async with asyncio.timeout(PATIENCE_SECONDS + self.count / 100):
            await asyncio.gather(*(self._send(numbers) for _ in range(SENDERS)))

    async def _send(self, numbers: Iterator[int]) -> None:
        connection = Connection(self.port)
        try:
            await self._send_by(connection, numbers)
        finally:
            await connection.close()

    async def _send_by(self, connection: Connection, numbers: Iterator[int]) -> None:
        for number in numbers:
            while number not in self.answered:
                try:
                    status = await connection.post(body(number))
                except (OSError, EOFError):
                    if not self.is_patient:
                        return
                    await asyncio.sleep(0.05)
                    continue
                self.statuses[status] += 1
                if status == 200:
                    self.answered.add(number)
                elif not self.is_patient:
                    return
                else:
                    await asyncio.sleep(0.05)

    def wait_for(self, share: float) -> None:
        """Until so large a part of it is answered."""
        while len(self.answered) < share * self.count and not self.is_over.wait(0.002):
            pass


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("LOYALTY_HOME", str(tmp_path / "home"))
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@pytest.mark.parametrize(
    ("count", "kills"),
    [
        (5_000, 3),
        pytest.param(100_000, 12, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
)
def test_stored_is_answered_to_the_last_one_whatever_is_killed(
    home: Home, count: int, kills: int
) -> None:
    port = free_port()
    receiver = Receiver(home.root, port)
    storm = Storm(port, count)
    blowing = threading.Thread(target=storm.blow)
    blowing.start()
    try:
        for kill in range(kills):
            storm.wait_for((kill + 1) / (kills + 1))
            receiver.kill()
            answered = set(storm.answered)
            assert answered <= set(on_disk(home)), "answered, and not on the disk"
            receiver = Receiver(home.root, port)
            if kill % 3 == 0:
                load(home)  # while deliveries come in
        blowing.join()
    finally:
        receiver.kill()
        blowing.join()
    assert storm.answered == set(range(count))
    assert sorted(on_disk(home)) == list(range(count)), "each one once, repeated or not"
    load(home)
    assert in_warehouse(home) == list(range(count))


def test_a_clean_stop_answers_what_it_stores(home: Home) -> None:
    receiver = Receiver(home.root, free_port())
    storm = Storm(receiver.port, 100_000, is_patient=False)
    blowing = threading.Thread(target=storm.blow)
    blowing.start()
    try:
        storm.wait_for(0.005)
    finally:
        code = receiver.stop()
        blowing.join()
    assert code == 0
    assert sorted(on_disk(home)) == sorted(storm.answered), "nothing more, nothing less"
    assert not (home.inbox("yotpo") / OPEN).exists(), "sealed"
    load(home)
    assert in_warehouse(home) == sorted(storm.answered)


def test_a_disk_that_is_full_stops_the_answers_and_loses_none(home: Home) -> None:
    limit = ("bash", "-c", 'ulimit -f 256; exec "$@"', "receiver")  # KiB per file
    receiver = Receiver(home.root, free_port(), limit)
    storm = Storm(receiver.port, 100_000, is_patient=False)
    storm.blow()
    assert storm.statuses.pop(503) > 0
    assert set(storm.statuses) == {200}
    receiver.kill()
    assert sorted(on_disk(home)) == sorted(storm.answered)
    receiver = Receiver(home.root, receiver.port)
    try:
        again = Storm(receiver.port, len(storm.answered) + 100)
        again.blow()
    finally:
        assert receiver.stop() == 0
    assert sorted(on_disk(home)) == list(range(len(storm.answered) + 100))


def fill(home: Home, numbers: range) -> None:
    """Deliver, and stop the receiver."""
    receiver = Receiver(home.root, free_port())

    async def send() -> None:
        connection = Connection(receiver.port)
        for number in numbers:
            assert await connection.post(body(number)) == 200
        await connection.close()

    asyncio.run(send())
    assert receiver.stop() == 0


class KilledError(BaseException):
    """What dies here is caught by nobody."""


def test_a_load_that_dies_before_any_step_is_made_good_by_the_next(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KilledError

    fill(home, range(10))
    for module, step in ((draining, "seal_open"), (inbox, "load"), (draining, "file_away")):
        with monkeypatch.context() as patch:
            patch.setattr(module, step, die)
            with pytest.raises(KilledError):
                load(home)
    fill(home, range(10, 15))
    load(home)
    assert in_warehouse(home) == list(range(15))
    assert not list(home.inbox("yotpo").glob("sealed/*.jsonl"))


def test_a_load_that_is_killed_at_any_moment_is_made_good_by_the_next(home: Home) -> None:
    fill(home, range(200))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["orchestration.inbox"])
    killed = 0
    for seconds in (0.05, 0.15, 0.3, 0.45, 0.6, 0.8):
        arguments = (YOTPO, load_settings(), home, datetime.now(UTC), print)
        process = processes.Process(target=load_inbox, args=arguments)
        process.start()
        process.join(seconds)
        killed += process.is_alive()
        process.kill()
        process.join()
        process.close()
    assert killed, "every load was quicker than its killer"
    fill(home, range(200, 210))
    load(home)
    assert in_warehouse(home) == list(range(210))
    assert sorted(on_disk(home)) == list(range(210))
