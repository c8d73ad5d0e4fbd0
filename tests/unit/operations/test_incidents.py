"""One incident, one alert and one recovery: over retries, restarts, flapping and dead channels."""

import itertools
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from orchestration.operations.alerts import KINDS, Trouble
from orchestration.operations.incidents import Book, Incident, advance, read_book, write_book
from orchestration.operations.messages import in_words

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
BUILD = Trouble("failed_step:build_models", "failed_step", "it failed", "analysts", "run-1")
DISK = Trouble("failed_check:disk", "failed_check", "full", "nobody")
CHANNEL = ("webhook",)


def deliver(book: Book, channel: str = "webhook") -> tuple[Book, list[str]]:
    """What `alerting` does to a book, with a channel that takes everything."""
    said, incidents = [], dict(book.incidents)
    for key, incident in book.incidents.items():
        if incident.awaits(channel):
            said.append(f"{'over' if incident.over_at else 'began'} {key}")
            incidents[key] = incident.after_telling(channel)
    return Book(incidents, book.failing_channels), said


def look(book: Book, *troubles: Trouble, unknown: frozenset[str] = frozenset()) -> Book:
    return advance(book, troubles, unknown, CHANNEL, NOW)


def test_one_alert_however_often_it_is_seen_and_one_recovery() -> None:
    book, said = deliver(look(Book(), BUILD))
    assert said == ["began failed_step:build_models"]
    for _ in range(3):
        book, said = deliver(look(book, BUILD))
        assert said == []
    book, said = deliver(look(book))
    assert said == ["over failed_step:build_models"]
    book, said = deliver(look(book))
    assert said == []
    assert book.incidents == {}
    book, said = deliver(look(book, BUILD))
    assert said == ["began failed_step:build_models"], "the next time is another incident"


def test_what_cannot_be_judged_now_neither_opens_nor_ends() -> None:
    book, _ = deliver(look(Book(), BUILD))
    book, said = deliver(look(book, unknown=frozenset({BUILD.key, DISK.key})))
    assert said == []
    assert [incident.trouble for incident in book.open] == [BUILD]


def test_an_end_that_nobody_heard_of_is_taken_back_without_a_word() -> None:
    book, _ = deliver(look(Book(), BUILD))
    book = look(look(book), BUILD)
    assert deliver(book)[1] == []


def test_a_channel_that_heard_of_the_end_hears_of_the_new_beginning() -> None:
    book = advance(Book(), [BUILD], (), ("webhook", "email"), NOW)
    book = deliver(deliver(book)[0], "email")[0]
    book = deliver(advance(book, [], (), ("webhook", "email"), NOW))[0]  # email is down
    book = advance(book, [BUILD], (), ("webhook", "email"), NOW)
    assert deliver(book)[1] == ["began failed_step:build_models"]
    assert deliver(book, "email")[1] == []


def test_what_began_and_ended_while_the_channel_was_down_is_told_once_as_over() -> None:
    book, said = deliver(look(look(Book(), BUILD)))
    assert said == ["over failed_step:build_models"]
    assert look(book).incidents == {}


def test_the_book_survives_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    assert read_book(file) == Book()
    book, _ = deliver(look(Book({}, {"email": "down"}), BUILD, DISK))
    write_book(file, look(book, DISK))
    assert read_book(file) == look(book, DISK)
    assert [path.name for path in tmp_path.iterdir()] == ["alerts.json"]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30))
def test_alerts_and_recoveries_alternate_whatever_happens(
    story: list[tuple[bool, bool]],
) -> None:
    """Each look: is the trouble there, and does the channel take messages?"""
    book, said = Book(), []
    for is_there, is_up in story:
        book = look(book, *([BUILD] if is_there else []))
        if is_up:
            book, now_said = deliver(book)
            said += [text.split()[0] for text in now_said]
    began = [index for index, word in enumerate(said) if word == "began"]
    assert all(b - a > 1 for a, b in itertools.pairwise(began)), said


def test_a_message_says_what_who_since_when_which_run_and_what_to_do() -> None:
    incident = Incident(BUILD, NOW.isoformat())
    text = in_words(incident, "http://ui.shop.dev").text
    assert text.splitlines() == [
        "What: it failed",
        "Who notices: analysts",
        "Since: 2026-11-21 06:00 UTC",
        "Run: run-1 http://ui.shop.dev/runs/run-1",
        "What to do: docs/runbooks/alert-failed-step.md",
    ]
    over = in_words(Incident(BUILD, NOW.isoformat(), over_at=NOW.isoformat()), None)
    assert over.subject == "[loyalty] Over: a step of a run failed"
    assert "What to do" not in over.text
    assert set(KINDS) >= {BUILD.kind, DISK.kind}
