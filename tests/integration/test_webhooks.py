"""Yotpo's webhooks on their whole way: sandbox, receiver, inbox, warehouse, and erasure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from webhook_receivers import receiving

from dlt_sources.inbox.receiver import build_app
from orchestration import erasure_tables
from orchestration.cli.webhook_commands import endpoints
from orchestration.erasure_tables import Person
from orchestration.home import Home
from orchestration.inbox import LoadedInbox, erase_from_inbox, exclusive_inbox, load_inbox
from orchestration.programs import Program
from orchestration.settings import Settings, load_settings
from orchestration.slot import writer_slot
from orchestration.tombstones import Tombstones
from sandbox.config import SandboxConfig
from sandbox.server import RunningSandbox, running
from sandbox.yotpo.webhooks import TOPICS

NOW = datetime(2026, 11, 22, tzinfo=UTC)
YOTPO, SMILE = Program("yotpo", "yotpo"), Program("smile", "smile")
SECRET = "a secret of the shop"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running(SandboxConfig(customers=200, port=0)) as sandbox:
        yield sandbox


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("LOYALTY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("YOTPO_WEBHOOK_SECRET", SECRET)
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def send(sandbox: RunningSandbox, home: Home, **order: Any) -> list[dict[str, Any]]:
    """Let the sandbox post webhooks to a receiver of this home."""
    settings = load_settings()
    app = build_app(endpoints(settings, home), most_bytes=settings.webhook_bytes)
    with receiving(app) as client:
        url = f"{client.base_url}/webhooks/yotpo".replace("//w", "/w")
        order = {"url": url, "secret": SECRET, **order}
        sent: list[dict[str, Any]] = sandbox.control.call("POST", "/yotpo/webhooks", order)["sent"]
    return sent


def load(home: Home, program: Program = YOTPO) -> LoadedInbox:
    return load_inbox(program, load_settings(), home, NOW, lambda _text: None)


def events(home: Home, columns: str = "*") -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home.warehouse), read_only=True) as db:
        query = f"select {columns} from raw_yotpo.webhook_events order by received_at"
        return db.execute(query).fetchall()


def test_every_documented_topic_becomes_one_row_however_often_it_is_sent_and_loaded(
    sandbox: RunningSandbox, home: Home
) -> None:
    sent = send(sandbox, home)
    assert {each["status"] for each in sent} == {200}
    assert {each["topic"] for each in sent} == set(TOPICS)
    assert {each["status"] for each in send(sandbox, home)} == {200}
    assert load(home).rows == len(sent)
    rows = events(home, "topic, email, occurred_at is not null, payload->>'topic', delivery_id")
    assert [row[0] for row in rows] == [each["topic"] for each in sent]
    assert [row[1] for row in rows] == [each["email"] for each in sent]
    assert all(row[0] == row[3] for row in rows)
    timed = {row[0] for row in rows if row[2]}
    assert {"swell/points/earned", "swell/redemption/created", "yotpo/referral/completed"} <= timed
    # the whole inbox once more, as somebody would who lost the warehouse
    for kept in home.inbox("yotpo").glob("loaded/*.jsonl"):
        kept.rename(home.inbox("yotpo") / "sealed" / kept.name)
    assert load(home).rows == len(sent)
    assert events(home, "delivery_id") == [(row[4],) for row in rows]
    assert load(home) == LoadedInbox()


def test_a_programme_without_webhooks_has_the_table_empty(home: Home) -> None:
    for program in (YOTPO, SMILE):
        assert load(home, program) == LoadedInbox()
    with duckdb.connect(str(home.warehouse), read_only=True) as db:
        for schema in ("raw_yotpo", "raw_smile"):
            assert db.execute(f"select count(*) from {schema}.webhook_events").fetchall() == [(0,)]


def test_who_was_erased_is_gone_from_the_inbox_and_does_not_come_back(
    sandbox: RunningSandbox, home: Home
) -> None:
    sent = send(sandbox, home, topics=["swell/points/earned", "swell/referral/share"])
    load(home)
    send(sandbox, home, topics=["swell/points/earned", "loyalty/opt_in"], serial=1)
    (email,) = {each["email"] for each in sent if each["topic"] == "swell/points/earned"}
    with Tombstones.changing(home) as tombstones:
        tombstones.add(tombstones.name(email), {email}, {("yotpo", email)}, NOW)
    person = Person(frozenset({email}), frozenset({("yotpo", email)}))
    with exclusive_inbox(home, YOTPO, print), writer_slot(home):
        assert erase_from_inbox(home, YOTPO, person.emails) == 4
        with duckdb.connect(str(home.warehouse)) as db:
            # dlt keeps a copy of the last load beside the table; both are emptied
            assert erasure_tables.erase(db, person)["raw_yotpo.webhook_events"] == 2
            assert erasure_tables.find_left(db, person) == []
    assert load(home).rows == 0
    send(sandbox, home, topics=["swell/points/earned"], serial=2)
    done = load(home)
    assert (done.rows, done.left_out) == (0, 1)
    assert events(home) == []
    for file in home.inbox("yotpo").rglob("*"):
        assert file.is_dir() or email.encode() not in file.read_bytes().lower(), file


def test_settings_name_what_is_missing() -> None:
    from orchestration.cli.webhook_commands import not_configured

    assert not_configured(Settings()) == [
        "webhooks of yotpo are refused: YOTPO_WEBHOOK_SECRET not set",
        "webhooks of smile are refused: SMILE_WEBHOOK_SECRET and SMILE_WEBHOOK_HEADER not set",
    ]
